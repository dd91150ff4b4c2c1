/** Every trainer there is. Adding one: a file here, and its name in the two lists. */
import { z } from "zod";
import type { Task } from "../task.js";
import type { Trainer, TrainerContext, TrainerKind } from "../trainer.js";
import { layers } from "./layers.js";
import { quadratic } from "./quadratic.js";

const kinds = [layers, quadratic] as const;

/** Settings of any trainer, told apart by `kind`. */
export const trainerSettings = z.discriminatedUnion("kind", [layers.settings, quadratic.settings]);
export type TrainerSettings = z.output<typeof trainerSettings>;

/** The trainer of one peer. tfjs is loaded only for trainers that use it. */
export function createTrainer(
  task: Task & { readonly trainer: TrainerSettings },
  context: TrainerContext,
): Promise<Trainer> {
  const kind = kinds.find((candidate) => candidate.settings.shape.kind.value === task.trainer.kind)!;
  return (kind as TrainerKind).create(task.trainer, context, task);
}
