/**
 * Flat float32 vectors in one WebAssembly memory. A vector is an ordinary `Float32Array` whose buffer is
 * that memory, so JavaScript, tfjs and the kernels all work on it in place; its `byteOffset` is the pointer
 * that kernels take. The memory is sized once: growing it would detach every view.
 */
import { InvalidExperiment } from "../foundation/errors.js";
import { type Kernels, MAX_SPACE_BYTES, PAGE_BYTES } from "../kernels/kernels.js";
import { createSimdKernels } from "../kernels/simd.js";
import { oneThread, type Threads } from "../threads/threads.js";

/** float32 numbers in a vector space's memory, which threads may share. */
export type Vector = Float32Array<ArrayBufferLike>;
/** Bytes in a vector space's memory. */
export type Bytes = Uint8Array<ArrayBufferLike>;

/** Alignment of every allocation, in bytes: one cache line. */
export const ALIGNMENT = 64;
/** One WebAssembly memory: vectors in it, and kernels that work on them. */
export interface VectorSpace {
  readonly buffer: ArrayBufferLike;
  readonly kernels: Kernels;
  /** A new vector of zeros. @throws InvalidExperiment when the space is full */
  vector(length: number): Vector;
  /** New zero bytes. @throws InvalidExperiment when the space is full */
  bytes(length: number): Bytes;
}

/** Memory that `count` vectors of `length` numbers and `bytes` more take, with room for alignment. */
export function spaceBytes(count: number, length: number, bytes = 0): number {
  return count * (length * 4 + ALIGNMENT) + bytes + PAGE_BYTES;
}

/**
 * A memory of its own with the kernels bound to it.
 *
 * @param capacityBytes room for all vectors and payload buffers; up to 4 GiB
 * @param createKernels the SIMD kernels, or the reference with the same bits
 * @param threads that share the work of large calls
 * @param isShared whether the memory is shared memory, which several threads need, and others that look at the vectors
 */
export function createVectorSpace(
  capacityBytes: number,
  createKernels: (memory: WebAssembly.Memory) => Kernels = createSimdKernels,
  threads: Threads = oneThread,
  isShared = threads.count > 1,
): VectorSpace {
  // A page each for what the threads' kernels keep within a call.
  const pages = Math.ceil(capacityBytes / PAGE_BYTES) + threads.count;
  if (pages * PAGE_BYTES > MAX_SPACE_BYTES) {
    throw new InvalidExperiment(
      `a peer's state of ${capacityBytes} bytes does not fit into one WebAssembly memory (${MAX_SPACE_BYTES} bytes): use a smaller model`,
      { code: "state-too-large" },
    );
  }
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: isShared });
  const kernels = threads.share(createKernels(memory), memory);
  return carve(memory.buffer, kernels, kernels.heapBase, memory.buffer.byteLength);
}

/** Makes spaces of this many bytes. */
export type CreateSpace = (capacityBytes: number) => VectorSpace;

/** Bytes of a memory in which several spaces lie; a space of more than half of it has a memory of its own. */
export const COMMON_MEMORY_BYTES = 2 ** 28;

export interface SpacesOptions {
  /** Most spaces that are made. */
  readonly count: number;
  /** That share the work of large calls. Only the caller's where left out. */
  readonly threads?: Threads;
  /** Whether other threads than these look at the vectors. Not where left out. */
  readonly isShared?: boolean;
}

/**
 * Spaces that lie side by side in few memories, for many peers of one thread each: a memory of one's own costs more than a
 * small model. Pages that nothing is written to cost nothing. Where several threads share the work, each has its own.
 */
export function createSpaces({ count, threads = oneThread, isShared = false }: SpacesOptions): CreateSpace {
  const isDivided = threads.count > 1;
  const create = (bytes: number) =>
    createVectorSpace(bytes, createSimdKernels, threads, isShared || isDivided);
  if (isDivided || count === 1) return create;
  let current: { readonly buffer: ArrayBufferLike; readonly kernels: Kernels; next: number } | undefined;
  return (capacityBytes) => {
    if (capacityBytes > COMMON_MEMORY_BYTES / 2) return create(capacityBytes);
    if (!current || current.next + capacityBytes > current.buffer.byteLength) {
      const { buffer, kernels } = create(COMMON_MEMORY_BYTES);
      current = { buffer, kernels, next: kernels.heapBase };
    }
    const { buffer, kernels, next } = current;
    current.next = next + capacityBytes;
    return carve(buffer, kernels, next, current.next);
  };
}

/** A space from `first` to `end` of a memory. */
function carve(buffer: ArrayBufferLike, kernels: Kernels, first: number, end: number): VectorSpace {
  let next = aligned(first);
  const allocate = (byteLength: number): number => {
    const pointer = next;
    if (pointer + byteLength > end) {
      throw new InvalidExperiment(
        `vector space of ${end - first} bytes is full (${byteLength} more requested): create a larger one`,
        { code: "vector-space-full" },
      );
    }
    next = aligned(pointer + byteLength);
    return pointer;
  };
  return {
    buffer,
    kernels,
    vector: (length) => new Float32Array(buffer, allocate(length * 4), length),
    bytes: (length) => new Uint8Array(buffer, allocate(length), length),
  };
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
