/** What one peer is made of: its memory, and everything that lies in it. */
import type { Algorithm, AlgorithmKind, LayoutTools } from "./algorithm.js";
import { type ClosingRound, createClosing, MAX_CLOSING_LENGTH, totalRounds } from "./algorithms/closing.js";
import { createWelcome, type Welcome } from "./algorithms/welcome.js";
import type { Compressor } from "./compressor.js";
import { type CompressorSettings, compressorBytes, createCompressor } from "./compressors/index.js";
import { createStopper, type EarlyStopping, type Stopper, stopperBytes } from "./early-stopping.js";
import type { Patience } from "./exchange/exchanges.js";
import type { Fingerprint } from "./exchange/fingerprint.js";
import type { Frame } from "./exchange/frame.js";
import type { EdgeSchedule } from "./exchange/participation.js";
import { divergedAt } from "./foundation/diverged.js";
import { InvalidExperiment, MalformedPayload } from "./foundation/errors.js";
import type { Neighbour } from "./graphs/mixing.js";
import type { Branch } from "./graphs/spanning-tree.js";
import type { Membership } from "./membership/membership.js";
import {
  createMixingRule,
  defaultMixingRule,
  type MixingRuleSettings,
  mixingRuleVectors,
  requireMixing,
  requireNeighbours,
} from "./mixing-rules/index.js";
import { type CompressionMeter, createCompressionMeter } from "./observing/compression-meter.js";
import { createObserver, type Observer } from "./observing/observer.js";
import { createProjection, type Projection } from "./observing/projection.js";
import { createOptimizer, type OptimizerSettings } from "./optimizers/index.js";
import { createMemory, type Memory } from "./peer-memory.js";
import { createPooling, type PeerWeights, type Pooling, pooledLength } from "./pooling.js";
import { createRateGuard, type RateGuard } from "./rate-guard.js";
import type { ModelCard } from "./saved-model.js";
import type { Schedule } from "./settings/schedule.js";
import { createLearner, type Learner, learnerVectors } from "./trainers/learner.js";
import type { Trainer } from "./trainers/trainer.js";
import type { Layout } from "./vectors/layout.js";
import {
  ALIGNMENT,
  type CreateSpace,
  createVectorSpace,
  spaceBytes,
  type Vector,
  type VectorSpace,
} from "./vectors/vector.js";

/** What all peers of a run do, round by round. */
export interface Plan {
  readonly seed: number;
  readonly algorithm: AlgorithmKind;
  readonly compressor: CompressorSettings;
  /** How models are moved towards the neighbours'. The mean where left out. */
  readonly mixing?: MixingRuleSettings;
  /** Learning rounds. */
  readonly rounds: number;
  /** γ by round. */
  readonly learningRate: Schedule;
  /** What turns gradients into updates. */
  readonly optimizer: OptimizerSettings;
  /** H: optimiser steps per round. */
  readonly localSteps: number;
  /** When all peers stop before the last round; never where left out. */
  readonly stopping?: EarlyStopping;
  /** How much each peer's updates count; all alike where left out. */
  readonly peerWeights?: PeerWeights;
  /** η by round. */
  readonly consensusRate: Schedule;
  /** Which edges work in a round. All where left out. */
  readonly edges?: EdgeSchedule;
  /** A peer's edges of a round, learning or closing, with their weights, where the graph is a sequence. */
  readonly edgesIn?: (peer: number, round: number) => readonly Neighbour[];
  /** How long rounds wait for late edges; the strict barrier where left out. */
  readonly patience?: Omit<Patience, "deadlineMs">;
  /** η of each exact exchange of the closing consensus. */
  readonly closingRates: readonly number[];
  /** Rounds between evaluations; also evaluates after the last round and after closing. 0: only then. */
  readonly evaluateEvery: number;
  /**
   * Report a random projection of `size` numbers of the model every this many rounds, and always after the
   * last one and after closing; left out: never.
   */
  readonly projection?: { readonly every: number; readonly size: number };
  /** What peers must agree on besides what each one computes itself. */
  readonly fingerprint?: Fingerprint;
}

/** What one peer consists of. Transport and clock are arguments of `Peer.run`. */
export interface PeerOptions {
  readonly id: number;
  /** This peer's ends of its edges, in ascending order of the neighbours. */
  readonly neighbours: readonly Neighbour[];
  readonly plan: Plan;
  readonly trainer: Trainer;
  /** Where its vectors lie, and which kernels work on them. A memory of its own, and one thread, where left out. */
  readonly createSpace?: CreateSpace | undefined;
  /** What files of its model say, once its first round has begun; without it, no such file can be made. */
  readonly card?: () => ModelCard;
  /** Its place in the tree along which peers add up what they hold; needed where trainers or weights ask for sums. */
  readonly branch?: Branch;
  /** Who takes part, while that may change: the run then begins and ends with an epoch. */
  readonly membership?: Membership;
}

