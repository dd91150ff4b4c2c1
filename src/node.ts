/**
 * What a simulation or a peer takes from Node and a browser does not have. Peers over a network, which need Node too,
 * are `murmuration-train/network`.
 *
 * @example Threads for a large model.
 * ```ts
 * import { simulate } from "murmuration-train";
 * import { workerThreads } from "murmuration-train/node";
 *
 * const simulation = await simulate(topology, experiment, { startThreads: workerThreads("auto") });
 * ```
 *
 * @example Peers spread over the cores of this machine.
 * ```ts
 * import { peerWorkers } from "murmuration-train/node";
 *
 * const simulation = await simulate(topology, experiment, { startWorkers: peerWorkers("auto") });
 * ```
 */

export { type Run, readRun } from "./inspect/read.js";
export { type Exported, type ExportOptions, exportModel } from "./runs/node/export.js";
export { readModel, writeModel } from "./runs/node/models.js";
export { openPeerLog, type PeerLog, type PeerLogOptions } from "./runs/node/peer-log.js";
export { type RunOptions, type RunSummary, recordSimulation } from "./runs/node/record-simulation.js";
export type { WorkerCount } from "./runs/node/workers/count.js";
export { type PeerWorkerOptions, peerWorkers } from "./runs/node/workers/spread.js";
export { type ThreadCount, type WorkerThreadOptions, workerThreads } from "./threads/node.js";
