/** What a run's logs say that its user should know, one line each, the most telling first. */
import { medianOf } from "../foundation/median.js";
import { DISAGREEMENT_GREW } from "../observing/judge-gossip.js";
import { driftingPeer } from "../observing/observer.js";
import { peersText } from "../observing/reason.js";
import type { Instant } from "./consensus.js";
import type { PeerHistory, PeerWarning } from "./history.js";
import { isInLockstep, isSimulated, type Run } from "./read.js";

/** A peer further from the mean than this many times the median peer, for half of the instants, drifts. */
const DRIFT_FACTOR = 3;
/** An edge is slow when its ends waited for each other this many times longer than at the median edge … */
const SLOW_FACTOR = 4;
/** … and for at least this share of the run. */
const SLOW_SHARE = 0.1;
/** Peers that a common warning lists by number; of more it gives the count. */
const NAMED_PEERS = 8;

export function warningsOf(run: Run, instants: readonly Instant[]): string[] {
  return [
    ...stopped(run.peers),
    ...reported(run.peers.flatMap(({ warnings }) => warnings)),
    ...growing(run, instants),
    ...drifting(instants),
    ...(isInLockstep(run) ? [] : slowEdges(run)),
    ...run.peers.flatMap(refusing),
  ];
}

/** One line for all peers that stopped for the same reason. */
function stopped(peers: readonly PeerHistory[]): string[] {
  const byReason = new Map<string, number[]>();
  for (const { peer, end } of peers) {
    if (end?.outcome !== "stopped") continue;
    const reason = end.reason ?? "no reason was logged";
    byReason.set(reason, [...(byReason.get(reason) ?? []), peer]);
  }
  // The verdict says why a run stopped as a whole.
  if (byReason.size === 1 && [...byReason.values()][0]!.length === peers.length) return [];
  return [...byReason].map(([reason, who]) => `${peersText(who)} stopped: ${reason}`);
}

/** Warnings that the peers reported; the same one from several peers is one line. */
export function reported(warnings: readonly PeerWarning[]): string[] {
  const byKind = new Map<string, { first: PeerWarning; peers: Set<number> }>();
  for (const warning of warnings) {
    // Alike up to the numbers measured, but not up to whom they are about.
    const drifting = driftingPeer(warning.text);
    const kind =
      drifting === undefined ? warning.text.replace(/[\d.]+(?:e-?\d+)?/g, "#") : `peer ${drifting} drifts`;
    const known = byKind.get(kind);
    if (known) known.peers.add(warning.peer);
    else byKind.set(kind, { first: warning, peers: new Set([warning.peer]) });
  }
  return [...byKind.values()].map(({ first, peers }) => {
    const who = [...peers].sort((a, b) => a - b);
    const listed = `${who.length === 1 ? "peer" : "peers"} ${who.join(", ")}`;
    const by = who.length > NAMED_PEERS ? `${who.length} peers` : listed;
    return `${first.text} (reported by ${by}, first in round ${first.round + 1})`;
  });
}

function growing(run: Run, instants: readonly Instant[]): string[] {
  // What was seen from outside is for the verdict.
  if (isSimulated(run)) return [];
  const distances = instants
    .filter(({ closing }) => !closing)
    .map(({ consensusDistance }) => consensusDistance);
  if (distances.length < 8) return [];
  const middle = distances[Math.floor(distances.length / 2)]!;
  const last = distances.at(-1)!;
  return middle > 0 && last > DISAGREEMENT_GREW * middle
    ? [
        `consensus distance grew ${(last / middle).toPrecision(2)} times in the last half of learning: lower the consensus rate or compress less`,
      ]
    : [];
}

function drifting(instants: readonly Instant[]): string[] {
  const learning = instants.filter(({ closing, peers }) => !closing && peers.length > 2);
  const factors = new Map<number, number[]>();
  for (const { peers, toMean } of learning) {
    const usual = medianOf(toMean);
    for (const [k, peer] of peers.entries()) {
      const factor = usual === 0 ? 0 : toMean[k]! / usual;
      const own = factors.get(peer);
      if (own) own.push(factor);
      else factors.set(peer, [factor]);
    }
  }
  return [...factors].flatMap(([peer, own]) => {
    const usual = medianOf(own);
    return usual > DRIFT_FACTOR
      ? [
          `peer ${peer} drifts: for half of the run its model was at least ${usual.toFixed(1)} times as far from the mean as the median peer's`,
        ]
      : [];
  });
}

function slowEdges({ peers }: Run): string[] {
  const waits = peers.flatMap(({ peer, edges, columns }) => {
    const elapsed = columns.elapsedMs.at(columns.elapsedMs.length - 1);
    return [...edges].map(([neighbour, { waitMs }]) => ({
      peer,
      neighbour,
      waitMs,
      share: waitMs / elapsed,
    }));
  });
  if (waits.length < 3) return [];
  const usual = medianOf(waits.map(({ waitMs }) => waitMs));
  return waits
    .filter(({ waitMs, share }) => share > SLOW_SHARE && waitMs > SLOW_FACTOR * usual)
    .sort((a, b) => b.share - a.share)
    .slice(0, NAMED_PEERS)
    .map(
      ({ peer, neighbour, share }) =>
        `peer ${peer} waited for peer ${neighbour} during ${Math.round(100 * share)} % of its time: that edge or peer is slow`,
    );
}

function refusing({ peer, columns }: PeerHistory): string[] {
  let refused = 0;
  for (let row = 0; row < columns.refused.length; row++) refused += columns.refused.at(row);
  return refused > 0 ? [`peer ${peer} refused ${refused} frames`] : [];
}
