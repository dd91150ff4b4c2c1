/** A worker thread with some of a simulation's peers. Started by `link.ts`, whose calls it serves until it is ended. */
import { parentPort } from "node:worker_threads";
import { activeBackend } from "../../../backends/index.js";
import { createHandOver } from "../../../exchange/hand-over.js";
import { quiescence, stoppedClock, systemClock } from "../../../foundation/clock.js";
import { receivedTopology } from "../../../graphs/sent-topology.js";
import { serveCalls } from "../../../threads/calls.js";
import { workerThreads } from "../../../threads/node.js";
import { createMemoryTransports } from "../../../transports/memory.js";
import { evaluatorOf } from "../../evaluators.js";
import { createLockstep, type Lockstep } from "../../lockstep.js";
import { type PreparedPeers, preparePeers } from "../../prepare.js";
import { createLanes } from "./lanes.js";
import { packReports } from "./packed-reports.js";
import type { Part, PeerService, ReadyPart } from "./service.js";

/** What a worker has once its part is prepared. */
interface State extends PreparedPeers {
  readonly part: Part;
}

async function readyPart({ part, peers, trainers, ...prepared }: State): Promise<ReadyPart> {
  const { layout, largestPayloadBytes } = peers[0]!;
  const isOwn = part.experiment.split.kind === "own";
  const { threads, foundRate, warnings } = prepared;
  return {
    ...{ layout, largestPayloadBytes, threads, warnings, backend: activeBackend() },
    ...(foundRate !== undefined && { foundRate }),
    peers: await Promise.all(
      peers.map(async ({ id, compressorName, rounds, model, point, counts, frozen }, k) => ({
        ...{ id, compressorName, rounds, model, point, counts, frozenShapes: frozen?.shapes },
        evaluates: trainers[k]!.evaluates !== false,
        hasStatistics: Object.keys(trainers[k]!.stateShapes ?? {}).length > 0,
        data: isOwn ? await trainers[k]!.fingerprint!() : undefined,
      })),
    ),
  };
}

function createService(): PeerService {
  let state: State | undefined;
  let lockstep: Lockstep | undefined;
  const at = (peer: number) => state!.part.ids.indexOf(peer);
  const peerOf = (peer: number) => state!.peers[at(peer)]!;
  return {
    async prepare(part) {
      const { topology, experiment, ids, threads, workers } = part;
      const prepared = await preparePeers({
        ...{ topology: receivedTopology(topology), experiment, ids, isPart: true },
        startThreads: workerThreads(threads, { processes: workers }),
        // The workers have the cores already.
        automaticThreads: 1,
      });
      state = { ...prepared, part };
      return readyPart(state);
    },
    async connect(lines) {
      const { part, peers, trainers } = state!;
      const { homes, maximumPayloadBytes } = lines;
      const transports = createMemoryTransports(homes.length, maximumPayloadBytes);
      lockstep = createLockstep({
        ...{ peers, trainers, transports: part.ids.map((id) => transports[id]!) },
        handOver: createHandOver(maximumPayloadBytes, createLanes(lines)),
        clock: part.isTimed ? systemClock : stoppedClock,
      });
    },
    async next() {
      try {
        const reports = await lockstep!.next();
        return reports && packReports(reports);
      } catch (error) {
        // What its peers have sent goes out first, so that the others come as far as they do on one thread.
        await quiescence();
        throw error;
      }
    },
    async release() {
      await quiescence();
      await lockstep?.close();
    },
    fingerprint: (peer) => peerOf(peer).fingerprint(),
    restore: (peer, checkpoint) => peerOf(peer).restore(checkpoint),
    async snapshot(peer) {
      const own = await peerOf(peer).trainerState();
      return { own, checkpoint: peerOf(peer).snapshot(own) };
    },
    saved: (peer) => peerOf(peer).saved(),
    frozen: (peer) => peerOf(peer).frozen!.read(),
    evaluate: (peer, model, statistics) =>
      evaluatorOf(state!.trainers[at(peer)]!).evaluateWith(model, statistics),
    statistics: async (peer) => peerOf(peer).statistics(),
    async dispose() {
      state?.dispose();
    },
  };
}

serveCalls(parentPort!, createService());
