/**
 * MLflow's file store, which MLflow reads without a server:
 *
 *   STORE/EXPERIMENT/meta.yaml                    name
 *   STORE/EXPERIMENT/RUN/meta.yaml                name, status, start and end
 *   STORE/EXPERIMENT/RUN/metrics/loss/training    lines of: milliseconds since 1970, value, step
 *   STORE/EXPERIMENT/RUN/params/rounds            a value
 *   STORE/EXPERIMENT/RUN/tags/mlflow.runName      a value
 */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { parse, stringify } from "yaml";
import { digest } from "../exchange/fingerprint.js";
import { FileProblem } from "../foundation/errors.js";
import { makeFolders } from "../sinks/folders.js";

const META_FILE = "meta.yaml";
/** Where MLflow keeps experiments that were deleted. */
const TRASH_FOLDER = ".trash";
/** The experiment that MLflow expects in every store. */
const DEFAULT_EXPERIMENT = { id: "0", name: "Default" };
/** Characters of a parameter's value that MLflow takes. */
export const MAX_PARAMETER_CHARACTERS = 6000;
/** Lines of a metric written at once. */
const BATCH_LINES = 4096;

const statusNumbers = { running: 1, completed: 3, stopped: 5 } as const;

export interface MlflowExperiment {
  readonly id: string;
  readonly folder: string;
}

export interface MlflowRun {
  /** 32 hexadecimal digits; a run of this id is replaced. */
  readonly id: string;
  readonly name: string;
  readonly status: keyof typeof statusNumbers;
  /** Milliseconds since 1970, as all times here. */
  readonly start: number;
  /** Absent while it runs. */
  readonly end?: number | undefined;
  /** By name; those without points are left out. */
  readonly metrics: Readonly<Record<string, Iterable<MlflowPoint>>>;
  readonly parameters: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
}

export interface MlflowPoint {
  readonly time: number;
  readonly value: number;
  readonly step: number;
}

/**
 * The store's experiment of this name. Store and experiment are made where there is none.
 *
 * @throws FileProblem when MLflow has moved the experiment to its trash
 */
export function openExperiment(store: string, name: string, created: number): MlflowExperiment {
  const trash = join(store, TRASH_FOLDER);
  const deleted = findExperiment(trash, name);
  if (deleted !== undefined) {
    throw new FileProblem(
      `experiment "${name}" was deleted in MLflow: restore it, or delete ${join(trash, deleted)}`,
      { code: "mlflow-experiment-deleted", field: store },
    );
  }
  const id = findExperiment(store, name) ?? experimentId(name);
  for (const experiment of [DEFAULT_EXPERIMENT, { id, name }]) makeExperiment(store, experiment, created);
  return { id, folder: join(store, id) };
}

/** 18 digits, as in MLflow; the same for the same name. */
const experimentId = (name: string): string =>
  String(10n ** 17n + (BigInt(`0x${digest(name)}`) % (9n * 10n ** 17n)));

function findExperiment(folder: string, name: string): string | undefined {
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder).find((id) => {
    try {
      return parse(readFileSync(join(folder, id, META_FILE), "utf8")).name === name;
    } catch {
      return false; // Not an experiment, or one that MLflow cannot read either.
    }
  });
}

function makeExperiment(store: string, { id, name }: { id: string; name: string }, created: number): void {
  const folder = join(store, id);
  if (existsSync(join(folder, META_FILE))) return;
  makeFolders(folder);
  writeMeta(folder, {
    artifact_location: pathToFileURL(folder).href,
    creation_time: Math.floor(created),
    experiment_id: id,
    last_update_time: Math.floor(created),
    lifecycle_stage: "active",
    name,
  });
}

/** Writes a run. `meta.yaml` comes last: until then MLflow does not see the run. */
export function writeRun(experiment: MlflowExperiment, run: MlflowRun): void {
  const folder = join(experiment.folder, run.id);
  rmSync(folder, { recursive: true, force: true });
  for (const part of ["metrics", "params", "tags", "artifacts"]) {
    makeFolders(join(folder, part));
  }
  for (const [name, points] of Object.entries(run.metrics)) {
    writeMetric(join(folder, "metrics", name), points);
  }
  for (const [name, value] of Object.entries(run.parameters)) {
    writeFileSync(join(folder, "params", name), value.slice(0, MAX_PARAMETER_CHARACTERS));
  }
  const tags = { "mlflow.runName": run.name, "mlflow.source.type": "LOCAL", ...run.tags };
  for (const [name, value] of Object.entries(tags)) writeFileSync(join(folder, "tags", name), value);
  writeMeta(folder, {
    artifact_uri: pathToFileURL(join(folder, "artifacts")).href,
    deleted_time: null,
    end_time: run.end === undefined ? null : Math.floor(run.end),
    entry_point_name: "",
    experiment_id: experiment.id,
    lifecycle_stage: "active",
    run_id: run.id,
    run_name: run.name,
    run_uuid: run.id,
    source_name: "",
    source_type: 4,
    source_version: "",
    start_time: Math.floor(run.start),
    status: statusNumbers[run.status],
    tags: [],
    user_id: "",
  });
}

function writeMetric(path: string, points: Iterable<MlflowPoint>): void {
  let file: number | undefined;
  let lines: string[] = [];
  const flush = () => {
    if (lines.length === 0) return;
    if (file === undefined) {
      makeFolders(dirname(path));
      file = openSync(path, "w");
    }
    writeSync(file, lines.join(""));
    lines = [];
  };
  try {
    for (const { time, value, step } of points) {
      lines.push(`${Math.floor(time)} ${value} ${step}\n`);
      if (lines.length === BATCH_LINES) flush();
    }
    flush();
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** MLflow reads YAML 1.1, where words such as `on` are no strings: all strings are quoted. */
function writeMeta(folder: string, meta: Readonly<Record<string, unknown>>): void {
  const text = stringify(meta, {
    version: "1.1",
    defaultStringType: "QUOTE_SINGLE",
    defaultKeyType: "PLAIN",
    lineWidth: 0,
  });
  writeFileSync(join(folder, META_FILE), text);
}
