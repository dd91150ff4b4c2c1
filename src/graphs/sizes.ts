/** Settings that several kinds of graph share. */
import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import { MAX_EDGES, MAX_PEERS } from "./graph.js";
import { MAX_DENSE_PEERS } from "./mixing.js";

/** Peers of the largest complete graph: n(n − 1)/2 is at most `MAX_EDGES`. */
export const MAX_COMPLETE_PEERS = Math.floor((1 + Math.sqrt(1 + 8 * MAX_EDGES)) / 2);

const countUpTo = (most: number) =>
  z
    .int()
    .min(1)
    .max(most, { error: ({ input }) => `must be at most ${most} for this kind of graph, not ${input}` })
    .describe("number of peers");

export const peerCount = z.int().min(1).max(MAX_PEERS).describe("number of peers");
/** Where every two peers have an edge. */
export const completePeerCount = countUpTo(MAX_COMPLETE_PEERS);
/** Where edges change from round to round, which takes dense matrices to describe. */
export const sequencePeerCount = countUpTo(MAX_DENSE_PEERS);

export const seed = z
  .int()
  .min(0)
  .default(1)
  .describe("seed of the random graph: the same seed gives the same graph on every machine");

/** How many random graphs are drawn before a random kind gives up. */
export const MAX_SAMPLES = 100;

/** Neighbours of every peer where a graph leaves it open. */
export const DEFAULT_DEGREE = 4;

/** The size that a kind is given for this many peers. @throws InvalidTopology when it is not whole */
export function wholeSize(size: number, kind: string, peers: number, what: string): number {
  if (Number.isInteger(size)) return size;
  throw new InvalidTopology(`a ${kind} cannot have ${peers} peers: give --peers ${what}`, {
    code: "graph-size",
    field: "peers",
  });
}
