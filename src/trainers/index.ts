/** Every trainer there is. Adding one: a file here, and its name in this list. */
import type { z } from "zod";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import { startFrom } from "./initial-weights.js";
import { layers } from "./layers.js";
import { processTrainer } from "./process.js";
import { quadratic } from "./quadratic.js";
import { FROM_SEED, type Task } from "./task.js";
import type { Trainer, TrainerContext, TrainerKind } from "./trainer.js";

const kinds = [layers, quadratic, processTrainer] as const;

/** Settings of any trainer, distinguished by `kind`. */
export const trainerSettings = settingsOfAny(kinds);
/** Settings of one of the trainers. */
export type TrainerSettings = z.output<typeof trainerSettings>;

/**
 * The trainer of one peer. tfjs is loaded only for trainers that use it.
 * @throws InvalidExperiment, InvalidData or InvalidModel settings, data or initial weights that cannot be used
 */
export async function createTrainer(
  task: Task & { readonly trainer: TrainerSettings } & Pick<TrainerContext, "rounds" | "localSteps">,
  context: TrainerContext,
): Promise<Trainer> {
  const { rounds, localSteps } = task;
  const kind = kindOf(kinds, task.trainer) as TrainerKind;
  const trainer = await kind.create(task.trainer, { rounds, localSteps, ...context }, task);
  return task.weights === FROM_SEED ? trainer : startFrom(trainer, task.weights);
}
