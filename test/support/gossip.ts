import type { AlgorithmKind } from "../../src/algorithm.js";
import {
  type CompressorSettings,
  compressorSettings,
  createCompressor,
} from "../../src/compressors/index.js";
import type { Layout } from "../../src/layout.js";
import type { Mixing } from "../../src/mixing.js";
import { normal, random } from "../../src/random.js";
import { createVectorSpace, spaceBytes } from "../../src/vector.js";

/** Default settings of every compressor in the index. */
export const everyCompressor: CompressorSettings[] = compressorSettings.options.map((option) =>
  compressorSettings.parse({ kind: option.shape.kind.value }),
);

export interface GossipOptions {
  readonly mixing: Mixing;
  readonly layout: Layout;
  readonly algorithm: AlgorithmKind;
  readonly compressor: CompressorSettings;
  readonly seed?: number;
  /** A number added to every coordinate of every peer at the start. */
  readonly offset?: number;
  /** Initial models; N(0, I) + offset when left out. */
  readonly initial?: (peer: number, k: number) => number;
}

/** What one round is told: local updates, and which messages arrive. */
export interface GossipRound {
  readonly update?: (peer: number, k: number) => number;
  readonly hears?: (to: number, from: number) => boolean;
}

/** All peers' algorithms without peers, frames or transports: for laws about the exchange itself. */
export function createGossip({
  mixing,
  layout,
  algorithm,
  compressor,
  seed = 1,
  offset = 0,
  initial,
}: GossipOptions) {
  const { peers } = mixing;
  const { length } = layout;
  const nodes = Array.from({ length: peers }, (_, peer) => {
    const space = createVectorSpace(spaceBytes(8, length, 1 << 20));
    const model = space.vector(length);
    const draws = random(seed, "initial", peer);
    for (let k = 0; k < length; k++) model[k] = initial ? initial(peer, k) : normal(draws, k) + offset;
    const codec = createCompressor(compressor, { layout, space });
    return { space, model, codec, algorithm: algorithm.create({ model, space, compressor: codec }) };
  });
  let count = 0;

  return {
    nodes,
    models: nodes.map(({ model }) => model),
    /** One exchange; returns what every peer sent. */
    round(consensusRate: number, { update, hears = () => true }: GossipRound = {}): Uint8Array[] {
      const sent = nodes.map(({ model, codec, algorithm }, peer) => {
        if (update) for (let k = 0; k < length; k++) model[k]! += update(peer, k);
        const shared = algorithm.share();
        return shared
          ? codec.squeeze(shared, random(seed, "squeeze", peer, count)).slice()
          : new Uint8Array();
      });
      for (const [peer, { algorithm }] of nodes.entries()) {
        if (sent[peer]!.length === 0) continue;
        const heard = mixing.neighbours[peer]!.filter((edge) => hears(peer, edge.peer)).map((edge) => ({
          payload: sent[edge.peer]!,
          weight: edge.weight,
        }));
        algorithm.mix(sent[peer]!, heard, consensusRate);
      }
      count++;
      return sent;
    },
    mean(): Float64Array {
      const mean = new Float64Array(length);
      for (const { model } of nodes) for (let k = 0; k < length; k++) mean[k]! += model[k]! / peers;
      return mean;
    },
    /** (1/n) Σ_i ‖x_i − x̄‖² */
    consensusDistance(): number {
      const mean = this.mean();
      let sum = 0;
      for (const { model } of nodes) for (let k = 0; k < length; k++) sum += (model[k]! - mean[k]!) ** 2;
      return sum / peers;
    },
    /** ‖δ_i‖² summed over peers, for algorithms with a residual. */
    squaredResiduals(): number {
      let sum = 0;
      for (const { algorithm } of nodes) for (const x of algorithm.state.residual ?? []) sum += x * x;
      return sum;
    },
  };
}

/** Largest absolute difference of two vectors. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let k = 0; k < a.length; k++) largest = Math.max(largest, Math.abs(a[k]! - b[k]!));
  return largest;
}
