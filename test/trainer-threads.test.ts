import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { trainerSettings } from "../src/trainers/index.js";
import { MAX_TRAINER_THREADS } from "../src/trainers/layers-threads.js";
import { MINIMUM_STEP_MACS } from "../src/trainers/layers-work.js";
import { murmur } from "./support/processes.js";
import { newFolder } from "./support/runs.js";

// Threads load JavaScript, so all of this comes from what was built.
const dist = new URL("../dist/", import.meta.url);
const built = (path: string) => import(new URL(path, dist).href);
const core: typeof import("../src/index.js") = await built("index.js");
const { createTrainer }: typeof import("../src/trainers/index.js") = await built("trainers/index.js");
const { createModel, modelSettings }: typeof import("../src/models/index.js") =
  await built("models/index.js");
const { useBackend }: typeof import("../src/backends/index.js") = await built("backends/index.js");
const { weightsOf }: typeof import("../src/trainers/layers-weights.js") = await built(
  "trainers/layers-weights.js",
);
const { macsOf }: typeof import("../src/trainers/layers-work.js") = await built("trainers/layers-work.js");
const { isDivisible }: typeof import("../src/trainers/layers-division.js") = await built(
  "trainers/layers-division.js",
);
const { threadsFor }: typeof import("../src/trainers/layers-threads.js") = await built(
  "trainers/layers-threads.js",
);

type Trainer = Awaited<ReturnType<typeof createTrainer>>;

const userModel = new URL("support/user-model-threads.mjs", import.meta.url).pathname;
const ownModel = (options: object) => ({ kind: "module", path: userModel, options });
const cnn = { kind: "cnn", filters: [4], kernelSize: 3 };
const normalised = { kind: "resnet", blocks: 1, filters: 4, normalization: "batch" };

const made: Trainer[] = [];
afterEach(() => {
  for (const trainer of made.splice(0)) trainer.dispose();
});

/** Peer 1 of 4 on the digits. */
async function trainerOf(threads: number | "auto", settings: object = {}, peer = 1): Promise<Trainer> {
  const experiment = core.parseExperiment({
    ...{ model: cnn, trainer: { kind: "layers", threads }, ...settings },
  });
  const trainer = await createTrainer(experiment, { peer, peers: 4, seed: 3 });
  made.push(trainer);
  return trainer;
}

const startOf = (trainer: Trainer) => {
  const point = new Float32Array(trainer.layout.length);
  trainer.initialize(point);
  return point;
};

/** Losses and gradients of the first steps. */
async function stepsOf(trainer: Trainer, steps = 2) {
  const point = startOf(trainer);
  const results: { loss: number; gradient: Float32Array }[] = [];
  for (let step = 0; step < steps; step++) {
    const gradient = new Float32Array(point.length).fill(Number.NaN);
    results.push({ loss: await trainer.gradient(point, gradient, step), gradient });
  }
  return results;
}

const steps = async (threads: number | "auto", settings: object = {}) =>
  stepsOf(await trainerOf(threads, settings));

function farthest(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, k) => Math.max(most, Math.abs(value - b[k]!)), 0);
}

async function expectAsOnOne(threads: number, settings: object): Promise<void> {
  const [several, again, one] = [
    await steps(threads, settings),
    await steps(threads, settings),
    await steps(1, settings),
  ];
  expect(again).toEqual(several);
  for (const [k, { loss, gradient }] of several.entries()) {
    expect(Math.abs(loss - one[k]!.loss)).toBeLessThan(1e-5);
    expect(farthest(gradient, one[k]!.gradient)).toBeLessThan(1e-5);
    expect(farthest(gradient, new Float32Array(gradient.length))).toBeGreaterThan(1e-3);
  }
}

