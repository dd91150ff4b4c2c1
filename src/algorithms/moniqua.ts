import type { AlgorithmKind } from "../algorithm.js";
import { requireFiniteModel } from "./finite-model.js";
import { createLostBlocks } from "./lost-blocks.js";
import { createModularPayload, furthest, MODULAR_BLOCK, widened } from "./modular-payload.js";

/** What a block's range keeps from round to round. */
const KEPT = 0.9;

/**
 * Moniqua: a neighbour's model is near, so its numbers travel modulo a range, four bits each, and a receiver supplies the
 * rest from its own. With Q what a model's numbers are rounded to, and D the range of a block of them:
 *
 *     h = x + u      x ← h + η Σ_j w_ij (Q(h_j) − Q(h))      D ← max(max_j |Q(h_j) − h|, 0.9 D)
 *
 * There is no residual and no floor, and η is that of exact gossip. In the paper the range is a constant, and one that is
 * too small goes unnoticed. Here it follows what is seen, a checksum shows whether a block was understood, and the round's
 * second step carries that to the sender: a block moves both models or neither. Where it was not, D grows.
 *
 * @see Lu & De Sa 2020, “Moniqua: Modulo Quantized Communication in Decentralized SGD”, Algorithm 1
 */
export const moniqua: AlgorithmKind = {
  name: "moniqua",
  vectors: (degree) => 2 * degree + 3,
  steps: 2,
  compresses: false,
  sends: "difference",
  needs: { graph: "symmetric", everyEdge: false, contraction: false },
  usesRate: true,
  keeps: ["ranges"],
  create({ id, model, space, edges }) {
    const { kernels } = space;
    const { length } = model;
    const codec = createModularPayload(length, space);
    const { blocks } = codec;
    const [ranges, next] = [space.vector(blocks), space.vector(blocks)];
    const [point, mine, verdict] = [space.vector(length), space.vector(length), space.bytes(blocks)];
    const near = edges.map(() => ({ numbers: space.vector(length), verdict: space.bytes(blocks) }));
    const lost = createLostBlocks();
    const of = (peer: number) => near[edges.findIndex((edge) => edge.peer === peer)]!;
    return {
      state: { vectors: { ranges }, scalars: lost.scalars },
      point: model,
      maximumPayloadBytes: Math.max(codec.bytes, blocks),
      *round(update, { round }) {
        point.set(model);
        kernels.add(model.byteOffset, update.byteOffset, length);
        requireFiniteModel(id, round, model, kernels);
        // Where nothing was seen yet, neighbours are about one update away.
        for (let block = 0; block < blocks; block++) {
          const first = block * MODULAR_BLOCK;
          ranges[block] ||= furthest(model, point, first, codec.countOf(block));
        }
        point.set(model);
        const own = codec.encode(point, ranges);
        codec.decode(own, point, mine, verdict);
        for (const { verdict } of near) verdict.fill(0);
        for (const { edge, theirs } of yield own) {
          codec.decode(theirs, point, of(edge.peer).numbers, of(edge.peer).verdict);
        }
        const settled = yield ({ peer }) => of(peer).verdict;
        for (let block = 0; block < blocks; block++) next[block] = KEPT * ranges[block]!;
        for (const { edge, theirs, rate } of settled) {
          const { numbers, verdict } = of(edge.peer);
          for (let block = 0; block < blocks; block++) {
            const first = block * MODULAR_BLOCK;
            const count = codec.countOf(block);
            // The neighbour did not understand this block.
            if (theirs[block] === 0) next[block] = Math.max(next[block]!, widened(ranges[block]!));
            const isLost = theirs[block] === 0 || verdict[block] === 0;
            lost.see(isLost);
            if (isLost) continue;
            next[block] = Math.max(next[block]!, furthest(numbers, point, first, count));
            const to = model.byteOffset + 4 * first;
            kernels.addScaled(to, numbers.byteOffset + 4 * first, count, rate * edge.weight);
            kernels.addScaled(to, mine.byteOffset + 4 * first, count, -rate * edge.weight);
          }
        }
        ranges.set(next);
      },
      check(payload, step) {
        if (step === 0) codec.check(payload);
        else codec.checkVerdicts(payload);
      },
      observe: lost.observe,
    };
  },
};
