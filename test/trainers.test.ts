import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { createBatches } from "../src/trainers/batches.js";
import { createTrainer, type TrainerSettings, trainerSettings } from "../src/trainers/index.js";
import { type Task, taskSettings } from "../src/trainers/task.js";
import { type Learning, learning } from "./support/learning.js";

const program = new URL("support/trainer-program.mjs", import.meta.url).pathname;
const everyTrainer: TrainerSettings[] = trainerSettings.options.map(({ shape }) =>
  trainerSettings.parse({
    kind: shape.kind.value,
    ...("command" in shape && { command: [process.execPath, program] }),
  }),
);

async function started(
  trainer: { kind: string } & Record<string, unknown>,
  context: { peer?: number; peers?: number; seed?: number } = {},
  task: Partial<Task> & Learning = {},
) {
  const made = await createTrainer(
    { ...taskSettings.parse({}), ...task, trainer: trainerSettings.parse(trainer) },
    { peer: 0, peers: 8, seed: 1, ...context },
  );
  const model = new Float32Array(made.layout.length);
  made.initialize(model);
  return { trainer: learning(made, task), model };
}

async function run(
  trainer: ReturnType<typeof learning>,
  model: Float32Array<ArrayBuffer>,
  rounds: number,
  evaluates = false,
) {
  const losses: number[] = [];
  for (let round = 0; round < rounds; round++) {
    losses.push(await trainer.step(model, { round, learningRate: 0.1 / (1 + round) }));
    if (evaluates) await trainer.evaluate(model);
  }
  return losses;
}

describe.each(everyTrainer.map((settings) => [settings.kind, settings] as const))("%s", (_kind, settings) => {
  test("all peers start alike and then learn from data of their own", async () => {
    const peers = await Promise.all([0, 1].map((peer) => started(settings, { peer })));
    expect(peers[0]!.model).toEqual(peers[1]!.model);
    for (const { trainer, model } of peers) await run(trainer, model, 1);
    expect(peers[0]!.model).not.toEqual(peers[1]!.model);
    for (const { trainer } of peers) trainer.dispose();
  });

  test("the same seed gives the same bits, and evaluating leaves no trace", async () => {
    const runs = await Promise.all(
      [false, true].map(async (evaluates) => {
        const { trainer, model } = await started(settings);
        const losses = await run(trainer, model, 8, evaluates);
        trainer.dispose();
        return { losses, model };
      }),
    );
    expect(runs[0]).toEqual(runs[1]);
    expect(runs[0]!.losses.every(Number.isFinite)).toBe(true);
  });

  test("a gradient depends on the point and the step alone, fills `out` and leaves the point as it is", async () => {
    const { trainer, model } = await started(settings);
    const gradientAt = async (step: number) => {
      const out = new Float32Array(model.length).fill(Number.NaN);
      const before = model.slice();
      const loss = await trainer.gradient(model, out, step);
      expect(model).toEqual(before);
      expect(out.every(Number.isFinite)).toBe(true);
      return { loss, out };
    };
    const [first, second] = [await gradientAt(3), await gradientAt(8)];
    expect(await gradientAt(3)).toEqual(first);
    expect(await gradientAt(8)).toEqual(second);
    trainer.dispose();
  });

  test("H local steps of one round are H rounds of one step", async () => {
    const many = await started(settings, {}, { localSteps: 3 });
    const single = await started(settings);
    const losses: number[] = [];
    for (let round = 0; round < 6; round++) {
      losses.push(await single.trainer.step(single.model, { round, learningRate: 0.1 }));
    }
    const mean = (from: number) => losses.slice(from, from + 3).reduce((sum, loss) => sum + loss, 0) / 3;
    for (const round of [0, 1]) {
      const loss = await many.trainer.step(many.model, { round, learningRate: 0.1 });
      expect(loss).toBeCloseTo(mean(3 * round), 5);
    }
    for (const [k, value] of single.model.entries()) expect(many.model[k]).toBeCloseTo(value, 6);
    many.trainer.dispose();
    single.trainer.dispose();
  });

  test("a rate of 0 leaves the model as it is", async () => {
    const { trainer, model } = await started(settings);
    const before = model.slice();
    await trainer.step(model, { round: 0, learningRate: 0 });
    expect(model).toEqual(before);
    trainer.dispose();
  });

  test("the layout covers the vector without gaps", async () => {
    const { trainer } = await started(settings);
    let end = 0;
    for (const { offset, length, shape } of trainer.layout.tensors) {
      expect(offset).toBe(end);
      expect(length).toBe(shape.reduce((product, side) => product * side, 1));
      end += length;
    }
    expect(end).toBe(trainer.layout.length);
    trainer.dispose();
  });
});