describe("gradients of several threads are those of one, with the same bits in each run", () => {
  it.each([
    [2, 32],
    [3, 32],
    [2, 7],
    [3, 7],
    [3, 5],
  ])("%d threads, batches of %d", async (threads, batchSize) => {
    await expectAsOnOne(threads, { batchSize });
  });

  it("with augmented images", async () => {
    const augmentation = { flip: true, shift: 2 };
    await expectAsOnOne(3, { augmentation, batchSize: 10 });
    expect(await steps(2, { augmentation })).not.toEqual(await steps(2));
  });

  it("with penalties of layers, which count once", async () => {
    const model = ownModel({ penalty: 0.3 });
    await expectAsOnOne(2, { model });
    await expectAsOnOne(3, { model, batchSize: 7 });
    const [[with_], [without]] = [await steps(2, { model }), await steps(2, { model: ownModel({}) })];
    expect(with_!.loss).toBeGreaterThan(without!.loss + 0.1);
  });

  it("with group normalisation", async () => {
    await expectAsOnOne(2, { model: { ...normalised, normalization: "group", groups: 2 }, batchSize: 6 });
  });

  it("with several labels per example", async () => {
    const path = join(newFolder(), "text.txt");
    writeFileSync(path, "the quick brown fox jumps over the lazy dog. ".repeat(60));
    await expectAsOnOne(2, {
      ...{ data: { kind: "text", path }, split: { kind: "contiguous" }, batchSize: 5 },
      model: { kind: "char-transformer", width: 8, heads: 2, blocks: 1 },
    });
  });

  it("with numbers as targets", async () => {
    const path = join(newFolder(), "data.mjs");
    writeFileSync(
      path,
      `const examples = (count) => ({
         features: Float32Array.from({ length: 8 * count }, (_, k) => Math.sin(k)),
         labels: Float32Array.from({ length: 2 * count }, (_, k) => Math.cos(k)),
       });
       export default {
         ...{ name: "numbers", inputShape: [4, 2], targets: { kind: "numbers", count: 2 } },
         ...{ train: examples(80), test: examples(8) },
       };`,
    );
    const settings = { data: { kind: "module", path }, split: { kind: "contiguous" }, batchSize: 9 };
    await expectAsOnOne(3, { ...settings, model: ownModel({}) });
  });

  it("with frozen layers whose numbers come from a file", async () => {
    const settings = { model: ownModel({}), trainable: ["dense2"] };
    const [one, two] = [await trainerOf(1, settings), await trainerOf(2, settings)];
    const before = await stepsOf(two);
    const shapes = Object.entries(one.frozen!.shapes);
    const values = Object.fromEntries(
      shapes.map(([name, shape]) => {
        const length = shape.reduce((size, side) => size * side, 1);
        return [name, Float32Array.from({ length }, (_, k) => Math.sin(k) / 4)];
      }),
    );
    for (const trainer of [one, two]) trainer.frozen!.write(values);
    const [expected, actual] = [await stepsOf(one), await stepsOf(two)];
    for (const [k, { gradient }] of actual.entries()) {
      expect(farthest(gradient, expected[k]!.gradient)).toBeLessThan(1e-5);
      expect(farthest(gradient, before[k]!.gradient)).toBeGreaterThan(1e-3);
    }
  });

  it("for peers of one process, which take turns", async () => {
    const peers = await Promise.all([0, 1, 2].map((peer) => trainerOf(2, {}, peer)));
    const together = await Promise.all(peers.map((trainer) => stepsOf(trainer)));
    for (const [peer, results] of together.entries()) {
      expect(results).toEqual(await stepsOf(await trainerOf(2, {}, peer)));
    }
    expect(together[0]).not.toEqual(together[1]);
  });
});

describe("dropout", () => {
  it("has the same bits in each run and others in each step", async () => {
    const settings = { model: ownModel({ dropout: 0.5 }) };
    const [first, again] = [await steps(2, settings), await steps(2, settings)];
    expect(again).toEqual(first);
    expect(first).not.toEqual(await steps(1, settings));
  });

  it("drops other units in each part", async () => {
    // All examples are alike, so parts differ by what is dropped alone.
    const folder = newFolder();
    const path = join(folder, "data.mjs");
    writeFileSync(
      path,
      `const examples = (count) => ({
         features: new Float32Array(8 * count).fill(1),
         labels: Int32Array.from({ length: count }, (_, k) => +(k === count - 1)),
       });
       export default { name: "alike", inputShape: [4, 2], targets: { kind: "classes", count: 2 }, train: examples(400), test: examples(8) };`,
    );
    const settings = (dropout: number, batchSize: number) => ({
      ...{ data: { kind: "module", path }, split: { kind: "contiguous" }, batchSize },
      model: ownModel({ dropout }),
    });
    const [whole] = await steps(2, settings(0.5, 8));
    const [half] = await steps(1, settings(0.5, 4));
    expect(farthest(whole!.gradient, half!.gradient)).toBeGreaterThan(1e-3);
    const [plain] = await steps(2, settings(0, 8));
    const [plainHalf] = await steps(1, settings(0, 4));
    expect(farthest(plain!.gradient, plainHalf!.gradient)).toBeLessThan(1e-5);
  });
});

