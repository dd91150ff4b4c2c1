import type { AlgorithmKind } from "../algorithm.js";
import { addMean } from "./aggregate.js";

/** α of the memories: 1/(2(ω + 1)) for compressors of a relative variance ω of 4. */
const ALPHA = 0.1;

/**
 * Artemis, every peer playing the server: each sends the compressed difference of its update to a memory of its updates, so
 * that what compression loses vanishes although peers' data differ. All keep the mean h̄ of the memories.
 *
 *     Δ = C(u − h)      x ← x + h̄ + (1/n) Σ_j Δ_j      h ← h + αΔ      h̄ ← h̄ + (α/n) Σ_j Δ_j
 *
 * @see Philippenko & Dieuleveut 2020, “Bidirectional compression in heterogeneous settings for distributed or federated
 *   learning with partial participation: tight convergence guarantees”, Algorithm 1 (its uplink memory)
 */
export const artemis: AlgorithmKind = {
  name: "artemis",
  vectors: () => 2,
  steps: 1,
  compresses: true,
  sends: "update",
  needs: { graph: "complete", everyEdge: true, contraction: false },
  usesRate: false,
  movesMean: true,
  create({ id, model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const [memory, mean] = [space.vector(length), space.vector(length)];
    return {
      state: { vectors: { memory, mean }, scalars: {} },
      point: model,
      *round(update, { random }) {
        kernels.addScaled(update.byteOffset, memory.byteOffset, length, -1);
        const own = compressor.squeeze(update, random());
        compressor.addTo(memory, own, ALPHA);
        const settled = yield own;
        update.fill(0);
        addMean(compressor, update, id, own, settled);
        kernels.add(byteOffset, mean.byteOffset, length);
        kernels.add(byteOffset, update.byteOffset, length);
        kernels.addScaled(mean.byteOffset, update.byteOffset, length, ALPHA);
      },
    };
  },
};
