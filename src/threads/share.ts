import { divided } from "../kernels/division.js";
import type { Kernels } from "../kernels/kernels.js";
import type { Board } from "./board.js";

/** Calls on fewer numbers than this are not worth waking a thread for. */
export const MINIMUM_LENGTH = 1 << 17;

/**
 * The kernels on one memory, with their large calls put on the board.
 *
 * @param space the number by which the other threads know the memory
 */
export function shareKernels(
  kernels: Kernels,
  memory: WebAssembly.Memory,
  board: Board,
  space: number,
  minimumLength = MINIMUM_LENGTH,
): Kernels {
  const large = divided.map(({ name, division }, kernel) => {
    const alone = kernels[name] as (...parameters: number[]) => number | undefined;
    const shared = (...parameters: number[]) => {
      const [length, unit] = division.size(...parameters);
      if (length < minimumLength || length <= unit) return alone(...parameters);
      return board.call(kernels, space, kernel, parameters);
    };
    return [name, shared] as const;
  });
  const shared = { ...kernels, ...Object.fromEntries(large) } as Kernels;
  const view = new DataView(memory.buffer);
  return {
    ...shared,
    signSqueeze(v, length, block, scales, bits) {
      if (block < length || length < minimumLength) {
        shared.signSqueeze(v, length, block, scales, bits);
        return;
      }
      // One block that is everything: its scale first, from a sum that can be shared too.
      const scale = Math.fround(shared.sumOfMagnitudes(v, length) / length);
      view.setFloat32(scales >>> 0, scale, true);
      shared.signBits(v, length, scale, bits);
    },
  };
}