describe("quadratic", () => {
  const settings = { kind: "quadratic", dimension: [5, 7, 1], heterogeneity: 2, condition: 10 };

  test("its gradient is the slope of its own loss", async () => {
    const { trainer, model } = await started(settings);
    const rng = random(4, "point");
    for (let k = 0; k < model.length; k++) model[k] = normal(rng, k);
    const lossAt = async (k: number, change: number) => {
      const moved = model.slice();
      moved[k]! += change;
      return trainer.gradient(moved, new Float32Array(moved.length), 0);
    };
    const gradient = new Float32Array(model.length);
    await trainer.gradient(model, gradient, 0);
    for (let k = 0; k < model.length; k++) {
      const slope = (await lossAt(k, 0.5)) - (await lossAt(k, -0.5));
      expect(gradient[k]).toBeCloseTo(slope, 4);
    }
  });

  test("averaged gradient descent ends at the optimum of the mean", async () => {
    const peers = await Promise.all([0, 1, 2, 3].map((peer) => started(settings, { peer, peers: 4 })));
    for (let round = 0; round < 200; round++) {
      for (const { trainer, model } of peers) await trainer.step(model, { round, learningRate: 0.15 });
      for (let k = 0; k < 13; k++) {
        const mean = peers.reduce((sum, { model }) => sum + model[k]! / 4, 0);
        for (const { model } of peers) model[k] = mean;
      }
    }
    const evaluations = await Promise.all(peers.map(({ trainer, model }) => trainer.evaluate(model)));
    for (const { loss } of evaluations) expect(loss).toBeLessThan(1e-9);
    expect((await peers[0]!.trainer.evaluate(new Float32Array(13))).loss).toBeGreaterThan(1);
    // Away from the mean, with optima of their own, the peers still pull apart.
    expect(await peers[0]!.trainer.step(peers[0]!.model, { round: 0, learningRate: 0 })).toBeGreaterThan(1);
  });

  test("without heterogeneity every peer has the same optimum", async () => {
    const { trainer, model } = await started({ ...settings, heterogeneity: 0 }, { peer: 3 });
    for (let round = 0; round < 200; round++) await trainer.step(model, { round, learningRate: 0.15 });
    expect((await trainer.evaluate(model)).loss).toBeLessThan(1e-9);
  });

  test("noise has the stated deviation, mean zero, and differs by round and peer", async () => {
    const noisy = await started({ kind: "quadratic", dimension: 2000, noise: 3 });
    const clean = await started({ kind: "quadratic", dimension: 2000 });
    const other = await started({ kind: "quadratic", dimension: 2000, noise: 3 }, { peer: 1 });
    const otherClean = await started({ kind: "quadratic", dimension: 2000 }, { peer: 1 });
    const noiseOf = async (a: typeof noisy, b: typeof clean, round: number) => {
      const [x, y] = [new Float32Array(2000), new Float32Array(2000)];
      await a.trainer.gradient(a.model, x, round);
      await b.trainer.gradient(b.model, y, round);
      return Array.from(x, (value, k) => value - y[k]!);
    };
    const first = await noiseOf(noisy, clean, 0);
    const mean = first.reduce((sum, value) => sum + value, 0) / 2000;
    const deviation = Math.sqrt(first.reduce((sum, value) => sum + value ** 2, 0) / 2000);
    expect(Math.abs(mean)).toBeLessThan(0.3);
    expect(Math.abs(deviation - 3)).toBeLessThan(0.25);
    for (const second of [await noiseOf(noisy, clean, 1), await noiseOf(other, otherClean, 0)]) {
      const product = first.reduce((sum, value, k) => sum + value * second[k]!, 0) / 2000 / 9;
      expect(Math.abs(product)).toBeLessThan(0.1);
    }
  });
});

describe("batches", () => {
  test("every pass meets each example once, from any starting step", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 70 }), (count, batchSize) => {
        const { size, at } = createBatches(count, batchSize, 5, 2);
        expect(size).toBe(Math.min(batchSize, count));
        const sequence = Array.from({ length: 3 * count }, (_, step) => Array.from(at(step))).flat();
        for (let pass = 0; pass < 3; pass++) {
          const seen = sequence.slice(pass * count, (pass + 1) * count).sort((a, b) => a - b);
          expect(seen).toEqual(Array.from({ length: count }, (_, i) => i));
        }
        const fresh = createBatches(count, batchSize, 5, 2);
        const middle = count + 1;
        expect(Array.from(fresh.at(middle))).toEqual(sequence.slice(middle * size, (middle + 1) * size));
      }),
      { numRuns: 60 },
    );
  });

  test("peers and seeds have batches of their own", () => {
    const first = (seed: number, peer: number) => Array.from(createBatches(100, 32, seed, peer).at(0));
    expect(first(1, 0)).not.toEqual(first(1, 1));
    expect(first(1, 0)).not.toEqual(first(2, 0));
  });
});

test("one class per peer is not enough for ten classes at eight peers", async () => {
  const split = { kind: "shards", classesPerPeer: 1 } as const;
  await expect(started({ kind: "layers" }, {}, { split })).rejects.toThrow(InvalidExperiment);
});
