import { z } from "zod";
import { mix } from "../algorithms/mix.js";
import type { MixingRuleKind } from "../mixing-rule.js";

const settings = z.strictObject({ kind: z.literal("mean") });

/** Gossip: x ← x + η Σ_j w_ij (q_j − q_i). The mean of all models is exact, and one neighbour can move it anywhere. */
export const mean: MixingRuleKind<typeof settings> = {
  settings,
  isRobust: false,
  vectors: () => 0,
  fewestNeighbours: () => 0,
  create: (_settings, { compressor }) => ({
    scalars: {},
    mix: (model, settled) => mix(compressor, model, settled),
  }),
};
