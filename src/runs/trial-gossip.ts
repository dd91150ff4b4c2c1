/**
 * A small gossip that is run to see what a consensus rate does: the algorithm's and the compressor's own code on a few
 * peers, which start near the same model and are moved by made-up updates. No transport, no trainer, no data: every peer
 * of a run gets the same figures, to the bit.
 */
import type { Algorithm, AlgorithmKind, LayoutTools } from "../algorithm.js";
import { type CompressorSettings, compressorBytes, createCompressor } from "../compressors/index.js";
import type { Settled } from "../exchange/settlement.js";
import { random } from "../foundation/random.js";
import type { Neighbour } from "../graphs/mixing.js";
import { createMixingRule, defaultMixingRule } from "../mixing-rules/index.js";
import type { Layout } from "../vectors/layout.js";
import { createVectorSpace, spaceBytes, type Vector } from "../vectors/vector.js";

export interface TrialOptions {
  readonly algorithm: AlgorithmKind;
  readonly compressor: CompressorSettings;
  /** By peer. */
  readonly neighbours: readonly (readonly Neighbour[])[];
  /** Those of one round, where they change. */
  readonly edgesIn?: ((peer: number, round: number) => readonly Neighbour[]) | undefined;
  readonly layout: Layout;
  /** Where every peer starts, of this layout. */
  readonly start: Float32Array;
}

/** (1/n) Σ_i ‖x_i − x̄‖² / ‖x̄‖², as means over quarters of a trial; Infinity where models do not stay together. */
export interface TrialResult {
  /** Over the last quarter. */
  readonly disagreement: number;
  /** Over the one before. */
  readonly before: number;
}

/** Rounds of a trial at least and at most … */
const FEWEST_ROUNDS = 400;
const MOST_ROUNDS = 1200;
/** … in between this many divided by the share of a model that one payload carries: error feedback is as slow as that is small. */
const ROUNDS_OF_PAYLOADS = 100;
/** ‖u_i‖ / ‖x‖ of what updates have in common in all rounds, as where data differ … */
const TRIAL_DRIFT = 0.005;
/** … and of what is another in each, as of minibatches. */
const TRIAL_NOISE = 0.005;
/** Vectors from which the latter are taken in turn; coprime to the peers' stride. */
const NOISE_VECTORS = 61;
const NOISE_STRIDE = 7;
/** ‖x_i − x̄‖ / ‖x̄‖ at the start: peers that start alike send alike, and instability is long in showing. */
const TRIAL_SPREAD = 0.1;
/** Models that are this far apart, in ‖x̄‖², do not come back. */
const UNSTABLE = 10;
/** Vectors beside the algorithm's: model, update, payload, its staging, and what a compressor works in. */
const SPARE_VECTORS = 10;
/** Payload headers of a trial's peer, in bytes per tensor and in all. */
const PAYLOAD_ROOM_BYTES = 1 << 16;

interface TrialPeer {
  readonly model: Vector;
  readonly update: Vector;
  readonly algorithm: Algorithm;
  /** Of a round. */
  readonly edges: (round: number) => readonly Neighbour[];
}

/** Rounds between two looks at the disagreement. */
const LOOK_EVERY = 4;

/** Runs this many rounds, in lockstep. Two peers at least. */
export function runTrial(options: TrialOptions, consensusRate: number, rounds: number): TrialResult {
  const peers = createPeers(options);
  const drifts = createScatter(options, "drift", peers.length, TRIAL_DRIFT);
  const noises = createScatter(options, "noise", NOISE_VECTORS, TRIAL_NOISE);
  for (const [i, offsets] of createScatter(options, "spread", peers.length, TRIAL_SPREAD).entries()) {
    const { model } = peers[i]!;
    for (let k = 0; k < model.length; k++) model[k]! += offsets[k]!;
  }
  const looks: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [i, { update }] of peers.entries()) {
      const drift = drifts[i]!;
      const noise = noises[(NOISE_STRIDE * i + round) % NOISE_VECTORS]!;
      for (let k = 0; k < update.length; k++) update[k] = drift[k]! + noise[k]!;
    }
    exchange(peers, consensusRate, round, options.algorithm.steps);
    if (round % LOOK_EVERY !== 0) continue;
    const now = disagreementOf(peers);
    if (!(now < UNSTABLE))
      return { disagreement: Number.POSITIVE_INFINITY, before: Number.POSITIVE_INFINITY };
    looks.push(now);
  }
  return resultOf(looks);
}

/**
 * What exact gossip comes to. Along each disagreement updates u add s·u with s = Σ_t (1 − η(1 − λ))^t, and (1 − η(1 − λ))^t of
 * the spread is left; all get the same share of vectors that are drawn independently.
 *
 * @param disagreements eigenvalues of W but the first
 */
export function exactTrial(
  disagreements: readonly number[],
  consensusRate: number,
  rounds: number,
): TrialResult {
  const sums = disagreements.map(() => 0);
  const left = disagreements.map(() => 1);
  const noises = disagreements.map(() => 0);
  const looks: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const [k, value] of disagreements.entries()) {
      const factor = 1 - consensusRate * (1 - value);
      sums[k] = (sums[k]! + 1) * factor;
      left[k]! *= factor;
      noises[k] = (noises[k]! + 1) * factor ** 2;
    }
    if (round % LOOK_EVERY !== 0) continue;
    looks.push(
      TRIAL_DRIFT ** 2 * meanSquare(sums) +
        TRIAL_SPREAD ** 2 * meanSquare(left) +
        TRIAL_NOISE ** 2 * mean(noises),
    );
  }
  return resultOf(looks);
}

