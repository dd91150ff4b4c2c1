/** What `murmur doctor` prints of a topology. */
import pc from "picocolors";
import { chainText } from "../exchange/waiting.js";
import type { EdgeVerdict, Examination, PeerState, Sighting } from "../runs/node/examine.js";
import type { Attempt } from "../transports/libp2p/diagnose.js";
import { table } from "./console.js";

/** A wait from which on the peer at its end is named, in milliseconds. */
const LONG_WAIT_MS = 5_000;

export function works({ edges }: Examination): boolean {
  return edges.every(({ failed }) => failed === undefined);
}

/** Peers, then edges, one JSON object a line. */
export function examinationLines({ peers, edges }: Examination): string[] {
  return [
    ...peers.map((peer) => JSON.stringify({ kind: "peer", ...peer })),
    ...edges.map((edge) => JSON.stringify({ kind: "edge", ...edge })),
  ];
}

/** @param layers what must work between two peers, from the outside in */
export function examinationText(examination: Examination, layers: readonly string[]): string[] {
  const { peers, edges } = examination;
  const failures = edges.filter(({ failed }) => failed !== undefined);
  const lines = [peersTable(peers), "", edgesTable(edges, layers)];
  if (edges.some(({ standIns }) => standIns.length > 0)) {
    lines.push("", "○ tried by the doctor in place of a peer that does not run");
  }
  const remarks = [
    ...failures.map(({ from, to, failed, reason }) => `${from} → ${to} fails at ${failed}: ${reason}`),
    ...peers.flatMap(({ chain }) =>
      chain && chain[0].activity === "waiting" && chain[0].forMs >= LONG_WAIT_MS ? chainText(chain) : [],
    ),
  ];
  return [...lines, ...(remarks.length > 0 ? ["", ...remarks] : []), "", verdict(examination)];
}

function verdict({ peers, edges, untried }: Examination): string {
  const broken = edges.filter(({ failed }) => failed !== undefined).length;
  if (broken > 0) return `${broken} of ${edges.length} edges would not work`;
  const running = peers.filter(({ state }) => state === "runs").length;
  const rest = untried.length > 0 ? `, ${untried.length} not tried` : "";
  if (edges.some(({ standIns }) => standIns.length > 0)) {
    const who = running === 0 ? "no peer runs" : `${running} of ${peers.length} peers run`;
    return `${who}; the edges would work (${edges.length} tried${rest}): start what is missing with \`murmur up\` or \`murmur peer\``;
  }
  return `${running} of ${peers.length} peers run; the edges work (${edges.length} tried${rest})`;
}

function peersTable(peers: readonly Sighting[]): string {
  return table(
    ["peer", "round", "address", "answers"],
    peers.flatMap((sighting) => {
      const { peer, round, addresses } = sighting;
      if (addresses.length === 0) return [[peer, round ?? "–", "–", stateText[sighting.state]]];
      return addresses.map((attempt) => [peer, round ?? "–", attempt.address, answerText(attempt, sighting)]);
    }),
  );
}

const stateText: Record<PeerState, string> = {
  runs: pc.green("runs"),
  "another run": pc.red("another run"),
  free: "–",
  absent: "–",
  blocked: pc.red("no"),
  silent: pc.red("no"),
  unproven: "–",
};

/** What answers at one address. */
function answerText({ answers, failed, isStandIn }: Attempt, sighting: Sighting): string {
  switch (answers) {
    case "peer":
      if (isStandIn) return "a doctor in its place";
      if (failed === undefined) return pc.green("this peer");
      return failed === "fingerprint" ? pc.red("this peer, in another run") : pc.red("this peer, refusing");
    case "other":
      return pc.red("another peer");
    case "foreign":
      return pc.red("another program");
    case "silent":
      return pc.red("no answer");
    case "unproven":
      return "something; no key to prove it";
    case "nothing":
      if (sighting.isPlayed) return "nothing; free for murmur up";
      return sighting.state === "blocked" ? pc.red("nothing; cannot listen") : pc.red("nothing");
  }
}

function edgesTable(edges: readonly EdgeVerdict[], layers: readonly string[]): string {
  const columns = [...layers, "peers"];
  return table(
    ["edge", ...columns],
    edges.map(({ from, to, failed, standIns }) => {
      const broken = failed === undefined ? columns.length : columns.indexOf(failed);
      const passed = standIns.length > 0 ? "○" : pc.green("✓");
      const marks = columns.map((_, k) => (k < broken ? passed : k === broken ? pc.red("✗") : ""));
      return [`${from} → ${to}`, ...marks];
    }),
  );
}
