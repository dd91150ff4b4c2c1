/**
 * One peer's life, top to bottom. The simulator is N of these over memory; a network run is N over libp2p.
 *
 *     u  = local update                  gradient, optimiser                       learner
 *     v                                  apply u, choose what to send              algorithm
 *     q = C(v), keep v − C(v)            compress it, keep what was lost           compressor
 *     send q, receive q_j                both halves of each edge's exchange       exchange, transport
 *     x ← x + η Σ_j w_ij (q_j − q)       mix what has settled                      algorithm
 *     report
 *
 * After the last round the closing consensus makes all models equal (algorithms/closing.ts).
 */
import type { AlgorithmKind } from "./algorithm.js";
import { closingPayloadBytes, createClosing, totalRounds } from "./algorithms/closing.js";
import { type CompressorSettings, createCompressor } from "./compressors/index.js";
import { createLaps, drive, type Laps } from "./drive.js";
import { createExchanges, type Exchanges, type Patience, type Step } from "./exchange/exchanges.js";
import { digest, type Fingerprint, modelDigest } from "./exchange/fingerprint.js";
import type { Frame } from "./exchange/frame.js";
import type { EdgeSchedule } from "./exchange/participation.js";
import type { Transport } from "./exchange/transport.js";
import type { Clock } from "./foundation/clock.js";
import { Diverged, InvalidExperiment, MalformedPayload } from "./foundation/errors.js";
import { random } from "./foundation/random.js";
import type { Neighbour } from "./graphs/mixing.js";
import { createSimdKernels } from "./kernels/simd.js";
import { createCompressionMeter } from "./observing/compression-meter.js";
import { createObserver } from "./observing/observer.js";
import { createProjection } from "./observing/projection.js";
import type { RoundReport, RoundTimes } from "./observing/report.js";
import { createOptimizer, type OptimizerSettings } from "./optimizers/index.js";
import type { Schedule } from "./settings/schedule.js";
import type { Threads } from "./threads/threads.js";
import { createLearner, learnerVectors } from "./trainers/learner.js";
import type { Trainer } from "./trainers/trainer.js";
import type { Layout } from "./vectors/layout.js";
import type { State } from "./vectors/state.js";
import { createVectorSpace, spaceBytes, type Vector, type VectorSpace } from "./vectors/vector.js";

/** What all peers of a run do, round by round. */
export interface Plan {
  readonly seed: number;
  readonly algorithm: AlgorithmKind;
  readonly compressor: CompressorSettings;
  /** Learning rounds. */
  readonly rounds: number;
  /** γ by round. */
  readonly learningRate: Schedule;
  /** What turns gradients into updates. */
  readonly optimizer: OptimizerSettings;
  /** H: optimiser steps per round. */
  readonly localSteps: number;
  /** η by round. */
  readonly consensusRate: Schedule;
  /** Which edges work in a round. All where left out. */
  readonly edges?: EdgeSchedule;
  /** η of each exact exchange of the closing consensus. */
  readonly closingRates: readonly number[];
  /** Evaluate after every so many rounds, and always after the last one and after closing; 0 only then. */
  readonly evaluateEvery: number;
  /**
   * Report a random projection of `size` numbers of the model after every so many rounds, and always after the
   * last one and after closing; left out: never.
   */
  readonly projection?: { readonly every: number; readonly size: number };
  /** What peers must agree on besides what each one computes itself. */
  readonly fingerprint?: Fingerprint;
}

export interface PeerOptions {
  readonly id: number;
  /** This peer's ends of its edges, in ascending order of the neighbours. */
  readonly neighbours: readonly Neighbour[];
  readonly plan: Plan;
  readonly trainer: Trainer;
  /** That share the work on a large model; the caller closes them. Only its own where left out. */
  readonly threads?: Threads;
}

/** What a peer runs over. */
export interface Network {
  readonly transport: Transport;
  readonly clock: Clock;
  /** How long to wait for neighbours. Without bounds where left out. */
  readonly patience?: Patience;
}

export interface Peer {
  readonly id: number;
  readonly layout: Layout;
  /** Name of the compressor that learning rounds send through. */
  readonly compressorName: string;
  /** Learning rounds and closing rounds. */
  readonly rounds: number;
  /** Most bytes of a payload of any round. */
  readonly largestPayloadBytes: number;
  /** The live model vector x. */
  readonly model: Vector;
  /** What the algorithm keeps beside the model. */
  readonly state: State;
  /** What this peer evaluates: the model, unless its algorithm says otherwise. */
  readonly point: Vector;
  /** What neighbours must agree on before they exchange anything. Asked for before the run. */
  fingerprint(): Fingerprint;
  /** Runs the whole plan, once, with one report per round; ends early when the transport is closed. */
  run(network: Network): AsyncGenerator<RoundReport, void>;
}

