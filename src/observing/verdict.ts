/**
 * Whether a run is healthy, and why, in one line. It is judged from what reports and logs have in common, so that a run
 * says at its end what its logs say later.
 */
import { bytesText, numberText } from "../foundation/format.js";
import { gossipReasons } from "./judge-gossip.js";
import { learningReasons } from "./judge-learning.js";
import { peerReasons } from "./judge-peers.js";
import type { PeerRecord } from "./peer-record.js";
import {
  FEWEST_ROUNDS,
  otherCodes,
  problemCodes,
  type Reason,
  type ReasonCode,
  type RunRecords,
} from "./reason.js";

export interface RunVerdict {
  /** `unknown`: nothing is wrong, and too few rounds were seen to say more. */
  readonly kind: "healthy" | "unhealthy" | "diverged" | "unknown";
  /** Whether all known peers have ended, or will never. */
  readonly isOver: boolean;
  /** Problems first, the gravest of them first. */
  readonly reasons: readonly Reason[];
  /** All of it in one line. */
  readonly text: string;
}

/** @returns undefined before any peer has finished a round or ended */
export function verdictOf(records: RunRecords): RunVerdict | undefined {
  const { peers } = records;
  if (!peers.some(({ lastRound, end }) => lastRound >= 0 || end)) return undefined;
  const isLong = peers.some(({ learningRounds }) => learningRounds >= FEWEST_ROUNDS);
  const found = [
    ...learningReasons(records),
    ...(isLong ? gossipReasons(records) : []),
    ...peerReasons(records),
    ...(isLong ? [] : [fewRounds(peers)]),
    ...traffic(records),
  ];
  const hasCause = found.some(({ code }) => causes.has(code));
  const all = [...problemCodes, ...otherCodes].flatMap((code) =>
    found
      .filter((each) => each.code === code)
      .map((each) => (hasCause && effects.has(code) ? bare(each) : each)),
  );
  const diverged = all.filter(({ code }) => code === "diverged");
  const problems = all.filter(({ isProblem, code }) => isProblem && code !== "diverged");
  // Of a run that diverged nothing else counts, except what led to it.
  const reasons =
    diverged.length > 0
      ? [...diverged, ...problems.filter(({ code }) => code === "consensus-rate-too-large")]
      : [...problems, ...all.filter(({ isProblem }) => !isProblem)];
  const kind =
    diverged.length > 0 ? "diverged" : problems.length > 0 ? "unhealthy" : isLong ? "healthy" : "unknown";
  const isOver = peers.every(({ end }) => end) || reasons.some(({ code }) => code === "peer-dead");
  return { kind, isOver, reasons, text: sentence(kind, isOver, reasons) };
}

/** Where one of these is found … */
const causes: ReadonlySet<ReasonCode> = new Set([
  "consensus-rate-too-large",
  "learning-rate-too-large",
  "peer-dead",
  "peer-late",
]);
/** … what to do about it helps against these, too. */
const effects: ReadonlySet<ReasonCode> = new Set([
  "loss-does-not-fall",
  "quality-fell",
  "disagreement-grows",
  "models-disagree",
  "residual-grows",
  "residual-large",
]);

function bare({ advice: _, ...reason }: Reason): Reason {
  return reason;
}

const words = {
  ...{ healthy: "healthy", unhealthy: "not healthy", diverged: "diverged", unknown: "no verdict" },
} as const;

function sentence(kind: RunVerdict["kind"], isOver: boolean, reasons: readonly Reason[]): string {
  // What is as it should be would hide a problem.
  const told = reasons.filter(
    ({ isProblem, code }) =>
      kind === "healthy" || kind === "unknown" || isProblem || code === "stopped" || code === "traffic",
  );
  const parts = told.map(({ text, advice }, k) =>
    // Problems with one remedy name it once.
    advice === undefined || advice === told[k + 1]?.advice ? text : `${text}: ${advice}`,
  );
  return `${isOver ? "" : "so far "}${words[kind]}: ${parts.join("; ")}`;
}

function fewRounds(peers: readonly PeerRecord[]): Reason {
  const value = Math.max(...peers.map(({ learningRounds }) => learningRounds));
  const isLater = peers.some(({ firstRound = 0 }) => firstRound > 0);
  const seen = value === 1 ? "1 learning round" : `${value} learning rounds`;
  const text = `${seen}${isLater ? " since the run was resumed" : ""} ${value === 1 ? "shows" : "show"} no trend`;
  return { code: "few-rounds", isProblem: false, text, value };
}

/** What was sent, and what whole models would have taken: one to each neighbour whenever a payload went there. */
function traffic({ subject, peers }: RunRecords): Reason[] {
  const bytes = peers.reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  if (bytes === 0 || subject.payloads === "nothing") return [];
  const whole = peers.reduce(
    (sum, { parameters, learningMessages, closingMessages }) =>
      sum +
      Float32Array.BYTES_PER_ELEMENT * parameters * (learningMessages / subject.steps + closingMessages),
    0,
  );
  const times = whole / bytes;
  const beside =
    times < 1
      ? `${numberText(1 / times)} times as many as full models`
      : `${numberText(times)} times fewer than full models`;
  const sent = `${bytesText(Math.round(bytes / peers.length))} sent per peer`;
  return [
    subject.payloads === "compressed"
      ? {
          code: "traffic",
          isProblem: false,
          text: `${sent}, ${beside}`,
          value: times,
        }
      : { code: "traffic", isProblem: false, text: `${sent}, as full models` },
  ];
}
