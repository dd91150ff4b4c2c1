/**
 * Real peers: one peer of a run, over libp2p, on this machine or any other.
 *
 * @example Be peer 3 of a run, in your own program, with a log that `murmur inspect` reads.
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { parseExperiment, parseTopology } from "murmuration-train";
 * import { decodeIdentity, joinRun } from "murmuration-train/network";
 * import { openPeerLog } from "murmuration-train/node";
 *
 * const topology = parseTopology(await readFile("ring-8.json", "utf8"), "ring-8.json");
 * const experiment = parseExperiment({});
 * const identity = decodeIdentity(await readFile("ring-8.keys/peer-3.key", "utf8"));
 * const run = await joinRun({ topology, experiment, id: 3, identity });
 * const log = await openPeerLog({ directory: "runs/mine", id: 3, topology, experiment, layout: run.layout });
 * for await (const report of run) log.write(report);
 * await log.end("completed");
 * await run.close();
 * ```
 */
export * from "./runs/node/network.js";
export { type PeerRunOptions, type PeerSummary, recordPeer } from "./runs/node/record-peer.js";
