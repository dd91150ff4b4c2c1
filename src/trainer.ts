/**
 * Local learning. A trainer owns one peer's data, optimiser state and anything else that stays local
 * (batch-norm statistics, for example); the runtime owns the model vector and lends it for each call.
 */
import type { z } from "zod";
import type { Layout } from "./layout.js";
import type { Task } from "./task.js";
import type { Vector } from "./vector.js";

/** What one call of `step` is told. */
export interface LocalStep {
  /** Round of the run, from 0. Batches are drawn from (seed, peer, round), not from hidden state. */
  readonly round: number;
  /** Learning rate γ of this round. */
  readonly learningRate: number;
}

/** How good a model is on held-out data. */
export interface Evaluation {
  /** Mean loss. */
  readonly loss: number;
  /** Share of correct answers in [0, 1]; absent where the task has none. */
  readonly accuracy?: number;
}

export interface Trainer {
  /** The tensors that gossip, in the order in which they lie in the model vector. */
  readonly layout: Layout;
  /** Write the initial model, the same for every peer of one seed. */
  initialize(model: Vector): void;
  /**
   * Move `model` in place by local learning: x ← x + u, with u = −γ · gradient for one step of plain SGD.
   *
   * @returns the mean training loss before each local step, not finite when learning diverged
   */
  step(model: Vector, step: LocalStep): Promise<number>;
  /** Evaluate any model of this layout on held-out data. Leaves the trainer's own state as it was. */
  evaluate(model: Vector): Promise<Evaluation>;
  /** Release what the trainer holds outside JavaScript's heap. */
  dispose(): void;
}

/** What a trainer is made for. */
export interface TrainerContext {
  /** This peer, from 0 … peers − 1. */
  readonly peer: number;
  readonly peers: number;
  readonly seed: number;
}

/** One kind of trainer; a new one is a file in `trainers/` and a line in `trainers/index.ts`. */
export interface TrainerKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings, every field with a default; its `kind` is the name users write. */
  readonly settings: Settings;
  /** Takes what it needs from the task: one with data of its own has no use for `task.data`. */
  create(settings: z.output<Settings>, context: TrainerContext, task: Task): Promise<Trainer>;
}
