import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import { type Random, random } from "../foundation/random.js";
import { createSimpleGraph, type Edge, type Graph, type GraphKind, isConnected } from "./graph.js";
import { DEFAULT_DEGREE, MAX_SAMPLES, peerCount, seed } from "./sizes.js";

/** Switches tried per edge; the chain forgets the graph it started from long before. */
const SWITCHES_PER_EDGE = 20;

/** What must hold for a simple graph of `peers` with this `degree` to exist. */
export function requireRegular(
  { peers, degree }: { peers: number; degree: number },
  context: { addIssue(issue: { code: "custom"; path: string[]; message: string }): void },
): void {
  const complain = (message: string) => context.addIssue({ code: "custom", path: ["degree"], message });
  if (degree === 2) {
    complain(
      `is 2, and the connected graph of degree 2 is a ring: use ${JSON.stringify({ kind: "ring", peers })}`,
    );
  } else if (degree >= peers) {
    complain(
      `is ${degree}, but ${peers} peers have at most ${peers - 1} neighbours each: take a lower degree`,
    );
  } else if ((peers * degree) % 2 === 1) {
    complain(
      `is ${degree}, and no graph of ${peers} peers has that odd degree: take an even degree or even peers`,
    );
  }
}

/**
 * A random simple graph in which every peer has `degree` neighbours: a circulant graph after many random
 * switches, each of which replaces edges a–b, c–d by a–d, c–b. It may be disconnected.
 *
 * @see Cooper, Dyer & Greenhill 2007, “Sampling regular graphs and a peer-to-peer network”
 */
export function sampleRegularGraph(peers: number, degree: number, stream: Random): Graph {
  const ends = circulantEdges(peers, degree);
  const count = ends.length / 2;
  const adjacent = createAdjacency(peers, degree, ends);
  for (let step = 0; step < SWITCHES_PER_EDGE * count; step++) {
    const first = 2 * Math.floor(stream.uniform(3 * step) * count);
    const second = 2 * Math.floor(stream.uniform(3 * step + 1) * count);
    const isStraight = stream.uniform(3 * step + 2) < 0.5;
    const a = ends[first]!;
    const b = ends[first + 1]!;
    const c = ends[isStraight ? second : second + 1]!;
    const d = ends[isStraight ? second + 1 : second]!;
    if (a === c || a === d || b === c || b === d) continue;
    if (adjacent.has(a, d) || adjacent.has(c, b)) continue;
    adjacent.replace(a, b, d);
    adjacent.replace(b, a, c);
    adjacent.replace(c, d, b);
    adjacent.replace(d, c, a);
    ends[first + 1] = d;
    ends[second] = c;
    ends[second + 1] = b;
  }
  return createSimpleGraph(peers, pairsOf(ends));
}

/** Both ends of every edge, one edge after the other: an expander may take a hundred samples, so they lie close together. */
function circulantEdges(peers: number, degree: number): Int32Array {
  const ends = new Int32Array(peers * degree);
  let end = 0;
  for (let offset = 1; offset <= degree / 2; offset++) {
    for (let peer = 0; peer < peers; peer++) {
      ends[end++] = peer;
      ends[end++] = (peer + offset) % peers;
    }
  }
  // What is left of an odd degree: everyone and its opposite.
  for (let peer = 0; end < ends.length; peer++) {
    ends[end++] = peer;
    ends[end++] = peer + peers / 2;
  }
  return ends;
}

function* pairsOf(ends: Int32Array): Generator<Edge> {
  for (let end = 0; end < ends.length; end += 2) yield [ends[end]!, ends[end + 1]!];
}

/** Every peer's neighbours in a table, `degree` to a row. */
function createAdjacency(peers: number, degree: number, ends: Int32Array) {
  const table = new Int32Array(peers * degree);
  const counts = new Int32Array(peers);
  const placeOf = (peer: number, neighbour: number): number => {
    const end = (peer + 1) * degree;
    for (let place = peer * degree; place < end; place++) if (table[place] === neighbour) return place;
    return -1;
  };
  for (const [a, b] of pairsOf(ends)) {
    table[a * degree + counts[a]!++] = b;
    table[b * degree + counts[b]!++] = a;
  }
  return {
    has: (a: number, b: number) => placeOf(a, b) >= 0,
    replace(peer: number, old: number, neighbour: number) {
      table[placeOf(peer, old)] = neighbour;
    },
  };
}

const settings = z
  .strictObject({
    kind: z.literal("random-regular"),
    peers: peerCount,
    degree: z.int().min(2).describe("neighbours of every peer, at least 3"),
    seed,
  })
  .superRefine(requireRegular);

/** A random connected graph of one degree, redrawn until it is connected. Its gap is whatever it is: see `expander`. */
export const randomRegular: GraphKind<typeof settings> = {
  settings,
  create({ peers, degree, seed }) {
    for (let sample = 0; sample < MAX_SAMPLES; sample++) {
      const graph = sampleRegularGraph(peers, degree, random(seed, "random-regular", sample));
      if (isConnected(graph)) return graph;
    }
    throw new InvalidTopology(
      `none of ${MAX_SAMPLES} random graphs of ${peers} peers and degree ${degree} is connected: raise the degree`,
      { code: "random-regular-disconnected", field: "degree" },
    );
  },
  sized: (peers) => ({ kind: "random-regular", peers, degree: DEFAULT_DEGREE }),
};
