import type { AlgorithmKind } from "../algorithm.js";
import { exactly } from "./exactly.js";
import { mix } from "./mix.js";

/**
 * Gradient tracking: every peer follows the mean update of all peers, so that what different data do to D-PSGD is
 * gone, at the price of a second message.
 *
 *     y ← Wy⁻ + u − u⁻      x ← W(x + y)      with W here I − η(I − W)
 *
 * @see Nedić, Olshevsky & Shi 2017, “Achieving Geometric Convergence for Distributed Optimization over Time-Varying
 *   Graphs”; Koloskova et al. 2021, “An Improved Analysis of Gradient Tracking for Decentralized Machine Learning”,
 *   Algorithm 1
 */
export const gradientTracking: AlgorithmKind = {
  name: "gradient-tracking",
  vectors: () => 2,
  steps: 2,
  compresses: false,
  sends: "model",
  needs: { graph: "symmetric", everyEdge: false, contraction: false },
  usesRate: true,
  create({ model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const tracker = space.vector(length);
    const previous = space.vector(length);
    return {
      state: { vectors: { tracker, previous }, scalars: {} },
      point: model,
      *round(update) {
        kernels.add(tracker.byteOffset, update.byteOffset, length);
        kernels.addScaled(tracker.byteOffset, previous.byteOffset, length, -1);
        previous.set(update);
        kernels.add(byteOffset, tracker.byteOffset, length);
        mix(compressor, model, yield exactly(compressor, model));
        mix(compressor, tracker, yield exactly(compressor, tracker));
      },
    };
  },
};
