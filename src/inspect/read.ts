/**
 * Reads the logs of a run: any number of peers, of any length, finished or still growing. Files are read in turn,
 * always the one that is furthest behind, so that projections of one round meet soon and are not kept.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { sizeOf } from "../dataset.js";
import { ACCURACY, type Metric } from "../evaluation.js";
import { InvalidLog } from "../foundation/errors.js";
import { unread } from "../foundation/system-errors.js";
import { changeText } from "../graphs/changes.js";
import { LOG_NAME_PATTERN, type LogHeader, type PeerRound } from "../runs/log.js";
import { type ConsensusReader, createConsensusReader } from "./consensus.js";
import { createGraphHistory, createPeerHistory, type GraphHistory, type PeerHistory } from "./history.js";
import {
  createLogFile,
  differences,
  type Edge,
  furthestBehind,
  type LogFile,
  readHeader,
  remarksOn,
  wholeHeader,
} from "./log-file.js";
import { parseLine } from "./parse.js";

export interface Run {
  /** The folder's name. */
  readonly name: string;
  readonly header: LogHeader;
  /** Ascending; peers without a log are missing. */
  readonly peers: readonly PeerHistory[];
  /** What a simulation saw from outside; empty columns for a network run. */
  readonly graph: GraphHistory;
  readonly consensus: ConsensusReader;
  /** What could not be read, one line each. */
  readonly remarks: readonly string[];
}

/** What models of a run are judged by: accuracy, before an evaluation says otherwise. */
export function metricOf({ peers }: Pick<Run, "peers">): Metric {
  return peers.find(({ metric }) => metric)?.metric ?? ACCURACY;
}

/**
 * Whether one process played all peers: what a peer waited for then is the others' turn to compute. A network run is
 * seen from outside in two rounds at most.
 */
export function isSimulated({ graph }: Pick<Run, "graph">): boolean {
  return graph.columns.round.length > 2;
}

/** Whether one process played all peers in lockstep, without a modelled network: they never wait for an edge. */
export function isInLockstep(run: Pick<Run, "graph" | "header">): boolean {
  return isSimulated(run) && run.header.network === undefined;
}

export interface RunReader {
  /** What was read so far; undefined until there is a header. */
  readonly run: Run | undefined;
  /** Bytes read so far, and bytes there were at the last look. */
  readonly progress: { readonly read: number; readonly total: number };
  /** When the logs last grew, at the last look, in milliseconds since 1970; 0 before there is one. */
  readonly changedAt: number;
  /** Looks for logs that are new. @throws InvalidLog when the folder cannot be read */
  scan(): void;
  /** Reads a part of the log that is furthest behind. @returns false when there is nothing more for now */
  read(): boolean;
}

/** @throws InvalidLog not a run's folder, or not one log in it can be read */
export function readRun(directory: string): Run {
  const reader = createRunReader(directory);
  reader.scan();
  while (reader.read());
  reader.run?.consensus.settle(Number.POSITIVE_INFINITY);
  if (!reader.run) {
    const [first, ...others] = reader.remarks();
    const more = others.length > 0 ? ` (and ${others.length} more)` : "";
    throw new InvalidLog(`no log in ${directory} can be read: ${first}${more}`, {
      code: "no-readable-log",
      field: directory,
    });
  }
  return reader.run;
}

/** All that was read of a folder. */
interface Reading {
  readonly directory: string;
  readonly files: Map<string, LogFile>;
  readonly peers: Map<number, PeerHistory>;
  readonly graph: GraphHistory;
  /** Known from the first header on. */
  shown?: { readonly header: LogHeader; readonly consensus: ConsensusReader };
  /** Bytes there were at the last look. */
  total: number;
  changedAt: number;
  /** Reads since what all logs have reached was settled. */
  readsToSettle: number;
}

