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
  const edges: [number, number][] = [];
  for (let offset = 1; offset <= degree / 2; offset++) {
    for (let peer = 0; peer < peers; peer++) edges.push([peer, (peer + offset) % peers]);
  }
  if (degree % 2 === 1) {
    for (let peer = 0; peer < peers / 2; peer++) edges.push([peer, peer + peers / 2]);
  }
  const code = (a: number, b: number) => Math.min(a, b) * peers + Math.max(a, b);
  const present = new Set(edges.map(([a, b]) => code(a, b)));

  for (let step = 0; step < SWITCHES_PER_EDGE * edges.length; step++) {
    const first = edges[Math.floor(stream.uniform(3 * step) * edges.length)]!;
    const second = edges[Math.floor(stream.uniform(3 * step + 1) * edges.length)]!;
    const [a, b] = first;
    const [c, d] = stream.uniform(3 * step + 2) < 0.5 ? second : [second[1], second[0]];
    if (a === c || a === d || b === c || b === d) continue;
    if (present.has(code(a, d)) || present.has(code(c, b))) continue;
    present.delete(code(a, b));
    present.delete(code(c, d));
    present.add(code(a, d));
    present.add(code(c, b));
    first[1] = d;
    second[0] = c;
    second[1] = b;
  }
  return createSimpleGraph(peers, edges satisfies Edge[]);
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
