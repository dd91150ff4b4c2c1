import type { AlgorithmKind } from "../algorithm.js";
import { MalformedPayload } from "../errors.js";

/** The weight w, float64, that follows the numbers of x. */
const WEIGHT_BYTES = 8;

/**
 * Stochastic gradient push: push-sum on a directed graph. A peer gives shares of its pair (x, w) away along its outgoing
 * edges and keeps the rest; gradients are taken at z = x / w, which is unbiased although W is only column-stochastic.
 *
 *     x ← x + u(z)      x_i ← (1 − Σ_k p_ki) x_i + Σ_j p_ij x_j      w alike      z = x / w
 *
 * Nothing comes back on an edge, so an edge that works one way is enough. Σ_i x_i moves by the updates alone, once what
 * is under way has arrived.
 *
 * @see Assran et al. 2019, “Stochastic Gradient Push for Distributed Deep Learning”, Algorithm 1
 */
export const pushSum: AlgorithmKind = {
  name: "push-sum",
  vectors: () => 2,
  steps: 1,
  compresses: false,
  extraPayloadBytes: WEIGHT_BYTES,
  sends: "model",
  needs: { graph: "directed", everyEdge: false, contraction: false },
  suggestRate: () => 1,
  create({ model, space, compressor }) {
    const { kernels } = space;
    const { byteOffset, length } = model;
    const point = space.vector(length);
    const payload = space.bytes(4 * length + WEIGHT_BYTES);
    const scalars = { weight: 1 };
    const weightOf = (bytes: Uint8Array) =>
      new DataView(bytes.buffer, bytes.byteOffset + 4 * length).getFloat64(0, true);
    const divide = () => {
      point.fill(0);
      kernels.addScaled(point.byteOffset, byteOffset, length, 1 / scalars.weight);
    };
    point.set(model);
    return {
      state: { vectors: { point }, scalars },
      point,
      *round(update, { edges }) {
        kernels.add(byteOffset, update.byteOffset, length);
        divide();
        payload.set(new Uint8Array(model.buffer, byteOffset, 4 * length));
        new DataView(payload.buffer, payload.byteOffset + 4 * length).setFloat64(0, scalars.weight, true);
        const settled = yield payload;
        const given = edges.reduce(
          (sum, { weight, direction }) => (direction === "in" ? sum : sum + weight),
          0,
        );
        kernels.addScaled(byteOffset, byteOffset, length, -given);
        scalars.weight -= given * scalars.weight;
        for (const { edge, theirs } of settled) {
          compressor.addTo(model, theirs.subarray(0, 4 * length), edge.weight);
          scalars.weight += edge.weight * weightOf(theirs);
        }
        divide();
      },
      check(received) {
        compressor.check(received.subarray(0, 4 * length));
        const weight = received.length === payload.length ? weightOf(received) : Number.NaN;
        if (!(weight > 0 && weight < 2 ** 32))
          throw new MalformedPayload(`push-sum: weight ${weight} is out of range`);
      },
    };
  },
};
