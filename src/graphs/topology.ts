/** The topology file: the graph, its weights, and who each peer is and where it listens. */
import { z } from "zod";
import { detailsOf, InvalidTopology, MurmurationError } from "../foundation/errors.js";
import { checked } from "../settings/check.js";
import { closingOf } from "./closing-rates.js";
import { degrees, type Graph, presentPeers, withoutPeers } from "./graph.js";
import { createGraph, eigenvaluesOf, type GraphSettings, graphSettings } from "./index.js";
import type { Mixing, MixingSequence } from "./mixing.js";
import { sequenceContraction, sequenceMixing } from "./sequence-mixing.js";
import {
  MAX_DECOMPOSED_PEERS,
  maximumConsensusRate,
  optimalConsensusRate,
  predictedRounds,
  type Spectrum,
  spectralGap,
  spectrum,
  spectrumOf,
} from "./spectrum.js";
import { completePeers, peerSettings, type TopologyPeer } from "./topology-peers.js";
import { metropolisMixing, pushMixing, weightedMixing } from "./weights.js";

/** Most characters of a topology file: room for a written-out matrix of the largest graph. */
export const MAX_TOPOLOGY_CHARACTERS = 2 ** 25;

/** Most characters of the name of a topology. */
export const MAX_TOPOLOGY_NAME_CHARACTERS = 128;

export const topologySettings = z.strictObject({
  $schema: z.string().optional(),
  name: z
    .string()
    .min(1)
    .max(MAX_TOPOLOGY_NAME_CHARACTERS)
    .optional()
    .describe("what logs call this topology"),
  graph: graphSettings.describe("who talks to whom"),
  weights: z
    .union([z.literal("metropolis"), z.array(z.array(z.number()))])
    .default("metropolis")
    .describe("Metropolis–Hastings weights, or the rows of a symmetric matrix whose rows sum to 1"),
  peers: z.array(peerSettings).optional().describe("who the peers are; those left out have no addresses yet"),
});

/** A graph with its mixing matrix W and its peers, as a topology file describes them. */
export interface Topology {
  readonly name: string;
  readonly graphSettings: GraphSettings;
  readonly graph: Graph;
  readonly mixing: Mixing;
  /** The weights are written out in the file, not computed from the graph. */
  readonly hasOwnWeights?: true;
  /** One per peer, in the order of their numbers. */
  readonly peers: readonly TopologyPeer[];
}

/**
 * A topology from the text of a topology file (JSON), or from an object of the same form.
 *
 * @param source what messages call it, for example `topology file ring-8.json`
 * @throws InvalidTopology one line with the path of what is wrong and what to change
 */
export function parseTopology(input: unknown, source: string): Topology {
  const value = typeof input === "string" ? parseText(input, source) : input;
  const settings = checked(topologySettings, value, { what: source }, InvalidTopology);
  const whole = within(`${source}: graph`, () => createGraph(settings.graph), "graph");
  const peers = within(source, () => completePeers(settings.peers ?? [], whole.peers));
  const graph = within(source, () => withoutThoseThatLeft(whole, peers, settings.weights));
  // A closed form holds while all peers are there; small spectra are decomposed.
  const isClosed = graph === whole && graph.peers > MAX_DECOMPOSED_PEERS;
  const eigenvalues = isClosed ? eigenvaluesOf(settings.graph) : undefined;
  const mixing = within(source, () => mixingOf(graph, settings.weights, eigenvalues));
  return {
    name: settings.name ?? `${settings.graph.kind}-${graph.peers}`,
    graphSettings: settings.graph,
    graph,
    mixing,
    peers,
    ...(settings.weights !== "metropolis" && { hasOwnWeights: true }),
  };
}

/** @throws InvalidTopology peers cannot leave a graph of this kind, or too few stay */
function withoutThoseThatLeft(
  graph: Graph,
  peers: readonly TopologyPeer[],
  weights: "metropolis" | number[][],
): Graph {
  const left = peers.flatMap((peer) => (peer.left ? peer.id : []));
  if (left.length === 0) return graph;
  const reason = whyMembersAreFixed(graph, weights);
  if (reason !== undefined) {
    throw new InvalidTopology(`peer ${left[0]} cannot have left: ${reason}`, {
      code: "left-of-fixed-graph",
      peer: left[0],
      field: "peers",
    });
  }
  if (graph.peers - left.length < 2) {
    throw new InvalidTopology(
      `${left.length} of ${graph.peers} peers have left: a graph that goes on has at least 2`,
      { code: "too-few-stay", field: "peers" },
    );
  }
  return withoutPeers(graph, left);
}

