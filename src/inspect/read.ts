/**
 * Reads the logs of a run: any number of peers, of any length, finished or still growing. Files are read in turn,
 * always the one that is furthest behind, so that projections of one round meet soon and are not kept.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { InvalidLog } from "../errors.js";
import { GRAPH_LOG_NAME, LOG_NAME_PATTERN, LOG_VERSION, type LogHeader, peerLogName } from "../log.js";
import { type ConsensusReader, createConsensusReader } from "./consensus.js";
import { createGraphHistory, createPeerHistory, type GraphHistory, type PeerHistory } from "./history.js";
import { createLineFile, type LineFile } from "./lines.js";
import { parseLine } from "./parse.js";

/** Numbers of damaged lines that a remark names. */
const NAMED_LINES = 5;

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

export interface RunReader {
  /** What was read so far; undefined until there is a header. */
  readonly run: Run | undefined;
  /** Bytes read so far, and bytes there were at the last look. */
  readonly progress: { readonly read: number; readonly total: number };
  /** Looks for logs that are new. @throws InvalidLog when the folder cannot be read */
  scan(): void;
  /** Reads a part of the log that is furthest behind. @returns false when there is nothing more for now */
  read(): boolean;
}

interface LogFile {
  readonly name: string;
  readonly path: string;
  readonly lines: LineFile;
  /** Read before it was known which run the file belongs to. */
  first: string[] | undefined;
  lineNumber: number;
  readonly damaged: number[];
  peer: number | null;
  lastRound: number;
  isRead: boolean;
  leftOut?: string;
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
    throw new InvalidLog(`no log in ${directory} can be read: ${first}${more}`);
  }
  return reader.run;
}

/** A reader of a folder that may still be written to. */
export function createRunReader(directory: string): RunReader & { remarks(): string[] } {
  const files = new Map<string, LogFile>();
  const peers = new Map<number, PeerHistory>();
  const graph = createGraphHistory();
  let header: LogHeader | undefined;
  let consensus: ConsensusReader | undefined;
  let total = 0;
  let run: Run | undefined;

  function scan(): void {
    const names = logNames(directory);
    if (names.length === 0) {
      throw new InvalidLog(
        `${directory} holds no logs of a run (peer-0.jsonl, …): name the folder given to --out`,
      );
    }
    total = 0;
    for (const name of names) {
      const path = join(directory, name);
      total += statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      const known = files.get(name);
      if (known) known.isRead = false;
      else files.set(name, createLogFile(name, path));
    }
    open([...files.values()].filter(({ first, leftOut }) => first === undefined && !leftOut));
  }

  /** Reads the headers of new files, and decides which run they belong to. */
  function open(candidates: readonly LogFile[]): void {
    const groups = new Map<string, { header: LogHeader; files: LogFile[] }>();
    for (const file of candidates) {
      const own = readHeader(file);
      if (!own) continue;
      const group = groups.get(own.fingerprint);
      if (group) group.files.push(file);
      else groups.set(own.fingerprint, { header: own, files: [file] });
    }
    // Where runs are mixed the one with the most logs is shown.
    const largest = [...groups.values()].sort((a, b) => b.files.length - a.files.length)[0];
    header ??= largest?.header;
    if (!header) return;
    consensus ??= createConsensusReader(header);
    for (const group of groups.values()) {
      const isOurs = group.header.fingerprint === header.fingerprint;
      for (const file of group.files) {
        if (isOurs && file.peer !== null) peers.set(file.peer, createPeerHistory(file.peer));
        if (isOurs) continue;
        file.leftOut = `belongs to another run (${differences(group.header, header)}); left out, keep one folder per run`;
      }
    }
  }

  /** The header of a file, once it is there. */
  function readHeader(file: LogFile): LogHeader | undefined {
    let lines = file.lines.next();
    while (lines?.length === 0) lines = file.lines.next();
    if (!lines) return undefined;
    file.first = lines;
    const line = parseLine(lines[0]!);
    const version = line?.type === "header" ? line.logVersion : versionOf(lines[0]!);
    if (version !== undefined && version > LOG_VERSION) {
      file.leftOut = `is of log version ${version}, this murmur reads up to ${LOG_VERSION}; left out, update murmur`;
      return undefined;
    }
    if (line?.type !== "header") {
      file.leftOut = "does not begin with a header line; left out";
      return undefined;
    }
    const named = line.peer === null ? GRAPH_LOG_NAME : peerLogName(line.peer);
    if (file.name !== named) {
      file.leftOut = `says it is ${named}; left out`;
      return undefined;
    }
    if (line.peer !== null && line.peer >= line.topology.peers) {
      file.leftOut = `is of peer ${line.peer} where the graph has ${line.topology.peers}; left out`;
      return undefined;
    }
    file.peer = line.peer;
    return line;
  }

  function read(): boolean {
    const file = furthestBehind(files.values());
    if (!file || !header || !consensus) return false;
    // What came with the header is handed out first.
    const isFirst = file.lineNumber === 0;
    const lines = isFirst ? file.first : file.lines.next();
    if (!lines) file.isRead = true;
    for (const text of lines ?? []) {
      file.lineNumber++;
      take(file, text);
    }
    consensus.settle(settledRound());
    return true;
  }

  /**
   * The round up to which every peer that still writes was read. Peers run at most one round ahead of a neighbour,
   * so that one further behind than the graph is wide has stopped.
   */
  function settledRound(): number {
    const logs = [...files.values()].filter(({ peer, leftOut, first }) => peer !== null && first && !leftOut);
    const ahead = Math.max(...logs.map(({ lastRound }) => lastRound));
    const rounds = logs.map(({ peer, isRead, lastRound }) => {
      const hasStopped = isRead && (peers.get(peer!)?.end || lastRound < ahead - header!.topology.peers);
      return hasStopped ? Number.POSITIVE_INFINITY : lastRound;
    });
    return Math.min(ahead, ...rounds);
  }

  function take(file: LogFile, text: string): void {
    if (file.leftOut) return;
    const line = parseLine(text);
    if (!line) {
      file.damaged.push(file.lineNumber);
      return;
    }
    if (line.type === "header") {
      if (line.fingerprint !== header!.fingerprint) {
        file.leftOut = `goes on with another run from line ${file.lineNumber} (${differences(line, header!)}); that part is left out`;
      }
      return;
    }
    if (line.type === "graph") {
      graph.add(line);
      file.lastRound = line.round;
      return;
    }
    const history = file.peer === null ? undefined : peers.get(file.peer);
    if (!history) return;
    if (line.type === "end") {
      history.finish(line);
      return;
    }
    const isNew = line.round > history.lastRound;
    history.add(line);
    file.lastRound = Math.max(file.lastRound, line.round);
    if (isNew && line.projection !== undefined) {
      const isTaken = consensus!.add(file.peer!, line.round, line.kind === "closing", line.projection);
      if (!isTaken) file.damaged.push(file.lineNumber);
    }
  }

  function remarks(): string[] {
    const all = [...files.values()].flatMap((file) => [...remarksOn(file)]);
    for (const { peer, repeatedRounds } of peers.values()) {
      if (repeatedRounds > 0) {
        all.push(
          `peer ${peer}: ${repeatedRounds} rounds are there twice, after a restart; the first account is shown`,
        );
      }
    }
    const missing = header ? header.topology.peers - peers.size : 0;
    if (missing > 0) all.push(`${missing} of ${header!.topology.peers} peers have no log here`);
    return all;
  }

  return {
    get run() {
      if (!header || !consensus) return undefined;
      run ??= {
        name: basename(resolve(directory)),
        header,
        get peers() {
          return [...peers.values()].sort((a, b) => a.peer - b.peer);
        },
        graph,
        consensus,
        get remarks() {
          return remarks();
        },
      };
      return run;
    },
    get progress() {
      return { read: [...files.values()].reduce((sum, { lines }) => sum + lines.position, 0), total };
    },
    scan,
    read,
    remarks,
  };
}

