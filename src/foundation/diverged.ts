import { Diverged } from "./errors.js";

/** @param what of a peer is no longer finite: its loss or model */
export function divergedAt(peer: number, round: number, what: string, value: number): Diverged {
  return new Diverged(
    `peer ${peer} diverged in round ${round + 1}: its ${what} is ${value}; lower the learning rate or the consensus rate`,
    { code: "diverged", peer, round },
  );
}
