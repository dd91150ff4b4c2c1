/** What a verdict judges, what it finds, and how that is put. */
import type { GraphRecord } from "./graph-record.js";
import type { PeerRecord } from "./peer-record.js";

/** What a run was meant to be, as far as it counts here. */
export interface RunSubject {
  /** What travels. */
  readonly payloads: "nothing" | "exact" | "compressed";
  /** Payloads on an edge in a learning round. */
  readonly steps: number;
  /** Whether η was found rather than set. */
  readonly isRateFound: boolean;
  /** Whether a closing consensus follows. */
  readonly closes: boolean;
  /** Whether the initial weights were drawn; otherwise the model has learned before. */
  readonly isNew: boolean;
  /** Whether peers run beside each other, so that waiting says who is slow. Not so where they take turns in one process. */
  readonly isTimed: boolean;
}

export interface RunRecords {
  readonly subject: RunSubject;
  /** Of the peers that are known, ascending; one at least. */
  readonly peers: readonly PeerRecord[];
  /** Absent where nobody saw the graph from outside. */
  readonly graph?: GraphRecord | undefined;
}

/** What can be wrong, the gravest first, and causes before what follows from them. */
export const problemCodes = [
  "diverged",
  "peer-dead",
  "peer-failed",
  "consensus-rate-too-large",
  "learning-rate-too-large",
  "loss-does-not-fall",
  "quality-fell",
  "peer-late",
  "peer-drifts",
  "disagreement-grows",
  "models-disagree",
  "residual-grows",
  "residual-large",
  "peer-slow",
] as const;

/** What is as it should be, or cannot be judged. */
export const otherCodes = [
  "stopped",
  "few-rounds",
  "loss-falls",
  "models-agree",
  "compression-keeps-up",
  "peers-keep-up",
  "nothing-sent",
  "traffic",
] as const;

export type ReasonCode = (typeof problemCodes)[number] | (typeof otherCodes)[number];

/** One thing that was looked at. */
export interface Reason {
  readonly code: ReasonCode;
  readonly isProblem: boolean;
  /** For people, like the advice; both may change in any version. */
  readonly text: string;
  /** What to do. */
  readonly advice?: string;
  /** Whom it is about. */
  readonly peers?: readonly number[];
  /** What was measured: a share, a ratio or a count, by the code. */
  readonly value?: number;
}

/** Fewer learning rounds than these show no trend: spans would hold a round or less. */
export const FEWEST_ROUNDS = 16;

/** Mean of the values that are there. */
export function meanOf(values: readonly (number | undefined)[]): number | undefined {
  const there = values.filter((value) => value !== undefined);
  return there.length === 0 ? undefined : there.reduce((sum, value) => sum + value, 0) / there.length;
}

/** γ or η without the digits that arithmetic leaves. */
export function rateText(rate: number | undefined): string {
  return rate === undefined ? "–" : String(Number(rate.toPrecision(3)));
}

/** `peer 3`, or `peers 2, 4`. */
export function peersText(peers: readonly number[]): string {
  return `${peers.length === 1 ? "peer" : "peers"} ${peers.join(", ")}`;
}
