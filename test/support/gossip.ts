import type { AlgorithmKind } from "../../src/algorithm.js";
import { type CompressorSettings, compressorSettings } from "../../src/compressors/index.js";
import type { Patience } from "../../src/exchange/exchanges.js";
import type { HandOver } from "../../src/exchange/hand-over.js";
import type { EdgeSchedule } from "../../src/exchange/participation.js";
import type { Transport } from "../../src/exchange/transport.js";
import { type Clock, stoppedClock } from "../../src/foundation/clock.js";
import { normal, random } from "../../src/foundation/random.js";
import type { Mixing } from "../../src/graphs/mixing.js";
import { edgesIn } from "../../src/graphs/sequence-mixing.js";
import type { MixingRuleSettings } from "../../src/mixing-rules/index.js";
import type { RoundReport } from "../../src/observing/report.js";
import { createPeer, type Peer, type Plan } from "../../src/peer.js";
import type { Trainer } from "../../src/trainers/trainer.js";
import { createMemoryTransports } from "../../src/transports/memory.js";
import type { Layout } from "../../src/vectors/layout.js";
import { plainDescent, updateTrainer } from "./trainers.js";

/** Default settings of every compressor in the index. */
export const everyCompressor: CompressorSettings[] = compressorSettings.options.map((option) =>
  compressorSettings.parse({ kind: option.shape.kind.value }),
);

export interface GossipOptions {
  readonly mixing: Mixing;
  readonly layout: Layout;
  readonly algorithm: AlgorithmKind;
  readonly compressor: CompressorSettings;
  /** The mean when left out. */
  readonly rule?: MixingRuleSettings;
  readonly seed?: number;
  /** A number added to every coordinate of every peer at the start. */
  readonly offset?: number;
  /** Initial models; N(0, I) + offset when left out. */
  readonly initial?: (peer: number, k: number) => number;
  /** Local updates; none when left out. */
  readonly update?: (peer: number, k: number, round: number) => number;
  readonly rate: number | ((round: number) => number);
  readonly rounds: number;
  readonly edges?: EdgeSchedule;
  readonly closingRates?: readonly number[];
  readonly clock?: Clock;
  readonly patience?: Patience;
  /** Connects the peers; over memory when left out. */
  readonly connect?: (mixing: Mixing, maximumPayloadBytes: number) => readonly Transport[];
  /** By which peers exchange instead of over the transports. */
  readonly handOver?: HandOver;
  /** Time that a peer's local update takes on a virtual clock. */
  readonly compute?: (trainer: Trainer, peer: number) => Trainer;
  /** Puts something between a peer and its transport. */
  readonly wrap?: (transport: Transport, id: number) => Transport;
}

/** Where a peer begins when nothing else is said. */
export function initialNumbers(seed: number, peer: number): (k: number) => number {
  const draws = random(seed, "initial", peer);
  return (k) => normal(draws, k);
}

/** A peer as at the start, whose local learning is prescribed. */
export function gossipPeer(options: GossipOptions, id: number): Peer {
  const { mixing, layout, algorithm, compressor, rule, rounds, edges, closingRates = [] } = options;
  const { seed = 1, offset = 0, initial, update, rate, compute = (trainer) => trainer } = options;
  const plan: Plan = {
    ...{ seed, algorithm, compressor, rounds, closingRates, ...plainDescent },
    learningRate: () => 1,
    consensusRate: typeof rate === "number" ? () => rate : rate,
    evaluateEvery: 0,
    ...(edges && { edges }),
    ...(mixing.sequence && { edgesIn: edgesIn(mixing, mixing.sequence, { rounds, closingRates }) }),
    ...(rule && { mixing: rule }),
  };
  const usual = initialNumbers(seed, id);
  const trainer = updateTrainer(
    layout,
    (k) => (initial ? initial(id, k) : usual(k) + offset),
    (k, round) => update?.(id, k, round) ?? 0,
  );
  return createPeer({ id, neighbours: mixing.neighbours[id]!, plan, trainer: compute(trainer, id) });
}

/** Real peers over memory transports whose local learning is prescribed: for laws about exchanges. */
export function createGossip(options: GossipOptions) {
  const { mixing, layout, clock = stoppedClock, patience, wrap = (each: Transport) => each } = options;
  const { handOver } = options;
  const { connect = ({ peers }, most) => createMemoryTransports(peers, most) } = options;
  const { length } = layout;
  const peers = Array.from({ length: mixing.peers }, (_, id) => gossipPeer(options, id));
  const most = Math.max(...peers.map(({ largestPayloadBytes }) => largestPayloadBytes));
  const transports = connect(mixing, most).map(wrap);
  const runs = peers.map((peer, id) =>
    peer.run({
      transport: transports[id]!,
      clock,
      ...(patience && { patience }),
      ...(handOver && { handOver }),
    }),
  );
  const models = peers.map(({ model }) => model);

  return {
    peers,
    models,
    transports,
    /** Every peer's next round; undefined once they have ended. */
    async round(): Promise<RoundReport[] | undefined> {
      const results = await Promise.all(runs.map((run) => run.next()));
      const reports = results.flatMap((result) => (result.done ? [] : [result.value]));
      return reports.length === runs.length ? reports : undefined;
    },
    /** Runs every peer to its end, each at its own pace. */
    async finish(seen?: (report: RoundReport) => void): Promise<RoundReport[][]> {
      return Promise.all(
        runs.map(async (run) => {
          const reports: RoundReport[] = [];
          for await (const report of run) {
            reports.push(report);
            seen?.(report);
          }
          return reports;
        }),
      );
    },
    close: () => Promise.all(transports.map((transport) => transport.close())),
    mean: () => meanOf(models, length),
    /** (1/n) Σ_i ‖x_i − x̄‖² */
    consensusDistance(): number {
      const mean = meanOf(models, length);
      let sum = 0;
      for (const model of models) for (let k = 0; k < length; k++) sum += (model[k]! - mean[k]!) ** 2;
      return sum / peers.length;
    },
    /** ‖δ_i‖² summed over peers, for algorithms with a residual. */
    squaredResiduals(): number {
      let sum = 0;
      for (const { state } of peers) for (const x of state.vectors.residual ?? []) sum += x * x;
      return sum;
    },
    /** The largest magnitude in models and states, to which rounding errors are relative. */
    largest: () => largestOf(peers),
  };
}

/** The mean of models of this length. */
export function meanOf(models: readonly ArrayLike<number>[], length: number): Float64Array {
  const mean = new Float64Array(length);
  for (const model of models) for (let k = 0; k < length; k++) mean[k]! += model[k]! / models.length;
  return mean;
}

/** The largest magnitude in models and states, at least 1. */
export function largestOf(peers: readonly Peer[]): number {
  let most = 1;
  for (const { model, state } of peers) {
    for (const vector of [model, ...Object.values(state.vectors)]) {
      for (const x of vector) most = Math.max(most, Math.abs(x));
    }
  }
  return most;
}

/** Largest absolute difference of two vectors. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let k = 0; k < a.length; k++) largest = Math.max(largest, Math.abs(a[k]! - b[k]!));
  return largest;
}
