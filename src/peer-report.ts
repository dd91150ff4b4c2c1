/** What a peer reports of a round. */
import type { Laps } from "./drive.js";
import type { Exchanges } from "./exchange/exchanges.js";
import type { Eventually } from "./foundation/eventually.js";
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

export function measure({ options, parts, exchanges, round }: Turn): Eventually<Measured> {
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
  const measured = {
    modelNorm,
    ...(sent && {
      compressionError: sent.compressionError,
      residual: modelNorm === 0 ? 0 : sent.errorNorm / modelNorm,
    }),
    ...(isLearning && conclude(parts, round, modelNorm, sent?.errorNorm ?? 0)),
  };
  const projected =
    projection && isDue(plan.projection!.every) ? { projection: projection.project(point) } : undefined;
  if (!isEvaluated) return projected ? { ...measured, ...projected } : measured;
  const evaluated = async () => ({
    ...measured,
    evaluation: await trainer.evaluate(point),
    ...(average && { iterateAverage: await trainer.evaluate(average) }),
    ...projected,
  });
  return evaluated();
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
export function showTrainer({ options, parts, round }: Turn, report: RoundReport): Promise<void> | undefined {
  const { plan, trainer, membership } = options;
  if (!trainer.reported) return undefined;
  const isLast = round === plan.rounds - 1 || report.agreedLoss?.isLast === true;
  const isSettled = isLast || round === parts.rounds - 1 || membership?.next()?.firstRound === round + 1;
  return trainer.reported({ isLast, ...report }, isSettled ? parts.algorithm.point : undefined);
}

/** What the exchanges of a learning round show, and what they warn of. */
function conclude(parts: Parts, round: number, model: number, residual: number): Observation {
  const { observer, guard, rate } = parts;
  const seen = observer.conclude(loweredRate(parts, round));
  const grown = guard.conclude({ model, residual }, rate(round));
  return grown.length === 0 ? seen : { ...seen, warnings: [...(seen.warnings ?? []), ...grown] };
}

/** Edges that a round went on without, frames that were refused, and neighbours that do not count after a fault. */
export function whatHappened(exchanges: Exchanges): Pick<RoundReport, "missed" | "refused" | "quarantined"> {
  const missed = exchanges.late();
  const refused = exchanges.takeRefusals();
  const quarantined = exchanges.quarantined();
  if (missed.length + refused.length + quarantined.length === 0) return nothing;
  return {
    ...(missed.length > 0 && { missed }),
    ...(refused.length > 0 && { refused }),
    ...(quarantined.length > 0 && { quarantined }),
  };
}

const nothing = {};

/** Where the time of a round went. */
export function timesOf({ times }: Laps, exchanges: Exchanges, elapsedMs: number): RoundTimes {
  const { computeMs, compressMs, waitMs, mixMs } = times;
  const waitedFor = exchanges.lastToArrive();
  if (waitedFor === undefined) return { computeMs, compressMs, waitMs, mixMs, elapsedMs };
  return { computeMs, compressMs, waitMs, mixMs, waitedFor, elapsedMs };
}
