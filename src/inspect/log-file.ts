/** One log of a run's folder: its header, how far it was read, and what of it could not be. */
import { GRAPH_LOG_NAME, LOG_VERSION, type LogHeader, peerLogName } from "../runs/log.js";
import { createLineFile, type LineFile } from "./lines.js";
import { parseLine } from "./parse.js";

/** Numbers of damaged lines that a remark names. */
const NAMED_LINES = 5;

export type Edge = LogHeader["topology"]["edges"][number];

export interface LogFile {
  readonly name: string;
  readonly lines: LineFile;
  /** Read before it was known which run the file belongs to. */
  first: string[] | undefined;
  lineNumber: number;
  readonly damaged: number[];
  peer: number | null;
  lastRound: number;
  isRead: boolean;
  /** Why the file, or the rest of it, is not shown. */
  leftOut?: string;
}

export function createLogFile(name: string, path: string): LogFile {
  return {
    name,
    lines: createLineFile(path),
    first: undefined,
    lineNumber: 0,
    damaged: [],
    peer: null,
    lastRound: -1,
    isRead: false,
  };
}

/** The header of a file, once it is there and is that of a log; otherwise the file is left out. */
export function readHeader(file: LogFile): LogHeader | undefined {
  let lines = file.lines.next();
  while (lines?.length === 0) lines = file.lines.next();
  if (!lines) return undefined;
  file.first = lines;
  const [text] = lines;
  const line = parseLine(text!);
  const header = line?.type === "header" ? line : undefined;
  const problem = problemOf(file.name, header, text!);
  if (problem !== undefined) {
    file.leftOut = problem;
    return undefined;
  }
  file.peer = header!.peer;
  return header;
}

/** Why a file with this header cannot be shown. */
function problemOf(name: string, header: LogHeader | undefined, text: string): string | undefined {
  const version = header ? header.logVersion : versionOf(text);
  if (version !== undefined && version > LOG_VERSION) {
    return `is of log version ${version}, this murmur reads up to ${LOG_VERSION}; left out, update murmur`;
  }
  if (!header) return "does not begin with a header line; left out";
  const { peer, topology } = header;
  const named = peer === null ? GRAPH_LOG_NAME : peerLogName(peer);
  if (name !== named) return `says it is ${named}; left out`;
  return peer !== null && peer >= topology.peers
    ? `is of peer ${peer} where the graph has ${topology.peers}; left out`
    : undefined;
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

/** The header with all edges: where the log of the whole graph is missing, those of the peers whose logs are there. */
export function wholeHeader(header: LogHeader, parts: readonly Edge[][]): LogHeader {
  const { isPart, ...topology } = header.topology;
  if (!isPart) return header;
  const byEnds = new Map(parts.flat().map((edge) => [edge.join(), edge]));
  const edges = [...byEnds.values()].sort(([a, b], [c, d]) => a - c || b - d);
  return { ...header, topology: { ...topology, edges } };
}

/** The file to read next, so that projections of one round meet soon. */
export function furthestBehind(files: Iterable<LogFile>): LogFile | undefined {
  let behind: LogFile | undefined;
  for (const file of files) {
    if (file.isRead || file.leftOut || !file.first) continue;
    if (!behind || file.lastRound < behind.lastRound) behind = file;
  }
  return behind;
}

/** What of the file could not be read, one line each. */
export function* remarksOn({ name, damaged, leftOut, lines, first }: LogFile): Generator<string> {
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

/** In what another run differs, in a few words. */
export function differences(theirs: LogHeader, ours: LogHeader): string {
  const fields = new Set([...Object.keys(theirs.experiment), ...Object.keys(ours.experiment)]);
  const different = [...fields].filter(
    (field) => JSON.stringify(theirs.experiment[field]) !== JSON.stringify(ours.experiment[field]),
  );
  if (!areAlike(theirs.topology, ours.topology)) different.push("topology");
  if (JSON.stringify(theirs.tensors) !== JSON.stringify(ours.tensors)) different.push("model");
  const [field] = different;
  if (field === undefined) return "another fingerprint";
  const value = (header: LogHeader) => JSON.stringify(header.experiment[field]);
  const isShort = field !== "topology" && field !== "model" && `${value(theirs)}${value(ours)}`.length < 60;
  const more = different.length > 1 ? ` and ${different.length - 1} more differ` : "";
  return isShort ? `its ${field} is ${value(theirs)}, not ${value(ours)}${more}` : `another ${field}${more}`;
}

/** Whether two headers may be of one graph: edges count where both have all. */
function areAlike(a: LogHeader["topology"], b: LogHeader["topology"]): boolean {
  const shown = ({ edges, isPart: _, ...others }: LogHeader["topology"]) =>
    JSON.stringify(a.isPart || b.isPart ? others : { ...others, edges });
  return shown(a) === shown(b);
}
