/** Fast math: kernels whose last bits differ from the usual ones, and what a run says of them. */
import { execFileSync } from "node:child_process";
import * as tf from "@tensorflow/tfjs-core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { useBackend } from "../src/backends/index.js";
import { isFastMath, withMath } from "../src/backends/wasm-training/math.js";
import { hasRelaxedSimd } from "../src/backends/wasm-training/module.js";
import { compareFingerprints } from "../src/exchange/fingerprint.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { fastMathWarnings } from "../src/trainers/fast-math.js";
import { createTrainer } from "../src/trainers/index.js";

// The law: fast results are the usual ones to 1e-4 of the largest number.
const TOLERANCE = 1e-4;

beforeAll(() => useBackend("wasm"));

/** Numbers in [-1, 1) from a seed, by a 32-bit linear congruential generator. */
function numbers(shape: number[], seed: number): tf.Tensor {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return tf.tensor(values, shape);
}

const run = (name: string, inputs: Record<string, tf.Tensor>, attributes: object) =>
  tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap) as tf.Tensor;

/** What a computation gives on fast kernels, or on the usual ones. */
function valuesOf(fast: boolean, compute: () => tf.Tensor): Float32Array {
  return withMath(fast, () => tf.tidy(() => compute().dataSync<"float32">().slice()));
}

function expectClose(actual: Float32Array, expected: Float32Array): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  const worst = actual.reduce((most, value, k) => {
    const error = Math.abs(value - expected[k]!);
    return error > most || Number.isNaN(error) ? error : most;
  }, 0);
  expect(actual.length).toBe(expected.length);
  expect(worst).toBeLessThanOrEqual(TOLERANCE * largest);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, k) => sum + value * b[k]!, 0);
}

interface Case {
  side: number;
  batch: number;
  height: number;
  width: number;
  channels: number;
  filters: number;
  pad: "same" | "valid" | number;
  strides: number;
  seed: number;
}

const channels = fc.oneof(fc.constantFrom(8, 12, 16, 20, 32, 64), fc.integer({ min: 1, max: 18 }));
const cases: fc.Arbitrary<Case> = fc
  .record({
    side: fc.constantFrom(3, 3, 5, 5, 1, 7),
    batch: fc.integer({ min: 1, max: 9 }),
    height: fc.integer({ min: 1, max: 19 }),
    width: fc.integer({ min: 1, max: 19 }),
    channels,
    filters: channels,
    pad: fc.constantFrom<"same" | "valid" | number>("same", "valid", 0, 1, 2),
    strides: fc.constantFrom(1, 1, 1, 2),
    seed: fc.integer({ min: 0, max: 1e6 }),
  })
  .filter(({ side, height, width, pad }) => {
    const around = typeof pad === "number" ? 2 * pad : 0;
    return pad === "same" || Math.min(height, width) + around >= side;
  });

/** The convolution of a case and its gradients, with what they are computed from. */
function convolutionOf({ side, batch, height, width, channels, filters, pad, strides, seed }: Case) {
  const x = numbers([batch, height, width, channels], seed);
  const filter = numbers([side, side, channels, filters], seed + 1);
  const attributes = {
    ...{ strides: [strides, strides], pad, dataFormat: "NHWC", dilations: [1, 1] },
    dimRoundingMode: typeof pad === "number" ? "floor" : undefined,
  };
  const forward = (input = x, by = filter) => run("Conv2D", { x: input, filter: by }, attributes);
  const { shape } = tf.tidy(() => forward());
  const dy = numbers(shape, seed + 2);
  return {
    ...{ x, filter, dy, attributes, forward },
    inputGradient: () => run("Conv2DBackpropInput", { dy, filter }, { ...attributes, inputShape: x.shape }),
    filterGradient: () =>
      run("Conv2DBackpropFilter", { x, dy }, { ...attributes, filterShape: filter.shape }),
  };
}

const law = <Value>(values: fc.Arbitrary<Value>, holds: (value: Value) => void) =>
  fc.assert(
    fc.property(values, (value) => void tf.tidy(() => holds(value))),
    { numRuns: 80 },
  );

