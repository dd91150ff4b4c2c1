/** What a peer reports of a round. */
import type { DriveTools, Laps } from "./drive.js";
import type { Exchanges } from "./exchange/exchanges.js";
import type { EdgeTraffic } from "./exchange/transport.js";
import type { Eventually } from "./foundation/eventually.js";
import type { Mutable } from "./foundation/mutable.js";
import type { RoundReport, RoundTimes } from "./observing/report.js";
import type { Parts, PeerOptions } from "./peer-parts.js";

/** What a round works with. */
export interface Turn extends DriveTools {
  readonly options: PeerOptions;
  readonly parts: Parts;
  readonly round: number;
}

/** A report that is being filled in, field by field: a run makes one per peer and round. */
export type Draft = Mutable<Omit<RoundReport, "traffic" | "time">>;

/** η of a learning round, as far as it goes by this peer. */
export const loweredRate = ({ rate, guard }: Parts, round: number) => rate(round) / 2 ** guard.halvings();

/** The report of a round whose exchanges are over, without what the model is like. */
export function draftOf(
  { options, parts, round }: Turn,
  loss: number | undefined,
  isReplayed: boolean,
): Draft {
  const { id, plan } = options;
  const isClosing = round >= plan.rounds;
  const report: Draft = {
    peer: id,
    round,
    kind: isClosing ? "closing" : "learning",
    learningRate: isClosing ? 0 : plan.learningRate(round),
    consensusRate: parts.rate(round),
    modelNorm: 0,
  };
  if (loss !== undefined) report.loss = loss;
  if (isReplayed) report.isReplayed = true;
  return report;
}

/** What the model and its compression are like after the round. */
export function measure(turn: Turn, report: Draft): Eventually<void> {
  const { options, parts, exchanges, round } = turn;
  const { plan, trainer } = options;
  const { algorithm, meter, projection, norm, diverged } = parts;
  const modelNorm = norm(algorithm.point);
  if (!Number.isFinite(modelNorm)) diverged(round, "model", modelNorm);
  exchanges.begin("evaluating");
  report.modelNorm = modelNorm;
  if (round < plan.rounds) {
    const sent = meter.read();
    if (sent) {
      report.compressionError = sent.compressionError;
      report.residual = modelNorm === 0 ? 0 : sent.errorNorm / modelNorm;
    }
    conclude(turn, report, sent?.errorNorm ?? 0);
  }
  if (projection && isDue(turn, plan.projection!.every))
    report.projection = projection.project(algorithm.point);
  return trainer.evaluates !== false && isDue(turn, plan.evaluateEvery) ? evaluate(turn, report) : undefined;
}

/** Whether something that happens every this many rounds, and after the last ones, happens in this one. */
function isDue({ options: { plan }, parts, round }: Turn, every: number): boolean {
  const isLast = round === plan.rounds - 1 || round === parts.rounds - 1;
  return isLast || (every > 0 && (round + 1) % every === 0);
}

async function evaluate({ options: { trainer }, parts }: Turn, report: Draft): Promise<void> {
  const { point, average } = parts.algorithm;
  report.evaluation = await trainer.evaluate(point);
  if (average) report.iterateAverage = await trainer.evaluate(average);
}

/** The same of a model that replaces that of the round. */
export async function remeasure({ options, parts }: Turn, report: Draft): Promise<void> {
  const { algorithm, norm, projection } = parts;
  report.modelNorm = norm(algorithm.point);
  report.evaluation = await options.trainer.evaluate(algorithm.point);
  if (projection) report.projection = projection.project(algorithm.point);
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
function conclude({ parts, round }: Turn, report: Draft, residual: number): void {
  const { observer, guard, rate } = parts;
  const { observed, consensusEstimate, warnings = none } = observer.conclude(loweredRate(parts, round));
  if (observed) report.observed = observed;
  if (consensusEstimate !== undefined) report.consensusEstimate = consensusEstimate;
  const grown = guard.conclude({ model: report.modelNorm, residual }, rate(round));
  if (warnings.length + grown.length > 0) report.warnings = [...warnings, ...grown];
  // The guard may have lowered it.
  report.consensusRate = loweredRate(parts, round);
}

/** Edges that the round went on without, frames that were refused, and neighbours that do not count after a fault. */
export function addHappenings(exchanges: Exchanges, report: Draft): void {
  const missed = exchanges.late();
  const refused = exchanges.takeRefusals();
  const quarantined = exchanges.quarantined();
  if (missed.length > 0) report.missed = missed;
  if (refused.length > 0) report.refused = refused;
  if (quarantined.length > 0) report.quarantined = quarantined;
}

const none: readonly never[] = [];

/** Where the time of a round went. */
export function timesOf({ times, countsWaits }: Laps, exchanges: Exchanges, elapsedMs: number): RoundTimes {
  const { computeMs, compressMs, waitMs, mixMs } = times;
  const waitedFor = countsWaits ? exchanges.lastToArrive() : undefined;
  if (waitedFor === undefined) return { computeMs, compressMs, waitMs, mixMs, elapsedMs };
  return { computeMs, compressMs, waitMs, mixMs, waitedFor, elapsedMs };
}

/** What has crossed each edge, in an earlier part of the run and in this one; also edges of peers that have left. */
export function trafficSince(
  earlier: readonly EdgeTraffic[],
  exchanges: Exchanges,
): () => RoundReport["traffic"] {
  if (earlier.length === 0) return exchanges.traffic;
  const before = new Map(earlier.map((crossed) => [crossed.neighbour, crossed]));
  return () => {
    const former = new Map(before);
    const crossed = exchanges.traffic().map((now) => {
      former.delete(now.neighbour);
      return added(before.get(now.neighbour), now);
    });
    return [...crossed, ...former.values()];
  };
}

/** What crossed an edge in an earlier part of the run, and in this one. */
function added(before: EdgeTraffic | undefined, now: EdgeTraffic): EdgeTraffic {
  if (!before) return now;
  return {
    neighbour: now.neighbour,
    bytesSent: before.bytesSent + now.bytesSent,
    bytesReceived: before.bytesReceived + now.bytesReceived,
    messagesSent: before.messagesSent + now.messagesSent,
    messagesReceived: before.messagesReceived + now.messagesReceived,
  };
}
