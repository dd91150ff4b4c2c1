import type { AlgorithmKind } from "../algorithm.js";
import { createWeightedPayload, WEIGHT_BYTES } from "./weighted-payload.js";

/**
 * Stochastic gradient push: push-sum on a directed graph. A peer gives shares of its pair (x, w) away along its outgoing
 * edges and keeps the rest; gradients are taken at z = x / w, which is unbiased although W is only column-stochastic.
 *
 *     x ← x + u(z)      x_i ← (1 − Σ_k p_ki) x_i + Σ_j p_ij x_j      w alike      z = x / w
 *
 * Nothing comes back on an edge, so an edge that works one way is enough. Σ_i x_i moves by the updates alone, once what
 * is under way has arrived.
 *
 * @see Assran et al. 2019, “Stochastic Gradient Push for Distributed Deep Learning”, Algorithm 1
 */
export const pushSum: AlgorithmKind = {
  name: "push-sum",
  vectors: () => 2,
  steps: 1,
  compresses: false,
  extraPayloadBytes: WEIGHT_BYTES,
  sends: "model",
  needs: { graph: "directed", everyEdge: false, contraction: false },
  usesRate: false,
  keeps: ["point", "weight"],
  create({ model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const codec = createWeightedPayload(length, space, compressor);
    const point = space.vector(length);
    const scalars = { weight: 1 };
    const divide = () => {
      point.fill(0);
      kernels.addScaled(point.byteOffset, byteOffset, length, 1 / scalars.weight);
    };
    divide();
    return {
      state: { vectors: { point }, scalars },
      point,
      *round(update, { edges }) {
        kernels.add(byteOffset, update.byteOffset, length);
        divide();
        const settled = yield codec.encode(model, scalars.weight);
        const given = edges.reduce((sum, edge) => sum + (edge.direction === "in" ? 0 : edge.weight), 0);
        kernels.addScaled(byteOffset, byteOffset, length, -given);
        scalars.weight -= given * scalars.weight;
        for (const { edge, theirs } of settled) scalars.weight += codec.addTo(model, theirs, edge.weight);
        divide();
      },
      check: codec.check,
      normBound: codec.normBound,
    };
  },
};
