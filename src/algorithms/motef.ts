import type { AlgorithmKind } from "../algorithm.js";
import { beer, createBeer } from "./beer.js";

/** λ: how much of a new gradient enters the momentum. */
const SHARE = 0.1;

/**
 * MoTEF: BEER that tracks a momentum instead of single gradients, whose noise the tracking would keep.
 *
 *     m ← (1 − λ)m + λu      y ← y + η s_y + m − m⁻      x ← x + η s_x + y
 *
 * The mean of the models moves by m.
 *
 * @see Islamov et al. 2025, “Towards Faster Decentralized Stochastic Optimization with Communication Compression”,
 *   Algorithm 1
 */
export const motef: AlgorithmKind = {
  ...beer,
  name: "motef",
  movesMean: true,
  create: (context) => createBeer(context, SHARE),
};
