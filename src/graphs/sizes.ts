/** Settings that several kinds of graph share. */
import { z } from "zod";
import { MAX_PEERS } from "../graph.js";

export const peerCount = z.int().min(1).max(MAX_PEERS).describe("number of peers");

export const seed = z
  .int()
  .min(0)
  .default(1)
  .describe("seed of the random graph: the same seed gives the same graph on every machine");

/** How many random graphs are drawn before a random kind gives up. */
export const MAX_SAMPLES = 100;