/** Why the peers of a graph cannot change while it runs; undefined where they can. */
export function whyMembersAreFixed({ isDirected, sequence }: Graph, weights: unknown): string | undefined {
  if (sequence) return "the graph changes from round to round; use one with the same edges in every round";
  if (isDirected) return "the graph is directed, and its weights are shares; use an undirected graph";
  return weights === "metropolis"
    ? undefined
    : "the weights are written out, and no rule gives those of another graph; leave the weights out";
}

/** @throws InvalidTopology peers have left, so that no new run can begin with the graph */
export function requireWhole({ name, graph: { left = [] } }: Topology): void {
  if (left.length === 0) return;
  throw new InvalidTopology(
    `${name} is the graph of a run that peers ${left.join(", ")} have left: start single peers of that run with \`murmur peer\`, or a new run from a topology without "left"`,
    { code: "topology-of-a-running-graph", peer: left[0], field: "peers" },
  );
}

function mixingOf(
  graph: Graph,
  weights: "metropolis" | number[][],
  eigenvalues: Mixing["eigenvalues"],
): Mixing {
  if (graph.isDirected && weights !== "metropolis") {
    throw new InvalidTopology(
      "the graph is directed, and a directed graph always has equal shares as weights: remove the weights",
      { code: "weights-on-directed-graph", field: "weights" },
    );
  }
  const { sequence } = graph;
  if (sequence && weights !== "metropolis") {
    throw new InvalidTopology(
      "the graph changes from round to round and has its own weights for each: remove the weights",
      { code: "weights-on-graph-sequence", field: "weights" },
    );
  }
  if (sequence) return sequenceMixing({ ...graph, sequence });
  if (graph.isDirected) return pushMixing(graph);
  return weights === "metropolis" ? metropolisMixing(graph, eigenvalues) : weightedMixing(graph, weights);
}

/**
 * The peer of this number.
 *
 * @param source what messages call the topology
 * @throws InvalidTopology when there is none
 */
export function requirePeer({ name, peers }: Topology, id: number, source = name): TopologyPeer {
  const peer = peers[id];
  if (peer) return peer;
  throw new InvalidTopology(`${source} has no peer ${id}: its peers are numbered 0 to ${peers.length - 1}`, {
    code: "unknown-peer",
    peer: id,
  });
}

/**
 * The content of a topology file.
 *
 * @throws InvalidTopology it is too long, or not JSON
 */
export function parseText(text: string, source: string): unknown {
  requireShortText(text, source);
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    const reason = (cause as SyntaxError).message.replace(/\s+/g, " ");
    throw new InvalidTopology(`${source} is not JSON (${reason}): correct it there`, {
      code: "topology-not-parsed",
      cause,
    });
  }
}

/** @throws InvalidTopology there are more than `MAX_TOPOLOGY_CHARACTERS` */
export function requireShortText({ length }: string, source: string): void {
  if (length <= MAX_TOPOLOGY_CHARACTERS) return;
  throw new InvalidTopology(`${source} has ${length} characters: write at most ${MAX_TOPOLOGY_CHARACTERS}`, {
    code: "topology-too-long",
  });
}

/** Runs a step. Its error says where it comes from, in the sentence and, below `path`, in the field. */
export function within<Result>(where: string, step: () => Result, path?: string): Result {
  try {
    return step();
  } catch (error) {
    if (!(error instanceof MurmurationError)) throw error;
    const details = detailsOf(error);
    const field = [path, details.field].filter((part) => part !== undefined).join(".") || undefined;
    throw new InvalidTopology(`${where}: ${error.message}`, { ...details, field, cause: error });
  }
}

/** JSON Schema (draft 7) of topology files, for editors. */
export function topologyJsonSchema(): Record<string, unknown> {
  return {
    title: "Murmuration topology",
    ...z.toJSONSchema(topologySettings, { io: "input", target: "draft-7" }),
  };
}

/** What is worth knowing about a graph sequence. */
export interface SequenceDescription {
  /** Rounds after which it repeats; left out where every round is drawn at random. */
  readonly period?: number;
  /** Whether one period of exact gossip with η = 1 gives every peer the mean. */
  readonly isExact: boolean;
  /** Most neighbours that a peer has in a round. */
  readonly mostNeighbours: number;
  /** Edges of a round, in the mean. */
  readonly edgesPerRound: number;
}

