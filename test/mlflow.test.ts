import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { FileProblem } from "../src/foundation/errors.js";
import { writeMlflow } from "../src/inspect/mlflow.js";
import { MAX_PARAMETER_CHARACTERS } from "../src/inspect/mlflow-store.js";
import { readRun } from "../src/inspect/read.js";
import { LOG_VERSION } from "../src/runs/log.js";
import { expectError } from "./support/errors.js";
import { loggedRun, newFolder } from "./support/runs.js";

/** A run of two peers and two rounds, written by hand. */
function smallRun(settings: Record<string, unknown> = {}, outcomes = ["completed", "completed"]): string {
  const folder = join(newFolder(), "small");
  mkdirSync(folder);
  const header = {
    type: "header",
    logVersion: LOG_VERSION,
    version: "0.1.0",
    frameVersion: 1,
    seed: 7,
    fingerprint: "f00d",
    experiment: {
      name: "on",
      algorithm: "dpsgd",
      seed: 7,
      rounds: 2,
      compressor: { kind: "sign", block: 64 },
      ...settings,
    },
    topology: { name: "pair", peers: 2, edges: [[0, 1]], names: ["left", "right"] },
    tensors: [
      { name: "kernel", shape: [3, 4] },
      { name: "bias", shape: [4] },
    ],
    machine: {},
  };
  const round = (peer: number, number: number) => ({
    type: "round",
    round: number,
    kind: "learning",
    loss: 2 ** -number + peer / 8,
    learningRate: 0.5,
    consensusRate: 1,
    modelNorm: 3,
    traffic: [
      {
        neighbour: 1 - peer,
        bytesSent: 100 * (number + 1),
        bytesReceived: 100 * (number + 1),
        messagesSent: number + 1,
        messagesReceived: number + 1,
      },
    ],
    ...(number === 1 && { evaluation: { loss: 0.25, accuracy: 0.5 + peer / 4 } }),
    time: { computeMs: 8, compressMs: 0, waitMs: 2, mixMs: 0, elapsedMs: 10 * (number + 1) },
  });
  for (const peer of [0, 1]) {
    const outcome = outcomes[peer];
    const lines = [
      { ...header, peer },
      round(peer, 0),
      round(peer, 1),
      ...(outcome ? [{ type: "end", outcome, ...(outcome === "stopped" && { reason: "Ctrl-C" }) }] : []),
    ];
    writeFileSync(
      join(folder, `peer-${peer}.jsonl`),
      lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
    );
  }
  return folder;
}

/** Every file of a store and what is in it; its own path is STORE. */
function contentOf(store: string): string {
  const names = readdirSync(store, { recursive: true, encoding: "utf8" }).sort();
  return names
    .filter((name) => statSync(join(store, name)).isFile())
    .map((name) => {
      const text = readFileSync(join(store, name), "utf8").replaceAll(store, "STORE");
      return text.includes("\n") ? `${name}\n${text.trimEnd().replace(/^/gm, "    ")}` : `${name}: ${text}`;
    })
    .join("\n");
}

describe("an MLflow store", () => {
  it("has MLflow's files for experiment, graph and peers", async () => {
    const store = join(newFolder(), "store");
    writeMlflow(readRun(smallRun()), store, 1000);
    await expect(contentOf(store)).toMatchFileSnapshot("mlflow-store.txt");
  });

  it("takes a second run into the experiment of its name, and replaces a run that is exported again", () => {
    const store = newFolder();
    const first = readRun(smallRun());
    writeMlflow(first, store, 1000);
    const before = contentOf(store);
    writeMlflow(first, store, 1000);
    expect(contentOf(store)).toBe(before);
    writeMlflow(first, store, 2000);
    writeMlflow(readRun(smallRun({ name: "off" })), store, 1000);
    const experiments = readdirSync(store).sort();
    expect(experiments).toHaveLength(3);
    expect(experiments.map((id) => readdirSync(join(store, id)).length)).toEqual([
      1,
      ...experiments.slice(1).map((id) => (before.includes(`${id}/`) ? 7 : 4)),
    ]);
  });

  it("uses the experiment of that name that MLflow made, and refuses one in MLflow's trash", () => {
    const store = newFolder();
    const run = readRun(smallRun());
    mkdirSync(join(store, "12"));
    writeFileSync(join(store, "12", "meta.yaml"), "experiment_id: '12'\nname: 'on'\n");
    writeMlflow(run, store, 1000);
    expect(readdirSync(store).sort()).toEqual(["0", "12"]);
    expect(readdirSync(join(store, "12"))).toHaveLength(4);

    mkdirSync(join(store, ".trash", "13"), { recursive: true });
    writeFileSync(join(store, ".trash", "13", "meta.yaml"), "experiment_id: '13'\nname: 'on'\n");
    expectError(() => writeMlflow(run, store, 1000), FileProblem, {
      code: "mlflow-experiment-deleted",
      field: store,
    });
  });

  it("says how each peer ended", () => {
    const store = newFolder();
    writeMlflow(readRun(smallRun({}, ["stopped", ""])), store, 1000);
    const text = contentOf(store);
    expect([...text.matchAll(/^ +status: (\d)$/gm)].map(([, status]) => status).sort()).toEqual([
      "1",
      "5",
      "5",
    ]);
    expect(text).toMatch(/^.*tags\/murmuration\.reason: Ctrl-C$/m);
  });

  it("keeps settings whose fields cannot be file names as JSON, and cuts what MLflow would not take", () => {
    const store = newFolder();
    const odd = { "../up": 1 };
    const long = "x".repeat(MAX_PARAMETER_CHARACTERS + 1);
    writeMlflow(readRun(smallRun({ options: odd, layers: [1, 2], empty: {}, long })), store, 1000);
    const text = contentOf(store);
    expect(text).toMatch(/params\/options: \{"\.\.\/up":1\}$/m);
    expect(text).toMatch(/params\/layers: \[1,2\]$/m);
    expect(text).toMatch(/params\/empty: \{\}$/m);
    expect(text).toMatch(new RegExp(`params/long: x{${MAX_PARAMETER_CHARACTERS}}$`, "m"));
  });

  it("is not written where there is a file", () => {
    const path = join(newFolder(), "file");
    writeFileSync(path, "");
    expectError(() => writeMlflow(readRun(smallRun()), path, 1000), FileProblem, {
      code: "mlflow-not-written",
      field: path,
    });
    rmSync(path);
  });
});

