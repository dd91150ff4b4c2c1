/** Where the time of a run went: what was useful of it, and what was lost waiting. */
import { shareOf } from "../observing/goodput.js";
import type { PeerHistory } from "./history.js";
import { type RunWaits, type Wait, waitsOf } from "./waits.js";

/** Longest waits that are shown. */
const MAX_LONGEST_WAITS = 3;

/** Share of these peers' wall time in useful steps; NaN before any time has passed. */
export function goodputOf(peers: readonly Pick<PeerHistory, "usefulMs" | "elapsedMs">[]): number {
  const sum = (name: "usefulMs" | "elapsedMs") => peers.reduce((total, peer) => total + peer[name], 0);
  return shareOf(sum("usefulMs"), sum("elapsedMs")) ?? Number.NaN;
}

/** The waits with only the longest of them; nothing where no peer waited. */
export function viewWaits(peers: readonly PeerHistory[]): { waits?: RunWaits } {
  const { longest, ...waits } = waitsOf(peers);
  if (waits.waits === 0) return {};
  const byLength = (a: Wait, b: Wait) => b.waitMs - a.waitMs;
  return { waits: { ...waits, longest: [...longest].sort(byLength).slice(0, MAX_LONGEST_WAITS) } };
}
