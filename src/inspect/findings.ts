/** What a run's logs say is wrong, by their counters and the peers' warnings, one line each with what to do: what `murmur doctor` prints of a run. */
import { type CounterName, counterNames } from "../foundation/counters.js";
import { percentText, secondsText } from "../foundation/format.js";
import { medianOf } from "../foundation/median.js";
import { LATE_SHARE, LOST_SHARE, SLOW_FACTOR } from "../observing/judge-peers.js";
import type { EdgeHistory, PeerHistory } from "./history.js";
import { verdictIn } from "./judged.js";
import { isSimulated, type Run } from "./read.js";
import { type LostTime, type RunWaits, waitsOf } from "./waits.js";
import { reported } from "./warnings.js";

/** Reconnections of an edge from which on it counts as unsteady. */
export const UNSTEADY_RECONNECTS = 3;
/** A peer holds the run up when this share of all waiting ended with it, and waiting matters. */
export const BLAMED_SHARE = 0.5;

export interface Finding {
  readonly kind: "stopped" | "unsteady" | "refused" | "late" | "slow" | "warned" | "verdict" | "unread";
  /** The peer that is at fault, or the one that noticed where that is unknown. */
  readonly peer?: number;
  readonly neighbour?: number;
  /** What is wrong, and what to do. */
  readonly text: string;
}

/** Empty where nothing is wrong. */
export function findingsOf(run: Pick<Run, "peers" | "graph" | "remarks">): Finding[] {
  const { peers } = run;
  return [
    ...peers.flatMap(stopped),
    ...unsteady(peers),
    ...peers.flatMap(refused),
    ...peers.flatMap(late),
    ...(isSimulated(run) ? [] : slow(peers, waitsOf(peers))),
    ...reported(peers.flatMap(({ warnings }) => warnings)).map((text): Finding => ({ kind: "warned", text })),
    ...run.remarks.map((text): Finding => ({ kind: "unread", text })),
  ];
}

/** What the verdict finds wrong, beside what is listed anyway. */
export function judged(run: Pick<Run, "peers" | "graph" | "header">): Finding[] {
  const verdict = verdictIn(run);
  const isWrong = verdict?.kind === "unhealthy" || verdict?.kind === "diverged";
  return isWrong ? [{ kind: "verdict", text: verdict.text }] : [];
}

function stopped({ peer, end }: PeerHistory): Finding[] {
  if (end?.outcome === "completed") return [];
  const text = end
    ? `peer ${peer} stopped: ${end.reason ?? "no reason was logged"}`
    : `peer ${peer} logged no end: it still runs, or was killed: look at its process and its machine's memory`;
  return [{ kind: "stopped", peer, text }];
}

/** Edges that broke often. Both of their ends count; the one that counted more is quoted. */
function unsteady(peers: readonly PeerHistory[]): Finding[] {
  const byEdge = new Map<string, { ends: readonly [number, number]; reconnects: number; resent: number }>();
  for (const { peer, edges } of peers) {
    for (const [neighbour, { counters }] of edges) {
      const ends = [Math.min(peer, neighbour), Math.max(peer, neighbour)] as const;
      const before = byEdge.get(ends.join());
      byEdge.set(ends.join(), {
        ends,
        reconnects: Math.max(before?.reconnects ?? 0, counters.reconnects ?? 0),
        resent: (before?.resent ?? 0) + (counters.resentFrames ?? 0),
      });
    }
  }
  return [...byEdge.values()]
    .filter(({ reconnects }) => reconnects >= UNSTEADY_RECONNECTS)
    .sort((a, b) => b.reconnects - a.reconnects)
    .map(({ ends: [peer, neighbour], reconnects, resent }) => ({
      kind: "unsteady",
      peer,
      neighbour,
      text: `peers ${peer} and ${neighbour} reconnected ${reconnects} times and sent ${resent} frames again: check the network between them, and whether one of them was restarted`,
    }));
}

