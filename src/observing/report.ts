/** What a round reports, and where reports go. */

import type { AgreedLoss } from "../early-stopping.js";
import type { Evaluation } from "../evaluation.js";
import type { FrameKind } from "../exchange/frame.js";
import type { Refusal } from "../exchange/ledger.js";
import type { EdgeTraffic } from "../exchange/transport.js";
import type { CounterReport } from "../foundation/counters.js";
import type { Change } from "../graphs/changes.js";
import type { Observation } from "./observer.js";

/** Milliseconds that a round's parts took, by the clock the peer was given. The only part that differs between equal runs. */
export interface RoundTimes {
  readonly computeMs: number;
  readonly compressMs: number;
  readonly waitMs: number;
  readonly mixMs: number;
  /** Since the peer began its run. */
  readonly elapsedMs: number;
  /** The neighbour whose frame came last, when this peer had to wait for it. */
  readonly waitedFor?: number;
}

/** One peer's round. */
export interface RoundReport extends Observation, CounterReport {
  readonly peer: number;
  readonly round: number;
  /** Whether the round learned, or belonged to the closing consensus. */
  readonly kind: Extract<FrameKind, "learning" | "closing">;
  /** Mean training loss; absent in closing rounds. */
  readonly loss?: number;
  /** γ */
  readonly learningRate: number;
  /** η */
  readonly consensusRate: number;
  /** ‖x‖ after the round. */
  readonly modelNorm: number;
  /** ‖v − C(v)‖ / ‖v‖ of what was sent; absent when nothing was. The measured contraction is 1 − its square. */
  readonly compressionError?: number;
  /** ‖δ‖ / ‖x‖ of what compression has not sent yet; absent when nothing was sent. */
  readonly residual?: number;
  /** Neighbours that this round's exchange did without; absent when none was late. */
  readonly missed?: readonly number[];
  /** What crossed each edge so far, in the order of the neighbours; then those of neighbours that have left. */
  readonly traffic: readonly EdgeTraffic[];
  /** Neighbours whose exchanges do not count at present, after a fault of theirs. */
  readonly quarantined?: readonly number[];
  /** The round was computed again, from the journal, after a restart. */
  readonly isReplayed?: true;
  /** The round is the first after the run's members changed; which changes those were. */
  readonly epoch?: { readonly number: number; readonly changes: readonly Change[] };
  /** Frames that were not taken in this round. */
  readonly refused?: readonly Refusal[];
  /** The peer's model on held-out data, in the rounds that evaluate. */
  readonly evaluation?: Evaluation;
  /** What all peers' evaluations came to, where they may stop early. */
  readonly agreedLoss?: AgreedLoss;
  /** The mean of this peer's past models on held-out data, in the same rounds, where one is kept. */
  readonly iterateAverage?: Evaluation;
  /** The model's random projection (projection.ts), in the rounds that project. */
  readonly projection?: Float32Array;
  readonly time: RoundTimes;
}

/** Somewhere records go. */
export interface Sink<Entry = unknown> {
  /** Takes a record. It may be kept later; `close` says when. */
  write(entry: Entry): void;
  /** Everything written is kept once this resolves. */
  close(): Promise<void>;
}