describe("small batches use fewer parts", () => {
  it.each([1, 2, 3])("a batch of %d has the bits of one thread", async (batchSize) => {
    expect(await steps(2, { batchSize })).toEqual(await steps(1, { batchSize }));
  });

  it("a batch of 4 has two parts, for three threads too", async () => {
    const two = await steps(2, { batchSize: 4 });
    expect(two).not.toEqual(await steps(1, { batchSize: 4 }));
    expect(await steps(3, { batchSize: 4 })).toEqual(two);
  });
});

describe("evaluations", () => {
  it.each([2, 3])("have the bits of one thread on %d, side by side too", async (threads) => {
    const path = join(newFolder(), "data.mjs");
    // Four batches of test examples, the last of them shorter.
    writeFileSync(
      path,
      `const examples = (count, start) => ({
         features: Float32Array.from({ length: 8 * count }, (_, k) => Math.sin(start + k * k)),
         labels: Int32Array.from({ length: count }, (_, k) => (k * k) % 3),
       });
       export default {
         ...{ name: "waves", inputShape: [4, 2], targets: { kind: "classes", count: 3 } },
         ...{ train: examples(80, 0), test: examples(800, 1) },
       };`,
    );
    const settings = { data: { kind: "module", path }, split: { kind: "contiguous" }, model: ownModel({}) };
    const [one, first, second] = [
      await trainerOf(1, settings),
      await trainerOf(threads, settings, 0),
      await trainerOf(threads, settings, 1),
    ];
    const start = startOf(one);
    const moved = start.map((value, k) => value + Math.cos(k) / 3);
    const expected = [await one.evaluate(start), await one.evaluate(moved)];
    expect(expected[0]!.loss).not.toBe(expected[1]!.loss);
    for (let k = 0; k < 3; k++) {
      expect(await Promise.all([first.evaluate(start), second.evaluate(moved)])).toEqual(expected);
    }
  });
});

describe("auto", () => {
  it("is 1 below a step's least work, and more from there", async () => {
    await useBackend("wasm");
    const context = { inputShape: [28, 28, 1], outputs: 10, seed: 1 };
    const model = await createModel(modelSettings.parse({ kind: "cnn" }), context);
    const weights = weightsOf(model);
    const macs = macsOf(weights.layers);
    // 5 × 5 × 1 × 16 at 28², 5 × 5 × 16 × 32 at 14², and 1568 × 10.
    expect(macs).toBe(400 * 784 + 12_800 * 196 + 15_680);
    const copy = {} as Parameters<typeof isDivisible>[0]["copy"];
    const enough = Math.ceil(MINIMUM_STEP_MACS / macs);
    expect(isDivisible({ count: 2, isAutomatic: true, copy }, weights, enough)).toBe(true);
    expect(isDivisible({ count: 2, isAutomatic: true, copy }, weights, enough - 1)).toBe(false);
    expect(isDivisible({ count: 2, isAutomatic: false, copy }, weights, 1)).toBe(true);
    model.dispose();
  });

  it("takes the machine's cores, divided among processes", async () => {
    const alone = await threadsFor("auto", "wasm", { processes: 1 });
    if (alone) expect(alone.isAutomatic).toBe(true);
    expect(await threadsFor("auto", "wasm", { processes: 1 << 20 })).toBeUndefined();
  });

  it("takes what it is given, such as 1 in a worker of a simulation", async () => {
    expect(await threadsFor("auto", "wasm", { automaticThreads: 1 })).toBeUndefined();
    expect(await threadsFor("auto", "wasm", { automaticThreads: 3 })).toEqual({
      count: 3,
      isAutomatic: true,
    });
    expect(await threadsFor(2, "wasm", { automaticThreads: 1 })).toEqual({ count: 2, isAutomatic: false });
  });

  it("is 1 where threads are refused", async () => {
    expect(await threadsFor("auto", "webgpu")).toBeUndefined();
    const settings = { model: normalised };
    expect(await steps("auto", settings)).toEqual(await steps(1, settings));
  });

  it("is 1 for a small model", async () => {
    expect(await steps("auto")).toEqual(await steps(1));
  });
});