/** Vectors beside the algorithm's and the learner's: model, update, a payload, its staging, a closing payload, the observer's. */
const COMMON_VECTORS = 6;
/** Lengths of closing payloads, of which each has a staging. */
const CLOSING_LENGTHS = 2;
/** Room for the headers of payloads, in bytes per tensor and in all. */
const PAYLOAD_ROOM_BYTES = 1 << 16;
/** Vectors of the tools of all parts together, besides the mixing rule's: a payload and its staging. */
const PART_VECTORS = 2;
/** Room for the headers and tables of a part's payloads, in bytes. */
const PART_ROOM_BYTES = 1 << 19;

export interface Parts {
  readonly model: Vector;
  readonly update: Vector;
  readonly learner: Learner;
  readonly algorithm: Algorithm;
  readonly compressor: Compressor;
  readonly meter: CompressionMeter;
  readonly observer: Observer;
  readonly guard: RateGuard;
  readonly projection: Projection | undefined;
  /** Everything that outlives a round. */
  readonly memory: Memory;
  readonly closing: readonly ClosingRound[];
  readonly welcome: Welcome;
  readonly pooling: Pooling;
  /** Where all peers may stop early. */
  readonly stopper: Stopper | undefined;
  /** Learning rounds and closing rounds. */
  readonly rounds: number;
  /** ‖v‖ */
  norm(vector: Vector): number;
  /** η of any round. */
  rate(round: number): number;
  /** Looks at a neighbour's payload as the round and step that it belongs to will. @throws MalformedPayload */
  check(frame: Frame, from: number): void;
  /** An upper bound of the norm of a payload that `check` accepts; undefined where the algorithm states none. */
  normBound(frame: Pick<Frame, "kind" | "round" | "step" | "payload">): number | undefined;
  /** @throws Diverged */
  diverged(round: number, what: string, value: number): never;
}

export function createParts(options: PeerOptions): Parts {
  const { id, neighbours, plan, trainer } = options;
  const { layout } = trainer;
  const { algorithm: algorithmKind } = plan;
  const mixingSettings = plan.mixing ?? defaultMixingRule;
  requireDirections(options);
  requireMixing(algorithmKind, mixingSettings);
  requireNeighbours(id, neighbours.length, mixingSettings);
  const space = createPeerSpace(options);
  const { kernels } = space;
  const norm = (v: Vector) => Math.sqrt(kernels.sumOfSquares(v.byteOffset, v.length));
  const diverged = (round: number, what: string, value: number): never => {
    throw divergedAt(id, round, what, value);
  };

  const model = space.vector(layout.length);
  trainer.initialize(model);
  const update = space.vector(layout.length);
  const optimizer = createOptimizer(plan.optimizer, { length: layout.length, space });
  const learner = createLearner({ trainer, optimizer, localSteps: plan.localSteps, space });

  const settings: CompressorSettings = algorithmKind.compresses ? plan.compressor : { kind: "identity" };
  const meter = createCompressionMeter(norm, (round, value) => diverged(round, "model", value));
  const edges = neighbours;
  const toolsFor = (layout: Layout): LayoutTools => {
    const compressor = meter.metered(createCompressor(settings, { layout, space }));
    const mixing = createMixingRule(mixingSettings, { compressor, layout, space, edges });
    return { layout, compressor, mixing };
  };
  const tools = toolsFor(layout);
  const { compressor } = tools;
  const algorithm = algorithmKind.create({ id, model, space, edges, toolsFor, ...tools });
  const closing = createClosing(algorithm.point, space, plan.closingRates);
  const welcome = createWelcome({
    id,
    edges,
    newcomers: options.membership?.epoch.newcomers ?? [],
    model,
    space,
  });

  const observer = createObserver({
    neighbours,
    length: layout.length,
    space,
    kind: algorithmKind,
    algorithm,
    compressor,
  });
  const guard = createRateGuard(algorithmKind);
  const { branch, membership } = options;
  const pooling = createPooling({ id, edges, branch, plan, trainer, epoch: membership?.epoch, space });
  const { point } = algorithm;
  const stopper = createStopper({ id, edges, branch, plan, trainer, point, space });
  const states = {
    algorithm: algorithm.state,
    optimizer: optimizer.state,
    observer: observer.state,
    guard: guard.state,
    pooled: pooling.state,
    ...(stopper && { stopper: stopper.state }),
  };

  const reductionOf = (step: number): Pick<Pooling, "check"> => {
    const reduction = [pooling, stopper].find((each) => each?.has(step));
    if (reduction) return reduction;
    throw new MalformedPayload("sums are not due", { code: "sums-not-due" });
  };

  return {
    model,
    ...{ update, learner, algorithm, compressor, meter, observer, guard },
    ...{ closing, welcome, pooling, stopper, norm, diverged },
    memory: createMemory(id, model, states, trainer),
    projection: projectionOf(plan, layout),
    rounds: totalRounds(plan, layout.length),
    rate: (round) =>
      round < plan.rounds
        ? plan.consensusRate(round)
        : (closing[round - plan.rounds]?.consensusRate ?? plan.consensusRate(round)),
    check({ kind, round, step, payload }, from) {
      const part = closing[round - plan.rounds];
      if (kind === "learning" && algorithm.check) algorithm.check(payload, step, round, from);
      else if (kind === "learning") compressor.check(payload);
      else if (kind === "welcome") welcome.check(payload, step);
      else if (kind === "reduction") reductionOf(step).check(payload, step, from);
      else if (part) part.check(payload);
      else {
        throw new MalformedPayload(`round ${round + 1} is not a closing round`, {
          code: "not-a-closing-round",
          round,
        });
      }
    },
    normBound({ kind, round, step, payload }) {
      if (kind === "welcome" || kind === "reduction") return undefined;
      if (kind === "closing") return closing[round - plan.rounds]?.normBound(payload);
      if (algorithm.normBound) return algorithm.normBound(payload, step, round);
      return algorithm.check ? undefined : compressor.normBound(payload);
    },
  };
}

