/** Whether peers are there, and keep up with each other. */

import { percentText, secondsText } from "../foundation/format.js";
import { medianOf } from "../foundation/median.js";
import type { PeerRecord } from "./peer-record.js";
import { FEWEST_ROUNDS, peersText, type Reason, type RunRecords } from "./reason.js";

/** Share of its rounds that a peer went on without a neighbour from which on that neighbour is late too often. */
export const LATE_SHARE = 0.05;
/** Peers that wait for a late one are late themselves; those that are missed less than this part of the most are not named. */
const BESIDE_LATEST = 0.5;
/** Waiting matters from this share of the peers' time on. */
export const LOST_SHARE = 0.1;
/** A peer computes slowest when its rounds take this many times the median peer's. */
export const SLOW_FACTOR = 1.5;
/**
 * A peer holds the others up when it waits for less than this part of what the median peer waits. Waiting spreads over
 * the graph, so that soon all wait for the slowest, and it for nobody.
 */
export const WAITS_LITTLE = 0.25;

export function peerReasons(records: RunRecords): Reason[] {
  const { peers, subject } = records;
  const tooLate = late(peers);
  const isTimed = subject.isTimed && peers.some(({ learningRounds }) => learningRounds >= FEWEST_ROUNDS);
  // Who is late is slow, and named once; waiting then says little, since nobody waits to the end.
  const held = isTimed && tooLate.length === 0 ? slow(peers) : [];
  const problems = [...endings(peers), ...held, ...tooLate];
  if (problems.some(({ isProblem }) => isProblem) || !isTimed || peers.length < 3) return problems;
  const text = `no peer is slow, and waits take ${percentText(lostShare(peers))} of the time`;
  return [...problems, { code: "peers-keep-up", isProblem: false, text, value: lostShare(peers) }];
}

function endings(peers: readonly PeerRecord[]): Reason[] {
  const dead = peers.filter((peer) => isDead(peer, peers));
  if (dead.length > 0) return dead.map((peer) => deadReason(peer, peers));
  const stopped = peers.filter(({ end }) => end?.outcome === "stopped");
  // The others stopped because of the one that failed.
  const failed = stopped.filter(({ end }) => end?.code !== undefined && end.code !== "diverged");
  if (failed.length > 0) {
    const [{ peer, lastRound, end }] = failed as [PeerRecord];
    const text = `peer ${peer} failed ${after(lastRound)}: ${end?.reason ?? "its log has no reason"}`;
    return [{ code: "peer-failed", isProblem: true, text, peers: failed.map((each) => each.peer) }];
  }
  const [first] = stopped;
  if (!first) return [];
  const who = stopped.length === peers.length ? "" : `${peersText(stopped.map(({ peer }) => peer))} `;
  const text = `${who}stopped ${after(first.lastRound)}: ${first.end?.reason ?? "the log has no reason"}`;
  return [{ code: "stopped", isProblem: false, text, peers: stopped.map(({ peer }) => peer) }];
}

const after = (round: number) => (round < 0 ? "before the first round" : `after round ${round + 1}`);

/** A peer whose log has no end although others ended, or are further than a graph of waiting peers lets them be. */
function isDead({ end, lastRound }: PeerRecord, peers: readonly PeerRecord[]): boolean {
  if (end) return false;
  if (peers.some((other) => other.end)) return true;
  const goesOnAlone = peers.some(({ missed }) => Object.keys(missed).length > 0);
  return !goesOnAlone && furthest(peers) - lastRound > peers.length;
}

const furthest = (peers: readonly PeerRecord[]) => Math.max(...peers.map(({ lastRound }) => lastRound));

function deadReason({ peer, lastRound }: PeerRecord, peers: readonly PeerRecord[]): Reason {
  return {
    ...{ code: "peer-dead", isProblem: true, peers: [peer] },
    text: `peer ${peer} is gone: its log ends ${after(lastRound)}, others reached round ${furthest(peers) + 1}`,
    advice: "look at its process and its machine's memory",
  };
}

const waitShare = ({ waitMs, workMs }: PeerRecord) => (waitMs === 0 ? 0 : waitMs / (waitMs + workMs));

function lostShare(peers: readonly PeerRecord[]): number {
  const waited = peers.reduce((sum, { waitMs }) => sum + waitMs, 0);
  const worked = peers.reduce((sum, { workMs }) => sum + workMs, 0);
  return waited === 0 ? 0 : waited / (waited + worked);
}

function slow(peers: readonly PeerRecord[]): Reason[] {
  if (peers.length < 3 || lostShare(peers) < LOST_SHARE) return [];
  const usual = medianOf(peers.map(waitShare));
  const work = ({ workMs, lastRound }: PeerRecord) => workMs / (lastRound + 1);
  const usualWork = medianOf(peers.map(work));
  return peers
    .filter((peer) => waitShare(peer) < WAITS_LITTLE * usual)
    .map((peer) => {
      const others = peers.filter((other) => other !== peer);
      const lost = percentText(lostShare(others));
      const isWorking = work(peer) > SLOW_FACTOR * usualWork;
      const cause = isWorking
        ? `it works ${secondsText(1e-3 * work(peer))} a round, the median peer ${secondsText(1e-3 * usualWork)}`
        : "it hardly waits";
      return {
        ...{ code: "peer-slow", isProblem: true, peers: [peer.peer], value: lostShare(others) },
        text: `peer ${peer.peer} is slow: ${cause}, and the others wait ${lost} of the time`,
        advice: isWorking ? "give it less work or a faster machine" : "look at its network and its program",
      };
    });
}

function late(peers: readonly PeerRecord[]): Reason[] {
  return latePeers(peers).map(({ peer, share }) => ({
    ...{ code: "peer-late", isProblem: true, peers: [peer], value: share },
    text: `peer ${peer} is late: neighbours went on without it in up to ${percentText(share)} of their rounds`,
    advice: "give it less work or a faster network, or raise --patience",
  }));
}

/** @returns the largest share of a neighbour's rounds that went on without each, ascending by peer */
function latePeers(peers: readonly PeerRecord[]): { readonly peer: number; readonly share: number }[] {
  const shares = new Map<number, number>();
  for (const { missed, learningRounds } of peers) {
    for (const [neighbour, rounds] of Object.entries(missed)) {
      const share = rounds / Math.max(1, learningRounds);
      shares.set(Number(neighbour), Math.max(share, shares.get(Number(neighbour)) ?? 0));
    }
  }
  const least = Math.max(LATE_SHARE, BESIDE_LATEST * Math.max(0, ...shares.values()));
  return [...shares]
    .filter(([, share]) => share > least)
    .sort(([a], [b]) => a - b)
    .map(([peer, share]) => ({ peer, share }));
}
