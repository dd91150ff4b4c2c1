/** Whether a run learns. */
import { rangeOf, shareOf } from "../evaluation.js";
import { metricText, numberText } from "../foundation/format.js";
import type { PeerRecord } from "./peer-record.js";
import { qualityGap, WORST_SHARE } from "./quality-gap.js";
import { FEWEST_ROUNDS, meanOf, type Reason, type RunRecords, rateText } from "./reason.js";
import { meanOver } from "./spans.js";

/**
 * Training loss that ends this many times above the first one: a model that knows nothing is better. The worst run that
 * still learned ended at 0.8 of it (digits, ring of 8).
 */
export const DIVERGED_LOSS = 2;
/** The same of a model that had learned before, whose first loss is small: mixing may cost it some. */
export const DIVERGED_LEARNED_LOSS = 100;
/** A norm beyond this many times the larger of 1 and the first: training adds less than one power of ten. */
export const DIVERGED_NORM = 1e4;
/** Share of the best mean accuracy, or other metric, below which the last one fell: noise of small test sets stays above 0.9. */
export const QUALITY_FELL = 0.7;
/** A loss that ends above this share of the first does not fall: a short run at a tenth of a useful γ reaches 0.76. */
export const LOSS_STUCK = 0.9;
/** One that ends above this share and has not moved since halfway does not fall either: γ 30 times too large, 0.82. */
export const LOSS_HIGH = 0.7;
/** A loss moves when it falls to below this share of what it was halfway. */
export const LOSS_MOVES = 0.98;
/** Growth of ‖x‖ that tells a γ that is too large from one too small: 5 where digits did not learn, 1.5 where they did. */
export const NORM_GREW = 2;

export function learningReasons(records: RunRecords): Reason[] {
  const { peers, subject } = records;
  const failed = peers.find(({ end }) => end?.code === "diverged");
  if (failed) {
    const text = failed.end!.reason ?? `peer ${failed.peer} diverged`;
    return [{ code: "diverged", isProblem: true, text, peers: [failed.peer] }];
  }
  const course = courseOf(peers);
  const { first, last } = course;
  // Who was resumed or joined later has learned before.
  const isNew = subject.isNew && peers.some(isFromStart);
  const blown = exploded(peers, course, isNew);
  if (blown) return [blown];
  const fell = qualityFell(peers);
  if (fell) return [fell];
  const isLong = peers.some(({ learningRounds }) => learningRounds >= FEWEST_ROUNDS);
  if (!isLong || !first || last === undefined) return [];
  const stuck = isNew ? lossStuck(records, course) : undefined;
  return [stuck ?? lossFalls(peers, course)];
}

const isFromStart = ({ firstRound }: PeerRecord) => firstRound === 0;

/** Means over the peers; the first loss over those that were there from the start, if any. */
interface Course {
  readonly first: number | undefined;
  readonly halfway: number | undefined;
  readonly last: number | undefined;
  readonly firstNorm: number;
  readonly lastNorm: number;
}

function courseOf(peers: readonly PeerRecord[]): Course {
  const early = peers.filter(isFromStart);
  const loss = (from: number, to: number) =>
    meanOf(peers.map(({ spans }) => meanOver(spans, "loss", from, to)));
  return {
    first: meanOf((early.length > 0 ? early : peers).map(({ firstLoss }) => firstLoss)),
    halfway: loss(0.4, 0.6),
    last: loss(0.85, 1),
    firstNorm: meanOf(peers.map(({ firstNorm }) => firstNorm)) ?? 0,
    lastNorm: meanOf(peers.map(({ lastNorm }) => lastNorm)) ?? 0,
  };
}

function exploded(
  peers: readonly PeerRecord[],
  { first, last, firstNorm, lastNorm }: Course,
  isNew: boolean,
): Reason | undefined {
  const factor = isNew ? DIVERGED_LOSS : DIVERGED_LEARNED_LOSS;
  const isByGossip = peers.some(({ rateWarning }) => rateWarning);
  const diverged = (text: string, value: number): Reason => ({
    ...{ code: "diverged", isProblem: true, text, value },
    ...(!isByGossip && { advice: lower(peers) }),
  });
  if (first !== undefined && last !== undefined && !(last <= factor * Math.max(first, Number.MIN_VALUE))) {
    return diverged(`the training loss rose from ${numberText(first)} to ${numberText(last)}`, last / first);
  }
  const base = Math.max(1, firstNorm);
  return lastNorm <= DIVERGED_NORM * base
    ? undefined
    : diverged(
        `the models' norm grew from ${numberText(firstNorm)} to ${numberText(lastNorm)}`,
        lastNorm / base,
      );
}

