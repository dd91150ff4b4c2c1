import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { MurmurationError } from "../src/foundation/errors.js";
import { MAX_WORKERS, MINIMUM_WORK, workersFor } from "../src/runs/node/workers/count.js";
import { murmur } from "./support/processes.js";
import { newFolder } from "./support/runs.js";

// Workers load JavaScript, so all of this comes from what was built.
const dist = new URL("../dist/", import.meta.url);
const core: typeof import("../src/index.js") = await import(new URL("index.js", dist).href);
const node: typeof import("../src/node.js") = await import(new URL("node.js", dist).href);
const log: typeof import("../src/runs/log.js") = await import(new URL("runs/log.js", dist).href);
const spread: typeof import("../src/runs/node/workers/spread.js") = await import(
  new URL("runs/node/workers/spread.js", dist).href
);

const quadratic = {
  trainer: { kind: "quadratic", dimension: [40, 3], noise: 0.1 },
  rounds: 8,
  evaluateEvery: 4,
};
const ring8 = { kind: "ring", peers: 8 };

/** Every file of a folder and its folders, by path, as every run of its seed writes it. */
function filesOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  return Object.fromEntries(
    names.map(({ parentPath, name }) => {
      const path = join(parentPath, name);
      if (!name.endsWith(".jsonl")) return [path.slice(folder.length), readFileSync(path, "latin1")];
      return [
        path.slice(folder.length),
        readFileSync(path, "utf8").split("\n").map(log.withoutTimes).join("\n"),
      ];
    }),
  );
}

interface RunOptions {
  readonly graph?: object;
  readonly topology?: object;
  readonly settings?: object;
  readonly threads?: number;
  /** Ends the run after this round, from 1. */
  readonly end?: number;
  readonly resume?: boolean;
  readonly every?: number;
}

/** A run with logs, models and checkpoints in a folder. @returns warnings and the thread counts */
async function run(folder: string, workers: number, options: RunOptions = {}) {
  const {
    graph = ring8,
    topology = { graph },
    settings = {},
    threads,
    end,
    resume = false,
    every = 3,
  } = options;
  const stop = new AbortController();
  const warnings: string[] = [];
  const ready: { threads?: number; workers?: number } = {};
  const summary = await node.recordSimulation({
    topology: core.parseTopology(topology, "test"),
    experiment: core.parseExperiment({ ...quadratic, ...settings }),
    directory: join(folder, "logs"),
    save: join(folder, "models"),
    checkpoints: { folder: join(folder, "checkpoints"), every, resume },
    signal: stop.signal,
    warn: (text) => warnings.push(text),
    workers,
    ...(threads !== undefined && { threads }),
    onReady: (given) => Object.assign(ready, { threads: given.threads, workers: given.workers }),
    onRound: ({ round }) => round + 1 === end && stop.abort("test"),
  });
  const { seconds: _, models: _files, ...figures } = summary;
  return { warnings, ready, figures };
}

/** Files and results of a run, in a folder of its own. */
async function result(workers: number, options: RunOptions = {}) {
  const folder = newFolder();
  const { ready, ...outcome } = await run(folder, workers, options);
  expect(ready.workers).toBe(workers);
  return { ...outcome, files: filesOf(folder) };
}

/** What a call is rejected with; classes of what was built are others than those of the sources. */
async function rejection(promise: Promise<unknown>) {
  const error = await promise.then(
    () => undefined,
    (thrown: MurmurationError) => thrown,
  );
  expect(error).toBeInstanceOf(core.MurmurationError);
  const { name, message, code, peer, round, field } = error!;
  expect(message).toMatch(/^[^\r\n]+$/);
  return { name, message, code, peer, round, field };
}

