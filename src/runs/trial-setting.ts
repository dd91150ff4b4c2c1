/** What trial gossips are made on: a small graph for a graph, and a small model for a model. */
import { random } from "../foundation/random.js";
import type { Mixing, Neighbour } from "../graphs/mixing.js";
import { spectrum } from "../graphs/spectrum.js";
import type { Trainer } from "../trainers/trainer.js";
import { createLayout, type Layout } from "../vectors/layout.js";

/** Ends of edges at most in a trial's graph. */
const MAX_EDGE_ENDS = 64;
/** Peers of the graph that stands for a larger one. */
const STAND_IN_PEERS = 8;
/** Tensors at most in a trial, the largest … */
const TRIAL_TENSORS = 4;
/** … with this many numbers of each at most. */
const TRIAL_LENGTH = 1024;
/** What stands for a larger tensor of two or more dimensions. */
const TRIAL_MATRIX = [32, TRIAL_LENGTH / 32];

/** A graph to try rates on. */
export interface TrialGraph {
  readonly neighbours: readonly (readonly Neighbour[])[];
  /** The edges of one round, where they change. */
  readonly edgesIn?: (peer: number, round: number) => readonly Neighbour[];
  /** Eigenvalues of W but the first; none where edges change. */
  readonly disagreements: readonly number[];
}

/**
 * The graph itself, or for a large one a complete graph of eight peers whose W has seven of its eigenvalues, evenly spaced
 * from λ₂ to λ_n: in a gossip a graph acts through its eigenvalues alone. Walsh functions are the eigenvectors, so every
 * peer is like the others. Weights may be negative there.
 */
export function trialGraph(mixing: Mixing): TrialGraph {
  if (mixing.sequence) {
    const { neighbours, sequence } = mixing;
    return { neighbours, edgesIn: sequence.neighbours, disagreements: [] };
  }
  const known = spectrum(mixing);
  const ends = mixing.neighbours.reduce((sum, edges) => sum + edges.length, 0);
  // Peers that have left a running graph have no edges; its eigenvalues are those of the others.
  const isWhole = mixing.neighbours.every((edges) => edges.length > 0);
  if (known.eigenvalues && (ends === 0 || (ends <= MAX_EDGE_ENDS && isWhole))) {
    return { neighbours: mixing.neighbours, disagreements: known.eigenvalues.slice(1) };
  }
  const disagreements = known.sample(STAND_IN_PEERS - 1);
  const weight = (difference: number) => {
    const sum = disagreements.reduce((total, value, k) => total + walsh(k + 1, difference) * value, 1);
    // Twelve digits, so that decompositions that differ in the last bit give the same.
    return Number((sum / STAND_IN_PEERS).toPrecision(12));
  };
  const peers = Array.from({ length: STAND_IN_PEERS }, (_, peer) => peer);
  const neighbours = peers.map((peer) =>
    peers.filter((other) => other !== peer).map((other) => ({ peer: other, weight: weight(peer ^ other) })),
  );
  return { neighbours, disagreements };
}

/** ±1: the parity of the bits that k and i have in common. */
function walsh(k: number, i: number): number {
  let common = k & i;
  let sign = 1;
  for (; common > 0; common &= common - 1) sign = -sign;
  return sign;
}

/** The largest tensors of a layout, or parts of them. */
export function trialLayout(layout: Layout): Layout {
  return createLayout(
    largestTensors(layout).map(({ name, length, shape }) => ({
      name,
      shape: length <= TRIAL_LENGTH ? shape : shape.length > 1 ? TRIAL_MATRIX : [TRIAL_LENGTH],
    })),
  );
}

const largestTensors = ({ tensors }: Layout) =>
  [...tensors].sort((a, b) => b.length - a.length).slice(0, TRIAL_TENSORS);

/**
 * A model of the largest tensors, or parts of them, with the magnitudes of the initial model. Each number is multiplied by
 * a draw from [0, 2), since training spreads magnitudes, on which compressors depend; tensors that start at 0 get the
 * typical magnitude of all.
 */
export function trialModel({ layout, initialize }: Pick<Trainer, "layout" | "initialize">): {
  readonly layout: Layout;
  readonly start: Float32Array;
} {
  const initial = new Float32Array(layout.length);
  initialize(initial);
  const largest = largestTensors(layout);
  const small = trialLayout(layout);
  const start = new Float32Array(small.length);
  for (const [i, { offset, length }] of small.tensors.entries()) {
    start.set(initial.subarray(largest[i]!.offset, largest[i]!.offset + length), offset);
  }
  const draws = random(0, "trial model");
  const signs = random(0, "trial model", "from zero");
  const typical = Math.sqrt(start.reduce((sum, x) => sum + x * x, 0) / (start.length || 1)) || 1;
  for (const { offset, length } of small.tensors) {
    const isZero = start.subarray(offset, offset + length).every((x) => x === 0);
    for (let k = offset; k < offset + length; k++) {
      const x = isZero ? typical * (2 * signs.uniform(k) - 1) : start[k]!;
      start[k] = 2 * draws.uniform(k) * x;
    }
  }
  return { layout: small, start };
}
