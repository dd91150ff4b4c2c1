/** Worker threads of Node with copies of a layers model, which the trainers of a process share. */
import type { ActiveBackend } from "../backend.js";
import type { Targets } from "../dataset.js";
import { InvalidExperiment, TrainerFailed } from "../foundation/errors.js";
import { isNode } from "../foundation/platform.js";
import type { LossSettings } from "../losses/index.js";
import type { ModelContext } from "../model.js";
import type { ModelSettings } from "../models/index.js";
import { type Calls, openCalls, type ThreadErrors } from "../threads/calls.js";
import { programOptions } from "../threads/program.js";
import type { NamedValues } from "../vectors/state.js";
import type { Vector } from "../vectors/vector.js";
import type { BatchPart } from "./layers-computation.js";
import type { TrainerContext } from "./trainer.js";

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

/** What a thread computes with its copy of the model. All vectors lie in shared memory. */
export interface ModelService {
  /** As of a `LayersComputation`. */
  gradient(parameters: Vector, part: BatchPart, out: Vector): Promise<number>;
  /** Writes the model's outputs for examples into `out`. */
  outputs(parameters: Vector, features: Vector, out: Vector): Promise<void>;
  /** Replaces the numbers of the frozen weights. */
  frozen(values: NamedValues): Promise<void>;
}

/** A worker thread. Its calls throw what they throw there, and TrainerFailed once it has ended. */
export type Thread = Pick<Calls<ModelService>, "call">;

/** Room in shared memory by name, used again for the same name. */
export type Buffers = (name: string, length: number) => Vector;

/** Threads that trainers with the same model use in turn. */
export interface Team {
  /** Has threads and buffers to itself until `work` is done, after all who asked before. They start at the first time. */
  use<Result>(work: (threads: readonly Thread[], buffers: Buffers) => Promise<Result>): Promise<Result>;
  /** Ends the threads when no trainer is left; once. */
  leave(): void;
}

/**
 * How many threads a trainer may have; undefined for one.
 *
 * @param backend that is active
 * @param context with what `auto` takes, or processes with peers on this machine, among which it divides the cores
 * @throws InvalidExperiment more than one thread where there are no worker threads, or the backend has its own
 */
export async function threadsFor(
  threads: TrainerThreads,
  backend: string,
  { processes = 1, automaticThreads }: Pick<TrainerContext, "processes" | "automaticThreads"> = {},
): Promise<Omit<ThreadsOption, "copy"> | undefined> {
  if (threads === 1) return undefined;
  const isAutomatic = threads === "auto";
  const obstacle = obstacleTo(threads, backend);
  if (obstacle && !isAutomatic) throw obstacle;
  if (obstacle) return undefined;
  if (!isAutomatic) return { count: threads, isAutomatic };
  const { availableParallelism } = await import("node:os");
  const count = Math.min(
    MAX_TRAINER_THREADS,
    automaticThreads ?? Math.floor(availableParallelism() / processes),
  );
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

type ModelCalls = Calls<ModelService>;

interface SharedTeam {
  readonly buffers: Buffers;
  threads: Promise<readonly ModelCalls[]> | undefined;
  /** Settles when nobody uses the threads. */
  last: Promise<unknown>;
  trainers: number;
}

const teams = new Map<string, SharedTeam>();

/** The threads with this copy of a model, the same ones for all trainers that join. */
export function joinTeam(copy: ModelCopy, others: number): Team {
  const key = JSON.stringify([copy, others]);
  const team = teams.get(key) ?? {
    ...{ buffers: createBuffers(), threads: undefined, last: Promise.resolve(), trainers: 0 },
  };
  teams.set(key, team);
  team.trainers++;
  return {
    use(work) {
      const result = team.last.then(async () => {
        team.threads ??= startThreads(copy, others);
        return work(await team.threads, team.buffers);
      });
      team.last = result.catch(() => {});
      return result;
    },
    leave() {
      if (--team.trainers > 0) return;
      teams.delete(key);
      const end = (threads: readonly ModelCalls[]) => {
        for (const thread of threads) thread.terminate();
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

async function startThreads(copy: ModelCopy, count: number): Promise<ModelCalls[]> {
  const { Worker } = await import("node:worker_threads");
  const program = new URL("./layers-thread.js", import.meta.url);
  const options = { ...programOptions(), workerData: copy };
  const threads: ModelCalls[] = [];
  try {
    for (let k = 0; k < count; k++) threads.push(openCalls(() => new Worker(program, options), threadErrors));
  } catch (error) {
    for (const thread of threads) thread.terminate();
    throw error;
  }
  return threads;
}

const ALONE = "set trainer.threads to 1 to see where";

const threadErrors: ThreadErrors = {
  failed: (reason) =>
    new TrainerFailed(`a thread of the trainer failed: ${reason}; ${ALONE}`, {
      code: "trainer-thread-failed",
    }),
  outOfMemory: (cause) =>
    new TrainerFailed(
      "a thread of the trainer ran out of memory: use fewer threads in trainer.threads, or raise the limit with NODE_OPTIONS=--max-old-space-size=MEGABYTES",
      { code: "trainer-thread-out-of-memory", cause },
    ),
  exited: (code) =>
    new TrainerFailed(
      `a thread of the trainer ended with exit code ${code}: remove process.exit from the modules that the experiment names, or ${ALONE}`,
      { code: "trainer-thread-ended" },
    ),
};