/** The numbers that say how fast a graph of peers comes together. */
export interface TopologyDescription {
  readonly name: string;
  readonly kind: GraphSettings["kind"];
  readonly peers: number;
  readonly edges: number;
  /** Eigenvalues below are moduli then, and rates have no meaning. */
  readonly isDirected: boolean;
  /** Present where the graph changes from round to round; edges and neighbours are then those of all rounds. */
  readonly sequence?: SequenceDescription;
  readonly minimumDegree: number;
  readonly maximumDegree: number;
  /** λ₂; of a sequence, what a round leaves of ‖X − X̄‖ in the mean (`sequenceContraction`) */
  readonly secondEigenvalue: number;
  /** λ_n; of a sequence, the least of any round */
  readonly smallestEigenvalue: number;
  readonly spectralGap: number;
  /** η* */
  readonly optimalConsensusRate: number;
  /** 2/(1 − λ_n): η must stay below. */
  readonly maximumConsensusRate: number;
  /** `ROUNDS_FACTOR`: what the rounds below reduce the consensus distance to. */
  readonly roundsFactor: number;
  /** Rounds of exact gossip with η = 1 until the consensus distance has fallen to `roundsFactor`. */
  readonly roundsAtOne: number;
  /** The same with η*. */
  readonly roundsAtOptimum: number;
  /** Rounds of the closing consensus, and what it leaves of any disagreement at most. */
  readonly closingRounds: number;
  readonly closingContraction: number;
}

/** The share of the consensus distance that predicted rounds leave. */
export const ROUNDS_FACTOR = 1e-2;

/** What is worth knowing about a topology before a run. Computes the spectrum. */
export function describeTopology({ name, graphSettings, graph, mixing }: Topology): TopologyDescription {
  const { sequence } = mixing;
  const present = presentPeers(graph);
  const all = degrees(graph);
  const counts = present.map((peer) => all[peer]!);
  const closing = mixing.isDirected ? { rates: [], contraction: 1 } : closingOf(mixing);
  const speed = sequence ? sequenceSpeed(graph, sequence) : graphSpeed(spectrum(mixing));
  return {
    name,
    kind: graphSettings.kind,
    peers: present.length,
    edges: graph.edges.length,
    isDirected: graph.isDirected === true,
    minimumDegree: Math.min(...counts),
    maximumDegree: Math.max(...counts),
    ...(sequence && { sequence: describeSequence(graph, sequence) }),
    ...speed,
    roundsFactor: ROUNDS_FACTOR,
    closingRounds: closing.rates.length,
    closingContraction: closing.contraction,
  };
}

function graphSpeed(known: Spectrum) {
  const optimal = optimalConsensusRate(known);
  return {
    secondEigenvalue: known.second,
    smallestEigenvalue: known.smallest,
    spectralGap: spectralGap(known),
    optimalConsensusRate: optimal,
    maximumConsensusRate: maximumConsensusRate(known),
    roundsAtOne: predictedRounds(known, 1, ROUNDS_FACTOR),
    roundsAtOptimum: predictedRounds(known, optimal, ROUNDS_FACTOR),
  };
}

/** Of a sequence whose period is exact, the rounds are a period; otherwise they follow from the mean of a round. */
function sequenceSpeed(graph: Graph, { isExact, rounds, smallestEigenvalue }: MixingSequence) {
  const contraction = sequenceContraction(graph);
  const predicted = isExact ? rounds : predictedRounds(spectrumOf([1, contraction]), 1, ROUNDS_FACTOR);
  return {
    secondEigenvalue: contraction,
    smallestEigenvalue,
    spectralGap: 1 - contraction,
    optimalConsensusRate: 1,
    maximumConsensusRate: 2 / (1 - smallestEigenvalue),
    roundsAtOne: predicted,
    roundsAtOptimum: predicted,
  };
}

function describeSequence({ sequence: drawn }: Graph, sequence: MixingSequence): SequenceDescription {
  const { period, isExact, rounds } = sequence;
  let edges = 0;
  let mostNeighbours = 0;
  for (let t = 0; t < rounds; t++) {
    const round = drawn!.round(t);
    edges += round.length;
    for (const [a, b] of round) {
      for (const peer of [a, b]) {
        mostNeighbours = Math.max(mostNeighbours, sequence.neighbours(peer, t).length);
      }
    }
  }
  return { ...(period !== undefined && { period }), isExact, mostNeighbours, edgesPerRound: edges / rounds };
}