describe("what threads cannot do is refused in one line", () => {
  it("a model that keeps statistics of its batches", async () => {
    await expect(trainerOf(2, { model: normalised })).rejects.toMatchObject({
      name: "InvalidExperiment",
      code: "trainer-threads-with-statistics",
      field: "trainer.threads",
      message: expect.stringMatching(/^the model keeps statistics of whole batches in batch.*$/),
    });
  });

  it("except where they are frozen", async () => {
    await expectAsOnOne(2, { model: normalised, trainable: ["dense1"], batchSize: 6 });
  });

  it("a backend with threads of its own", async () => {
    await expect(threadsFor(2, "node")).rejects.toMatchObject({ code: "trainer-threads-with-backend" });
    expect(await threadsFor(1, "node")).toBeUndefined();
  });

  it("more threads than there may be, and none", () => {
    const parse = (threads: unknown) => trainerSettings.parse({ kind: "layers", threads });
    expect(parse(MAX_TRAINER_THREADS)).toMatchObject({ threads: MAX_TRAINER_THREADS });
    for (const threads of [MAX_TRAINER_THREADS + 1, 0, 1.5, "all"]) expect(() => parse(threads)).toThrow();
  });

  it("workers of a simulation beside them", () => {
    const command = ["simulate", "topologies/ring-4.json", "--model", "cnn", "--rounds", "1"];
    const { status, stderr } = murmur(...command, "--workers", "2", "--trainer.threads", "2");
    expect(stderr).toMatch(/^error: workers and trainer\.threads 2 both divide the cores .*\n$/);
    expect(status).toBe(2);
  });
});

describe("a thread that dies ends the run", () => {
  it.each([
    ["exit", "trainer-thread-ended", /^a thread of the trainer ended with exit code 3: .*$/],
    ["rejects", "trainer-thread-failed", /^a thread of the trainer failed: Error: no luck; .*$/],
    ["unreadable", "trainer-thread-failed", /^a thread of the trainer failed: RangeError: Maximum call .*$/],
  ])("%s", async (fails, code, message) => {
    const trainer = await trainerOf(2, { model: ownModel({ fails, after: 1 }) });
    const point = startOf(trainer);
    const step = async (k: number) => trainer.gradient(point, new Float32Array(point.length), k);
    expect(await step(0)).toBeGreaterThan(0);
    const outcomes: unknown[] = [];
    // An error that nobody awaits may come after the answer.
    for (let k = 1; k < 4 && outcomes.length === 0; k++) await step(k).catch((error) => outcomes.push(error));
    expect(outcomes[0]).toMatchObject({
      name: "TrainerFailed",
      code,
      message: expect.stringMatching(message),
    });
    await expect(step(4)).rejects.toMatchObject({ code });
  });

  it("with the sentence of one thread where the error is typed", async () => {
    const model = ownModel({ fails: "throws" });
    await expect(steps(2, { model })).rejects.toMatchObject({
      ...{ name: "InvalidExperiment", code: "model-without-gradient" },
      message: "the model cannot be trained: no luck; use layers that have gradients",
    });
    await expect(steps(2, { model: ownModel({ fails: "building" }) })).rejects.toMatchObject({
      message: expect.stringMatching(/no thread for me/),
    });
  });

  it("with one sentence on the command line", () => {
    const experiment = join(newFolder(), "experiment.json");
    const settings = {
      model: ownModel({ fails: "exit", after: 3 }),
      trainer: { kind: "layers", threads: 2 },
    };
    writeFileSync(experiment, JSON.stringify({ ...settings, rounds: 5 }));
    const { status, stderr } = murmur("simulate", "topologies/ring-4.json", experiment);
    expect(stderr).toMatch(/^error: a thread of the trainer ended with exit code 3: .*\n$/m);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(status).toBe(2);
  });
});

describe("runs", () => {
  const final = (command: string, threads: string) => {
    const { status, stdout, stderr } = murmur(
      ...[command, "topologies/ring-4.json", "--model", "cnn", "--model.filters", "[4]", "--rounds", "8"],
      ...["--trainer.threads", threads, "--json"],
    );
    expect(stderr).not.toMatch(/error|warning/);
    expect(status).toBe(0);
    return JSON.parse(stdout);
  };
  it("of a simulation end alike, and with the same bits each time", () => {
    const [one, two, again] = [final("simulate", "1"), final("simulate", "2"), final("simulate", "2")];
    expect(two.final).toEqual(again.final);
    expect(two.final).not.toEqual(one.final);
    expect(Math.abs(two.final.meanModel - one.final.meanModel)).toBeLessThan(0.02);
    expect(Math.abs(two.final.meanModelLoss - one.final.meanModelLoss)).toBeLessThan(1e-3);
  });

  it("of processes too", () => {
    const [two, again] = [final("up", "2"), final("up", "2")];
    const digests = ({ peers }: { peers: readonly { modelDigest: string }[] }) =>
      peers.map(({ modelDigest }) => modelDigest);
    expect(digests(two)).toEqual(digests(again));
    expect(two.peers[0].accuracy).toBe(final("simulate", "2").final.best);
  });
});
