/** Settings that several kinds of graph share. */
import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import { MAX_PEERS } from "./graph.js";

export const peerCount = z.int().min(1).max(MAX_PEERS).describe("number of peers");

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
