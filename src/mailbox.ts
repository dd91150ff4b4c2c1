/**
 * Frames by round. A neighbour can run at most one round ahead, because its next round needs this peer's
 * frame; anything outside that window, or sent twice, is refused and reported, never stored.
 */
import type { Frame } from "./frame.js";
import type { Transport } from "./transport.js";

/** How far ahead of this peer a neighbour may be, in rounds. */
export const MAX_ROUNDS_AHEAD = 1;

/** A frame that was not taken, and why. */
export interface Refusal {
  readonly from: number;
  readonly reason: string;
}

export interface Mailbox {
  /**
   * Waits until every neighbour's frame of this round is here.
   * @returns the payloads in the order of the neighbours, or undefined when the transport was closed
   */
  collect(round: number): Promise<Uint8Array[] | undefined>;
  /** The neighbour whose frame the last `collect` waited for longest; undefined when all were there already. */
  lastToArrive(): number | undefined;
  /** The refusals since the last call. */
  takeRefusals(): Refusal[];
}

export function createMailbox(transport: Transport, neighbours: readonly number[]): Mailbox {
  const pending = new Map<number, Map<number, Frame>>(neighbours.map((neighbour) => [neighbour, new Map()]));
  let refusals: Refusal[] = [];
  let last: number | undefined;

  const accept = (from: number, frame: Frame, current: number): void => {
    const frames = pending.get(from);
    const reason = !frames
      ? `peer ${from} is no neighbour of this peer`
      : frame.round < current || frame.round > current + MAX_ROUNDS_AHEAD
        ? `frame of round ${frame.round} arrived in round ${current}`
        : frames.has(frame.round)
          ? `second frame of round ${frame.round}`
          : undefined;
    if (reason) refusals.push({ from, reason });
    else frames!.set(frame.round, frame);
  };

  return {
    async collect(round) {
      last = undefined;
      while (!neighbours.every((neighbour) => pending.get(neighbour)!.has(round))) {
        const delivery = await transport.receive();
        if (!delivery) return undefined;
        accept(delivery.from, delivery.frame, round);
        if (delivery.frame.round === round) last = delivery.from;
      }
      return neighbours.map((neighbour) => {
        const frames = pending.get(neighbour)!;
        const { payload } = frames.get(round)!;
        frames.delete(round);
        return payload;
      });
    },
    lastToArrive: () => last,
    takeRefusals() {
      const taken = refusals;
      refusals = [];
      return taken;
    },
  };
}
