/** Every optimiser there is. Adding one: a file here, and a line in this list. */
import type { z } from "zod";
import { ForeignVector } from "../foundation/errors.js";
import type { Optimizer, OptimizerContext, OptimizerKind } from "../optimizer.js";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import type { Vector } from "../vectors/vector.js";
import { adadelta } from "./adadelta.js";
import { adagrad } from "./adagrad.js";
import { adagradNorm } from "./adagrad-norm.js";
import { adam } from "./adam.js";
import { adamax } from "./adamax.js";
import { adamw } from "./adamw.js";
import { amsgrad } from "./amsgrad.js";
import { generalizedSign } from "./generalized-sign.js";
import { genericAdam } from "./generic-adam.js";
import { momentum } from "./momentum.js";
import { rmsprop } from "./rmsprop.js";
import { sgd } from "./sgd.js";

const kinds = [
  sgd, //
  momentum,
  adam,
  adamw,
  amsgrad,
  genericAdam,
  generalizedSign,
  adamax,
  rmsprop,
  adagrad,
  adagradNorm,
  adadelta,
] as const;

/** Settings of any optimiser, distinguished by `kind`. */
export const optimizerSettings = settingsOfAny(kinds);
/** Settings of one of the optimisers. */
export type OptimizerSettings = z.output<typeof optimizerSettings>;

/** Whether these are the settings that an experiment has where it names no optimiser. */
export function isPlainDescent(settings: OptimizerSettings): boolean {
  return JSON.stringify(settings) === JSON.stringify(sgd.settings.parse({ kind: "sgd" }));
}

/** Model-sized vectors of an optimiser's state. */
export function optimizerVectors(settings: OptimizerSettings): number {
  return (kindOf(kinds, settings) as OptimizerKind).vectors(settings);
}

/**
 * The optimiser that these settings describe, at its first step.
 *
 * Its step throws ForeignVector for a vector of another length or another memory: kernels know addresses only, and
 * would work on whatever lies there.
 */
export function createOptimizer(settings: OptimizerSettings, context: OptimizerContext): Optimizer {
  const optimizer = (kindOf(kinds, settings) as OptimizerKind).create(settings, context);
  const { length, space } = context;
  const requireVector = (vector: Vector) => {
    if (vector.buffer === space.buffer && vector.length === length) return;
    throw new ForeignVector(
      `${settings.kind}: takes vectors of ${length} parameters from its own vector space, not one of ${vector.length}${vector.buffer === space.buffer ? "" : " in another memory"}: allocate it with space.vector(${length})`,
      { code: "foreign-vector" },
    );
  };
  return {
    state: optimizer.state,
    step(update, point, learningRate) {
      requireVector(update);
      requireVector(point);
      optimizer.step(update, point, learningRate);
    },
  };
}
