/** Consensus distance, pairwise distances and the layers' shares, estimated from the projections in peers' logs. */

import { type ProjectedTensor, projectedTensors, projectionError } from "../observing/projection.js";
import type { LogHeader } from "../runs/log.js";
import { createLayout } from "../vectors/layout.js";

/** Instants kept at most; beyond, every second one is dropped. */
const MAX_INSTANTS = 2048;
/** Instants whose pairwise distances are kept at most. */
const MAX_PAIRED_INSTANTS = 64;
/** Peers whose pairwise distances are kept: the first ones. */
export const MAX_PAIRED_PEERS = 128;
/** Projections held while waiting for other peers' of the same round, in bytes; then the oldest are taken as they are. */
const MAX_WAITING_BYTES = 1 << 28;

/** How the models lay after one round. Distances are estimated from projections, with the error `relativeError`. */
export interface Instant {
  readonly round: number;
  readonly closing: boolean;
  /** The peers that logged a projection, ascending. */
  readonly peers: readonly number[];
  /** (1/n) Σ_i ‖x_i − x̄‖² over those peers. */
  readonly consensusDistance: number;
  /** Relative standard deviation of `consensusDistance`, at most. */
  readonly relativeError: number;
  /** ‖x_i − x̄‖ by those peers. */
  readonly toMean: Float64Array;
  /** The part of each tensor in `consensusDistance`. */
  readonly parts: Float64Array;
  /** ‖x_i − x_j‖ for i < j of the first peers, row by row; only at evenly spaced instants, and at the last. */
  readonly pairs?: Float32Array;
}

export interface ConsensusReader {
  readonly tensors: readonly ProjectedTensor[];
  /** In order of rounds, thinned where there are many. */
  instants(): Instant[];
  /** Takes a peer's projection. @returns whether it is one of this run */
  add(peer: number, round: number, closing: boolean, base64: string): boolean;
  /** To be called once no more projections up to this round will come. */
  settle(round: number): void;
}

interface Waiting {
  readonly closing: boolean;
  readonly projections: Map<number, Float32Array>;
}

export function createConsensusReader({ tensors, experiment }: LogHeader): ConsensusReader {
  const placed = projectedTensors(createLayout(tensors).tensors, experiment.projectionSize ?? 1);
  const last = placed.at(-1);
  const cells = last ? last.offset + last.length : 0;
  const waiting = new Map<number, Waiting>();
  let instants: Instant[] = [];
  let latest: { readonly instant: Instant; readonly projections: readonly Float32Array[] } | undefined;
  let seen = 0;
  let stride = 1;
  let pairStride = 1;

  function take(round: number): void {
    const { closing, projections } = waiting.get(round)!;
    waiting.delete(round);
    if (instants.length > 0 && round <= instants.at(-1)!.round) return;
    const peers = [...projections.keys()].sort((a, b) => a - b);
    const vectors = peers.map((peer) => projections.get(peer)!);
    const instant = { round, closing, peers, ...spread(vectors, placed) };
    latest = { instant, projections: vectors };
    if (seen % stride === 0) {
      instants.push(seen % pairStride === 0 ? { ...instant, pairs: pairDistances(vectors) } : instant);
    }
    seen++;
    if (instants.length > MAX_INSTANTS) {
      instants = instants.filter((_, k) => k % 2 === 0);
      stride *= 2;
      pairStride = Math.max(pairStride, stride);
    }
    const paired = instants.filter(({ pairs }) => pairs);
    if (paired.length > MAX_PAIRED_INSTANTS) {
      const dropped = new Set(paired.filter((_, k) => k % 2 === 1));
      instants = instants.map((old) => (dropped.has(old) ? withoutPairs(old) : old));
      pairStride *= 2;
    }
  }

  return {
    tensors: placed,
    instants() {
      if (!latest) return instants;
      // The last instant always counts, and with its pairs.
      const kept = instants.at(-1)?.round === latest.instant.round ? instants.slice(0, -1) : instants;
      return [...kept, { ...latest.instant, pairs: pairDistances(latest.projections) }];
    },
    add(peer, round, closing, base64) {
      const projection = new Float32Array(cells);
      const bytes = Buffer.from(projection.buffer);
      if (base64.length !== 4 * Math.ceil(bytes.length / 3)) return false;
      if (bytes.write(base64, "base64") !== bytes.length) return false;
      let entry = waiting.get(round);
      if (!entry) {
        entry = { closing, projections: new Map() };
        waiting.set(round, entry);
      }
      entry.projections.set(peer, projection);
      const held = [...waiting.values()].reduce((sum, { projections }) => sum + projections.size, 0);
      if (held * bytes.length > MAX_WAITING_BYTES) take(Math.min(...waiting.keys()));
      return true;
    },
    settle(round) {
      for (const ready of [...waiting.keys()].filter((key) => key <= round).sort((a, b) => a - b))
        take(ready);
    },
  };
}

function withoutPairs({ pairs: _, ...instant }: Instant): Instant {
  return instant;
}

/** How far vectors lie from their mean, in all, by vector and by tensor. */
function spread(vectors: readonly Float32Array[], tensors: readonly ProjectedTensor[]) {
  const parts = new Float64Array(tensors.length);
  const squares = new Float64Array(vectors.length);
  for (const [t, { offset, length }] of tensors.entries()) {
    for (let cell = offset; cell < offset + length; cell++) {
      let mean = 0;
      for (const vector of vectors) mean += vector[cell]!;
      mean /= vectors.length;
      let part = 0;
      for (let v = 0; v < vectors.length; v++) {
        const square = (vectors[v]![cell]! - mean) ** 2;
        squares[v]! += square;
        part += square;
      }
      parts[t]! += part / vectors.length;
    }
  }
  return {
    consensusDistance: parts.reduce((sum, part) => sum + part, 0),
    relativeError: projectionError(tensors, parts),
    toMean: squares.map(Math.sqrt),
    parts,
  };
}

function pairDistances(vectors: readonly Float32Array[]): Float32Array {
  const count = Math.min(vectors.length, MAX_PAIRED_PEERS);
  const pairs = new Float32Array((count * (count - 1)) / 2);
  let next = 0;
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) pairs[next++] = distance(vectors[i]!, vectors[j]!);
  }
  return pairs;
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) {
    const difference = a[k]! - b[k]!;
    sum += difference * difference;
  }
  return Math.sqrt(sum);
}
