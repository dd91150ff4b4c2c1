/**
 * Local learning. A trainer owns one peer's data, and what stays local beside its model (running statistics of batch
 * normalisation, for example); the runtime owns the model and all other vectors, and lends them for each call.
 * A trainer computes gradients, and the experiment's optimiser makes updates of them (`learner.ts`); one with an optimiser
 * of its own computes the updates.
 */
import type { z } from "zod";
import type { ExampleCounts, ExamplesDescription } from "../dataset.js";
import type { Evaluation } from "../evaluation.js";
import type { Fingerprint } from "../exchange/fingerprint.js";
import type { Eventually } from "../foundation/eventually.js";
import type { Layout } from "../vectors/layout.js";
import type { NamedValues, TensorGroup } from "../vectors/state.js";
import type { Vector } from "../vectors/vector.js";
import type { Task } from "./task.js";

/** Local steps of one round, for a trainer that makes them with its own optimiser. */
export interface LocalSteps {
  /** Number of the first step's minibatch in the run, from 0; see `step` of {@link Trainer.gradient}. */
  readonly first: number;
  /** H, from 1 up. */
  readonly count: number;
  /** γ of the round, which an optimiser may use. */
  readonly learningRate: number;
}

/** What a trainer needs to know of all peers' training examples before its first gradient; see `src/pooling.ts`. */
export interface TrainerPooling {
  /** Training examples of this peer, at least 1. */
  readonly examples: number;
  /** What it contributes, as many numbers at every peer; empty where it needs nothing of the others. */
  readonly own: Float64Array;
  /** Merges another peer's numbers, or several peers', into those of this one. */
  merge(into: Float64Array, other: Float64Array): void;
  /** What is wrong with numbers of others; undefined where they can be merged. */
  problemOf(numbers: Float64Array): string | undefined;
  /** Takes what all peers' numbers come to, once, before the first gradient and evaluation. */
  take(total: Float64Array): void;
}

/** A round that is over, as far as it concerns a trainer. */
export interface RoundOutcome {
  readonly round: number;
  readonly kind: "learning" | "closing";
  /** Whether learning is over with it. */
  readonly isLast: boolean;
  readonly loss?: number;
  readonly evaluation?: Evaluation;
  /** This peer's estimate of the consensus distance. */
  readonly consensusEstimate?: number;
  /** What crossed each edge so far. */
  readonly traffic: readonly { readonly bytesSent: number; readonly bytesReceived: number }[];
}

/** One peer's data and model: computes gradients, or whole local updates, and evaluates. */
export interface Trainer {
  /** The tensors that gossip, in the order in which they lie in the model vector. */
  readonly layout: Layout;
  /** What the model takes and predicts, for its saved file; left out where its data are no examples. */
  readonly examples?: ExamplesDescription;
  /** What the user should know of its data before the run, one line each. */
  readonly warnings?: readonly string[];
  /** How many examples it trains and is evaluated on, for the log; left out where it does not know. */
  readonly counts?: ExampleCounts;
  /** How it counts its examples, and what it asks of those of all peers. */
  readonly pooling?: TrainerPooling;
  /**
   * Shapes, by name, of what `state` returns and the file of a model has too, such as running statistics. What is left out
   * is part of checkpoints alone, such as the state of an optimiser.
   */
  readonly stateShapes?: Readonly<Record<string, readonly number[]>>;
  /**
   * Tensors of the model that no gradient, layer or neighbour changes, the same at every peer. They are part of the file of
   * a model, and of neither the model vector nor `state`; they are set before the run alone.
   */
  readonly frozen?: TensorGroup;
  /** Write the initial model, the same for every peer of one seed. */
  initialize(model: Vector): void;
  /**
   * Writes the gradient of a minibatch's mean training loss at `point` into `out`, over all that was there. It
   * includes the penalties that the model itself has (regularisers of layers), and no weight decay, which is the
   * optimiser's.
   *
   * @param point the model; it is left as it is, and must not change before the promise resolves
   * @param step number of the minibatch in the run, from 0: round · H + local step. Batches, dropout and augmentation
   *   are drawn from (seed, peer, step), so the position in the data is no state
   * @returns the loss, penalties included; not finite when learning diverged
   */
  gradient(point: Vector, out: Vector, step: number): Eventually<number>;
  /**
   * Makes a round's local steps with the trainer's own optimiser, and writes their sum, x_H − x_0, into `out`, over all
   * that was there. Where it is present, neither `gradient` nor the experiment's optimiser is used.
   *
   * @param point x_0; it is left as it is, and must not change before the promise resolves
   * @returns the mean loss before each local step; not finite when learning diverged, and undefined where it is not known
   */
  localUpdate?(point: Vector, out: Vector, steps: LocalSteps): Promise<number | undefined>;
  /** Evaluate any model of this layout on held-out data. Leaves the trainer's own state as it was. */
  evaluate(model: Vector): Promise<Evaluation>;
  /** False for a trainer whose `evaluate` is not to be called. */
  readonly evaluates?: false;
  /**
   * Is shown each round that is over, and awaited before the next one.
   *
   * @param model the peer's model, where no local step follows at once: after the last learning round, the last closing
   *   round, and the last round of an epoch
   */
  reported?(outcome: RoundOutcome, model: Vector | undefined): Promise<void>;
  /**
   * Copies of what gradients and updates change besides `out`, for a checkpoint: weights that no gradient moves, and the
   * state of an optimiser of its own.
   */
  state(): Promise<NamedValues>;
  /**
   * Goes on from a state of a trainer with the same model.
   *
   * @throws InvalidData a name or length that differs from what `state` returns; nothing is changed then
   */
  restore(state: NamedValues): Promise<void>;
  /**
   * What this trainer learns and computes, for neighbours to compare before the run; see `layers-fingerprint.ts` and
   * `datasets/content.ts`. Asked for before the first gradient, and never by a simulation. Where it is left out,
   * neighbours must leave it out too.
   */
  fingerprint?(): Promise<Fingerprint>;
  /** Gradients are computed outside this process, so that those of several peers are computed side by side. */
  readonly computesElsewhere?: true;
  /** Aborts when the trainer cannot go on, with the error: a peer then waits for its neighbours no longer. */
  readonly lost?: AbortSignal;
  /** Release what the trainer holds outside JavaScript's heap. */
  dispose(): void;
}

/** What a trainer is made for. */
export interface TrainerContext {
  /** This peer, from 0 … peers − 1. */
  readonly peer: number;
  readonly peers: number;
  readonly seed: number;
  /** Learning rounds, and local steps of each, where they are known. */
  readonly rounds?: number | undefined;
  readonly localSteps?: number | undefined;
  /** Processes with peers on this machine, where they are known. */
  readonly processes?: number | undefined;
  /** Threads that `auto` takes; by the cores of this machine and the processes where left out. */
  readonly automaticThreads?: number | undefined;
}

/** One kind of trainer; a new one is a file in `trainers/` and a line in `trainers/index.ts`. */
export interface TrainerKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings, every field with a default; its `kind` is the name users write. */
  readonly settings: Settings;
  /** Takes what it needs from the task: one with data of its own has no use for `task.data`. */
  create(settings: z.output<Settings>, context: TrainerContext, task: Task): Promise<Trainer>;
}

/** For trainers that have no state of their own. */
export const stateless: Pick<Trainer, "state" | "restore"> = {
  state: async () => ({}),
  restore: async () => {},
};
