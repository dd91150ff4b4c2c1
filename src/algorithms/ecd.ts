import type { AlgorithmKind } from "../algorithm.js";
import { addDisagreement } from "./mix.js";

/**
 * ECD-PSGD, for comparison: peers send an extrapolation, and neighbours average what they get of it. With t from 1 and
 * x̃ what the neighbours know of a model:
 *
 *     x_{t+1} = Σ_j w_ij x̃_j + u      z = (1 − t/2) x_t + (t/2) x_{t+1}      x̃ ← (1 − 2/t) x̃ + (2/t) C(z)
 *
 * z grows with t, and with it the error of every compressor whose error is relative; published runs diverge below 8 bits.
 *
 * @see Tang et al. 2018, “Communication Compression for Decentralized Training”, Algorithm 2
 */
export const ecd: AlgorithmKind = {
  name: "ecd",
  vectors: () => 2,
  steps: 1,
  compresses: true,
  sends: "difference",
  needs: {
    ...{ graph: "symmetric", everyEdge: true, edgeHistory: true },
    ...{ equalStart: true, contraction: false },
  },
  usesRate: false,
  movesMean: true,
  create({ model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const copy = space.vector(length);
    const disagreement = space.vector(length);
    const scalars = { rounds: 0 };
    const scale = (vector: typeof model, by: number) =>
      kernels.addScaled(vector.byteOffset, vector.byteOffset, length, by - 1);
    return {
      state: { vectors: { copy, disagreement }, scalars },
      point: model,
      *round(update, { random }) {
        if (scalars.rounds === 0) copy.set(model);
        const t = ++scalars.rounds;
        // x_{t+1} in the update's memory, z in the model's, then the other way round
        kernels.add(update.byteOffset, copy.byteOffset, length);
        kernels.add(update.byteOffset, disagreement.byteOffset, length);
        scale(model, 1 - t / 2);
        kernels.addScaled(byteOffset, update.byteOffset, length, t / 2);
        const own = compressor.squeeze(model, random());
        model.set(update);
        for (const vector of [copy, disagreement]) scale(vector, 1 - 2 / t);
        compressor.addTo(copy, own, 2 / t);
        addDisagreement(compressor, disagreement, yield own, 2 / t);
      },
    };
  },
};