/** What was refused, and what to do about it. */
const refusals: readonly (readonly [CounterName, what: string, todo: string])[] = [
  [
    "refusedPayload",
    "frames with a malformed payload",
    "run the same version on both, and check that machine's memory and its program's compressor",
  ],
  ["refusedOutOfTurn", "frames out of turn", "run the same version on both, and one process per peer"],
  ["refusedStranger", "frames on an edge that does not lead here", "start both from the same topology file"],
  ["refusedHandshakes", "handshakes", "start both from the same files and settings, and each peer once"],
];

function refused({ peer, edges, counters }: PeerHistory): Finding[] {
  const found: Finding[] = [];
  const add = (text: string, neighbour?: number) =>
    found.push({ kind: "refused", peer, ...(neighbour !== undefined && { neighbour }), text });
  for (const [neighbour, { counters: counted }] of edges) {
    for (const [name, what, todo] of refusals) {
      const count = counted[name] ?? 0;
      if (count > 0) add(`peer ${peer} refused ${count} ${what} of peer ${neighbour}: ${todo}`, neighbour);
    }
    const { bans = 0 } = counted;
    if (bans > 0) {
      add(
        `peer ${peer} banned peer ${neighbour} ${bans} times, each for a while: the log names what it broke; run the same version on both`,
        neighbour,
      );
    }
    const broken = brokenRules(counted);
    if (broken > 0) {
      const todo = "run the same version on both, and check what else speaks at its address";
      add(`peer ${neighbour} broke the protocol ${broken} times towards peer ${peer}: ${todo}`, neighbour);
    }
  }
  const strangers = counters.refusedConnections ?? 0;
  if (strangers > 0) {
    add(
      `peer ${peer} refused ${strangers} connections of strangers: if they are peers, start all from the same topology file`,
    );
  }
  return found;
}

/** Violations that were no refused frames. */
function brokenRules(counted: EdgeHistory["counters"]): number {
  const frames = counterNames
    .filter((name) => name.startsWith("refused") && name !== "refusedHandshakes")
    .reduce((sum, name) => sum + (counted[name] ?? 0), 0);
  return Math.max(0, (counted.violations ?? 0) - frames);
}

function late({ peer, edges, columns }: PeerHistory): Finding[] {
  const rounds = columns.round.length;
  return [...edges]
    .filter(([, { missed }]) => missed > LATE_SHARE * rounds)
    .map(([neighbour, { missed }]) => ({
      kind: "late",
      peer: neighbour,
      neighbour: peer,
      text: `peer ${neighbour} was late for peer ${peer} in ${missed} of ${rounds} rounds: give it less work or a faster network, or raise the patience`,
    }));
}

function slow(peers: readonly PeerHistory[], { lostMs, byEnd }: RunWaits): Finding[] {
  const elapsed = peers.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0);
  if (lostMs < LOST_SHARE * elapsed) return [];
  return byEnd
    .filter(({ share }) => share >= BLAMED_SHARE)
    .map((lost) => ({ kind: "slow", peer: lost.peer, text: slowText(lost, peers) }));
}

function slowText({ peer, share, lostMs }: LostTime, peers: readonly PeerHistory[]): string {
  const means = peers.map(({ columns }) => mean(columns.computeMs.values()));
  const own = means[peers.findIndex((each) => each.peer === peer)];
  const usual = medianOf(means);
  const why =
    own === undefined
      ? "its log is not here"
      : own > SLOW_FACTOR * usual
        ? `it computes slowest (${secondsText(1e-3 * own)} a round, the median peer ${secondsText(1e-3 * usual)}): give it less work or a faster machine`
        : "it computes as fast as others: look at its evaluations, its program and its network";
  return `peer ${peer} was at the end of ${percentText(share)} of all waits (${secondsText(1e-3 * lostMs)} lost): ${why}`;
}

function mean(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
