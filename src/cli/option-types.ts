/** What commander checks option values with. */
import { InvalidArgumentError, Option } from "commander";
import { MAX_WORKERS } from "../runs/node/workers/count.js";
import { MAX_THREADS, MINIMUM_PARAMETERS } from "../threads/node.js";
import { RUNNING } from "./help.js";

/** What commands that take any topology call it. */
export const TOPOLOGY_FILE =
  "topology file (JSON), or a graph file: edge list, adjacency list, GraphML, GML, DOT or node-link";

/** A whole number from `minimum` to `maximum`. */
export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER) {
  return (text: string): number => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < minimum || value > maximum) {
      const upTo = maximum === Number.MAX_SAFE_INTEGER ? "" : ` to ${maximum}`;
      throw new InvalidArgumentError(`must be a whole number from ${minimum}${upTo}`);
    }
    return value;
  };
}

export const peerNumber = wholeNumber(0);
export const portNumber = wholeNumber(1, 65_535);
/** A port to serve on; 0 takes a free one. */
export const portToServe = wholeNumber(0, 65_535);

/** `0,3,5` */
export function peerNumbers(text: string): number[] {
  return [...new Set(text.split(",").map((part) => peerNumber(part.trim())))];
}

/** Count or `auto`. */
function countOrAuto(maximum: number) {
  return (text: string): number | "auto" => {
    if (text === "auto") return text;
    try {
      return wholeNumber(1, maximum)(text);
    } catch (error) {
      throw new InvalidArgumentError(`${(error as Error).message}, or auto`);
    }
  };
}

/** `--threads`, the same for every command that trains. */
export function threadsOption(): Option {
  return new Option(
    "--threads <count>",
    `threads that share a peer's kernels, or auto: the free cores, for models of ${MINIMUM_PARAMETERS / 1e6} million parameters or more; results are bit-identical`,
  )
    .argParser(countOrAuto(MAX_THREADS))
    .default("auto")
    .helpGroup(RUNNING);
}

/** `--workers`, of commands that simulate. */
export function workersOption(): Option {
  return new Option(
    "--workers <count>",
    "worker threads over which the peers are spread, or auto: one per core where a round has work enough for them, otherwise none; --threads is then of each worker; results are bit-identical",
  )
    .argParser(countOrAuto(MAX_WORKERS))
    .default("auto")
    .helpGroup(RUNNING);
}

/** `--save`, the same for every command that trains. */
export function saveOption(): Option {
  return new Option(
    "--save <folder>",
    "write the trained model there: model.safetensors if all peers have the same, otherwise one per peer, as peer-3.safetensors",
  );
}

/** `--allow-different-data`, the same for every command that joins a run or compares with one. */
export function allowDifferentDataOption(): Option {
  return new Option(
    "--allow-different-data",
    "accept neighbours that train on other examples of the same classes and shape; they need the option too",
  ).helpGroup(RUNNING);
}

/** `--deadline`, the same for every command that runs peers. */
export function deadlineOption(): Option {
  return new Option(
    "--deadline <seconds>",
    "how long a peer waits for a silent or missing neighbour before it ends the run; default 600. Bounds the first connection, reconnecting, the progress of a frame and the frames of a round; dialling, handshakes, heartbeats and pauses are shares of it, 10 s at most",
  )
    .argParser(secondsOption)
    .helpGroup(RUNNING);
}

/** `--metrics`, with what it does with its port. */
export function metricsOption(about: string): Option {
  return new Option("--metrics <port>", about).argParser(portToServe).helpGroup(RUNNING);
}

/** Seconds, given as milliseconds. */
export function secondsOption(text: string): number {
  return 1000 * wholeNumber(1, 86_400)(text);
}
