/**
 * A run in an MLflow store. The experiment is that of the settings' name; the run of the graph holds the settings and
 * what concerns all peers, and each peer has a run nested in it. Steps are rounds from 0, as in the logs.
 */
import { resolve } from "node:path";
import { digest } from "../exchange/fingerprint.js";
import { FileProblem } from "../foundation/errors.js";
import { unwritten } from "../foundation/system-errors.js";
import type { PeerColumn, PeerHistory } from "./history.js";
import { type MlflowPoint, type MlflowRun, openExperiment, writeRun } from "./mlflow-store.js";
import { metricOf, type Run } from "./read.js";
import { peerScalars } from "./scalars.js";
import { type SeriesName, viewRun } from "./view.js";

const graphScalars = (metric: string): readonly (readonly [name: string, series: SeriesName])[] => [
  ["loss/training", "loss"],
  [`${metric}/worst peer`, "metricWorst"],
  [`${metric}/best peer`, "metricBest"],
  [`${metric}/mean of peers`, "metricMean"],
  [`${metric}/mean model`, "metricMeanModel"],
  ["consensus/distance", "consensusExact"],
  ["consensus/distance from projections", "consensusProjected"],
  ["compression/residual", "residual"],
  ["traffic/bytes sent", "bytes"],
];

/**
 * Adds a run to a store, which is made where there is none. A second export of the same logs replaces the first.
 *
 * @param startedAt seconds since 1970 when the run began
 * @throws FileProblem when a file cannot be written, or MLflow has moved the experiment to its trash
 */
export function writeMlflow(run: Run, folder: string, startedAt: number): void {
  const start = startedAt * 1000;
  try {
    const experiment = openExperiment(resolve(folder), run.header.experiment.name, start);
    const graph = graphRun(run, start);
    writeRun(experiment, graph);
    for (const peer of run.peers) writeRun(experiment, peerRun(run, peer, graph));
  } catch (error) {
    if (error instanceof FileProblem) throw error;
    throw new FileProblem(`cannot write an MLflow store to ${folder}: ${unwritten(error)}`, {
      code: "mlflow-not-written",
      field: folder,
      cause: error,
    });
  }
}

function graphRun(run: Run, start: number): MlflowRun {
  const { series, peers, warnings } = viewRun(run, Number.POSITIVE_INFINITY);
  const outcomes = peers.map(({ outcome }) => outcome);
  const hasEnded = !outcomes.includes("unfinished");
  const points = function* (name: SeriesName): Generator<MlflowPoint> {
    for (const [place, round] of series.round.entries()) {
      const value = series[name][place] ?? null;
      const time = start + (series.seconds[place] ?? 0) * 1000;
      if (value !== null) yield { time, value, step: round! - 1 };
    }
  };
  return {
    id: runId(run, start),
    name: run.name,
    status: outcomes.includes("stopped") ? "stopped" : hasEnded ? "completed" : "running",
    start,
    end: hasEnded ? start + Math.max(0, ...run.peers.map(({ elapsedMs }) => elapsedMs)) : undefined,
    metrics: Object.fromEntries(graphScalars(metricName(run)).map(([name, of]) => [name, points(of)])),
    parameters: parametersOf(run),
    tags: {
      ...commonTags(run),
      ...(warnings.length > 0 && { "mlflow.note.content": warnings.map((text) => `- ${text}\n`).join("") }),
    },
  };
}

function peerRun(run: Run, { peer, columns, elapsedMs, end }: PeerHistory, graph: MlflowRun): MlflowRun {
  const { start } = graph;
  const points = function* (name: PeerColumn): Generator<MlflowPoint> {
    for (let row = 0; row < columns.round.length; row++) {
      const value = columns[name].at(row);
      const time = start + columns.elapsedMs.at(row);
      if (!Number.isNaN(value)) yield { time, value, step: columns.round.at(row) };
    }
  };
  const name = run.header.topology.names?.[peer] ?? `peer ${peer}`;
  return {
    id: runId(run, start, peer),
    name: `${run.name}, ${name}`,
    status: end?.outcome ?? "running",
    start,
    end: end && start + elapsedMs,
    metrics: Object.fromEntries(peerScalars(metricName(run)).map(([name, column]) => [name, points(column)])),
    parameters: { peer: String(peer) },
    tags: {
      "mlflow.parentRunId": graph.id,
      ...commonTags(run),
      ...(end?.reason !== undefined && { "murmuration.reason": end.reason }),
    },
  };
}

function metricName(run: Run): string {
  const { name } = metricOf(run);
  return FIELD_PATTERN.test(name) ? name : "metric";
}

/** Runs of one folder's logs keep their ids. */
const runId = ({ name, header }: Run, start: number, peer?: number): string =>
  digest({ name, fingerprint: header.fingerprint, start, peer: peer ?? "graph" }).slice(0, 32);

const commonTags = ({ header }: Run) => ({
  "mlflow.source.name": "murmur",
  "murmuration.fingerprint": header.fingerprint,
  "murmuration.version": header.version,
});

/** Every setting by its path, `compressor.kind`, and the graph. */
function parametersOf({ header: { experiment, topology, tensors } }: Run): Record<string, string> {
  const sizes = tensors.map(({ shape }) => shape.reduce((product, size) => product * size, 1));
  return {
    ...Object.fromEntries(flatten("", experiment)),
    "topology.name": topology.name,
    "topology.peers": String(topology.peers),
    "topology.edges": String(topology.edges.length),
    "model.parameters": String(sizes.reduce((sum, size) => sum + size, 0)),
  };
}

/** Fields whose names are file names in a store. Objects with other fields are kept whole, as JSON. */
const FIELD_PATTERN = /^[\w-]+$/;

function flatten(path: string, value: unknown): [name: string, text: string][] {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject) return [[path, typeof value === "string" ? value : JSON.stringify(value)]];
  const fields = Object.entries(value);
  if (path !== "" && (fields.length === 0 || fields.some(([field]) => !FIELD_PATTERN.test(field)))) {
    return [[path, JSON.stringify(value)]];
  }
  return fields.flatMap(([field, inner]) =>
    inner === undefined ? [] : flatten(path === "" ? field : `${path}.${field}`, inner),
  );
}
