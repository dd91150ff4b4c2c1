/** What a verdict needs of what is seen from outside: how far the models lie apart, and what their mean is worth. */
import { type LooseFigures, qualityOf } from "../evaluation.js";
import { addRound, createSpans, type Spans } from "./spans.js";

/** What a round of a simulation and a line of the graph's log have in common. */
export interface GraphRoundFigures {
  readonly round: number;
  readonly kind: string;
  readonly consensusDistance: number;
  readonly meanModelNorm: number;
  readonly meanEvaluation?: (LooseFigures & { readonly loss: number }) | undefined;
}

/** Plain data. Disagreement is (1/n) Σ_i ‖x_i − x̄‖² / ‖x̄‖², of learning rounds. */
export interface GraphRecord {
  lastRound: number;
  readonly spans: Spans;
  disagreement?: number;
  /** Of the mean model on held-out data, before the closing consensus. */
  mean?: { readonly round: number; readonly loss: number; readonly quality: number | undefined };
}

export function createGraphRecord(): GraphRecord {
  return { lastRound: -1, spans: createSpans() };
}

/** Takes a round. One that was taken before does not count again. */
export function recordGraphRound(record: GraphRecord, line: GraphRoundFigures): void {
  if (line.round <= record.lastRound) return;
  record.lastRound = line.round;
  if (line.kind === "closing") return;
  const { round, consensusDistance, meanModelNorm, meanEvaluation } = line;
  const disagreement = meanModelNorm === 0 ? 0 : consensusDistance / meanModelNorm ** 2;
  addRound(record.spans, { disagreement });
  record.disagreement = disagreement;
  if (meanEvaluation) {
    record.mean = { round, loss: meanEvaluation.loss, quality: qualityOf(meanEvaluation)?.value };
  }
}
