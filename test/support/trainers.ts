import { normal, random } from "../../src/foundation/random.js";
import type { Plan } from "../../src/peer.js";
import { stateless, type Trainer } from "../../src/trainers/trainer.js";
import type { Layout } from "../../src/vectors/layout.js";
import type { Vector } from "../../src/vectors/vector.js";

/** Plain gradient descent, one step a round. */
export const plainDescent: Pick<Plan, "optimizer" | "localSteps"> = {
  optimizer: { kind: "sgd", weightDecay: 0 },
  localSteps: 1,
};

/** A trainer whose gradient is a plain function of the model and the step. */
export function functionTrainer(
  layout: Layout,
  initialize: (model: Vector) => void,
  gradient: (point: Vector, k: number, step: number) => number,
): Trainer {
  return {
    layout,
    initialize,
    async gradient(point, out, step) {
      for (let k = 0; k < out.length; k++) out[k] = gradient(point, k, step);
      return 0;
    },
    evaluate: async () => ({ loss: 0 }),
    ...stateless,
    dispose() {},
  };
}

/** What a plan needs to know of trainers: a layout, and an initial model of normal numbers. */
export function initialModel(layout: Layout): Pick<Trainer, "layout" | "initialize"> {
  const draws = random(1, "initial model");
  return {
    layout,
    initialize: (model) => {
      for (let k = 0; k < model.length; k++) model[k] = normal(draws, k);
    },
  };
}

/** A trainer with prescribed updates, number by number: with plain descent and γ = 1, u = −gradient. */
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
    (_point, k, round) => -update(k, round),
  );
}
