/** How many worker threads a simulation's peers have. */
import { availableParallelism } from "node:os";
import { InvalidExperiment } from "../../../foundation/errors.js";
import type { ThreadCount } from "../../../threads/node.js";
import { createTrainer } from "../../../trainers/index.js";
import { taskOf } from "../../own-data.js";
import type { WorkerRun } from "../../simulate.js";

/** Most workers of a simulation. */
export const MAX_WORKERS = 64;
/**
 * `auto` leaves rounds of less work than this to one thread: parameters × examples of a minibatch × local steps × peers. A
 * round then takes milliseconds, of which meeting takes a share.
 */
export const MINIMUM_WORK = 1 << 22;

/** A whole number; or `auto`, by the work of a round and the machine's cores. */
export type WorkerCount = number | "auto";

/** @throws InvalidExperiment unless the count is `auto` or a whole number from 1 to {@link MAX_WORKERS} */
export function requireCount(count: WorkerCount): void {
  if (count === "auto" || (Number.isInteger(count) && count >= 1 && count <= MAX_WORKERS)) return;
  throw new InvalidExperiment(
    `workers is ${JSON.stringify(count)}: use a whole number from 1 to ${MAX_WORKERS}, or "auto"`,
    { code: "worker-count", field: "workers" },
  );
}

/** What a round of all peers computes. */
export interface RoundWork {
  readonly parameters: number;
  readonly batchSize: number;
  readonly localSteps: number;
  readonly peers: number;
}

/** One worker per core where a round has work enough, else one. @param cores of this machine, each for one worker */
export function workersFor({ parameters, batchSize, localSteps, peers }: RoundWork, cores: number): number {
  if (parameters * batchSize * localSteps * peers < MINIMUM_WORK) return 1;
  return Math.max(1, Math.min(MAX_WORKERS, peers, cores));
}

/** @param threads that each worker's kernels have */
export async function automaticCount(
  { topology, experiment }: WorkerRun,
  threads: ThreadCount,
): Promise<number> {
  const cores = Math.floor(availableParallelism() / (threads === "auto" ? 1 : threads));
  const { peers } = topology.mixing;
  // Other trainers do their work elsewhere, or next to none.
  if (experiment.trainer.kind !== "layers" || Math.min(cores, peers) < 2) return 1;
  const { batchSize, localSteps, seed } = experiment;
  const trainer = await createTrainer(taskOf(experiment, topology, 0, false), { peer: 0, peers, seed });
  const parameters = trainer.layout.length;
  trainer.dispose();
  return workersFor({ parameters, batchSize, localSteps, peers }, cores);
}
