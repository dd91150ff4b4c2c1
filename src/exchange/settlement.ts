/** What the two halves of an exchange come to. */
import type { Neighbour } from "../graphs/mixing.js";
import type { Bytes } from "../vectors/vector.js";
import type { Account, Offer } from "./account.js";
import type { Frame } from "./frame.js";

/** Both halves of one exchange. The neighbour settles the same two payloads at the same rate. */
export interface Settled {
  /** With the weight of the exchange's own round. Where weights change, not the object of the edges' list. */
  readonly edge: Neighbour;
  /** What this peer sent; empty on an edge that only receives. */
  readonly own: Bytes;
  /** What the neighbour sent, checked; valid until the next exchange of this peer. */
  readonly theirs: Bytes;
  /** The exchange does not count at this end, after a fault of the neighbour; `theirs` is empty. */
  readonly isVoid?: true;
  /** What the neighbour has learned about the run's members; valid as long as `theirs`. */
  readonly notice?: Bytes;
  /**
   * η of the exchange's own round: of the earlier of its two rounds, where the ends are in different ones. Halved as often as
   * one of the ends has halved its own; 0 where the rounds are further apart than `staleness`.
   */
  readonly rate: number;
}

/**
 * What becomes of an edge whose neighbour spends an exchange on something that cannot be its half:
 *
 * - `void`: the exchange is over but does not count at this end, nor do the next ones, for a while; after MAX_FAULTS for
 *   good;
 * - `void-for-good`: none counts from now on, since the edge's two ends no longer hold the same. The algorithm gets these
 *   pairs too, without the neighbour's half: the neighbour may well have applied this peer's;
 * - `end`: the run ends, since it needs every edge.
 */
export type AfterFault = "void" | "void-for-good" | "end";

export interface SettlementOptions {
  /** η of a round. */
  readonly rate: (round: number) => number;
  /** An edge with the weight of an exchange whose ends are in these rounds, where weights depend on the round. */
  readonly edgeIn?: (edge: Neighbour, ownRound: number, theirRound: number) => Neighbour;
  readonly afterFault: AfterFault;
  /** Most rounds between the two halves of an exchange that moves models; any number where left out. */
  readonly staleness?: number | undefined;
}

/**
 * The pair that an exchange comes to, once faults of its halves have been punished; undefined where it does not count. One
 * exchange of the quarantine is over with it.
 */
export type Settle = (account: Account, own: Offer, theirs: Frame) => Settled | undefined;

export const nothing: Bytes = new Uint8Array(0);

export function createSettlement({
  rate,
  edgeIn = (edge) => edge,
  afterFault,
  staleness = Number.POSITIVE_INFINITY,
}: SettlementOptions): Settle {
  /** The same at both ends. */
  const rateOf = (own: Offer, theirs: Frame): number => {
    if (Math.abs(own.round - theirs.round) > staleness) return 0;
    const halvings = Math.max(own.halvings ?? 0, theirs.halvings ?? 0);
    return rate(Math.min(own.round, theirs.round)) / 2 ** halvings;
  };
  return ({ edge, sends, quarantine }, own, theirs) => {
    if (quarantine.left > 0) {
      quarantine.left--;
      if (afterFault === "void") return undefined;
    }
    const pair = {
      edge: edgeIn(edge, own.round, theirs.round),
      own: sends ? own.payload : nothing,
      theirs: theirs.payload,
      rate: rateOf(own, theirs),
    };
    if (quarantine.left > 0) return { ...pair, theirs: nothing, isVoid: true };
    return theirs.notice ? { ...pair, notice: theirs.notice } : pair;
  };
}