describe("fast convolutions", () => {
  it("agree with the usual ones, as do their gradients", () =>
    law(cases, (each) => {
      const { forward, inputGradient, filterGradient } = convolutionOf(each);
      for (const compute of [() => forward(), inputGradient, filterGradient]) {
        expectClose(valuesOf(true, compute), valuesOf(false, compute));
      }
    }));

  // A convolution is linear in either argument, so differences over any distance are exact but for rounding.
  it("have the gradients that finite differences give", () =>
    law(cases, (each) => {
      const { x, filter, dy, forward, inputGradient, filterGradient } = convolutionOf(each);
      const check = (gradient: () => tf.Tensor, at: tf.Tensor, move: (to: tf.Tensor) => tf.Tensor) => {
        const direction = numbers(at.shape, each.seed + 3);
        const [ahead, behind] = [tf.add(at, direction), tf.sub(at, direction)];
        const change = valuesOf(true, () => tf.sub(move(ahead), move(behind)));
        const slopes = valuesOf(true, gradient);
        const along = direction.dataSync<"float32">();
        const outer = dy.dataSync<"float32">();
        const size = Math.sqrt(dot(outer, outer) * dot(change, change));
        expect(Math.abs(dot(outer, change) / 2 - dot(slopes, along))).toBeLessThanOrEqual(
          TOLERANCE * Math.max(size, 1),
        );
      };
      check(inputGradient, x, (to) => forward(to));
      check(filterGradient, filter, (to) => forward(x, to));
    }));

  it("add the bias and apply the activation", () =>
    law(
      fc.tuple(cases, fc.constantFrom("linear", "relu", "relu6", "elu", "sigmoid"), fc.boolean()),
      ([each, activation, hasBias]) => {
        const { x, filter, attributes } = convolutionOf(each);
        const bias = numbers([each.filters], each.seed + 4);
        const compute = () =>
          run("FusedConv2D", { x, filter, ...(hasBias && { bias }) }, { ...attributes, activation });
        expectClose(valuesOf(true, compute), valuesOf(false, compute));
      },
    ));

  const whole: Case = {
    ...{ side: 3, batch: 3, height: 9, width: 6, channels: 12, filters: 20 },
    ...{ pad: "same", strides: 1, seed: 7 },
  };

  it.each([3, 5])("of side %i are computed another way, with the same bits each time", (side) => {
    const { forward, inputGradient, filterGradient } = convolutionOf({ ...whole, side });
    for (const compute of [() => forward(), inputGradient, filterGradient]) {
      const fast = valuesOf(true, compute);
      expect(fast).not.toEqual(valuesOf(false, compute));
      expect(valuesOf(true, compute)).toEqual(fast);
    }
  });

  it("show a number that is none", () => {
    const { x, filter, attributes } = convolutionOf(whole);
    const values = x.dataSync().slice();
    values[0] = Number.NaN;
    const broken = tf.tensor(values, x.shape);
    const outputs = valuesOf(true, () => run("Conv2D", { x: broken, filter }, attributes));
    expect(outputs.some(Number.isNaN)).toBe(true);
  });
});

describe("fast products", () => {
  const size = fc.integer({ min: 1, max: 70 });
  it("agree with the usual ones", () =>
    law(fc.tuple(size, size, size, fc.integer()), ([rows, depth, columns, seed]) => {
      const [a, b] = [numbers([rows, depth], seed), numbers([depth, columns], seed + 1)];
      const compute = () => tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D);
      expectClose(valuesOf(true, compute), valuesOf(false, compute));
    }));
});

it("fast math ends with the pass, also one that fails", () => {
  expect(() =>
    withMath(true, () => {
      expect(isFastMath()).toBe(true);
      withMath(false, () => expect(isFastMath()).toBe(false));
      expect(isFastMath()).toBe(true);
      throw new Error("failed");
    }),
  ).toThrow("failed");
  expect(isFastMath()).toBe(false);
});

describe("a trainer with fast math", () => {
  const context = { peer: 1, peers: 8, seed: 5 };
  const models = [{ kind: "mlp" }, { kind: "cnn" }, { kind: "resnet", blocks: 1 }];

  it.each(models)(
    "learns and evaluates as without, but for last bits, and compares it: %j",
    async (model) => {
      const of = (fastMath: boolean) =>
        createTrainer(parseExperiment({ model, trainer: { fastMath } }), context);
      const [usual, fast] = [await of(false), await of(true)];
      const point = new Float32Array(usual.layout.length);
      usual.initialize(point);
      const [expected, actual] = [point.slice(), point.slice()];
      const losses = [await usual.gradient(point, expected, 0), await fast.gradient(point, actual, 0)];
      expectClose(actual, expected);
      expect(actual).not.toEqual(expected);
      expect(losses[1]).toBeCloseTo(losses[0]!, 4);
      expect((await fast.evaluate(point)).loss).toBeCloseTo((await usual.evaluate(point)).loss, 4);
      const fingerprints = [await usual.fingerprint!(), await fast.fingerprint!()] as const;
      expect(compareFingerprints(...fingerprints)).toEqual([
        { field: "fastMath", ours: undefined, theirs: "true" },
      ]);
      expect(fast.warnings).toEqual(usual.warnings);
      // One fast pass leaves the usual bits what they were.
      const again = point.slice();
      await usual.gradient(point, again, 0);
      expect(again).toEqual(expected);
      for (const trainer of [usual, fast]) trainer.dispose();
    },
  );

  it("is of no use on another backend, and says so", async () => {
    expect(await fastMathWarnings(true, "cpu")).toEqual([
      "fastMath changes nothing on backend cpu: use backend wasm",
    ]);
    expect(await fastMathWarnings(false, "cpu")).toEqual([]);
    expect(hasRelaxedSimd()).toBe(true);
    expect(await fastMathWarnings(true, "wasm")).toEqual([]);
  });

  it("does without fused multiply-adds where the engine has none, with one warning", () => {
    const program = `
      WebAssembly.validate = () => false;
      const { trainingKernels } = await import("./dist/backends/wasm-training/module.js");
      const { fastMathWarnings } = await import("./dist/trainers/fast-math.js");
      const kernels = trainingKernels(new WebAssembly.Memory({ initial: 1 }), true);
      console.log(JSON.stringify([typeof kernels.winograd, ...(await fastMathWarnings(true, "wasm"))]));
    `;
    const output = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: new URL("..", import.meta.url).pathname,
    });
    expect(JSON.parse(output.toString())).toEqual([
      "function",
      "fastMath has no fused multiply-add here, because the engine lacks relaxed SIMD: use Node 20.16 or later",
    ]);
  });
});
