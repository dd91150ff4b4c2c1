/** Which tensors of a layers model learn. Patterns name tensors (`dense1/kernel`) or layers (`dense1`), with `*` for any characters. */
import type { layers as layersModule } from "@tensorflow/tfjs-layers";
import { InvalidExperiment } from "../foundation/errors.js";
import { suggestion, upTo } from "../settings/check.js";
import { isEverything } from "./task.js";

export type Layer = layersModule.Layer;
type Weight = Layer["weights"][number];

/** Statistics that a layer keeps of its own peer's data. */
export const RUNNING = /(^|\/)moving_(mean|variance)$/;

/** A layer without layers in it. */
export interface Leaf {
  readonly layer: Layer;
  /**
   * Class and number within the model, for example `dense2`: tfjs's own names count all layers of the process and would
   * differ between peers.
   */
  readonly name: string;
  /** Its weights that no gradient moves and that it may update itself; of a frozen layer none. */
  readonly statistics: readonly Weight[];
  /** Whether its own flag, or that of a model around it, excludes it from training. */
  readonly isFrozen: boolean;
}

/** All layers in order, those inside nested models included. */
export function leavesOf(layers: readonly Layer[]): Leaf[] {
  const counts = new Map<string, number>();
  const leaves = (inside: readonly Layer[], isFrozenAround: boolean): Leaf[] =>
    inside.flatMap((layer) => {
      const isFrozen = isFrozenAround || !layer.trainable;
      const nested = (layer as { layers?: Layer[] }).layers;
      if (nested) return leaves(nested, isFrozen);
      const className = layer.getClassName().toLowerCase();
      const count = (counts.get(className) ?? 0) + 1;
      counts.set(className, count);
      const statistics = isFrozen ? [] : layer.nonTrainableWeights;
      return { layer, name: `${className}${count}`, statistics, isFrozen };
    });
  return leaves(layers, false);
}

/** `dense2/kernel` */
export const tensorName = ({ name }: Leaf, { originalName }: Weight): string =>
  `${name}/${originalName.split("/").at(-1)}`;

/**
 * Excludes from training what no pattern matches. A layer of which nothing matches is frozen as a whole: one that keeps
 * running statistics computes with them and leaves them as they are.
 *
 * @returns the layers as they are then
 * @throws InvalidExperiment a pattern that matches no tensor, or patterns that leave nothing to train
 */
export function freeze(leaves: readonly Leaf[], patterns: readonly string[]): Leaf[] {
  if (!isEverything(patterns)) requireMatches(leaves, patterns);
  const learns = (leaf: Leaf, weight: Weight) =>
    patterns.some((pattern) => matches(pattern, leaf.name) || matches(pattern, tensorName(leaf, weight)));
  return leaves.map((leaf) => {
    const { layer, isFrozen } = leaf;
    const { weights } = layer;
    const left = weights.filter((weight) => learns(leaf, weight));
    if (isFrozen || (weights.length > 0 && left.length === 0)) return frozen(leaf);
    for (const weight of layer.trainableWeights) if (!left.includes(weight)) weight.trainable = false;
    return leaf;
  });
}

function frozen(leaf: Leaf): Leaf {
  const { layer } = leaf;
  layer.trainable = false;
  if (layer.weights.some(({ originalName }) => RUNNING.test(originalName))) {
    // tfjs leaves a frozen layer's statistics to what it is called with, unlike Keras.
    const call = layer.call.bind(layer);
    layer.call = (inputs, settings) => call(inputs, { ...settings, training: false });
  }
  return { ...leaf, statistics: [], isFrozen: true };
}

/** @throws InvalidExperiment a pattern without a tensor, or nothing to train */
function requireMatches(leaves: readonly Leaf[], patterns: readonly string[]): void {
  const namesOf = (leaf: Leaf, weights: readonly Weight[]) =>
    weights.length === 0 ? [] : [leaf.name, ...weights.map((weight) => tensorName(leaf, weight))];
  const names = leaves.flatMap((leaf) => namesOf(leaf, leaf.layer.weights));
  const unmatched = patterns.find((pattern) => !names.some((name) => matches(pattern, name)));
  if (unmatched !== undefined) {
    const known = names.filter((name) => name.includes("/") === unmatched.includes("/"));
    throw new InvalidExperiment(
      `no layer or tensor of the model matches ${JSON.stringify(unmatched)} of trainable; correct it${suggestion(unmatched, known)}`,
      { code: "trainable-matches-nothing", field: "trainable" },
    );
  }
  const moving = leaves.flatMap((leaf) => (leaf.isFrozen ? [] : namesOf(leaf, leaf.layer.trainableWeights)));
  if (patterns.some((pattern) => moving.some((name) => matches(pattern, name)))) return;
  throw new InvalidExperiment(
    `trainable: ${JSON.stringify(patterns)} leaves nothing to train: name a layer or tensor that gradients move, ${upTo(moving)}`,
    { code: "trainable-freezes-all", field: "trainable" },
  );
}

/** Whether a name is a pattern's: `*` stands for any characters, also for none. Takes time linear in the name. */
export function matches(pattern: string, name: string): boolean {
  const [first = "", ...others] = pattern.split("*");
  const last = others.pop();
  if (last === undefined) return name === first;
  if (!name.startsWith(first)) return false;
  let at = first.length;
  for (const part of others) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