/** Vectors beside the algorithm's and the learner's: model, update, a payload, its staging, a closing payload, the observer's. */
const COMMON_VECTORS = 6;
/** Room for the headers of payloads, in bytes per tensor and in all. */
const PAYLOAD_ROOM_BYTES = 1 << 16;

/** Memory for all that a peer needs. Untouched pages cost nothing. */
function createPeerSpace({ plan, neighbours, trainer, threads }: PeerOptions): VectorSpace {
  const { length, tensors } = trainer.layout;
  const own = plan.algorithm.vectors(neighbours.length);
  const vectors = COMMON_VECTORS + own + learnerVectors(plan.optimizer, plan.localSteps);
  const bytes = spaceBytes(vectors, length, PAYLOAD_ROOM_BYTES * (1 + tensors.length));
  return createVectorSpace(bytes, createSimdKernels, threads);
}

export function createPeer(options: PeerOptions): Peer {
  const { id, neighbours, plan, trainer } = options;
  const { layout } = trainer;
  const { algorithm: kind, seed } = plan;
  const space = createPeerSpace(options);
  const { kernels } = space;
  const norm = (v: Vector) => Math.sqrt(kernels.sumOfSquares(v.byteOffset, v.length));
  const model = space.vector(layout.length);
  const update = space.vector(layout.length);
  trainer.initialize(model);
  const learner = createLearner({
    trainer,
    optimizer: createOptimizer(plan.optimizer, { length: layout.length, space }),
    localSteps: plan.localSteps,
    space,
  });

  let round = 0;
  const diverged = (what: string, value: number): never => {
    throw new Diverged(
      `peer ${id} diverged in round ${round + 1}: its ${what} is ${value}; lower the learning rate or the consensus rate`,
      { code: "diverged", peer: id, round },
    );
  };
  const settings: CompressorSettings = kind.compresses ? plan.compressor : { kind: "identity" };
  const plain = createCompressor(settings, { layout, space });
  const meter = createCompressionMeter(plain, norm, (value) => diverged("model", value));
  const { compressor } = meter;
  const algorithm = kind.create({ id, model, layout, space, compressor, edges: neighbours });
  const closing = createClosing(algorithm.point, space, plan.closingRates);
  const observer = createObserver({
    neighbours,
    length: layout.length,
    space,
    kind,
    algorithm,
    compressor,
  });
  const projection = plan.projection && createProjection(layout, plan.projection.size, seed);
  const rounds = totalRounds(plan, layout.length);

  /** Looks at a neighbour's payload as the round and step that it belongs to will. */
  function check({ kind, round, step, payload }: Frame): void {
    if (kind === "learning") {
      (algorithm.check ?? compressor.check)(payload, step);
      return;
    }
    const part = closing[round - plan.rounds];
    if (!part)
      throw new MalformedPayload(`round ${round + 1} is not a closing round`, {
        code: "not-a-closing-round",
        round,
      });
    part.check(payload);
  }

  /** η of any round. */
  const rate = (round: number): number =>
    closing[round - plan.rounds]?.consensusRate ?? plan.consensusRate(round);

  async function* run({
    transport,
    clock,
    patience = unbounded,
  }: Network): AsyncGenerator<RoundReport, void> {
    requirePatience(kind, patience);
    const lastRound = plan.rounds - 1;
    const exchanges = createExchanges({
      ...{ id, edges: neighbours, rate, check, lastRound },
      ...{ transport, clock, patience },
    });
    const began = clock.now();

    for (round = 0; round < rounds; round++) {
      const isClosing = round > lastRound;
      const laps = createLaps(clock);
      const learningRate = isClosing ? 0 : plan.learningRate(round);
      const loss = isClosing ? undefined : await learn(learningRate);
      laps.end("computeMs");

      const isOver = isClosing ? await close(exchanges, laps) : await gossip(exchanges, laps);
      if (!isOver) return;

      yield {
        peer: id,
        round,
        kind: isClosing ? "closing" : "learning",
        ...(loss !== undefined && { loss }),
        learningRate,
        consensusRate: rate(round),
        ...(await measure(isClosing)),
        traffic: neighbours.map(({ peer }) => ({ neighbour: peer, ...transport.traffic(peer) })),
        ...whatHappened(exchanges),
        time: { ...laps.times, ...waitedFor(exchanges), elapsedMs: clock.now() - began },
      };
    }
  }

  /** u ← the local update at the algorithm's point. @returns the training loss */
  async function learn(learningRate: number): Promise<number> {
    const loss = await learner.learn(algorithm.point, update, { round, learningRate });
    if (!Number.isFinite(loss)) diverged("loss", loss);
    return loss;
  }

  /** One learning round of the algorithm. @returns false when the transport was closed meanwhile */
  async function gossip(exchanges: Exchanges, laps: Laps): Promise<boolean> {
    const go = (wait: Step["wait"], edges: readonly Neighbour[], ...attempt: number[]) =>
      drive({
        steps: algorithm.round(update, {
          edges,
          consensusRate: rate(round),
          random: (...key) => random(seed, "squeeze", id, round, ...attempt, ...key),
        }),
        ...{ kind: "learning", round, edges, wait, exchanges, laps, meter },
        settled: observer.see,
      });
    const works = ({ peer }: Neighbour) => plan.edges?.(id, peer, round) ?? true;
    if (!(await go("patient", exchanges.ready().filter(works)))) return false;
    if (round < plan.rounds - 1 || kind.steps === 0) return true;
    // Where rounds go on without late edges, the ends of an edge may be rounds apart; they meet after the last one.
    for (let again = 1; !exchanges.isFinished(); again++) {
      update.fill(0);
      if (!(await go("any", exchanges.unfinished(), again))) return false;
    }
    return true;
  }

  /** One round of the closing consensus. @returns false when the transport was closed meanwhile */
  function close(exchanges: Exchanges, laps: Laps): Promise<boolean> {
    const steps = closing[round - plan.rounds]!.round();
    return drive({
      ...{ steps, kind: "closing", round, edges: neighbours, wait: "all", exchanges, laps, meter },
    });
  }

  /** Whether something that happens after every so many rounds, and after the last ones, happens in this one. */
  function isDue(every: number): boolean {
    return round === plan.rounds - 1 || round === rounds - 1 || (every > 0 && (round + 1) % every === 0);
  }

  /** What the model and its compression are like after a round. */
  async function measure(isClosing: boolean) {
    const { point } = algorithm;
    const modelNorm = norm(point);
    if (!Number.isFinite(modelNorm)) diverged("model", modelNorm);
    const sent = isClosing ? undefined : meter.read();
    const observation = isClosing ? undefined : observer.conclude(sent?.errorNorm ?? 0, rate(round));
    return {
      modelNorm,
      ...(sent && {
        compressionError: sent.compressionError,
        residual: modelNorm === 0 ? 0 : sent.errorNorm / modelNorm,
      }),
      ...observation,
      ...(isDue(plan.evaluateEvery) && { evaluation: await trainer.evaluate(point) }),
      ...(projection && isDue(plan.projection!.every) && { projection: projection.project(point) }),
    };
  }

  return {
    id,
    layout,
    compressorName: compressor.name,
    rounds,
    largestPayloadBytes: Math.max(
      compressor.maximumPayloadBytes + (kind.extraPayloadBytes ?? 0),
      closingPayloadBytes(layout.length),
    ),
    model,
    state: algorithm.state,
    point: algorithm.point,
    fingerprint: () => ({
      ...plan.fingerprint,
      compressor: compressor.name,
      layout: digest(layout.tensors.map(({ name, shape }) => [name, shape])),
      initialModel: modelDigest(model),
    }),
    run,
  };
}

/** Neighbours in this process, which need no deadline. */
const unbounded: Patience = { deadlineMs: Number.POSITIVE_INFINITY };

/** @throws InvalidExperiment an algorithm that cannot do without an edge */
function requirePatience({ name, needs, steps }: AlgorithmKind, { patienceMs }: Patience): void {
  if (patienceMs === undefined || (!needs.everyEdge && steps <= 1)) return;
  throw new InvalidExperiment(
    `algorithm ${name} needs every edge in every round: remove the patience, or use another algorithm`,
    { code: "patience-with-every-edge", field: "patienceMs" },
  );
}

/** Edges that a round went on without, and frames that were refused. */
function whatHappened(exchanges: Exchanges): Pick<RoundReport, "missed" | "refused"> {
  const missed = exchanges.late();
  const refused = exchanges.takeRefusals();
  return { ...(missed.length > 0 && { missed }), ...(refused.length > 0 && { refused }) };
}

function waitedFor(exchanges: Exchanges): Pick<RoundTimes, "waitedFor"> {
  const last = exchanges.lastToArrive();
  return last === undefined ? {} : { waitedFor: last };
}