/** A reader of a folder that may still be written to. */
export function createRunReader(directory: string): RunReader & { remarks(): string[] } {
  const reading: Reading = {
    directory,
    files: new Map(),
    peers: new Map(),
    graph: createGraphHistory(),
    total: 0,
    changedAt: 0,
    readsToSettle: 0,
  };
  let run: Run | undefined;
  return {
    get run() {
      run ??= reading.shown && runOf(reading, reading.shown);
      return run;
    },
    get progress() {
      const { files, total } = reading;
      return { read: [...files.values()].reduce((sum, { lines }) => sum + lines.position, 0), total };
    },
    get changedAt() {
      return reading.changedAt;
    },
    scan: () => scan(reading),
    read: () => readNext(reading),
    remarks: () => remarks(reading),
  };
}

/** A view of what was read, which grows with it. */
function runOf(reading: Reading, { header, consensus }: NonNullable<Reading["shown"]>): Run {
  const { directory, peers, graph } = reading;
  return {
    name: basename(resolve(directory)),
    header,
    get peers() {
      return [...peers.values()].sort((a, b) => a.peer - b.peer);
    },
    graph,
    consensus,
    get remarks() {
      return remarks(reading);
    },
  };
}

function scan(reading: Reading): void {
  const { directory, files } = reading;
  const names = logNames(directory);
  if (names.length === 0) {
    throw new InvalidLog(
      `${directory} has no logs of a run (peer-0.jsonl, …): choose the folder given to --out`,
      { code: "no-logs", field: directory },
    );
  }
  reading.total = 0;
  for (const name of names) {
    const path = join(directory, name);
    const { size = 0, mtimeMs = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
    reading.total += size;
    reading.changedAt = Math.max(reading.changedAt, mtimeMs);
    const known = files.get(name);
    if (known) known.isRead = false;
    else files.set(name, createLogFile(name, path));
  }
  open(
    reading,
    [...files.values()].filter(({ first, leftOut }) => first === undefined && !leftOut),
  );
}

function logNames(directory: string): string[] {
  if (!existsSync(directory))
    throw new InvalidLog(`cannot read folder ${directory}: it does not exist`, {
      code: "log-folder-missing",
      field: directory,
    });
  try {
    return readdirSync(directory)
      .filter((name) => LOG_NAME_PATTERN.test(name))
      .sort();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InvalidLog(
      `cannot read folder ${directory}: ${code === "ENOTDIR" ? "it is a file; choose the folder of the logs" : unread(error)}`,
      { code: "log-folder-unreadable", field: directory, cause: error },
    );
  }
}

/** Reads the headers of new files, and decides which run they belong to. */
function open(reading: Reading, candidates: readonly LogFile[]): void {
  const groups = new Map<string, { header: LogHeader; files: LogFile[]; edges: Edge[][] }>();
  const counts = new Map<LogFile, LogHeader["data"]>();
  for (const file of candidates) {
    const own = readHeader(file);
    if (!own) continue;
    counts.set(file, own.data);
    const { edges, isPart } = own.topology;
    const group = groups.get(own.fingerprint) ?? { header: own, files: [], edges: [] };
    groups.set(own.fingerprint, group);
    group.files.push(file);
    if (isPart) group.edges.push(edges);
    else if (group.header.topology.isPart) group.header = own;
  }
  // Where runs are mixed the one with the most logs is shown.
  const largest = [...groups.values()].sort((a, b) => b.files.length - a.files.length)[0];
  if (!reading.shown && largest) {
    const header = wholeHeader(largest.header, largest.edges);
    reading.shown = { header, consensus: createConsensusReader(header) };
  }
  if (!reading.shown) return;
  const { header } = reading.shown;
  const parameters = header.tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  for (const group of groups.values()) {
    const isOurs = isOfRun(group.header, header);
    for (const file of group.files) {
      if (isOurs && file.peer !== null)
        reading.peers.set(file.peer, createPeerHistory(file.peer, parameters, counts.get(file)));
      if (isOurs) continue;
      file.leftOut = `belongs to another run (${differences(group.header, header)}); left out, keep one folder per run`;
    }
  }
}

/** How the run's members changed, one line per epoch. */
function changesOf(peers: readonly PeerHistory[]): string[] {
  // A peer that came with an epoch does not know what else it brought.
  const epochs = new Map(
    peers.flatMap(({ epochs }) => [...epochs]).filter(([, changes]) => changes.length > 0),
  );
  return [...epochs]
    .sort(([a], [b]) => a - b)
    .map(([round, changes]) => `from round ${round + 1} on: ${changes.map(changeText).join(", ")}`);
}

/** Whether a log belongs to the run; that of a peer that joined later has the graph of its own time. */
function isOfRun(own: LogHeader, { fingerprint, experiment, tensors }: LogHeader): boolean {
  if (own.fingerprint === fingerprint) return true;
  const sameAs = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  return own.joined !== undefined && sameAs(own.experiment, experiment) && sameAs(own.tensors, tensors);
}

/** Reads a part of the log that is furthest behind. */
function readNext(reading: Reading): boolean {
  const { shown } = reading;
  if (!shown) return false;
  const file = furthestBehind(reading.files.values());
  // Once for about every log: each time looks at all of them.
  if (!file || reading.readsToSettle >= reading.files.size) {
    shown.consensus.settle(settledRound(reading, shown.header));
    reading.readsToSettle = 0;
  }
  if (!file) return false;
  reading.readsToSettle++;
  // What came with the header is handed out first.
  const lines = file.lineNumber === 0 ? file.first : file.lines.next();
  if (!lines) file.isRead = true;
  for (const text of lines ?? []) {
    file.lineNumber++;
    take(reading, shown, file, text);
  }
  return true;
}

/**
 * The round up to which every peer that still writes was read. Peers run at most one round ahead of a neighbour,
 * so that one further behind than the graph is wide has stopped.
 */
function settledRound({ files, peers }: Reading, header: LogHeader): number {
  const logs = [...files.values()].filter(({ peer, leftOut, first }) => peer !== null && first && !leftOut);
  const ahead = Math.max(...logs.map(({ lastRound }) => lastRound));
  const rounds = logs.map(({ peer, isRead, lastRound }) => {
    const hasStopped = isRead && (peers.get(peer!)?.end || lastRound < ahead - header.topology.peers);
    return hasStopped ? Number.POSITIVE_INFINITY : lastRound;
  });
  return Math.min(ahead, ...rounds);
}

function take(
  { graph, peers }: Reading,
  { header, consensus }: NonNullable<Reading["shown"]>,
  file: LogFile,
  text: string,
): void {
  if (file.leftOut) return;
  const line = parseLine(text);
  const history = file.peer === null ? undefined : peers.get(file.peer);
  switch (line?.type) {
    case undefined:
      file.damaged.push(file.lineNumber);
      break;
    case "header":
      if (!isOfRun(line, header)) {
        file.leftOut = `goes on with another run from line ${file.lineNumber} (${differences(line, header)}); that part is left out`;
      }
      break;
    case "graph":
      graph.add(line);
      file.lastRound = line.round;
      break;
    case "end":
      history?.finish(line);
      break;
    case "round":
      if (history) takeRound(history, consensus, file, line);
  }
}

function takeRound(history: PeerHistory, consensus: ConsensusReader, file: LogFile, line: PeerRound): void {
  const { round, kind, projection } = line;
  const isNew = round > history.lastRound;
  history.add(line);
  file.lastRound = Math.max(file.lastRound, round);
  if (!isNew || projection === undefined) return;
  const isTaken = consensus.add(history.peer, round, kind === "closing", projection);
  if (!isTaken) file.damaged.push(file.lineNumber);
}

function remarks({ files, peers, shown }: Reading): string[] {
  const all = [...files.values()].flatMap((file) => [...remarksOn(file)]);
  for (const { peer, repeatedRounds } of peers.values()) {
    if (repeatedRounds > 0) {
      all.push(
        `peer ${peer}: ${repeatedRounds} rounds are there twice, after a restart; the first account is shown`,
      );
    }
  }
  if (!shown) return all;
  all.push(...changesOf([...peers.values()]));
  const { topology } = shown.header;
  const missing = topology.peers - peers.size;
  if (missing > 0) all.push(`${missing} of ${topology.peers} peers have no log here`);
  return all;
}
