/** Watches a simulation round by round, for its verdict. */
import { createGraphRecord, recordGraphRound } from "../observing/graph-record.js";
import { createPeerRecord, type PeerRecord, recordRound } from "../observing/peer-record.js";
import { type RunVerdict, verdictOf } from "../observing/verdict.js";
import type { Experiment } from "./experiment.js";
import type { SimulationRound } from "./round.js";
import { runSubject } from "./run-subject.js";

export interface VerdictWatch {
  add(round: SimulationRound): void;
  /** All peers have ended. */
  conclude(): RunVerdict | undefined;
}

export interface WatchOptions {
  readonly experiment: Experiment;
  /** Of the model. */
  readonly parameters: number;
  /** Whether times are those of peers that run beside each other. */
  readonly isTimed: boolean;
}

export function createVerdictWatch({ experiment, parameters, isTimed }: WatchOptions): VerdictWatch {
  const peers = new Map<number, PeerRecord>();
  const graph = createGraphRecord();
  return {
    add(round) {
      for (const report of round.reports) {
        const record = peers.get(report.peer) ?? createPeerRecord(report.peer, parameters);
        peers.set(report.peer, record);
        recordRound(record, report);
      }
      recordGraphRound(graph, round);
    },
    conclude() {
      const records = [...peers.values()].sort((a, b) => a.peer - b.peer);
      for (const record of records) record.end = { outcome: "completed" };
      return verdictOf({ subject: runSubject(experiment, isTimed), peers: records, graph });
    },
  };
}