const projections = new WeakMap<Plan, Projection>();

/** One for all peers of a plan in this process: they share the layout. */
function projectionOf(plan: Plan, layout: Layout): Projection | undefined {
  if (!plan.projection) return undefined;
  const known = projections.get(plan) ?? createProjection(layout, plan.projection.size, plan.seed);
  projections.set(plan, known);
  return known;
}

/** @throws InvalidExperiment an algorithm that needs answers, on edges that carry none */
function requireDirections({ id, neighbours, plan }: PeerOptions): void {
  const oneWay = neighbours.find(({ direction }) => direction !== undefined);
  if (!oneWay || plan.algorithm.needs.graph === "directed") return;
  throw new InvalidExperiment(
    `algorithm ${plan.algorithm.name} needs edges that work both ways, and the edge of peers ${id} and ${oneWay.peer} works one way: use an undirected graph`,
    { code: "one-way-edge", peer: id, neighbour: oneWay.peer },
  );
}

/** @throws InvalidExperiment an algorithm that cannot do without an edge */
export function requirePatience(
  { name, needs, steps }: AlgorithmKind,
  { patienceMs, staleness }: Omit<Patience, "deadlineMs">,
): void {
  if (staleness !== undefined && needs.graph === "directed") {
    throw new InvalidExperiment(
      `algorithm ${name} gives its shares away when it sends, so that a late one must count: remove the staleness, or use another algorithm`,
      { code: "staleness-of-shares", field: "patience" },
    );
  }
  const why = needs.everyEdge
    ? "needs every edge in every round"
    : needs.sameRound
      ? "exchanges another part of the model in every round"
      : steps > 1 && `exchanges ${steps} times a round`;
  if (patienceMs === undefined || !why) return;
  throw new InvalidExperiment(
    `algorithm ${name} ${why} and cannot go on without late edges: remove the patience, or use another algorithm`,
    { code: "patience-with-every-edge", field: "patience" },
  );
}

/** Memory for all that a peer needs. Untouched pages cost nothing. */
function createPeerSpace({
  plan,
  neighbours,
  trainer,
  membership,
  createSpace = createVectorSpace,
}: PeerOptions): VectorSpace {
  const { length, tensors } = trainer.layout;
  const degree = neighbours.length;
  const ofRule = mixingRuleVectors(plan.mixing ?? defaultMixingRule, degree);
  const own = plan.algorithm.vectors(degree) + ofRule;
  const parts = plan.algorithm.parts?.(degree) ?? 0;
  const ofParts = parts === 0 ? 0 : PART_VECTORS + ofRule;
  // What newcomers are sent has payloads of its own.
  const ofWelcome = membership ? 1 : 0;
  const ofLearner = learnerVectors(plan.optimizer, plan.localSteps);
  const vectors = COMMON_VECTORS + own + ofParts + ofWelcome + ofLearner;
  // Of the whole model, and of its parts.
  const scratch = plan.algorithm.compresses ? 2 * compressorBytes(plan.compressor, trainer.layout) : 0;
  const exact = CLOSING_LENGTHS + ofWelcome * Math.ceil(length / MAX_CLOSING_LENGTH);
  const stagings = exact * compressorBytes({ kind: "identity" }, trainer.layout);
  const headers = PAYLOAD_ROOM_BYTES * (1 + tensors.length);
  const pooled = 4 * pooledLength({ trainer, plan }) + ALIGNMENT;
  const kept = stopperBytes({ plan, trainer, length });
  const room = scratch + stagings + headers + pooled + kept + parts * (PART_ROOM_BYTES + ALIGNMENT * vectors);
  return createSpace(spaceBytes(vectors, length, room));
}
