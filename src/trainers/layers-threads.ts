/** Worker threads of Node with copies of a layers model, which the trainers of a process share. */
import type { Worker } from "node:worker_threads";
import type { ActiveBackend } from "../backend.js";
import type { Targets } from "../dataset.js";
import { InvalidExperiment, TrainerFailed } from "../foundation/errors.js";
import { errorOf, type Failure } from "../foundation/failure.js";
import { isNode } from "../foundation/platform.js";
import type { LossSettings } from "../losses/index.js";
import type { ModelContext } from "../model.js";
import type { ModelSettings } from "../models/index.js";
import { programOptions } from "../threads/program.js";
import type { NamedValues } from "../vectors/state.js";
import type { Vector } from "../vectors/vector.js";
import type { BatchPart } from "./layers-computation.js";

/** Most threads of a trainer. */
export const MAX_TRAINER_THREADS = 64;
/** Backends that compute on one thread of a process; others have threads of their own. */
const ON_ONE_THREAD = ["wasm", "cpu"];

/** A whole number; or `auto`, by the machine's cores and the work of a step. */
export type TrainerThreads = number | "auto";

/** What a thread builds the model from, and its loss. */
export interface ModelCopy {
  readonly backend: ActiveBackend["name"];
  readonly model: ModelSettings;
  readonly context: ModelContext;
  readonly loss: LossSettings;
  readonly targets: Targets;
  readonly trainable: readonly string[];
  readonly fastMath: boolean;
}

/** Threads for a trainer. */
export interface ThreadsOption {
  /** The caller's included; at least 2. */
  readonly count: number;
  /** Whether the caller's thread alone computes models that are small, or that threads cannot divide. */
  readonly isAutomatic: boolean;
  readonly copy: ModelCopy;
}

/** What a thread is asked for. All vectors lie in shared memory. */
export type Call =
  | {
      readonly kind: "gradient";
      readonly parameters: Vector;
      readonly part: BatchPart;
      readonly out: Vector;
    }
  | {
      readonly kind: "outputs";
      readonly parameters: Vector;
      readonly features: Vector;
      readonly out: Vector;
    }
  | { readonly kind: "frozen"; readonly values: NamedValues };

/** The loss of a part, or 0. */
export type Answer = { readonly result: number } | { readonly failure: Failure };

/** A worker thread. It takes one call at a time. */
export interface Thread {
  /** @throws what the call throws there, and TrainerFailed once the thread has ended */
  call(call: Call): Promise<number>;
}

/** Room in shared memory by name, used again for the same name. */
export type Buffers = (name: string, length: number) => Vector;

/** Threads that trainers with the same model use in turn. */
export interface Team {
  /** Without the caller's. */
  readonly others: number;
  /** Has threads and buffers to itself until `work` is done, after all who asked before. They start at the first time. */
  use<Result>(work: (threads: readonly Thread[], buffers: Buffers) => Promise<Result>): Promise<Result>;
  /** Ends the threads when no trainer is left; once. */
  leave(): void;
}

/**
 * How many threads a trainer may have; undefined for one.
 *
 * @param backend that is active
 * @param processes with peers on this machine, among which `auto` divides its cores
 * @throws InvalidExperiment more than one thread where there are no worker threads, or the backend has its own
 */
export async function threadsFor(
  threads: TrainerThreads,
  backend: string,
  processes = 1,
): Promise<Omit<ThreadsOption, "copy"> | undefined> {
  if (threads === 1) return undefined;
  const isAutomatic = threads === "auto";
  const obstacle = obstacleTo(threads, backend);
  if (obstacle && !isAutomatic) throw obstacle;
  if (obstacle) return undefined;
  if (!isAutomatic) return { count: threads, isAutomatic };
  const { isMainThread } = await import("node:worker_threads");
  const { availableParallelism } = await import("node:os");
  // Other threads are workers of a simulation, which share the cores already.
  const cores = isMainThread ? Math.floor(availableParallelism() / processes) : 1;
  const count = Math.min(MAX_TRAINER_THREADS, cores);
  return count > 1 ? { count, isAutomatic } : undefined;
}

function obstacleTo(threads: TrainerThreads, backend: string): InvalidExperiment | undefined {
  if (!isNode()) {
    return new InvalidExperiment(
      `trainer.threads is ${threads}, and worker threads need Node.js: set trainer.threads to 1`,
      { code: "trainer-threads-without-node", field: "trainer.threads" },
    );
  }
  if (!ON_ONE_THREAD.includes(backend)) {
    return new InvalidExperiment(
      `trainer.threads is ${threads}, and backend ${backend} has threads of its own: set trainer.threads to 1, or use backend wasm`,
      { code: "trainer-threads-with-backend", field: "trainer.threads" },
    );
  }
  return undefined;
}

