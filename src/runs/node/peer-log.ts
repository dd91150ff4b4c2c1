import { join } from "node:path";
import type { ExampleCounts } from "../../dataset.js";
import type { CounterReport } from "../../foundation/counters.js";
import { FileProblem } from "../../foundation/errors.js";
import type { Topology } from "../../graphs/topology.js";
import type { RoundReport, Sink } from "../../observing/report.js";
import { makeFolder } from "../../sinks/folders.js";
import { createJsonLines } from "../../sinks/json-lines.js";
import type { Layout } from "../../vectors/layout.js";
import type { Experiment } from "../experiment.js";
import { endLine, peerLogName, roundLine } from "../log.js";
import { headerLine } from "../log-header.js";
import { describeMachine } from "./machine.js";
import { resumeLog } from "./resume-log.js";

/** One peer's log of a run, for `murmur inspect`. */
export interface PeerLog {
  /** A round is over. */
  write(report: RoundReport): void;
  /** The run is over; resolves when everything is on disk. @param counted after the last round @param code of the error that stopped it */
  end(
    outcome: "completed" | "stopped",
    reason?: string,
    counted?: CounterReport,
    code?: string,
  ): Promise<void>;
}

/** Settings of `openPeerLog`. */
export interface PeerLogOptions {
  /** Made where it is missing. Other peers' logs may be there. */
  readonly directory: string;
  readonly id: number;
  readonly topology: Topology;
  readonly experiment: Experiment;
  readonly layout: Layout;
  /** Of the peer's examples: `run.counts`. The log says nothing of them where left out. */
  readonly counts?: ExampleCounts | undefined;
  /** Goes on with the log there is, from this round. */
  readonly resumedFrom?: number | undefined;
  /** The round with which the peer came into a run that was under way. */
  readonly joinedAt?: number | undefined;
}

/** @throws FileProblem the folder cannot be made, or holds a log of this peer */
export async function openPeerLog(options: PeerLogOptions): Promise<PeerLog> {
  const { directory, id, topology, experiment, layout, counts, resumedFrom, joinedAt } = options;
  if (resumedFrom === undefined) await requireNewLog(directory, id);
  else await makeFolder(directory);
  const header = {
    ...headerLine(id, experiment, topology, layout, { machine: describeMachine(), counts }),
    ...(joinedAt !== undefined && { joined: { round: joinedAt } }),
  };
  const lines = await openLog(join(directory, peerLogName(id)), header, resumedFrom);
  return {
    write: (report) => lines.write(roundLine(report)),
    async end(outcome, reason, counted, code) {
      lines.write(endLine(outcome, reason, counted, code));
      await lines.close();
    },
  };
}

/** A new log, or one that goes on from a round. @throws FileProblem */
export async function openLog(path: string, header: unknown, resumedFrom: number | undefined): Promise<Sink> {
  if (resumedFrom !== undefined) return resumeLog(path, resumedFrom, header);
  const lines = createJsonLines(path);
  lines.write(header);
  return lines;
}

/** @throws FileProblem the folder cannot be made, or holds a log of this peer */
export async function requireNewLog(directory: string, id: number): Promise<void> {
  const name = peerLogName(id);
  if (!(await makeFolder(directory)).includes(name)) return;
  const file = join(directory, name);
  throw new FileProblem(`${file} already exists: choose another folder, so that the earlier run is kept`, {
    code: "log-exists",
    field: file,
  });
}
