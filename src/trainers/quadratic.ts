import { z } from "zod";
import { normal, random } from "../foundation/random.js";
import { createLayout } from "../vectors/layout.js";
import { lastOf } from "./last-of.js";
import { refuseFreezing } from "./task.js";
import { stateless, type TrainerKind } from "./trainer.js";

const settings = z.strictObject({
  kind: z.literal("quadratic"),
  dimension: z
    .union([z.int().min(1), z.array(z.int().min(1)).min(1)])
    .default(64)
    .describe("length of the model, or the lengths of its tensors, for example [48, 16]"),
  heterogeneity: z.number().min(0).default(1).describe("ζ: distance between the peers' own optima"),
  noise: z.number().min(0).default(0).describe("σ: standard deviation of each number of the gradient"),
  condition: z.number().min(1).default(1).describe("κ: largest curvature; the smallest is 1"),
});

// Peers of a process evaluate one function, whose optimum takes time for each peer of the run.
const shareMean = lastOf<Float64Array>();

/**
 * Least squares with a known answer, to see an algorithm without a network's noise:
 *
 *     f_i(x) = ½ Σ_k a_k (x_k − b_ik)²      b_i = b + ζ·N(0, I)      a_k = κ^(k / (d − 1))
 *
 * The mean of the f_i is least at the mean of the b_i. Local gradients are a ∘ (x − b_i) + σ·N(0, I). The model
 * starts at 0 and b is drawn from N(0, I).
 *
 * `gradient` returns the peer's own f_i; `evaluate` returns f(x) − f* of the mean f, which is 0 at the optimum only.
 */
export const quadratic: TrainerKind<typeof settings> = {
  settings,
  async create({ dimension, heterogeneity, noise, condition }, { peer, peers, seed }, task) {
    refuseFreezing(task, "quadratic", "");
    const lengths = typeof dimension === "number" ? [dimension] : dimension;
    const layout = createLayout(lengths.map((length, i) => ({ name: `x${i + 1}`, shape: [length] })));
    const size = layout.length;
    const curvature = Float64Array.from({ length: size }, (_, k) => condition ** (k / Math.max(1, size - 1)));
    const common = random(seed, "quadratic");

    function optimumOf(who: number): Float64Array {
      const offset = random(seed, "quadratic", who);
      return Float64Array.from(
        { length: size },
        (_, k) => normal(common, k) + heterogeneity * normal(offset, k),
      );
    }

    const own = optimumOf(peer);
    function meanOptimum(): Float64Array {
      const sum = new Float64Array(size);
      for (let who = 0; who < peers; who++) {
        optimumOf(who).forEach((number, k) => {
          sum[k]! += number / peers;
        });
      }
      return sum;
    }

    function excess(model: Float32Array, optimum: Float64Array): number {
      let sum = 0;
      for (let k = 0; k < size; k++) sum += curvature[k]! * (model[k]! - optimum[k]!) ** 2;
      return sum / 2;
    }

    return {
      layout,
      initialize(model) {
        model.fill(0);
      },
      async gradient(point, out, step) {
        const disturbance = random(seed, "noise", peer, step);
        for (let k = 0; k < size; k++) {
          out[k] = curvature[k]! * (point[k]! - own[k]!) + (noise > 0 ? noise * normal(disturbance, k) : 0);
        }
        return excess(point, own);
      },
      async evaluate(model) {
        const mean = shareMean([size, heterogeneity, peers, seed], meanOptimum);
        return { loss: excess(model, mean) };
      },
      ...stateless,
      dispose() {},
    };
  },
};