describe("logs, checkpoints and models are those of one thread, to the byte", () => {
  const cases: readonly (readonly [name: string, options: RunOptions])[] = [
    ["choco", { settings: { algorithm: "choco", compressor: "sign" } }],
    ["edge-choco with momentum", { settings: { algorithm: "edge-choco", optimizer: "momentum" } }],
    [
      "deepsqueeze on a torus",
      { graph: { kind: "torus", rows: 2, columns: 4 }, settings: { algorithm: "deepsqueeze" } },
    ],
    ["dpsgd, adam, local steps", { settings: { algorithm: "dpsgd", optimizer: "adam", localSteps: 3 } }],
    ["all-reduce", { graph: { kind: "complete", peers: 8 }, settings: { algorithm: "all-reduce" } }],
    ["powergossip, of several exchanges a round", { settings: { algorithm: "powergossip" } }],
    [
      "push-sum on a directed graph",
      { graph: { kind: "ring", peers: 8, directed: true }, settings: { algorithm: "push-sum" } },
    ],
    [
      "a graph that changes from round to round",
      { graph: { kind: "random-matchings", peers: 8 }, settings: { algorithm: "dpsgd" } },
    ],
    ["a complete graph", { graph: { kind: "complete", peers: 8 }, settings: { algorithm: "majority-vote" } }],
    ["half of the edges", { settings: { algorithm: "dpsgd", participation: 0.5 } }],
    [
      "early stopping with the best models, and projections",
      {
        settings: {
          ...{ algorithm: "dpsgd", rounds: 40, evaluateEvery: 2, learningRate: 1.2 },
          ...{ earlyStopping: { patience: 2 }, projectEvery: 3, projectionSize: 5 },
        },
      },
    ],
  ];
  it.each(cases)("%s", async (_name, options) => {
    expect(await result(2, options)).toEqual(await result(1, options));
  });

  it("with a model that tfjs trains, statistics that stay with each peer, and weights by examples", async () => {
    const path = new URL("support/normalised-model.mjs", import.meta.url).pathname;
    const settings = {
      ...{ trainer: "layers", model: { kind: "module", path }, batchSize: 8, split: "dirichlet" },
      ...{ rounds: 12, evaluateEvery: 1, learningRate: 0.5, peerWeights: "examples" },
      earlyStopping: { patience: 1, minimumImprovement: 0.05 },
    };
    const options = { graph: { kind: "ring", peers: 4 }, settings };
    const alone = await result(1, options);
    expect(alone.figures.stopping!.lastRound).toBeLessThan(12);
    expect(await result(2, options)).toEqual(alone);
  });

  it("with files of each peer's own, standardised together", async () => {
    const folder = newFolder();
    const peers = Array.from({ length: 4 }, (_, id) => {
      const data = join(folder, `peer-${id}.csv`);
      const rows = Array.from(
        { length: 12 + id },
        (_, k) => `${(k * 7 + id) % 9},${1000 * (k % 5)},${"ab"[k % 2]}`,
      );
      writeFileSync(data, `age,dose,kind\n${rows.join("\n")}\n`);
      return { id, data };
    });
    const options = {
      topology: { graph: { kind: "ring", peers: 4 }, peers },
      settings: {
        trainer: "layers",
        ...{
          data: { kind: "csv", classes: ["a", "b"] },
          split: { kind: "own", test: "own" },
          model: "softmax",
        },
        ...{ rounds: 4, evaluateEvery: 2 },
      },
    };
    const alone = await result(1, options);
    expect(await result(2, options)).toEqual(alone);
    // A worker for every peer: each then has one peer, as a process of a network run has.
    expect(await result(4, options)).toEqual(alone);
  });

  it("with workers that do not divide the peers", async () => {
    expect(await result(3)).toEqual(await result(1));
  });

  it.each([
    ["more workers than peers", 20, 1, { workers: 4, threads: 1 }],
    ["workers with threads of their own", 2, 2, { workers: 2, threads: 2 }],
  ])("with %s", async (_what, workers, threads, expected) => {
    const graph = { kind: "ring", peers: 4 };
    const folder = newFolder();
    const { ready, ...outcome } = await run(folder, workers, { graph, threads });
    expect(ready).toEqual(expected);
    expect({ ...outcome, files: filesOf(folder) }).toEqual(await result(1, { graph }));
  });

  it("with checkpoints of one number of workers that another resumes", async () => {
    const whole = newFolder();
    await run(whole, 1);
    const parts = newFolder();
    for (const [part, [workers, end]] of (
      [
        [1, 2],
        [3, 5],
        [2, undefined],
      ] as const
    ).entries()) {
      const going = run(parts, workers, { resume: part > 0, ...(end !== undefined && { end }) });
      if (end === undefined) await going;
      else expect(await rejection(going)).toMatchObject({ name: "Interrupted", round: end - 1 });
    }
    const withoutSeams = Object.fromEntries(
      Object.entries(filesOf(parts)).map(([name, text]) => [
        name,
        text.replace(/.*"type":"resumed".*\n/g, ""),
      ]),
    );
    const { logs, models } = { logs: /^\/logs/, models: /^\/models/ };
    for (const kept of [logs, models]) {
      const of = (files: Record<string, string>) =>
        Object.fromEntries(Object.entries(files).filter(([name]) => kept.test(name)));
      expect(of(withoutSeams)).toEqual(of(filesOf(whole)));
    }
  });
});