function logNames(directory: string): string[] {
  if (!existsSync(directory)) throw new InvalidLog(`cannot read folder ${directory}: there is none`);
  try {
    return readdirSync(directory)
      .filter((name) => LOG_NAME_PATTERN.test(name))
      .sort();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new InvalidLog(
      `cannot read folder ${directory}: ${code === "ENOTDIR" ? "it is a file; name the folder that holds the logs" : message}`,
      { cause: error },
    );
  }
}

function createLogFile(name: string, path: string): LogFile {
  return {
    name,
    path,
    lines: createLineFile(path),
    first: undefined,
    lineNumber: 0,
    damaged: [],
    peer: null,
    lastRound: -1,
    isRead: false,
  };
}

function furthestBehind(files: Iterable<LogFile>): LogFile | undefined {
  let behind: LogFile | undefined;
  for (const file of files) {
    if (file.isRead || file.leftOut || !file.first) continue;
    if (!behind || file.lastRound < behind.lastRound) behind = file;
  }
  return behind;
}

function* remarksOn({ name, damaged, leftOut, lines, first }: LogFile): Generator<string> {
  if (leftOut) {
    yield `${name} ${leftOut}`;
    return;
  }
  if (!first) {
    yield `${name}: no header line yet; left out`;
    return;
  }
  if (damaged.length > 0) {
    const named = damaged.slice(0, NAMED_LINES).join(", ");
    const more = damaged.length > NAMED_LINES ? ` and ${damaged.length - NAMED_LINES} more` : "";
    yield damaged.length === 1
      ? `${name}: line ${named} is damaged; skipped`
      : `${name}: lines ${named}${more} are damaged; skipped`;
  }
  if (lines.rest().trim() !== "") yield `${name}: its last line is torn; skipped`;
}

/** The version that a header claims which cannot be read otherwise. */
function versionOf(text: string): number | undefined {
  try {
    const line = JSON.parse(text) as { type?: unknown; logVersion?: unknown } | null;
    return line?.type === "header" && typeof line.logVersion === "number" ? line.logVersion : undefined;
  } catch {
    return undefined;
  }
}

/** In what another run differs, in a few words. */
function differences(theirs: LogHeader, ours: LogHeader): string {
  const fields = new Set([...Object.keys(theirs.experiment), ...Object.keys(ours.experiment)]);
  const different = [...fields].filter(
    (field) => JSON.stringify(theirs.experiment[field]) !== JSON.stringify(ours.experiment[field]),
  );
  if (JSON.stringify(theirs.topology) !== JSON.stringify(ours.topology)) different.push("topology");
  if (JSON.stringify(theirs.tensors) !== JSON.stringify(ours.tensors)) different.push("model");
  const [field] = different;
  if (field === undefined) return "another fingerprint";
  const value = (header: LogHeader) => JSON.stringify(header.experiment[field]);
  const isShort = field !== "topology" && field !== "model" && `${value(theirs)}${value(ours)}`.length < 60;
  const more = different.length > 1 ? ` and ${different.length - 1} more differ` : "";
  return isShort ? `its ${field} is ${value(theirs)}, not ${value(ours)}${more}` : `another ${field}${more}`;
}
