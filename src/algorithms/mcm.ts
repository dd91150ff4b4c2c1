import type { AlgorithmKind } from "../algorithm.js";
import type { Bytes, Vector } from "../vectors/vector.js";
import { addMean, withOwn } from "./aggregate.js";
import { mostBytes, partOfEachServer } from "./servers.js";

/** α of the memories, for compressors of a relative variance ω of 4: 1/(2(ω + 1)). */
const ALPHA = 0.1;

/**
 * MCM: both ways are compressed, and the server keeps the true model: gradients are taken at what the downlink makes of it.
 * Every peer is the server of one of n parts of the parameters, so that a peer sends two models' worth of compressed numbers
 * a round, however many peers there are. Made for unbiased compressors. For the part p of server s, and with the sum over all peers:
 *
 *     up      Δ_i = C(u_i − h_i)      h_i ← h_i + αΔ_i      w ← w + h̄ + (1/n) Σ_i Δ_i      h̄ ← h̄ + (α/n) Σ_i Δ_i
 *     down    Ω = C(w − H)            x ← H + Ω             H ← H + αΩ
 *
 * @see Philippenko & Dieuleveut 2021, “Preserved central model for faster bidirectional compression in distributed settings”,
 *   Algorithm 1, with the uplink memory of Artemis
 */
export const mcm: AlgorithmKind = {
  name: "mcm",
  vectors: () => 4,
  steps: 2,
  compresses: true,
  sends: "update",
  needs: { graph: "complete", everyEdge: true, contraction: false },
  usesRate: false,
  movesMean: true,
  parts: (degree) => degree + 1,
  create(context) {
    const { id, model, space } = context;
    const { kernels } = space;
    const parts = partOfEachServer(context);
    const served = parts.get(id)!;
    const { compressor, length: count } = served;
    const [memory, shown] = [space.vector(model.length), space.vector(model.length)];
    const [central, mean] = [space.vector(count), space.vector(count)];
    const scalars = { hasBegun: 0 };
    const add = (peer: number, to: Vector, payload: Bytes, scale: number) => {
      const part = parts.get(peer)!;
      part.compressor.addTo(part.of(to), payload, scale);
    };
    return {
      state: { vectors: { memory, shown, central, mean }, scalars },
      point: model,
      maximumPayloadBytes: mostBytes(parts),
      *round(update, { random }) {
        if (!scalars.hasBegun) {
          shown.set(model);
          central.set(served.of(model));
        }
        scalars.hasBegun = 1;
        kernels.addScaled(update.byteOffset, memory.byteOffset, model.length, -1);
        const up = (peer: number): Bytes => {
          const part = parts.get(peer)!;
          const payload = part.compressor.squeeze(part.of(update), random("up", peer));
          add(peer, memory, payload, ALPHA);
          return payload;
        };
        const arrived = yield ({ peer }) => up(peer);
        const own = up(id);
        // In the update's memory: the mean of what came, then what goes down.
        const part = served.of(update).fill(0);
        addMean(compressor, part, id, own, arrived);
        kernels.add(central.byteOffset, mean.byteOffset, count);
        kernels.add(central.byteOffset, part.byteOffset, count);
        kernels.addScaled(mean.byteOffset, part.byteOffset, count, ALPHA);
        part.set(central);
        kernels.addScaled(part.byteOffset, served.of(shown).byteOffset, count, -1);
        const down = compressor.squeeze(part, random("down"));
        const settled = yield down;
        model.set(shown);
        for (const { peer, payload } of withOwn(id, down, settled)) {
          add(peer, model, payload, 1);
          add(peer, shown, payload, ALPHA);
        }
      },
      check(payload, step, _round, from) {
        parts.get(step === 0 ? id : from)!.compressor.check(payload);
      },
    };
  },
};
