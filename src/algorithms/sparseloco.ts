import type { AlgorithmKind } from "../algorithm.js";
import { addMean } from "./aggregate.js";

/** β of the error feedback, and α, the outer learning rate. */
const ERROR_DECAY = 0.95;
const OUTER_RATE = 1;

/**
 * SparseLoCo without a server, on a complete graph: what a peer's local steps amount to goes into its error feedback, which
 * decays, and takes the place of an outer momentum.
 *
 *     e ← βe + u      q = C(e)      e ← e − q      x ← x + (α/n) Σ_j q_j
 *
 * Made for top-k of chunks with two bits a value: compressor topk, scope block, values minmax of 2 bits.
 *
 * @see Sarfi et al. 2025, “Communication Efficient LLM Pre-training with SparseLoCo”, Algorithm 1
 */
export const sparseloco: AlgorithmKind = {
  name: "sparseloco",
  vectors: () => 1,
  steps: 1,
  compresses: true,
  sends: "update",
  needs: { graph: "complete", everyEdge: true, contraction: true },
  usesRate: false,
  movesMean: true,
  keeps: ["error"],
  create({ id, model, space, compressor }) {
    const { kernels } = space;
    const error = space.vector(model.length);
    return {
      state: { vectors: { error }, scalars: {} },
      point: model,
      *round(update, { random }) {
        kernels.addScaled(error.byteOffset, error.byteOffset, model.length, ERROR_DECAY - 1);
        kernels.add(error.byteOffset, update.byteOffset, model.length);
        const own = compressor.squeeze(error, random());
        const settled = yield own;
        update.fill(0);
        addMean(compressor, update, id, own, settled);
        kernels.addScaled(model.byteOffset, update.byteOffset, model.length, OUTER_RATE);
      },
    };
  },
};
