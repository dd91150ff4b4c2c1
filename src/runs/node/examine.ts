/**
 * Finds out which peers of a topology run, and which of its edges work. Peers that run are asked first; then probes
 * stand in for those of this machine that do not, so that their addresses and edges can be tried before a start.
 */
import type { Chain } from "../../exchange/waiting.js";
import type { Topology } from "../../graphs/topology.js";
import {
  type Attempt,
  createProbe,
  type Diagnosis,
  type Layer,
  listenerAt,
  type Probe,
} from "../../transports/libp2p/diagnose.js";
import { isLocal } from "./addresses.js";
import type { Fingerprint, Identity } from "./network.js";

export interface ExamineOptions {
  readonly topology: Topology;
  /** The keys that are here. */
  readonly identities: ReadonlyMap<number, Identity>;
  /** Only the edges of this peer, whose key is the only one here. */
  readonly only?: number | undefined;
  readonly fingerprint: Fingerprint;
  /** How long an attempt may take, in milliseconds. */
  readonly deadlineMs: number;
}

/**
 * What is at a peer's addresses. `runs`: the peer, its PeerId proven or a neighbour connected to it. `another run`: the
 * peer, with other settings. `free`: nothing, and this machine can listen there. `absent`: nothing. `blocked`: another peer
 * or program, or an address that this machine cannot listen on. `silent`: a process that does not answer. `unproven`:
 * something, and no key of a neighbour is here.
 */
export type PeerState = "runs" | "another run" | "free" | "absent" | "blocked" | "silent" | "unproven";

/** What was seen of one peer. */
export interface Sighting {
  readonly peer: number;
  readonly state: PeerState;
  /** The round that it is in, from 1; absent where it is in none or cannot be asked. */
  readonly round?: number;
  /** What it does, and the peers that it waits for. */
  readonly chain?: Chain;
  /** Whether a probe listens in its place. */
  readonly isPlayed?: true;
  /** A peer that is connected to it. */
  readonly seenBy?: number;
  /** What every address answers; empty where the topology has none. */
  readonly addresses: readonly Attempt[];
}

/** One edge: the layers of a connection, then the two peers themselves. */
export interface EdgeVerdict {
  readonly from: number;
  readonly to: number;
  readonly address?: string;
  /** `peers`: the connection can be made, and the peers are not connected. */
  readonly failed?: Layer | "peers";
  readonly reason?: string;
  /** Ends that do not run, in whose place a probe tried the edge. */
  readonly standIns: readonly number[];
}

export interface Examination {
  readonly peers: readonly Sighting[];
  readonly edges: readonly EdgeVerdict[];
  /** Edges that were not tried, since the key of neither end is here. */
  readonly untried: readonly (readonly [number, number])[];
}

/** @throws InvalidTopology a key that is not valid */
export async function examine(options: ExamineOptions): Promise<Examination> {
  const { topology, only } = options;
  const edges = topology.graph.edges.filter(([a, b]) => only === undefined || a === only || b === only);
  const probes = new Map<number, Probe>();
  try {
    for (const id of options.identities.keys()) probes.set(id, await probeOf(options, id, []));
    const found = await askAll(options, edges, probes);
    const seen = await sightings(options, edges, found);
    const peers = new Map<number, Sighting>();
    for (const sighting of seen) peers.set(sighting.peer, await standIn(options, sighting, found, probes));
    const tried = edges.filter((ends) => ends.some((end) => probes.has(end)));
    const verdicts: EdgeVerdict[] = [];
    for (const ends of tried) verdicts.push(await judgeEdge(ends, { probes, found, peers, only }));
    return {
      peers: [...peers.values()],
      edges: verdicts,
      untried: edges.filter((ends) => !tried.includes(ends)),
    };
  } finally {
    await Promise.all([...probes.values()].map((probe) => probe.close()));
  }
}

function probeOf(
  { topology, identities, fingerprint, deadlineMs }: ExamineOptions,
  id: number,
  listen: readonly string[],
): Promise<Probe> {
  const { peers, mixing } = topology;
  return createProbe({
    id,
    identity: identities.get(id)!,
    peers: peers.flatMap(({ id, peerId, dial }) => (peerId === undefined ? [] : [{ id, peerId, dial }])),
    neighbours: mixing.neighbours[id]!.map(({ peer }) => peer),
    listen,
    fingerprint,
    deadlines: { dialMs: deadlineMs, handshakeMs: deadlineMs },
  });
}

