/**
 * Optimisers: update rules that turn a gradient into the update of one local step. Their state lies in the peer's
 * vector space, so a snapshot of it is complete; their learning rate comes with every step, from the run's schedule.
 */
import type { z } from "zod";
import type { State } from "./vectors/state.js";
import type { Vector, VectorSpace } from "./vectors/vector.js";

/** An update rule over flat vectors, with its state. */
export interface Optimizer {
  /** What the next step depends on besides its arguments. */
  readonly state: State;
  /**
   * Turns the gradient g at `point` into the update u, in place, and moves the state on. For plain SGD u = −γ·g.
   *
   * Clipping comes first: g is scaled to the norm `clipNorm` where it is longer. An L2 penalty is added after it.
   *
   * @param update g before the call, u after it
   * @param point the model at which g was computed; it is not moved
   * @param learningRate γ of this step
   * @throws ForeignVector a vector of another length or in another memory
   */
  step(update: Vector, point: Vector, learningRate: number): void;
}

/** What an optimiser is made for. */
export interface OptimizerContext {
  /** Parameters of the model. */
  readonly length: number;
  /** Where its state and all vectors that it is given lie. */
  readonly space: VectorSpace;
}

/** One kind of optimiser; a new one is a file in `optimizers/` and a line in `optimizers/index.ts`. */
export interface OptimizerKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings, every field optional or with a default; its `kind` is the name users write. */
  readonly settings: Settings;
  /** Model-sized vectors of its state. */
  vectors(settings: z.output<Settings>): number;
  /** The optimiser of one peer, with its state at the start of the run. */
  create(settings: z.output<Settings>, context: OptimizerContext): Optimizer;
}