function qualityFell(peers: readonly PeerRecord[]): Reason | undefined {
  const metric = peers.find(({ best }) => best)?.best?.metric;
  const best = meanOf(peers.map((peer) => peer.best?.value));
  const last = meanOf(peers.map((peer) => peer.last?.value));
  const share = metric && shareOf(metric, last!, best!);
  if (share === undefined || share >= QUALITY_FELL) return undefined;
  const round = Math.max(...peers.map((peer) => (peer.best?.round ?? 0) + 1));
  const verb = metric!.better === "higher" ? "fell" : "rose";
  const text = `${metric!.name} ${verb} from ${metricText(metric!, best!)} (round ${round}) to ${metricText(metric!, last!)}`;
  const advice = `${lower(peers)} or stop early`;
  return { code: "quality-fell", isProblem: true, text, value: share, advice };
}

function lossStuck(records: RunRecords, course: Course): Reason | undefined {
  const { peers } = records;
  const { first, halfway, last, firstNorm, lastNorm } = course;
  const heldOut = heldOutLoss(records);
  const share = last! / first!;
  const isFlat = last! > LOSS_MOVES * (halfway ?? last!);
  const isStuck = share > LOSS_STUCK || (share > LOSS_HIGH && isFlat);
  // Models that disagree have a poor mean, whatever each has learned.
  const isUseless = heldOut !== undefined && heldOut > LOSS_STUCK * first! && !disagrees(records);
  if (!isStuck && !isUseless) return undefined;
  const [what, value] = isStuck ? ["loss", last!] : ["loss on held-out data", heldOut!];
  const text = `${what} does not fall (${numberText(first)} at first, ${numberText(value)} at the end)`;
  const found = { isProblem: true, text, value: value / first! };
  const grew = firstNorm > 0 ? lastNorm / firstNorm : 1;
  const isByGossip = peers.some(({ rateWarning }) => rateWarning);
  if (!isByGossip && (grew > NORM_GREW || share > 1)) {
    return { code: "learning-rate-too-large", ...found, advice: lower(peers) };
  }
  const advice = `raise --learning-rate (${rateText(peers[0]!.learningRate)} now) or take more rounds`;
  return { code: "loss-does-not-fall", ...found, advice };
}

/** Of the mean model, or of the models that closing made of it. */
function heldOutLoss({ peers, graph }: RunRecords): number | undefined {
  return (
    graph?.mean?.loss ?? meanOf(peers.map(({ heldOut }) => (heldOut?.isClosed ? heldOut.loss : undefined)))
  );
}

const disagrees = (records: RunRecords) => (qualityGap(records)?.share ?? 1) < WORST_SHARE;

function lossFalls(peers: readonly PeerRecord[], { first, halfway, last }: Course): Reason {
  const falls = last! < first!;
  const still = falls && halfway !== undefined && last! > first! / 2 && last! < LOSS_MOVES * halfway;
  const text = falls
    ? `loss fell from ${numberText(first)} to ${numberText(last)}${still ? " and still falls" : ""}`
    : `loss stays at ${numberText(last)}`;
  const quality = qualityText(peers);
  return {
    ...{ code: "loss-falls", isProblem: false, value: last! / first! },
    text: quality === undefined ? text : `${text}, ${quality}`,
  };
}

/** The peers' last figures: `accuracy 91.9 %`, or `accuracy 87.8 to 94.7 %`. */
function qualityText(peers: readonly PeerRecord[]): string | undefined {
  const metric = peers.find(({ last }) => last)?.last?.metric;
  if (!metric) return undefined;
  const range = rangeOf(
    metric,
    peers.flatMap(({ last }) => last?.value ?? []),
  );
  const [worst, best] = [metricText(metric, range.worst), metricText(metric, range.best)];
  return `${metric.name} ${worst === best ? worst : `${worst.replace(" %", "")} to ${best}`}`;
}

function lower(peers: readonly PeerRecord[]): string {
  return `lower --learning-rate (${rateText(peers[0]!.learningRate)} now)`;
}
