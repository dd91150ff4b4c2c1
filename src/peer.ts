/**
 * One peer's life, top to bottom. The simulator is N of these over memory; a network run is N over libp2p.
 *
 *     x ← x + u                          local learning                            trainer, optimizer
 *     v = share(x)                       what to tell the neighbours               algorithm
 *     q = C(v), keep v − C(v)            compress it, keep what was lost           compressor
 *     send q, receive q_j                one frame per neighbour                   transport, mailbox
 *     x ← x + η Σ_j w_ij (q_j − q)       mix                                       algorithm
 *     report
 *
 * After the last round the closing consensus makes all models equal (closing.ts).
 */
import type { AlgorithmKind } from "./algorithm.js";
import { createClosing, type Exchange } from "./closing.js";
import { type CompressorSettings, createCompressor } from "./compressors/index.js";
import { Diverged } from "./errors.js";
import type { FrameKind } from "./frame.js";
import { createSimdKernels } from "./kernels/simd.js";
import type { Layout } from "./layout.js";
import { createLearner, learnerVectors } from "./learner.js";
import { createMailbox } from "./mailbox.js";
import type { Neighbour } from "./mixing.js";
import { createObserver, type Observation } from "./observer.js";
import { createOptimizer, type OptimizerSettings } from "./optimizers/index.js";
import { createProjection } from "./projection.js";
import { random } from "./random.js";
import type { RoundReport, RoundTimes } from "./report.js";
import type { Schedule } from "./schedule.js";
import type { Threads } from "./threads.js";
import type { Trainer } from "./trainer.js";
import type { Transport } from "./transport.js";
import { createVectorSpace, spaceBytes, type Vector, type VectorSpace } from "./vector.js";

/** What all peers of a run do, round by round. */
export interface Plan {
  readonly seed: number;
  readonly algorithm: AlgorithmKind;
  readonly compressor: CompressorSettings;
  /** Rounds that learn. */
  readonly rounds: number;
  /** γ by round. */
  readonly learningRate: Schedule;
  /** What turns gradients into updates. */
  readonly optimizer: OptimizerSettings;
  /** H: optimiser steps per round. */
  readonly localSteps: number;
  /** η by round. */
  readonly consensusRate: Schedule;
  /** η of each exact exchange of the closing consensus. */
  readonly closingRates: readonly number[];
  /** Evaluate after every so many rounds, and always after the last one and after closing; 0 only then. */
  readonly evaluateEvery: number;
  /**
   * Report a random projection of `size` numbers of the model after every so many rounds, and always after the
   * last one and after closing; left out: never.
   */
  readonly projection?: { readonly every: number; readonly size: number };
}

export interface PeerOptions {
  readonly id: number;
  /** In ascending order. */
  readonly neighbours: readonly Neighbour[];
  readonly plan: Plan;
  readonly trainer: Trainer;
  readonly transport: Transport;
  /** That share the work on a large model; the caller closes them. Only its own where left out. */
  readonly threads?: Threads;
  /** Milliseconds from any fixed point; used for the reports' times only. */
  readonly clock: () => number;
}

export interface Peer {
  readonly id: number;
  /** Name of the compressor that learning rounds send through. */
  readonly compressorName: string;
  /** The live model vector. */
  readonly model: Vector;
  /** Runs the whole plan, one report per round; ends early when the transport is closed. */
  run(): AsyncGenerator<RoundReport, void>;
}

/** What an exchange came to; `sent` is absent when the algorithm does not exchange. */
interface Exchanged {
  readonly sent?: { readonly compressionError: number; readonly errorNorm: number };
  readonly observation?: Observation;
  readonly time: Pick<RoundTimes, "compressMs" | "waitMs" | "mixMs" | "waitedFor">;
}

/** Model-sized vectors a peer may need beside the learner's: x, u, the algorithm's two, the observer's, a payload and its staging, a closing payload. */
const MAX_VECTORS = 8;
/** Room for the headers of payloads, in bytes per tensor and in all. */
const PAYLOAD_ROOM_BYTES = 1 << 16;

/** Memory for all that a peer of this layout may need. Untouched pages cost nothing, so there is room for any combination. */
export function createPeerSpace(
  { length, tensors }: Layout,
  { optimizer, localSteps }: Pick<Plan, "optimizer" | "localSteps">,
  threads?: Threads,
): VectorSpace {
  const vectors = MAX_VECTORS + learnerVectors(optimizer, localSteps);
  const bytes = spaceBytes(vectors, length, PAYLOAD_ROOM_BYTES * (1 + tensors.length));
  return createVectorSpace(bytes, createSimdKernels, threads);
}