describe("a run that one thread refuses or ends", () => {
  it("ends in the same way when a peer diverges", async () => {
    const options = { settings: { learningRate: 1e6, rounds: 500 } };
    const alone = await rejection(run(newFolder(), 1, options));
    expect(alone).toMatchObject({ name: "Diverged", code: "diverged" });
    expect(await rejection(run(newFolder(), 3, options))).toEqual(alone);
  });

  it.each([
    ["data that are not there", { trainer: "layers", data: { kind: "csv", path: "nowhere.csv" } }],
    ["a module that is not there", { trainer: "layers", model: { kind: "module", path: "nowhere.mjs" } }],
    ["a checkpoint of another run", { seed: 7 }],
  ])("is refused with the same sentence: %s", async (_what, settings) => {
    const folder = newFolder();
    await expect(run(folder, 1, { end: 2 })).rejects.toThrow("test");
    const again = (workers: number) => rejection(run(folder, workers, { settings, resume: true }));
    expect(await again(2)).toEqual(await again(1));
  });

  it("names both peers whose files do not go together, in workers of their own", async () => {
    const folder = newFolder();
    const peers = Array.from({ length: 4 }, (_, id) => {
      const data = join(folder, `peer-${id}.csv`);
      const name = id === 3 ? "height" : "dose";
      writeFileSync(data, `age,${name},kind\n${"1,2,a\n2,3,b\n".repeat(8)}`);
      return { id, data };
    });
    const options = {
      topology: { graph: { kind: "ring", peers: 4 }, peers },
      settings: {
        trainer: "layers",
        data: { kind: "csv", classes: ["a", "b"] },
        split: "own",
        model: "softmax",
      },
    };
    const alone = await rejection(run(newFolder(), 1, options));
    expect(alone).toMatchObject({ code: "own-data-differs", peer: 3 });
    expect(await rejection(run(newFolder(), 2, options))).toEqual(alone);
  });
});

