import type { Evaluation } from "../evaluation.js";
import type { FrameKind } from "../exchange/frame.js";
import type { RoundReport } from "../observing/report.js";

/** One round of the whole graph. */
export interface SimulationRound {
  readonly round: number;
  readonly kind: FrameKind;
  /** By peer. */
  readonly reports: readonly RoundReport[];
  /** (1/n) Σ_i ‖x_i − x̄‖² after the round. */
  readonly consensusDistance: number;
  /** ‖x̄‖ after the round. */
  readonly meanModelNorm: number;
  /** The mean model x̄ on held-out data, in the rounds in which the peers evaluate theirs. */
  readonly meanEvaluation?: Evaluation;
  /** It was evaluated with the running statistics of all peers' examples together; absent where the model has none. */
  readonly hasPooledStatistics?: true;
  /** Modelled time at which the last peer had finished the round; only over a simulated network. */
  readonly elapsedMs?: number;
}
