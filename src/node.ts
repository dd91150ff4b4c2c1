/**
 * What a simulation or a peer takes from Node and a browser does not have. Peers over a network, which need Node too,
 * are `murmuration/network`.
 *
 * @example Threads for a large model.
 * ```ts
 * import { simulate } from "murmuration";
 * import { workerThreads } from "murmuration/node";
 *
 * const simulation = await simulate(topology, experiment, { startThreads: workerThreads("auto") });
 * ```
 */
export { type ThreadCount, type WorkerThreadOptions, workerThreads } from "./threads/node.js";