export function createPeer(options: PeerOptions): Peer {
  const { id, neighbours, plan, trainer, transport, threads, clock } = options;
  const { layout } = trainer;
  const space = createPeerSpace(layout, plan, threads);
  const { kernels } = space;
  const norm = (v: Vector) => Math.sqrt(kernels.sumOfSquares(v.byteOffset, v.length));
  const model = space.vector(layout.length);
  trainer.initialize(model);
  const update = space.vector(layout.length);
  const learner = createLearner({
    trainer,
    optimizer: createOptimizer(plan.optimizer, { length: layout.length, space }),
    localSteps: plan.localSteps,
    space,
  });

  const settings: CompressorSettings = plan.algorithm.compresses ? plan.compressor : { kind: "identity" };
  const compressor = createCompressor(settings, { layout, space });
  const algorithm = plan.algorithm.create({ model, space, compressor });
  const learning = { algorithm, compressor };
  const closing = createClosing(model, space, plan.closingRates);
  // Observing takes a vector of its own; runs that log no projections of their models do without it.
  const observer =
    plan.projection && createObserver({ neighbours, length: layout.length, space, ...learning });
  const projection = plan.projection && createProjection(layout, plan.projection.size, plan.seed);
  const mailbox = createMailbox(
    transport,
    neighbours.map(({ peer }) => peer),
  );

  /** One exchange with the neighbours. Undefined when the transport was closed meanwhile. */
  async function exchange(
    kind: FrameKind,
    round: number,
    { algorithm, compressor, consensusRate }: Exchange,
  ): Promise<Exchanged | undefined> {
    const started = clock();
    const shared = algorithm.share();
    if (!shared) return { time: { compressMs: 0, waitMs: 0, mixMs: 0 } };

    const sharedNorm = norm(shared);
    if (!Number.isFinite(sharedNorm)) throw diverged(round, "model", sharedNorm);
    const payload = compressor.squeeze(shared, random(plan.seed, "squeeze", id, round));
    const errorNorm = norm(shared);
    const compressed = clock();

    const [payloads] = await Promise.all([
      mailbox.collect(round),
      ...neighbours.map(({ peer }) => transport.send(peer, { kind, round, payload })),
    ]);
    if (!payloads) return undefined;
    const received = clock();
    const waitedFor = mailbox.lastToArrive();

    const heard = payloads.map((heardPayload, k) => ({
      payload: heardPayload,
      weight: neighbours[k]!.weight,
    }));
    algorithm.mix(payload, heard, consensusRate);
    return {
      time: {
        compressMs: compressed - started,
        waitMs: received - compressed,
        mixMs: clock() - received,
        ...(waitedFor !== undefined && { waitedFor }),
      },
      sent: { compressionError: sharedNorm === 0 ? 0 : errorNorm / sharedNorm, errorNorm },
      ...(observer &&
        kind === "exchange" && {
          observation: observer.observe(payload, payloads, errorNorm, consensusRate),
        }),
    };
  }

  function diverged(round: number, what: string, value: number): Diverged {
    return new Diverged(
      `peer ${id} diverged in round ${round}: its ${what} is ${value}; lower the learning rate or the consensus rate`,
    );
  }

  async function* run(): AsyncGenerator<RoundReport, void> {
    const lastLearning = plan.rounds - 1;
    const rounds = plan.rounds + closing.length;
    const began = clock();
    /** Whether something that happens after every so many rounds, and after the last ones, happens in this one. */
    const isDue = (every: number, round: number) =>
      round === lastLearning || round === rounds - 1 || (every > 0 && (round + 1) % every === 0);

    for (let round = 0; round < rounds; round++) {
      const isClosing = round > lastLearning;
      const learningRate = isClosing ? 0 : plan.learningRate(round);
      const next = isClosing
        ? closing[round - plan.rounds]!
        : { ...learning, consensusRate: plan.consensusRate(round) };

      const started = clock();
      const loss = isClosing ? undefined : await learner.learn(model, update, { round, learningRate });
      if (loss !== undefined && !Number.isFinite(loss)) throw diverged(round, "loss", loss);
      if (!isClosing) kernels.add(model.byteOffset, update.byteOffset, model.length);
      const computeMs = clock() - started;

      const kind = isClosing ? "closing" : "exchange";
      const result = await exchange(kind, round, next);
      if (!result) return;
      const { sent, observation, time } = result;

      const modelNorm = norm(model);
      if (!Number.isFinite(modelNorm)) throw diverged(round, "model", modelNorm);
      const refused = mailbox.takeRefusals();

      yield {
        peer: id,
        round,
        kind,
        ...(loss !== undefined && { loss }),
        learningRate,
        consensusRate: next.consensusRate,
        modelNorm,
        ...(sent && {
          compressionError: sent.compressionError,
          residual: modelNorm === 0 ? 0 : sent.errorNorm / modelNorm,
        }),
        traffic: neighbours.map(({ peer }) => ({ neighbour: peer, ...transport.traffic(peer) })),
        ...(refused.length > 0 && { refused }),
        ...observation,
        ...(isDue(plan.evaluateEvery, round) && { evaluation: await trainer.evaluate(model) }),
        ...(projection && isDue(plan.projection!.every, round) && { projection: projection.project(model) }),
        time: { computeMs, ...time, elapsedMs: clock() - began },
      };
    }
  }

  return { id, compressorName: compressor.name, model, run };
}
