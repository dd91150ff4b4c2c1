/**
 * The hot loops. Every kernel works on byte offsets ("pointers") into one memory and allocates nothing.
 * There are two implementations with the same bits: `kernels/simd.ts` (AssemblyScript, SIMD) and
 * `kernels/reference.ts` (plain TypeScript, the definition). Each family lives in one file of
 * `kernels/assembly/` and one of `kernels/reference/`.
 *
 * Two rules make equal bits possible:
 * - A single number is computed in float32 in the order written in the reference; there is no fused
 *   multiply-add.
 * - A sum over a range is made of eight float64 partial sums: element k goes to partial k mod 8, and the
 *   total is ((p0+p4)+(p2+p6)) + ((p1+p5)+(p3+p7)). Norms that set a scale take the same order in float32 over runs
 *   of 1024 numbers, and float64 over the runs. Sums of whole numbers are exact, in any order. The norms of a
 *   vector (`vector.ts`) are sums of parts of 2^19 numbers, added in their order: threads can share those.
 *
 * Threads may share a memory (`threads.ts`), so a kernel keeps nothing in the module's own data but constants.
 *
 * A random draw is `drawBits(low, high, index)` of `random.ts`, made inside the kernel. A block of numbers draws
 * from the index of its first number's place in the flat vector on; where 16 bits are enough, two numbers share a draw.
 */
import type { DitheringKernels } from "./reference/dithering.js";
import type { EntropyKernels } from "./reference/entropy.js";
import type { Float16Kernels } from "./reference/float16.js";
import type { MinmaxKernels } from "./reference/minmax.js";
import type { NaturalKernels } from "./reference/natural.js";
import type { OnebitKernels } from "./reference/onebit.js";
import type { OptimizerKernels } from "./reference/optimizers.js";
import type { QsgdKernels } from "./reference/qsgd.js";
import type { RaceKernels } from "./reference/race.js";
import type { RandomkKernels } from "./reference/randomk.js";
import type { RotateKernels } from "./reference/rotate.js";
import type { SignKernels } from "./reference/sign.js";
import type { TernaryKernels } from "./reference/ternary.js";
import type { TopkKernels } from "./reference/topk.js";
import type { VectorKernels } from "./reference/vector.js";

/** Bytes of one page of a WebAssembly memory. */
export const PAGE_BYTES = 65536;
/** What one WebAssembly memory can hold, in bytes. */
export const MAX_SPACE_BYTES = 65536 * PAGE_BYTES;

export interface Kernels
  extends VectorKernels,
    SignKernels,
    OnebitKernels,
    Float16Kernels,
    MinmaxKernels,
    QsgdKernels,
    NaturalKernels,
    DitheringKernels,
    TernaryKernels,
    TopkKernels,
    RaceKernels,
    RandomkKernels,
    RotateKernels,
    EntropyKernels,
    OptimizerKernels {
  /** First byte of the memory that the kernels leave to their owner. */
  readonly heapBase: number;
}
