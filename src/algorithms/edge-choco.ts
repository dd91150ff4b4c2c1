import type { AlgorithmKind } from "../algorithm.js";
import { byPeer } from "../vectors/state.js";

/**
 * CHOCO with its public copies on the edges. Both ends of an edge keep the same pair (x̂_i, x̂_j), and an exchange is one
 * compressed difference each way:
 *
 *     q_i = C(x_i − x̂_i)      x̂_i ← x̂_i + q_i      x̂_j ← x̂_j + q_j      x_i ← x_i + η w_ij (x̂_j − x̂_i)
 *
 * An edge's state follows from its numbered exchanges alone, so both ends compute the same transfer, whenever they do:
 * the mean is exact whatever is late or skipped. No floor; η = 1 with one bit a parameter.
 *
 * Each end holds x̂_i and d = x̂_j − x̂_i. The lower peer's payload enters d first, so that the two ends hold d and −d to
 * the bit.
 *
 * @see Koloskova et al. 2020, Algorithm 1 (the copies); Takezawa et al. 2022, “Communication Compression for
 *   Decentralized Learning with Operator Splitting Methods” (state on edges)
 */
export const edgeChoco: AlgorithmKind = {
  name: "edge-choco",
  vectors: (degree) => 2 * degree,
  steps: 1,
  compresses: true,
  sends: "difference",
  needs: { graph: "symmetric", everyEdge: false, edgeHistory: true, contraction: true },
  usesRate: true,
  create({ id, model, space, compressor, edges }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const copies = edges.map(() => space.vector(length));
    const differences = edges.map(() => space.vector(length));
    const placeOf = (peer: number) => edges.findIndex((edge) => edge.peer === peer);
    return {
      state: {
        vectors: { ...byPeer("copy", edges, copies), ...byPeer("difference", edges, differences) },
        scalars: {},
      },
      point: model,
      *round(update, { random }) {
        kernels.add(byteOffset, update.byteOffset, length);
        const settled = yield (edge) => {
          update.set(copies[placeOf(edge.peer)]!);
          // x_i − x̂_i, in the update's memory
          kernels.subtractFrom(update.byteOffset, byteOffset, length);
          return compressor.squeeze(update, random(edge.peer));
        };
        for (const { edge, own, theirs, rate, isVoid } of settled) {
          const k = placeOf(edge.peer);
          const difference = differences[k]!;
          compressor.addTo(copies[k]!, own, 1);
          if (id < edge.peer) compressor.addTo(difference, own, -1);
          if (!isVoid) compressor.addTo(difference, theirs, 1);
          if (id > edge.peer) compressor.addTo(difference, own, -1);
          // The neighbour's copy is no longer what it holds itself: nothing is mixed from it.
          if (isVoid) continue;
          kernels.addScaled(byteOffset, difference.byteOffset, length, rate * edge.weight);
        }
      },
      observe: () => ({
        distances: differences.map((d) => Math.sqrt(kernels.sumOfSquares(d.byteOffset, length))),
      }),
    };
  },
};
