/** What peers announce about a run's members: changes, each with the peer and the round that it comes from. */
import { z } from "zod";
import { MAX_NOTICE_BYTES, MAX_ROUND } from "../exchange/frame.js";
import { MalformedFrame } from "../foundation/errors.js";
import { type Change, changeSchema } from "../graphs/changes.js";
import { MAX_PEERS } from "../graphs/graph.js";
import type { Bytes } from "../vectors/vector.js";

/** Most proposals for one epoch; a notice of that many fits a frame. */
export const MAX_PROPOSALS = 15;

export interface Proposal {
  /** The peer that proposes it. */
  readonly peer: number;
  /** The round with whose frames it first leaves that peer. */
  readonly round: number;
  readonly change: Change;
}

const proposals = z
  .array(
    z.strictObject({
      peer: z
        .int()
        .min(0)
        .max(MAX_PEERS - 1),
      round: z.int().min(0).max(MAX_ROUND),
      change: changeSchema,
    }),
  )
  .min(1)
  .max(MAX_PROPOSALS);

export function encodeNotice(list: readonly Proposal[]): Bytes {
  return new TextEncoder().encode(JSON.stringify(list));
}

/** @throws MalformedFrame */
export function decodeNotice(notice: Bytes): readonly Proposal[] {
  try {
    if (notice.length > MAX_NOTICE_BYTES) throw new RangeError(`${notice.length} bytes`);
    return proposals.parse(
      JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(notice)),
    ) as Proposal[];
  } catch (cause) {
    throw new MalformedFrame(`notice of ${notice.length} bytes is not valid in this protocol`, {
      code: "notice-not-valid",
      cause,
    });
  }
}

/** Proposals in the order in which they take effect, the same at every peer; equal ones once. */
export function inOrder(list: readonly Proposal[]): Proposal[] {
  const byText = new Map(list.map((proposal) => [JSON.stringify(proposal), proposal]));
  return [...byText]
    .sort(([a, { round: x, peer: i }], [b, { round: y, peer: j }]) => x - y || i - j || (a < b ? -1 : 1))
    .map(([, proposal]) => proposal);
}