describe("what one thread alone can do", () => {
  const simulate = (settings: object, more: object, count: number | "auto" = 2) =>
    core.simulate(
      core.parseTopology({ graph: ring8 }, "test"),
      core.parseExperiment({ ...quadratic, ...settings }),
      { startWorkers: node.peerWorkers(count), ...more },
    );
  const network = core.parseNetwork({}, "test");
  const clock = { now: () => 0, after: () => () => {} };
  it.each([
    ["workers-with-network", {}, { network }],
    ["workers-with-patience", { patience: 2 }, {}],
    ["workers-with-clock", {}, { clock }],
    ["workers-with-backend", { trainer: { kind: "layers", backend: "node" } }, {}],
    ["workers-with-backend", { trainer: { kind: "layers", backend: "auto" } }, {}],
  ])("is refused for several workers: %s", async (code, settings, more) => {
    expect(await rejection(simulate(settings, more))).toMatchObject({ name: "InvalidExperiment", code });
  });

  it("stays there with auto", async () => {
    const simulation = await simulate({ patience: 2 }, { network }, "auto");
    expect(simulation.workers).toBe(1);
    simulation.dispose();
  });

  it.each([0, -1, 1.5, Number.NaN, MAX_WORKERS + 1, "many"])("%s is no number of workers", (count) => {
    expect(() => spread.peerWorkers(count as number)).toThrow(
      /^workers is .*use a whole number from 1 to \d+, or "auto"$/,
    );
  });

  it("the command line takes as many", () => {
    for (const count of ["0", String(MAX_WORKERS + 1), "some"]) {
      const { status, stderr } = murmur("simulate", "topologies/ring-4.json", "--workers", count);
      expect(status).toBe(2);
      expect(stderr).toMatch(/--workers.*must be a whole number from 1 to \d+, or auto/);
    }
  });
});

describe("auto", () => {
  const work = { parameters: MINIMUM_WORK / 64, batchSize: 8, localSteps: 1, peers: 8 };
  it("is one worker per core from a round's least work up, and one below", () => {
    expect(workersFor(work, 4)).toBe(4);
    expect(workersFor({ ...work, parameters: work.parameters - 1 }, 4)).toBe(1);
    expect(workersFor({ ...work, batchSize: 1, localSteps: 8 }, 4)).toBe(4);
  });
  it("is never more than peers, or than there may be", () => {
    expect(workersFor(work, 1)).toBe(1);
    expect(workersFor(work, 16)).toBe(8);
    expect(workersFor({ ...work, peers: 500 }, 500)).toBe(MAX_WORKERS);
  });
  it("leaves a small model to one thread, and a machine whose cores the kernels' threads take", async () => {
    const countOf = async (settings: object, threads: number) => {
      const simulation = await core.simulate(
        core.parseTopology({ graph: ring8 }, "test"),
        core.parseExperiment(settings),
        { startWorkers: node.peerWorkers("auto", { threads }) },
      );
      simulation.dispose();
      return simulation.workers;
    };
    expect(await countOf({ model: "softmax" }, 1)).toBe(1);
    const large = { model: { kind: "mlp", hidden: [256, 256] }, consensusRate: 1, algorithm: "dpsgd" };
    const { availableParallelism } = await import("node:os");
    const cores = availableParallelism();
    expect(await countOf(large, 1)).toBe(Math.min(8, cores));
    expect(await countOf(large, Math.min(64, cores))).toBe(1);
  });
});

