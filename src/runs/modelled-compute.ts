import type { VirtualClock } from "../foundation/virtual-clock.js";
import type { Trainer } from "../trainers/trainer.js";

/**
 * The same trainer on a virtual clock, where a gradient takes this many milliseconds, however long it really takes.
 * Evaluations take no time: they are observed, not part of the run.
 */
export function withModelledCompute(trainer: Trainer, clock: VirtualClock, gradientMs: number): Trainer {
  const { localUpdate, frozen, counts, stateShapes } = trainer;
  return {
    layout: trainer.layout,
    ...(trainer.pooling && { pooling: trainer.pooling }),
    ...(frozen && { frozen }),
    ...(counts && { counts }),
    ...(stateShapes && { stateShapes }),
    initialize: (model) => trainer.initialize(model),
    gradient: (point, out, step) => clock.during(gradientMs, async () => trainer.gradient(point, out, step)),
    ...(localUpdate && {
      localUpdate: (point, out, steps) =>
        clock.during(gradientMs * steps.count, () => localUpdate(point, out, steps)),
    }),
    ...(trainer.evaluates === false && { evaluates: false }),
    evaluate: (model) => clock.during(0, () => trainer.evaluate(model)),
    state: () => trainer.state(),
    restore: (state) => trainer.restore(state),
    dispose: () => trainer.dispose(),
  };
}
