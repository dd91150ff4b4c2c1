import type { Layout } from "../../src/layout.js";
import type { Trainer } from "../../src/trainer.js";
import type { Vector } from "../../src/vector.js";

/** A trainer whose local learning is a plain function; for tests that prescribe every update. */
export function functionTrainer(
  layout: Layout,
  initialize: (model: Vector) => void,
  step: (model: Vector, round: number) => void,
): Trainer {
  return {
    layout,
    initialize,
    async step(model, { round }) {
      step(model, round);
      return 0;
    },
    evaluate: async () => ({ loss: 0 }),
    dispose() {},
  };
}

/** A trainer with prescribed updates, number by number. */
export function updateTrainer(
  layout: Layout,
  initial: (k: number) => number,
  update: (k: number, round: number) => number,
): Trainer {
  return functionTrainer(
    layout,
    (model) => {
      for (let k = 0; k < layout.length; k++) model[k] = initial(k);
    },
    (model, round) => {
      for (let k = 0; k < layout.length; k++) model[k]! += update(k, round);
    },
  );
}