/** Asks every peer that the keys here are neighbours of, while no probe listens. */
async function askAll(
  { topology: { peers, mixing } }: ExamineOptions,
  edges: readonly (readonly [number, number])[],
  probes: ReadonlyMap<number, Probe>,
): Promise<Diagnosis[]> {
  // The lower peer dials, as in a run.
  const pairs = edges.flatMap(([a, b]) =>
    probes.has(a) && (peers[b]!.dial.length > 0 || !probes.has(b)) ? [[a, b]] : probes.has(b) ? [[b, a]] : [],
  );
  for (const { id, dial } of peers) {
    if (dial.length === 0 || pairs.some(([, to]) => to === id)) continue;
    const from = mixing.neighbours[id]!.find(({ peer }) => probes.has(peer))?.peer;
    if (from !== undefined) pairs.push([from, id]);
  }
  return Promise.all(pairs.map(([from, to]) => probes.get(from!)!.diagnose(to!)));
}

/** What was seen of every peer in question, before a probe stands in for any. */
async function sightings(
  { topology: { peers }, only, deadlineMs }: ExamineOptions,
  edges: readonly (readonly [number, number])[],
  found: readonly Diagnosis[],
): Promise<Sighting[]> {
  const isAsked = (id: number) => (only === undefined ? !peers[id]!.left : edges.flat().includes(id));
  const asked = peers.filter(({ id }) => isAsked(id));
  return Promise.all(
    asked.map(async ({ id, dial }) => {
      const own = found.filter(({ to }) => to === id);
      const best = own.find(({ failed }) => failed === undefined) ?? own.find(isHere) ?? own[0];
      const addresses = best ? best.attempts : await Promise.all(dial.map((at) => listener(at, deadlineMs)));
      const seenBy = found.find(({ from, status }) => from === id && status?.edge.isConnected)?.to;
      const { status } = best ?? {};
      return {
        peer: id,
        state: stateOf(best, addresses, seenBy),
        ...(status?.round !== undefined && { round: status.round + 1 }),
        ...(status && { chain: status.chain }),
        ...(seenBy !== undefined && { seenBy }),
        addresses,
      };
    }),
  );
}

/** Whether the peer itself answered, rather than another doctor. */
const isHere = ({ answers, isStandIn }: Diagnosis | Attempt): boolean => answers === "peer" && !isStandIn;

async function listener(address: string, deadlineMs: number): Promise<Attempt> {
  const { kind, reason } = await listenerAt(address, deadlineMs);
  if (kind === "open") return { address, answers: "unproven" };
  return { address, answers: kind, failed: kind === "nothing" ? "TCP" : "Noise", reason };
}

function stateOf(
  best: Diagnosis | undefined,
  addresses: readonly Attempt[],
  seenBy: number | undefined,
): PeerState {
  if (best && isHere(best)) return best.failed === "fingerprint" ? "another run" : "runs";
  if (seenBy !== undefined) return "runs";
  const answers = addresses.map((attempt) => attempt.answers);
  if (answers.includes("silent")) return "silent";
  if (answers.includes("other") || answers.includes("foreign")) return "blocked";
  // Another doctor listens in its place.
  if (answers.includes("peer")) return "free";
  return answers.includes("unproven") ? "unproven" : "absent";
}

/** Lets a probe listen in place of a peer of this machine that does not run. */
async function standIn(
  options: ExamineOptions,
  sighting: Sighting,
  found: readonly Diagnosis[],
  probes: Map<number, Probe>,
): Promise<Sighting> {
  const { peer } = sighting;
  const settings = options.topology.peers[peer]!;
  // A machine that has a peer's key and not its neighbours' is that peer's, at whatever address it is dialled.
  const isOnlyHere = !found.some(({ to }) => to === peer);
  const isOwn = probes.has(peer) && (isLocal(settings) || isOnlyHere);
  if (sighting.state !== "absent" || !isOwn || settings.listen.length === 0) return sighting;
  try {
    const played = await probeOf(options, peer, settings.listen);
    await probes.get(peer)!.close();
    probes.set(peer, played);
    return { ...sighting, state: "free", isPlayed: true };
  } catch (error) {
    const { message } = error as Error;
    const addresses = sighting.addresses.map((attempt) => ({ ...attempt, reason: message }));
    return { ...sighting, state: "blocked", addresses };
  }
}

