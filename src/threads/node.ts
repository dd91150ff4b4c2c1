import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { InvalidExperiment } from "../foundation/errors.js";
import { ROOM_BYTES } from "../kernels/simd.js";
import { createBlock, openBoard } from "./board.js";
import { shareKernels } from "./share.js";
import { oneThread, type StartThreads, type Threads } from "./threads.js";
import type { PostedSpace } from "./worker.js";

/** Most threads that a peer may have. */
export const MAX_THREADS = 64;
/** `auto` takes no more than this: what the kernels do is soon limited by the memory. */
export const MAX_AUTO_THREADS = 4;
/** `auto` leaves models with fewer parameters than this to one thread. */
export const MINIMUM_PARAMETERS = 4_000_000;

/** How many threads a peer's kernels may have; `auto` says so by the model and the machine. */
export type ThreadCount = number | "auto";

/** Settings of `workerThreads`. */
export interface WorkerThreadOptions {
  /** Processes with peers on this machine, among which `auto` divides its cores. Default 1. */
  readonly processes?: number;
  /** Fewest numbers of a call that is shared. Default 2¹⁷. */
  readonly minimumLength?: number;
  /** Numbers that a thread takes at a time, about. Default 2¹⁶. */
  readonly pieceLength?: number;
}

/**
 * Worker threads of Node for the kernels of large models. `auto` takes the cores that are there for each process, at
 * most `MAX_AUTO_THREADS` (4), when the model has at least `MINIMUM_PARAMETERS` (4 million) parameters, and otherwise one.
 * The threads keep no process alive. Where they do not start, one thread computes, and `warning` says why.
 *
 * @throws InvalidExperiment unless the count is `auto` or a whole number from 1 to `MAX_THREADS` (64)
 */
export function workerThreads(count: ThreadCount, options: WorkerThreadOptions = {}): StartThreads {
  const { processes = 1 } = options;
  if (count !== "auto" && !(Number.isInteger(count) && count >= 1 && count <= MAX_THREADS)) {
    throw new InvalidExperiment(
      `threads is ${JSON.stringify(count)}: use a whole number from 1 to ${MAX_THREADS}, or "auto"`,
      { code: "thread-count", field: "threads" },
    );
  }
  return async (parameters) => {
    const wanted = count === "auto" ? automatic(parameters, processes) : count;
    if (wanted === 1) return oneThread;
    try {
      return await start(wanted, options);
    } catch (error) {
      const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
      return { ...oneThread, warning: `worker threads failed to start; using one thread: ${reason}` };
    }
  };
}

function automatic(parameters: number, processes: number): number {
  if (parameters < MINIMUM_PARAMETERS) return 1;
  return Math.max(1, Math.min(MAX_AUTO_THREADS, Math.floor(availableParallelism() / processes)));
}

async function start(count: number, { minimumLength, pieceLength }: WorkerThreadOptions): Promise<Threads> {
  const block = createBlock();
  const workers: Worker[] = [];
  const close = () => {
    for (const worker of workers) void worker.terminate();
  };
  try {
    for (let k = 1; k < count; k++) {
      workers.push(new Worker(new URL("./worker.js", import.meta.url), { workerData: block, execArgv: [] }));
    }
    await Promise.all(workers.map(ready));
  } catch (error) {
    close();
    throw error;
  }
  const board = openBoard(block, pieceLength);
  let spaces = 0;
  return {
    count,
    share(kernels, memory) {
      // A room for each of the others, where the heap would begin.
      const roomOf = (k: number) => kernels.heapBase + k * ROOM_BYTES;
      for (const [k, worker] of workers.entries()) {
        worker.postMessage({ memory, room: roomOf(k) } satisfies PostedSpace);
      }
      const shared = shareKernels(kernels, memory, board, spaces++, minimumLength);
      return { ...shared, heapBase: roomOf(workers.length) };
    },
    close,
  };
}

/** Resolves once the worker has loaded; from then on it does not keep the process alive. */
function ready(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once("message", () => {
      worker.unref();
      resolve();
    });
    // A worker that ends later is not missed: the caller does what others do not.
    worker.on("error", reject);
    worker.once("exit", (code) => reject(new Error(`a worker thread ended with ${code}`)));
  });
}
