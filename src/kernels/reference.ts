import type { Kernels } from "./kernels.js";
import { ditheringKernels } from "./reference/dithering.js";
import { entropyKernels } from "./reference/entropy.js";
import { float16Kernels } from "./reference/float16.js";
import { minmaxKernels } from "./reference/minmax.js";
import { naturalKernels } from "./reference/natural.js";
import { onebitKernels } from "./reference/onebit.js";
import { optimizerKernels } from "./reference/optimizers.js";
import { qsgdKernels } from "./reference/qsgd.js";
import { raceKernels } from "./reference/race.js";
import { randomkKernels } from "./reference/randomk.js";
import { rotateKernels } from "./reference/rotate.js";
import { signKernels } from "./reference/sign.js";
import { ternaryKernels } from "./reference/ternary.js";
import { topkKernels } from "./reference/topk.js";
import { vectorKernels } from "./reference/vector.js";

/** The kernels in plain TypeScript: slow, readable, and the definition of every bit. */
export function createReferenceKernels(memory: WebAssembly.Memory): Kernels {
  const { buffer } = memory;
  return {
    heapBase: 64,
    ...vectorKernels(buffer),
    ...signKernels(buffer),
    ...onebitKernels(buffer),
    ...float16Kernels(buffer),
    ...minmaxKernels(buffer),
    ...qsgdKernels(buffer),
    ...naturalKernels(buffer),
    ...ditheringKernels(buffer),
    ...ternaryKernels(buffer),
    ...topkKernels(buffer),
    ...raceKernels(buffer),
    ...randomkKernels(buffer),
    ...rotateKernels(buffer),
    ...entropyKernels(buffer),
    ...optimizerKernels(buffer),
  };
}