interface Known {
  readonly probes: ReadonlyMap<number, Probe>;
  readonly found: readonly Diagnosis[];
  readonly peers: ReadonlyMap<number, Sighting>;
  readonly only: number | undefined;
}

type Failure = Required<Pick<EdgeVerdict, "failed" | "reason">>;

/** Tries an edge towards an end that answers, if one does, and asks that end about it. */
async function judgeEdge(ends: readonly [number, number], known: Known): Promise<EdgeVerdict> {
  const { probes, found, peers } = known;
  const [a, b] = ends;
  const sighted = (peer: number): Sighting => peers.get(peer)!;
  const standIns = ends.filter((peer) => {
    const { state } = sighted(peer);
    return !isAlive(sighted(peer)) && state !== "unproven" && (probes.has(peer) || state === "free");
  });
  const obstacle =
    found.find(({ from, to, failed, answers }) => {
      const isThis = (from === a && to === b) || (from === b && to === a);
      return isThis && failed !== undefined && answers === "peer";
    }) ?? obstacleAt(ends, known);
  if (obstacle) {
    const { from, to, address, failed, reason } = obstacle;
    return {
      from,
      to,
      ...(address !== undefined && { address }),
      failed: failed!,
      reason: reason!,
      standIns,
    };
  }
  const [from, to] = [ends, [b, a] as const]
    .filter(([dialler]) => probes.has(dialler))
    .sort(([, x], [, y]) => answerRank(sighted(y)) - answerRank(sighted(x)))[0]!;
  const before = found.find((each) => each.from === from && each.to === to);
  const isKnown = before && !sighted(to).isPlayed;
  const { address, failed, reason, status } = isKnown ? before : await probes.get(from)!.diagnose(to);
  const edge = { from, to, ...(address !== undefined && { address }), standIns };
  return { ...edge, ...(failed ? { failed, reason: reason! } : betweenPeers(edge, status, known)) };
}

/** What keeps a peer from taking part at its addresses, whoever dials. */
function obstacleAt(
  [a, b]: readonly [number, number],
  { peers }: Known,
): Pick<Diagnosis, "from" | "to" | "address" | "failed" | "reason"> | undefined {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const { state, addresses } = peers.get(to)!;
    const attempt = addresses.find(({ failed }) => failed !== undefined);
    if (attempt && ["blocked", "silent", "another run", "absent"].includes(state)) {
      return { ...attempt, from, to };
    }
  }
  return undefined;
}

/** Which end an edge is tried towards: rather one that answers. */
function answerRank({ addresses, isPlayed }: Sighting): number {
  if (addresses.some((attempt) => isHere(attempt) && attempt.failed === undefined)) return 3;
  return isPlayed ? 2 : addresses.length > 0 ? 1 : 0;
}

const isAlive = ({ state }: Sighting): boolean => state === "runs" || state === "another run";

/** Why two peers between which a connection can be made have none; undefined where they have, or neither runs. */
function betweenPeers(
  { from, to, standIns }: Pick<EdgeVerdict, "from" | "to" | "standIns">,
  status: Diagnosis["status"],
  { found, peers, only }: Known,
): Failure | undefined {
  for (const peer of [from, to]) {
    const { state, seenBy, addresses } = peers.get(peer)!;
    // Its own machine may not reach it at an address that a router forwards: neighbours decide.
    const isElsewhere =
      found.some((each) => each.to === peer) && addresses.every(({ answers }) => answers === "nothing");
    if (state !== "runs" || seenBy === undefined || addresses.length === 0 || !isElsewhere) continue;
    return {
      failed: "TCP",
      reason: `peer ${peer} runs, since peer ${seenBy} is connected to it, but not at ${addresses[0]!.address}: correct its address`,
    };
  }
  if (standIns.length === 0 && status && !status.edge.isConnected) {
    return { failed: "peers", reason: `peer ${to} is not connected to peer ${from}: ${status.edge.reason}` };
  }
  // Before a start all may be missing; once some run, the others are down. With --id, that peer is about to start.
  const down = standIns.filter((peer) => peer !== only);
  const alive = [...peers.values()].filter(isAlive);
  if (down.length === 0 || alive.length === 0) return undefined;
  const who = alive.length === 1 ? `peer ${alive[0]!.peer} does` : "others do";
  return { failed: "peers", reason: `peer ${down[0]} does not run, and ${who}: start it` };
}
