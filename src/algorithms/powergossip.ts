import type { AlgorithmKind } from "../algorithm.js";
import { byPeer } from "../vectors/state.js";
import { requireFiniteModel } from "./finite-model.js";
import { createPowerIteration, type Side } from "./power-iteration.js";

/**
 * PowerGossip of rank 1: the ends of an edge take turns at the two halves of a power iteration on M = X_j − X_i, a half an
 * exchange, and move along what it finds. With v̂ and û of norm 1, for every matrix of the model:
 *
 *     even exchanges    p_i = X_i v̂      X_i ← X_i + η w_ij (p_j − p_i) v̂ᵀ      û ← (p_j − p_i) / ‖p_j − p_i‖
 *     odd exchanges     q_i = X_iᵀ û     X_i ← X_i + η w_ij û (q_j − q_i)ᵀ      v̂ ← (q_j − q_i) / ‖q_j − q_i‖
 *
 * A matrix takes m or n numbers instead of mn; tensors of one dimension are sent whole. Products are linear in the two models,
 * so there is no floor, and η is that of exact gossip. Differences of low rank vanish in a few rounds; those of full rank take
 * about as many times more rounds as their rank.
 *
 * A direction follows from the edge's numbered exchanges alone, with the sign of the lower peer's difference. So both ends
 * compute the same transfer, whatever is late or skipped; sides that alternated by round would not keep that.
 *
 * @see Vogels, Karimireddy, Jaggi 2020, “Practical Low-Rank Communication Compression in Decentralized Deep Learning”,
 *   Algorithms 1 and 2
 */
export const powergossip: AlgorithmKind = {
  name: "powergossip",
  vectors: (degree) => degree + 3,
  steps: 1,
  compresses: false,
  sends: "difference",
  needs: { graph: "symmetric", everyEdge: false, edgeHistory: true, contraction: false },
  usesRate: true,
  create({ id, model, space, layout, edges }) {
    const { kernels } = space;
    const power = createPowerIteration(layout, space);
    const directions = edges.map(() => space.vector(power.directionLength));
    const placeOf = (peer: number) => edges.findIndex((edge) => edge.peer === peer);
    const exchanges = (peer: number) => `exchanges ${peer}`;
    const scalars = Object.fromEntries(edges.map(({ peer }) => [exchanges(peer), 0]));
    const keyOf = (peer: number) =>
      `${Math.min(id, peer)} ${Math.max(id, peer)} ${scalars[exchanges(peer)]!}`;
    const sideOf = (peer: number): Side => (scalars[exchanges(peer)]! % 2 === 0 ? "right" : "left");
    for (const [k, { peer }] of edges.entries()) power.start(directions[k]!, keyOf(peer));
    return {
      state: { vectors: byPeer("direction", edges, directions), scalars },
      point: model,
      maximumPayloadBytes: power.maximumPayloadBytes,
      *round(update, { round }) {
        kernels.add(model.byteOffset, update.byteOffset, model.length);
        requireFiniteModel(id, round, model, kernels);
        const settled = yield ({ peer }) => power.project(model, directions[placeOf(peer)]!, sideOf(peer));
        for (const { edge, own, theirs, rate, isVoid } of settled) {
          const { peer, weight } = edge;
          // Only a faulty neighbour sends the product of the other side.
          if (isVoid || theirs.length !== own.length) continue;
          const side = sideOf(peer);
          scalars[exchanges(peer)]!++;
          const sign = id < peer ? 1 : -1;
          const step = { side, own, theirs, scale: rate * weight, sign, key: keyOf(peer) };
          power.follow(model, directions[placeOf(peer)]!, step);
        }
      },
      check: power.check,
      normBound: power.normBound,
    };
  },
};
