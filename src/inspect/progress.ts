/** How far a run is, from its logs. */
import type { LogEnd } from "../runs/log.js";
import type { PeerHistory } from "./history.js";

/** The pace is that of so many rounds, the last ones. */
const PACE_ROUNDS = 50;

/**
 * - `joining`: no peer has ended a round.
 * - `learning`, `closing`: what the peer that is furthest behind does.
 * - `done`, `stopped`: every log has an end; `stopped` where one stopped early.
 */
export type Phase = "joining" | "learning" | "closing" | "done" | "stopped";

export interface Progress {
  readonly phase: Phase;
  /** Rounds of the peer that is furthest behind. */
  readonly rounds: number;
  readonly learningRounds: number;
  /** Of the last rounds; absent before there are two, and where no time passes. */
  readonly roundsPerSecond?: number;
  /** Until learning is over, at this pace. It may be over before, where peers stop early. */
  readonly secondsLeft?: number;
}

interface PeerSource extends Pick<PeerHistory, "columns" | "lastRound"> {
  readonly end: Pick<LogEnd, "outcome"> | undefined;
}

export function progressOf(peers: readonly PeerSource[], learningRounds: number): Progress {
  const running = peers.filter(({ end }) => !end);
  const least = (running.length > 0 ? running : peers).reduce<PeerSource | undefined>(
    (behind, peer) => (behind && behind.lastRound <= peer.lastRound ? behind : peer),
    undefined,
  );
  const rounds = least ? least.lastRound + 1 : 0;
  const pace = least && paceOf(least);
  const phase = phaseOf(peers, running.length, least, learningRounds);
  const isUnderWay = phase === "learning" && pace !== undefined;
  return {
    ...{ phase, rounds, learningRounds },
    ...(pace !== undefined && { roundsPerSecond: Number(pace.toPrecision(4)) }),
    ...(isUnderWay && { secondsLeft: Number(((learningRounds - rounds) / pace).toPrecision(4)) }),
  };
}

function phaseOf(
  peers: readonly PeerSource[],
  running: number,
  least: PeerSource | undefined,
  learningRounds: number,
): Phase {
  if (peers.length > 0 && running === 0) {
    return peers.every(({ end }) => end!.outcome === "completed") ? "done" : "stopped";
  }
  if (!least || least.lastRound < 0) return "joining";
  const { closing } = least.columns;
  const hasLearned = least.lastRound + 1 >= learningRounds || closing.at(closing.length - 1) === 1;
  return hasLearned ? "closing" : "learning";
}

/** Rounds per second. */
function paceOf({ columns: { round, elapsedMs } }: PeerSource): number | undefined {
  const last = round.length - 1;
  const first = Math.max(0, last - PACE_ROUNDS);
  const milliseconds = last > first ? elapsedMs.at(last) - elapsedMs.at(first) : 0;
  return milliseconds > 0 ? (1000 * (round.at(last) - round.at(first))) / milliseconds : undefined;
}