const mean = (values: readonly number[]) =>
  values.reduce((sum, x) => sum + x, 0) / Math.max(1, values.length);
const meanSquare = (values: readonly number[]) => mean(values.map((x) => x * x));

function resultOf(looks: readonly number[]): TrialResult {
  const quarter = Math.ceil(looks.length / 4);
  const last = looks.length - quarter;
  return { disagreement: mean(looks.slice(last)), before: mean(looks.slice(last - quarter, last)) };
}

/** How many rounds it takes to see what error feedback with this compressor comes to. */
export function trialRounds(
  settings: CompressorSettings,
  { layout, start }: Pick<TrialOptions, "layout" | "start">,
): number {
  const space = createVectorSpace(
    spaceBytes(
      SPARE_VECTORS,
      layout.length,
      PAYLOAD_ROOM_BYTES * (1 + layout.tensors.length) + compressorBytes(settings, layout),
    ),
  );
  const vector = space.vector(layout.length);
  vector.set(start);
  createCompressor(settings, { layout, space }).squeeze(vector, random(0, "trial rounds"));
  const carried = 1 - squares(vector) / squares(start);
  const rounds = Math.ceil(ROUNDS_OF_PAYLOADS / Math.max(carried, 1e-9));
  return Math.min(MOST_ROUNDS, Math.max(FEWEST_ROUNDS, rounds));
}

function createPeers({
  algorithm: kind,
  compressor: settings,
  neighbours,
  edgesIn,
  layout,
  start,
}: TrialOptions): TrialPeer[] {
  const { length, tensors } = layout;
  return neighbours.map((edges, id) => {
    const space = createVectorSpace(
      spaceBytes(
        kind.vectors(edges.length) + SPARE_VECTORS,
        length,
        PAYLOAD_ROOM_BYTES * (1 + tensors.length) + compressorBytes(settings, layout),
      ),
    );
    const model = space.vector(length);
    model.set(start);
    const toolsFor = (layout: Layout): LayoutTools => {
      const compressor = createCompressor(kind.compresses ? settings : { kind: "identity" }, {
        layout,
        space,
      });
      return {
        layout,
        compressor,
        mixing: createMixingRule(defaultMixingRule, { compressor, layout, space, edges }),
      };
    };
    const algorithm = kind.create({ id, model, space, edges, toolsFor, ...toolsFor(layout) });
    return {
      model,
      update: space.vector(length),
      algorithm,
      edges: (round) => edgesIn?.(id, round) ?? edges,
    };
  });
}

/** One round of every peer, in lockstep. */
function exchange(peers: readonly TrialPeer[], rate: number, round: number, steps: number): void {
  const edges = peers.map((peer) => peer.edges(round));
  const running = peers.map(({ algorithm, update }, id) => {
    const draws = (...key: (string | number)[]) => random(0, "trial", id, round, ...key);
    return algorithm.round(update, {
      ...{ edges: edges[id]!, round, learningRate: 1, consensusRate: rate },
      random: draws,
    });
  });
  let outgoing = running.map((peer) => peer.next().value);
  for (let step = 0; step < steps; step++) {
    // The run itself refuses an algorithm that yields less than it declares.
    if (outgoing.some((payload) => payload === undefined)) return;
    // A compressor's payload is valid until its next one, which may be that of another edge or of the next step.
    const sent = edges.map((own, i) => {
      const payload = outgoing[i]!;
      if (typeof payload !== "function") {
        const copy = payload.slice();
        return () => copy;
      }
      const copies = new Map(own.map((edge) => [edge.peer, payload(edge).slice()]));
      return (peer: number) => copies.get(peer)!;
    });
    outgoing = running.map(
      (peer, i) =>
        peer.next(
          edges[i]!.map(
            (edge): Settled => ({ edge, own: sent[i]!(edge.peer), theirs: sent[edge.peer]!(i), rate }),
          ),
        ).value,
    );
  }
}

/** This many vectors of this norm, relative to the model's; they add up to 0. */
function createScatter(
  { layout, start }: TrialOptions,
  name: string,
  count: number,
  norm: number,
): Float32Array[] {
  const { length } = layout;
  const vectors = Array.from({ length: count }, (_, i) => {
    const draws = random(0, "trial", name, i);
    return Float32Array.from({ length }, (_, k) => draws.uniform(k) - 0.5);
  });
  for (let k = 0; k < length; k++) {
    const mean = vectors.reduce((sum, v) => sum + v[k]!, 0) / vectors.length;
    for (const v of vectors) v[k]! -= mean;
  }
  const scale =
    (norm * Math.sqrt(squares(start))) /
    Math.sqrt(vectors.reduce((sum, v) => sum + squares(v), 0) / vectors.length);
  for (const v of vectors) for (let k = 0; k < length; k++) v[k]! *= scale;
  return vectors;
}

const squares = (vector: Float32Array) => vector.reduce((sum, x) => sum + x * x, 0);

function disagreementOf(peers: readonly TrialPeer[]): number {
  const { length } = peers[0]!.model;
  let distances = 0;
  let squares = 0;
  for (let k = 0; k < length; k++) {
    let sum = 0;
    for (const { model } of peers) sum += model[k]!;
    const mean = sum / peers.length;
    for (const { model } of peers) distances += (model[k]! - mean) ** 2;
    squares += mean * mean;
  }
  return distances / peers.length / squares;
}
