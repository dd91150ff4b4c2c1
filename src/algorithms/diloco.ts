import type { AlgorithmKind } from "../algorithm.js";
import { addMean } from "./aggregate.js";

/** Outer learning rate and momentum. */
const OUTER_RATE = 0.7;
const OUTER_MOMENTUM = 0.9;

/**
 * DiLoCo without a server, on a complete graph: Nesterov momentum on the mean of the peers' displacements after H local
 * steps. Displacements are compressed with error feedback.
 *
 *     Δ = (1/n) Σ_j C(u_j + e_j)      v ← βv + Δ      x ← x + α(Δ + βv)
 *
 * @see Douillard et al. 2023, “DiLoCo: Distributed Low-Communication Training of Language Models”, Algorithm 1
 */
export const diloco: AlgorithmKind = {
  name: "diloco",
  vectors: () => 2,
  steps: 1,
  compresses: true,
  sends: "update",
  needs: { graph: "complete", everyEdge: true, contraction: true },
  usesRate: false,
  movesMean: true,
  keeps: ["error", "momentum"],
  create({ id, model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const [error, momentum] = [space.vector(length), space.vector(length)];
    return {
      state: { vectors: { error, momentum }, scalars: {} },
      point: model,
      *round(update, { random }) {
        kernels.add(error.byteOffset, update.byteOffset, length);
        const own = compressor.squeeze(error, random());
        const settled = yield own;
        update.fill(0);
        addMean(compressor, update, id, own, settled);
        kernels.addScaled(momentum.byteOffset, momentum.byteOffset, length, OUTER_MOMENTUM - 1);
        kernels.add(momentum.byteOffset, update.byteOffset, length);
        kernels.addScaled(byteOffset, update.byteOffset, length, OUTER_RATE);
        kernels.addScaled(byteOffset, momentum.byteOffset, length, OUTER_RATE * OUTER_MOMENTUM);
      },
    };
  },
};