/** A Python that has MLflow. */
const python = [process.env.MLFLOW_PYTHON ?? "python3"].find(
  (name) => spawnSync(name, ["-c", "import mlflow"]).status === 0,
);
if (!python) {
  console.warn(
    "MLflow stores are not read by MLflow: install mlflow-skinny, or name a python that has it in MLFLOW_PYTHON",
  );
}

const readStore = `
import json, sys
from mlflow.tracking import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
runs = []
for experiment in client.search_experiments():
    for run in client.search_runs([experiment.experiment_id], order_by=["attributes.run_name"]):
        history = {key: [[m.step, m.value, m.timestamp] for m in client.get_metric_history(run.info.run_id, key)]
                   for key in run.data.metrics}
        runs.append(dict(experiment=experiment.name, id=run.info.run_id, name=run.info.run_name, status=run.info.status,
                         start=run.info.start_time, end=run.info.end_time, params=run.data.params,
                         tags=run.data.tags, history=history))
worst = client.search_runs([r.experiment_id for r in client.search_experiments()], "metrics.\`accuracy/worst peer\` > 0.4")
print(json.dumps(dict(runs=runs, found=[run.info.run_name for run in worst])))
`;

interface ReadRun {
  readonly experiment: string;
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly start: number;
  readonly end: number;
  readonly params: Record<string, string>;
  readonly tags: Record<string, string>;
  readonly history: Record<string, [step: number, value: number, time: number][]>;
}

describe.skipIf(!python)("MLflow", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await loggedRun({ rounds: 12 }, 4);
  });

  it("reads settings, steps, values and times of every peer", () => {
    const store = newFolder();
    const run = readRun(directory);
    writeMlflow(run, store, 1000);
    writeMlflow(readRun(smallRun()), store, 2000);
    const { status, stdout, stderr } = spawnSync(python!, ["-c", readStore, store], {
      encoding: "utf8",
      env: { ...process.env, MLFLOW_ALLOW_FILE_STORE: "true" },
    });
    expect(status, stderr).toBe(0);
    const { runs, found } = JSON.parse(stdout) as { runs: ReadRun[]; found: string[] };
    expect(found).toEqual(["small"]);
    expect(runs.map(({ name }) => name).sort()).toEqual([
      "run",
      "run, peer 0",
      "run, peer 1",
      "run, peer 2",
      "run, peer 3",
      "small",
      "small, left",
      "small, right",
    ]);
    const named = (name: string) => runs.find((one) => one.name === name)!;
    const graph = named("run");
    const { experiment } = run.header;
    expect(graph.experiment).toBe(experiment.name);
    expect(graph.params).toMatchObject({
      rounds: "12",
      algorithm: experiment.algorithm,
      "trainer.kind": "quadratic",
      "trainer.dimension": "[6000,500,20]",
      "topology.peers": "4",
    });
    expect(graph.history["consensus/distance"]).toHaveLength(run.graph.columns.round.length);
    for (const { peer, columns, elapsedMs } of run.peers) {
      const own = named(`run, peer ${peer}`);
      expect(own).toMatchObject({
        status: "FINISHED",
        start: 1_000_000,
        end: Math.floor(1_000_000 + elapsedMs),
      });
      expect(own.tags["mlflow.parentRunId"]).toBe(graph.id);
      const rows = Array.from(columns.loss.values(), (value, row) => [
        columns.round.at(row),
        value,
        Math.floor(1_000_000 + columns.elapsedMs.at(row)),
      ]);
      expect(own.history["loss/training"]).toEqual(rows.filter(([, value]) => !Number.isNaN(value)));
    }
  });
});
