import type { AlgorithmKind } from "../algorithm.js";
import { mix } from "./mix.js";

/** α and β: outer learning rate and momentum. */
const OUTER_RATE = 0.7;
const OUTER_MOMENTUM = 0.5;

/**
 * NoLoCo: an outer momentum that is made of the local displacement and of the way to the neighbours. Where its two pulls have
 * one rate, as in the paper, they follow from one message, the point that the local steps lead to. It travels compressed with
 * error feedback, as in DeepSqueeze.
 *
 *     y = x + u      q = C(y + δ)      δ ← y + δ − q      m ← βm + α(u + η Σ_j w_ij (q_j − q))      x ← x + m
 *
 * `gasloc` looks ahead, as Nesterov does: with p for the pull to the neighbours, x⁺ − x = u + p + γ(x − x⁻ + u − u⁻) there,
 * and α(u + p) + β(x − x⁻) here.
 *
 * Made for pairs that change (the graph `random-matchings`), where Σ_j w_ij q_j is the mean of two.
 *
 * @see Kolehmainen et al. 2025, “NoLoCo: No-all-reduce Low Communication Training Method for Large Models”, §3; there
 *   uncompressed, with Adam as the inner optimiser
 */
export const noloco: AlgorithmKind = {
  name: "noloco",
  vectors: () => 2,
  steps: 1,
  compresses: true,
  sends: "model",
  needs: { graph: "symmetric", everyEdge: false, contraction: true },
  usesRate: true,
  movesMean: true,
  keeps: ["residual", "momentum"],
  create({ model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const [residual, momentum] = [space.vector(length), space.vector(length)];
    return {
      state: { vectors: { residual, momentum }, scalars: {} },
      point: model,
      *round(update, { random }) {
        kernels.add(residual.byteOffset, byteOffset, length);
        kernels.add(residual.byteOffset, update.byteOffset, length);
        mix(compressor, update, yield compressor.squeeze(residual, random()));
        kernels.addScaled(momentum.byteOffset, momentum.byteOffset, length, OUTER_MOMENTUM - 1);
        kernels.addScaled(momentum.byteOffset, update.byteOffset, length, OUTER_RATE);
        kernels.add(byteOffset, momentum.byteOffset, length);
      },
    };
  },
};
