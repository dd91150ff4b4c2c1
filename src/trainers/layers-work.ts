/** How much a step of a layers model computes, by which `auto` chooses threads. */
import type { Layer } from "./layers-freezing.js";

/**
 * `auto` leaves steps of fewer multiply-accumulates of the forward pass than this to one thread: waking others, and sums
 * of gradients, then take a notable share.
 */
export const MINIMUM_STEP_MACS = 1 << 24;

/**
 * Multiply-accumulates of a forward pass of one example, about: the numbers of each layer's largest tensor × the positions
 * at which it is applied. Tables that are looked up are left out.
 */
export function macsOf(layers: readonly Layer[]): number {
  let sum = 0;
  for (const layer of layers) {
    if (layer.getClassName() === "Embedding") continue;
    const largest = Math.max(0, ...layer.weights.map(({ shape }) => sizeOf(shape)));
    for (const { outputShapes } of layer.inboundNodes) {
      const [shape] = outputShapes;
      if (Array.isArray(shape)) sum += largest * sizeOf((shape as (number | null)[]).slice(1, -1));
    }
  }
  return sum;
}

/** Sides of any size count once. */
const sizeOf = (shape: readonly (number | null)[]): number =>
  shape.reduce<number>((size, side) => size * (side ?? 1), 1);
