/** Whether a run learns. */
import { numberText, percentText } from "../inspect/page/format.js";
import type { PeerRecord } from "./peer-record.js";
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
/** Share of the best mean accuracy below which the last one fell: noise of small test sets stays above 0.9 of it. */
export const ACCURACY_FELL = 0.7;
/** A loss that ends above this share of the first does not fall: a short run at a tenth of a useful γ reaches 0.76. */
export const LOSS_STUCK = 0.9;
/** One that ends above this share and has not moved since halfway does not fall either: γ 30 times too large, 0.82. */
export const LOSS_HIGH = 0.7;
/** A loss moves when it falls to below this share of what it was halfway. */
export const LOSS_MOVES = 0.98;
/** Growth of ‖x‖ that tells a γ that is too large from one too small: 5 where digits did not learn, 1.5 where they did. */
export const NORM_GREW = 2;

export function learningReasons({ peers, subject }: RunRecords): Reason[] {
  const failed = peers.find(({ end }) => end?.code === "diverged");
  if (failed) {
    const text = failed.end!.reason ?? `peer ${failed.peer} diverged`;
    return [{ code: "diverged", isProblem: true, text, peers: [failed.peer] }];
  }
  const course = courseOf(peers);
  const { first, last } = course;
  const blown = exploded(peers, course, subject.isNew);
  if (blown) return [blown];
  const fell = accuracyFell(peers);
  if (fell) return [fell];
  const isLong = peers.some(({ learningRounds }) => learningRounds >= FEWEST_ROUNDS);
  if (!isLong || first === undefined || last === undefined) return [];
  const stuck = subject.isNew ? lossStuck(peers, course) : undefined;
  return [stuck ?? lossFalls(peers, course)];
}

/** Means over the peers. */
interface Course {
  readonly first: number | undefined;
  readonly halfway: number | undefined;
  readonly last: number | undefined;
  readonly firstNorm: number;
  readonly lastNorm: number;
}

function courseOf(peers: readonly PeerRecord[]): Course {
  const loss = (from: number, to: number) =>
    meanOf(peers.map(({ spans }) => meanOver(spans, "loss", from, to)));
  return {
    first: meanOf(peers.map(({ firstLoss }) => firstLoss)),
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

function accuracyFell(peers: readonly PeerRecord[]): Reason | undefined {
  const best = meanOf(peers.map((peer) => peer.best?.accuracy));
  const last = meanOf(peers.map((peer) => peer.last?.accuracy));
  if (best === undefined || last === undefined || last >= ACCURACY_FELL * best) return undefined;
  const round = Math.max(...peers.map((peer) => (peer.best?.round ?? 0) + 1));
  return {
    ...{ code: "accuracy-fell", isProblem: true, value: last / best },
    text: `accuracy fell from ${percentText(best)} (round ${round}) to ${percentText(last)}`,
    advice: `${lower(peers)} or stop early`,
  };
}

function lossStuck(
  peers: readonly PeerRecord[],
  { first, halfway, last, firstNorm, lastNorm }: Course,
): Reason | undefined {
  const share = last! / first!;
  const isFlat = last! > LOSS_MOVES * (halfway ?? last!);
  if (share <= LOSS_HIGH || (share <= LOSS_STUCK && !isFlat)) return undefined;
  const text = `loss does not fall (${numberText(first)} at first, ${numberText(last)} at the end)`;
  const grew = firstNorm > 0 ? lastNorm / firstNorm : 1;
  if (grew > NORM_GREW || share > 1) {
    return { code: "learning-rate-too-large", isProblem: true, text, value: share, advice: lower(peers) };
  }
  const advice = `raise --learning-rate (${rateText(peers[0]!.learningRate)} now) or take more rounds`;
  return { code: "loss-does-not-fall", isProblem: true, text, value: share, advice };
}

function lossFalls(peers: readonly PeerRecord[], { first, halfway, last }: Course): Reason {
  const falls = last! < first!;
  const still = falls && halfway !== undefined && last! > first! / 2 && last! < LOSS_MOVES * halfway;
  const text = falls
    ? `loss fell from ${numberText(first)} to ${numberText(last)}${still ? " and still falls" : ""}`
    : `loss stays at ${numberText(last)}`;
  const accuracy = accuracyText(peers);
  return {
    ...{ code: "loss-falls", isProblem: false, value: last! / first! },
    text: accuracy === undefined ? text : `${text}, accuracy ${accuracy}`,
  };
}

function accuracyText(peers: readonly PeerRecord[]): string | undefined {
  const last = peers.flatMap((peer) => peer.last?.accuracy ?? []);
  if (last.length === 0) return undefined;
  const [worst, best] = [percentText(Math.min(...last)), percentText(Math.max(...last))];
  return worst === best ? worst : `${worst.replace(" %", "")} to ${best}`;
}

function lower(peers: readonly PeerRecord[]): string {
  return `lower --learning-rate (${rateText(peers[0]!.learningRate)} now)`;
}
