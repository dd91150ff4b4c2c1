/**
 * Threads that share the work of kernels on large vectors. Bits do not depend on how many there are: numbers that need
 * each other stay in one piece, and sums are always added in the same order.
 */
import type { Kernels } from "../kernels/kernels.js";

/** Threads that share the work of large kernel calls. Results have the same bits for any count. */
export interface Threads {
  /** How many compute, the caller's included. */
  readonly count: number;
  /** Why there are fewer than were asked for, in one line. */
  readonly warning?: string;
  /** The same kernels, on the same shared memory, whose large calls these threads share. Calls return when all is done. */
  share(kernels: Kernels, memory: WebAssembly.Memory): Kernels;
  /** Ends the threads; kernels that they shared must not be called any more. */
  close(): void;
}

/** Starts the threads for peers whose model has this many parameters; in Node `workerThreads` makes one of these. */
export type StartThreads = (parameters: number) => Promise<Threads>;

/** The caller's thread alone. */
export const oneThread: Threads = { count: 1, share: (kernels) => kernels, close() {} };
