import type { AlgorithmKind } from "../algorithm.js";
import { mixCompressed } from "./mix-compressed.js";

/**
 * CHOCO-SGD: what travels is the compressed difference to a public copy x̂ that sender and receivers keep equal.
 *
 *     q = C(h − x̂)      x̂ ← x̂ + q      x ← h + γ Σ_j w_ij (x̂_j − x̂)
 *
 * The neighbours' copies are only ever needed as s = Σ_j w_ij (x̂_j − x̂), so two vectors beside the model are
 * enough while the weights stay the same. There is no floor, but a lost message stays lost in s.
 *
 * @see Koloskova et al. 2020, “Decentralized Deep Learning with Arbitrary Communication Compression”, Algorithm 1
 */
export const choco: AlgorithmKind = {
  name: "choco",
  compresses: true,
  create({ model, space, compressor }) {
    const { length } = model;
    const { kernels } = space;
    // Between rounds this holds x̂; from share to mix it holds h − x̂, then the error h − x̂ − q, in place.
    const publicCopy = space.vector(length);
    const disagreement = space.vector(length);
    return {
      name: "choco",
      state: { publicCopy, disagreement },
      share() {
        kernels.subtractFrom(publicCopy.byteOffset, model.byteOffset, length);
        return publicCopy;
      },
      mix(own, heard, consensusRate) {
        // x̂ + q = h − (h − x̂ − q)
        kernels.subtractFrom(publicCopy.byteOffset, model.byteOffset, length);
        mixCompressed(compressor, disagreement, own, heard, 1);
        kernels.addScaled(model.byteOffset, disagreement.byteOffset, length, consensusRate);
      },
    };
  },
};
