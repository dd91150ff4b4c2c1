/** What a peer reports of a round. */
import type { Laps } from "./drive.js";
import type { Exchanges } from "./exchange/exchanges.js";
import type { Observation } from "./observing/observer.js";
import type { RoundReport, RoundTimes } from "./observing/report.js";
import type { Parts, PeerOptions } from "./peer-parts.js";

/** What a round works with. */
export interface Turn {
  readonly options: PeerOptions;
  readonly parts: Parts;
  readonly exchanges: Exchanges;
  readonly laps: Laps;
  readonly round: number;
}

/** η of a learning round, as far as it goes by this peer. */
export const loweredRate = ({ rate, guard }: Parts, round: number) => rate(round) / 2 ** guard.halvings();

/** What the model and its compression are like after a round. */
export type Measured = Pick<RoundReport, "modelNorm" | "evaluation" | "agreedLoss"> & Partial<RoundReport>;

export async function measure({ options, parts, exchanges, round }: Turn): Promise<Measured> {
  const { plan, trainer } = options;
  const { algorithm, meter, projection, norm, rounds, diverged } = parts;
  const { point, average } = algorithm;
  const modelNorm = norm(point);
  if (!Number.isFinite(modelNorm)) diverged(round, "model", modelNorm);
  const isLearning = round < plan.rounds;
  const sent = isLearning ? meter.read() : undefined;
  /** Whether something that happens every this many rounds, and after the last ones, happens in this one. */
  const isDue = (every: number) =>
    round === plan.rounds - 1 || round === rounds - 1 || (every > 0 && (round + 1) % every === 0);
  const isEvaluated = trainer.evaluates !== false && isDue(plan.evaluateEvery);
  exchanges.begin("evaluating");
  return {
    modelNorm,
    ...(sent && {
      compressionError: sent.compressionError,
      residual: modelNorm === 0 ? 0 : sent.errorNorm / modelNorm,
    }),
    ...(isLearning && conclude(parts, round, modelNorm, sent?.errorNorm ?? 0)),
    ...(isEvaluated && { evaluation: await trainer.evaluate(point) }),
    ...(average && isEvaluated && { iterateAverage: await trainer.evaluate(average) }),
    ...(projection && isDue(plan.projection!.every) && { projection: projection.project(point) }),
  };
}

/** The same of a model that replaces that of the round. */
export async function remeasure({ options, parts }: Turn): Promise<Measured> {
  const { algorithm, norm, projection } = parts;
  return {
    modelNorm: norm(algorithm.point),
    evaluation: await options.trainer.evaluate(algorithm.point),
    ...(projection && { projection: projection.project(algorithm.point) }),
  };
}

/** Shows the trainer a round that is over, with the model where no local step follows. */
export async function showTrainer({ options, parts, round }: Turn, report: RoundReport): Promise<void> {
  const { plan, trainer, membership } = options;
  if (!trainer.reported) return;
  const isLast = round === plan.rounds - 1 || report.agreedLoss?.isLast === true;
  const isSettled = isLast || round === parts.rounds - 1 || membership?.next()?.firstRound === round + 1;
  await trainer.reported({ ...report, isLast }, isSettled ? parts.algorithm.point : undefined);
}

/** What the exchanges of a learning round show, and what they warn of. */
function conclude(parts: Parts, round: number, model: number, residual: number): Observation {
  const { observer, guard, rate } = parts;
  const seen = observer.conclude(loweredRate(parts, round));
  const warnings = [...(seen.warnings ?? []), ...guard.conclude({ model, residual }, rate(round))];
  return { ...seen, ...(warnings.length > 0 && { warnings }) };
}

/** Edges that a round went on without, frames that were refused, and neighbours that do not count after a fault. */
export function whatHappened(exchanges: Exchanges): Pick<RoundReport, "missed" | "refused" | "quarantined"> {
  const missed = exchanges.late();
  const refused = exchanges.takeRefusals();
  const quarantined = exchanges.quarantined();
  return {
    ...(missed.length > 0 && { missed }),
    ...(refused.length > 0 && { refused }),
    ...(quarantined.length > 0 && { quarantined }),
  };
}

export function waitedFor(exchanges: Exchanges): Pick<RoundTimes, "waitedFor"> {
  const last = exchanges.lastToArrive();
  return last === undefined ? {} : { waitedFor: last };
}
