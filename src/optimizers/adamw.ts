import { z } from "zod";
import type { OptimizerKind } from "../optimizer.js";
import { adam, createAdam } from "./adam.js";
import { decoupled } from "./settings.js";

const { beta1, beta2, epsilon } = adam.settings.shape;

const settings = z.strictObject({ kind: z.literal("adamw"), beta1, beta2, epsilon, ...decoupled });

/**
 * Adam with decoupled weight decay: the moments see the gradient only, and u = −γ·(m̂ / (√v̂ + ε) + λ·x).
 * Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2, with γ for the product of their η and α, as in PyTorch.
 */
export const adamw: OptimizerKind<typeof settings> = {
  settings,
  vectors: () => 2,
  create: ({ weightDecay, ...settings }, context) =>
    createAdam({ ...settings, weightDecay: 0, decoupledDecay: weightDecay }, context),
};