interface SharedTeam {
  readonly start: () => Promise<readonly EndableThread[]>;
  readonly buffers: Buffers;
  threads: Promise<readonly EndableThread[]> | undefined;
  /** Settles when nobody uses the threads. */
  last: Promise<unknown>;
  trainers: number;
}

const teams = new Map<string, SharedTeam>();

/** The threads with this copy of a model, the same ones for all trainers that join. */
export function joinTeam(copy: ModelCopy, others: number): Team {
  const key = JSON.stringify([copy, others]);
  const start = () => startThreads(copy, others);
  const team = teams.get(key) ?? {
    ...{ start, buffers: createBuffers(), threads: undefined, last: Promise.resolve(), trainers: 0 },
  };
  teams.set(key, team);
  team.trainers++;
  return {
    others,
    use(work) {
      const result = team.last.then(async () => {
        team.threads ??= team.start();
        return work(await team.threads, team.buffers);
      });
      team.last = result.catch(() => {});
      return result;
    },
    leave() {
      if (--team.trainers > 0) return;
      teams.delete(key);
      const end = (threads: readonly EndableThread[]) => {
        for (const thread of threads) thread.end();
      };
      void team.threads?.then(end, () => {});
    },
  };
}

function createBuffers(): Buffers {
  const buffers = new Map<string, Vector>();
  return (name, length) => {
    let buffer = buffers.get(name);
    if (!buffer || buffer.length < length) {
      buffer = new Float32Array(new SharedArrayBuffer(4 * length));
      buffers.set(name, buffer);
    }
    return buffer.subarray(0, length);
  };
}

interface EndableThread extends Thread {
  end(): void;
}

async function startThreads(copy: ModelCopy, count: number): Promise<EndableThread[]> {
  const { Worker } = await import("node:worker_threads");
  const program = new URL("./layers-thread.js", import.meta.url);
  const started: EndableThread[] = [];
  try {
    for (let k = 0; k < count; k++) {
      started.push(threadOf(new Worker(program, { ...programOptions(), workerData: copy })));
    }
  } catch (error) {
    for (const thread of started) thread.end();
    throw errorEnd(error);
  }
  return started;
}

function threadOf(worker: Worker): EndableThread {
  let waiting: { resolve(result: number): void; reject(error: Error): void } | undefined;
  let end: Error | undefined;
  const ended = (error: Error) => {
    end ??= error;
    waiting?.reject(end);
    waiting = undefined;
  };
  // It keeps the process alive only while it has a call to answer.
  worker.unref();
  worker.on("message", (answer: Answer) => {
    const call = waiting;
    waiting = undefined;
    worker.unref();
    if ("failure" in answer) call?.reject(errorOf(answer.failure) ?? unforeseen(answer.failure));
    else call?.resolve(answer.result);
  });
  worker.on("error", (error) => ended(errorEnd(error)));
  worker.on("messageerror", (error) => ended(errorEnd(error)));
  worker.on("exit", (code) => ended(exitEnd(code)));
  return {
    call: (call) =>
      new Promise((resolve, reject) => {
        if (end) return reject(end);
        waiting = { resolve, reject };
        worker.ref();
        worker.postMessage(call);
      }),
    end: () => void worker.terminate(),
  };
}

const ALONE = "set trainer.threads to 1 to see where";

function unforeseen({ name, message }: Pick<Failure, "name" | "message">): TrainerFailed {
  const [reason] = `${name && `${name}: `}${message}`.split("\n");
  return new TrainerFailed(`a thread of the trainer failed: ${reason}; ${ALONE}`, {
    code: "trainer-thread-failed",
  });
}

/** Anything may be thrown. */
function errorEnd(error: unknown): TrainerFailed {
  if (!(error instanceof Error)) return unforeseen({ name: "", message: String(error) });
  if ((error as NodeJS.ErrnoException).code !== "ERR_WORKER_OUT_OF_MEMORY") return unforeseen(error);
  return new TrainerFailed(
    "a thread of the trainer ran out of memory: use fewer threads in trainer.threads, or raise the limit with NODE_OPTIONS=--max-old-space-size=MEGABYTES",
    { code: "trainer-thread-out-of-memory", cause: error },
  );
}

function exitEnd(code: number): TrainerFailed {
  return new TrainerFailed(
    `a thread of the trainer ended with exit code ${code}: remove process.exit from the modules that the experiment names, or ${ALONE}`,
    { code: "trainer-thread-ended" },
  );
}
