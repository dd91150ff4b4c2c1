/** Reads the logs of a run: any number of peers, of any length. */
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { InvalidLog } from "../errors.js";
import {
  type GraphRound,
  LOG_VERSION,
  type LogEnd,
  type LogHeader,
  type LogLine,
  logLine,
  type PeerRound,
} from "../log.js";

export interface PeerLog {
  readonly peer: number;
  readonly rounds: readonly PeerRound[];
  readonly end?: LogEnd;
}

export interface RunLog {
  readonly header: LogHeader;
  /** By peer, ascending; peers without a log are missing. */
  readonly peers: readonly PeerLog[];
  /** What a simulation saw from outside; empty for a network run. */
  readonly graph: readonly GraphRound[];
  /** What could not be read, one line each. */
  readonly remarks: readonly string[];
}

/** @throws InvalidLog not a run's folder, logs of different runs, or of a newer version */
export async function readRun(directory: string): Promise<RunLog> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    throw new InvalidLog(
      `cannot read folder ${directory}: ${error.code === "ENOENT" ? "there is none" : error.message}`,
    );
  });
  const logs = names.filter((name) => /^(peer-\d+|graph)\.jsonl$/.test(name)).sort();
  if (logs.length === 0) {
    throw new InvalidLog(
      `${directory} holds no logs of a run (peer-0.jsonl, …): name the folder given to --out`,
    );
  }

  const remarks: string[] = [];
  const peers: PeerLog[] = [];
  const graph: GraphRound[] = [];
  let header: LogHeader | undefined;
  for (const name of logs) {
    const lines = await readLines(join(directory, name), name, remarks);
    const own = lines.find((line) => line.type === "header");
    if (!own) {
      remarks.push(`${name}: no header line; left out`);
      continue;
    }
    if (header && fingerprintOf(header) !== fingerprintOf(own)) {
      throw new InvalidLog(
        `${name} belongs to another run than the other logs in ${directory}: keep one folder per run`,
      );
    }
    header ??= own;
    if (own.peer === null) {
      graph.push(...lines.filter((line) => line.type === "graph"));
    } else {
      const end = lines.find((line) => line.type === "end");
      peers.push({
        peer: own.peer,
        rounds: lines.filter((line) => line.type === "round"),
        ...(end && { end }),
      });
    }
  }
  if (!header) throw new InvalidLog(`no log in ${directory} has a header: ${remarks.join("; ")}`);
  peers.sort((a, b) => a.peer - b.peer);
  return { header, peers, graph, remarks };
}

/** What logs of one run have in common. */
function fingerprintOf({ peer: _, ...common }: LogHeader): string {
  return JSON.stringify(common);
}

async function readLines(path: string, name: string, remarks: string[]): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  let number = 0;
  for await (const text of createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    number++;
    const line = parseLine(text);
    if (!line) remarks.push(`${name}: line ${number} is damaged; skipped`);
    else if (line.type === "header" && line.logVersion > LOG_VERSION) {
      throw new InvalidLog(
        `${name} is of log version ${line.logVersion}; this murmur reads up to ${LOG_VERSION}: update it`,
      );
    } else lines.push(line);
  }
  return lines;
}

function parseLine(text: string): LogLine | undefined {
  try {
    return logLine.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
