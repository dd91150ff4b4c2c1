/** Settings that kinds of optimisers share, and what follows from them. */
import { z } from "zod";
import type { Vector, VectorSpace } from "../vectors/vector.js";

export { fraction } from "../settings/fraction.js";

export const epsilon = z.number().positive().default(1e-7).describe("added to denominators");

const clipNorm = z
  .number()
  .positive()
  .optional()
  .describe("largest L2 norm of a gradient; longer ones are scaled to it; off when absent");

const weightDecay = z
  .number()
  .min(0)
  .describe(
    "λ: λ·x is added to every gradient, as from the L2 penalty λ/2·‖x‖²; adamw moves x by −γ·λ·x instead",
  );

/** For the kinds whose weight decay is an L2 penalty. */
export const penalised = { weightDecay: weightDecay.default(0), clipNorm };

/** For the kinds whose weight decay goes past the update rule. */
export const decoupled = { weightDecay: weightDecay.default(0.01), clipNorm };

/** The factor that brings the gradient to the norm `clipNorm`: min(1, clipNorm/‖g‖), and 1 without a `clipNorm`. */
export function clipFactor({ kernels }: VectorSpace, gradient: Vector, clipNorm: number | undefined): number {
  if (clipNorm === undefined) return 1;
  const norm = Math.sqrt(kernels.sumOfSquares(gradient.byteOffset, gradient.length));
  return norm > clipNorm ? clipNorm / norm : 1;
}
