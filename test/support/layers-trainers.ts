import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { Examples } from "../../src/dataset.js";
import { normal, random } from "../../src/foundation/random.js";
import { createLayersTrainer, type LayersTrainerOptions } from "../../src/trainers/layers-trainer.js";
import { type Learning, learning } from "./learning.js";

/** Gaussian features; labels follow from the largest of the first `classes` features. */
export function someExamples(count: number, inputs: number, classes: number, seed = 1): Examples {
  const draws = random(seed, "examples");
  const features = Float32Array.from({ length: count * inputs }, (_, k) => normal(draws, k));
  const labels = Int32Array.from({ length: count }, (_, i) => {
    const scores = features.subarray(i * inputs, i * inputs + classes);
    return scores.indexOf(Math.max(...scores));
  });
  return { features, labels };
}

/** A trainer, with local learning of its own and plain settings where none are given. */
export async function trainerOf(
  model: LayersModel,
  train: Examples,
  { optimizer, localSteps, ...rest }: Partial<Omit<LayersTrainerOptions, "model">> & Learning = {},
) {
  const trainer = createLayersTrainer({ model, train, test: train, seed: 1, peer: 0, ...rest });
  const vector = new Float32Array(trainer.layout.length);
  trainer.initialize(vector);
  const settings = { ...(optimizer && { optimizer }), ...(localSteps && { localSteps }) };
  return { trainer: learning(trainer, settings), vector };
}