describe("a worker that dies ends the run", () => {
  const module = new URL("support/user-model-fails.mjs", import.meta.url).pathname;
  const commandOf = (how: string, after: number, folder: string) => {
    const experiment = join(folder, "experiment.json");
    const options = { how, after, flag: join(folder, "flag") };
    const settings = {
      ...{ model: { kind: "module", path: module, options }, algorithm: "dpsgd", consensusRate: 1 },
      ...{ batchSize: 8, rounds: 30, evaluateEvery: 21 },
    };
    writeFileSync(experiment, JSON.stringify(settings));
    const out = join(folder, "logs");
    return ["simulate", "topologies/ring-4.json", experiment, "--workers", "2", "--out", out];
  };
  const cases = [
    [
      "exit",
      /the worker thread of peers \d to \d ended with exit code 3 after round \d+: remove process\.exit .*/,
    ],
    ["evaluation", /the worker thread of peers \d to \d failed after round 20: Error: no luck; .*/],
    ["rejects", /the worker thread of peers \d to \d failed after round \d+: Error: no luck; .*/],
  ] as const;
  it.each(cases)("while it learns: %s", (how, sentence) => {
    const folder = newFolder();
    const { status, stderr } = murmur(...commandOf(how, 30, folder));
    expect(existsSync(join(folder, "flag"))).toBe(true);
    expect(stderr).toMatch(new RegExp(`error: ${sentence.source}\n$`));
    expect(status).toBe(2);
    const [last] = readFileSync(join(folder, "logs", "peer-3.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .slice(-1);
    expect(JSON.parse(last!)).toMatchObject({
      type: "end",
      outcome: "stopped",
      code: expect.stringMatching(/^worker-/),
    });
  });

  it("as one thread does where its error is typed", () => {
    const last = (...more: string[]) => {
      const { status, stderr } = murmur(...commandOf("throws", 30, newFolder()), ...more);
      expect(status).toBe(2);
      return stderr.split("\n").at(-2);
    };
    const alone = last("--workers", "1");
    expect(alone).toMatch(/^error: the model cannot be trained: no luck; /);
    expect(last()).toBe(alone);
  });

  it("before the first round", () => {
    const folder = newFolder();
    const { status, stderr } = murmur(...commandOf("exit", 0, folder));
    expect(stderr).toMatch(
      /error: the worker thread of peers \d to \d ended with exit code 3 before a round was over: .*\n$/,
    );
    expect(status).toBe(2);
  });

  it("out of memory", () => {
    const folder = newFolder();
    const command = join(dist.pathname, "cli/main.js");
    const { status, stderr } = spawnSync(
      process.execPath,
      ["--max-old-space-size=150", command, ...commandOf("memory", 30, folder)],
      { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } },
    );
    expect(stderr).toMatch(
      /error: the worker thread of peers \d to \d ran out of memory after round \d+: .*\n$/,
    );
    expect(status).toBe(2);
  });
});

describe("modules of the user's own", () => {
  it("load in workers with the options that Node was given", () => {
    const folder = newFolder();
    const path = join(folder, "data.mjs");
    writeFileSync(
      path,
      `if (!globalThis.isPrepared) throw new Error("not prepared");
       const examples = (count) => ({
         features: Float32Array.from({ length: 3 * count }, (_, k) => k % 7),
         labels: Int32Array.from({ length: count }, (_, k) => k % 2),
       });
       export default { inputShape: [3], classes: 2, train: examples(16), test: examples(4) };`,
    );
    const experiment = join(folder, "experiment.json");
    const settings = { data: { kind: "module", path }, model: "softmax", rounds: 2, consensusRate: 0.1 };
    writeFileSync(experiment, JSON.stringify(settings));
    const command = join(dist.pathname, "cli/main.js");
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        ...["--import", "data:text/javascript,globalThis.isPrepared=true", command],
        ...["simulate", "topologies/ring-4.json", experiment, "--workers", "2"],
      ],
      { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } },
    );
    expect(stderr).toContain("peers: spread over 2 worker threads");
    expect(status).toBe(0);
  });
});

describe("workers come and go with the run", () => {
  const script = (body: string) => `
    import { parseExperiment, parseTopology, simulate } from ${JSON.stringify(new URL("index.js", dist).href)};
    import { peerWorkers } from ${JSON.stringify(new URL("node.js", dist).href)};
    const simulation = await simulate(
      parseTopology({ graph: { kind: "ring", peers: 4 } }, "test"),
      parseExperiment({ trainer: "quadratic", rounds: 3, closingRounds: 0 }),
      { startWorkers: peerWorkers(2) },
    );
    ${body}
  `;
  it.each([
    ["nobody runs it", "", ""],
    [
      "nobody disposes of it",
      "for await (const { round } of simulation.run()) console.log(round);",
      "0\n1\n2\n",
    ],
    [
      "it is left in the midst",
      "for await (const { round } of simulation.run()) { console.log(round); break; }",
      "0\n",
    ],
    ["it is disposed of", "simulation.dispose(); simulation.dispose();", ""],
  ])("a process ends though %s", (_when, body, expected) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "--eval", script(body)],
      {
        encoding: "utf8",
        timeout: 100_000,
      },
    );
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: expected, stderr: "" });
  });
});
