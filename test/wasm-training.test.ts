import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
// Registers the gradients, which tfjs-core alone leaves out.
import "@tensorflow/tfjs-layers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compiled } from "../src/backends/wasm-training/compiled.js";
import { registerTrainingKernels, trainingKernels } from "../src/backends/wasm-training/index.js";
import { normalizeGroups } from "../src/models/layers/group-normalization.js";

// The law: every kernel agrees with tfjs's plain JavaScript backend to 1e-5 of the largest number in the result.
const TOLERANCE = 1e-5;

let restore: () => void;
beforeAll(async () => {
  restore = registerTrainingKernels();
  await tf.setBackend("wasm");
});
afterAll(() => restore());

/** Numbers in [-1, 1) from a seed, by a 32-bit linear congruential generator. */
function numbers(shape: number[], seed: number): tf.Tensor {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
  return tf.tensor(values, shape);
}

interface Result {
  shape: number[];
  values: ArrayLike<number>;
}

async function on(backend: string, compute: () => tf.Tensor | tf.Tensor[]): Promise<Result[]> {
  await tf.setBackend(backend);
  const tensors = [tf.tidy(compute)].flat();
  const results = tensors.map((t) => ({ shape: t.shape, values: t.dataSync() }));
  tf.dispose(tensors);
  return results;
}

async function agree(compute: () => tf.Tensor | tf.Tensor[]): Promise<void> {
  const actual = await on("wasm", compute);
  const expected = await on("cpu", compute);
  expected.forEach((want, r) => {
    const got = actual[r] as Result;
    expect(got.shape).toEqual(want.shape);
    let largest = 0;
    let worst = 0;
    for (let i = 0; i < want.values.length; i++) {
      largest = Math.max(largest, Math.abs(want.values[i] as number));
      const error = Math.abs((got.values[i] as number) - (want.values[i] as number));
      worst = error > worst || Number.isNaN(error) ? error : worst;
    }
    expect(worst).toBeLessThanOrEqual(TOLERANCE * Math.max(largest, 1e-3));
  });
}

const law = (property: fc.IAsyncProperty<unknown>, numRuns = 60) =>
  fc.assert(property as fc.IAsyncProperty<[unknown]>, { numRuns });
const seed = fc.integer({ min: 0, max: 1e6 });
const run = (name: string, inputs: Record<string, tf.Tensor>, attributes: object = {}) =>
  tf.engine().runKernel(name, inputs, attributes as tf.NamedAttrMap) as tf.Tensor;

describe("group normalisation", () => {
  // The gradient of a group of one or two numbers is what rounding leaves of 0.
  const sizes = fc
    .tuple(
      fc.integer({ min: 1, max: 5 }),
      fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(63, 64, 65, 130, 1024)),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      fc.constantFrom(0, 3),
      seed,
    )
    .filter(([, positions, , perGroup]) => positions * perGroup > 3);
  const drawn = ([batch, positions, groups, perGroup, offset, s]: number[]) => {
    const channels = groups! * perGroup!;
    return {
      x: tf.add(numbers([batch!, positions!, channels], s!), offset!) as tf.Tensor3D,
      gamma: numbers([channels], s! + 1),
      beta: numbers([channels], s! + 2),
      dy: numbers([batch!, positions!, channels], s! + 3),
    };
  };
  const epsilon = 1e-2;

  it("agrees with cpu", () =>
    law(
      fc.asyncProperty(sizes, (size) =>
        agree(() => {
          const { x, gamma, beta } = drawn(size);
          return normalizeGroups(x, gamma, beta, size[2], epsilon);
        }),
      ),
    ));

  it("agrees with cpu on the gradients of input, scale and shift", () =>
    law(
      fc.asyncProperty(sizes, (size) =>
        agree(() => {
          const { x, gamma, beta, dy } = drawn(size);
          const normalize = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) =>
            normalizeGroups(a as tf.Tensor3D, b, c, size[2], epsilon);
          return tf.grads((a, b, c) => normalize(a!, b!, c!))([x, gamma, beta], dy);
        }),
      ),
    ));
});

describe("products", () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(31, 32, 33, 64, 70));
  it("agree with cpu in every orientation, with batches and broadcasting", () =>
    law(
      fc.asyncProperty(
        fc.tuple(
          size,
          size,
          size,
          fc.constantFrom([1, 1], [3, 3], [1, 3], [3, 1]),
          fc.boolean(),
          fc.boolean(),
          seed,
        ),
        ([m, n, k, batches, transposeA, transposeB, s]) =>
          agree(() =>
            tf.matMul(
              numbers([batches[0] as number, ...(transposeA ? [k, m] : [m, k])], s),
              numbers([batches[1] as number, ...(transposeB ? [n, k] : [k, n])], s + 1),
              transposeA,
              transposeB,
            ),
          ),
      ),
    ));

  it("agree across the depth that is packed at once", () =>
    law(
      fc.asyncProperty(
        fc.tuple(
          fc.integer({ min: 505, max: 1040 }),
          fc.integer({ min: 1, max: 9 }),
          fc.boolean(),
          fc.boolean(),
          seed,
        ),
        ([k, n, transposeA, transposeB, s]) =>
          agree(() =>
            tf.matMul(
              numbers(transposeA ? [k, 5] : [5, k], s),
              numbers(transposeB ? [n, k] : [k, n], s + 1),
              transposeA,
              transposeB,
            ),
          ),
      ),
      20,
    ));

  it("agree with a bias and every activation", () =>
    law(
      fc.asyncProperty(
        fc.tuple(
          size,
          size,
          fc.oneof(size, fc.constant(600)),
          fc.constantFrom("linear", "relu", "relu6", "sigmoid", "leakyrelu") as fc.Arbitrary<"relu">,
          fc.boolean(),
          seed,
        ),
        ([m, n, k, activation, transposeA, s]) =>
          agree(() =>
            tf.fused.matMul({
              a: numbers(transposeA ? [k, m] : [m, k], s) as tf.Tensor2D,
              b: numbers([k, n], s + 1) as tf.Tensor2D,
              bias: numbers([n], s + 2),
              transposeA,
              activation,
            }),
          ),
      ),
    ));

  it("are zeros over an empty depth and empty where an outer size is 0", () =>
    agree(() => [
      tf.matMul(tf.zeros([3, 0]), tf.zeros([0, 5])),
      tf.matMul(tf.zeros([0, 4]), tf.zeros([4, 5])),
    ]));
});

const small = fc.integer({ min: 1, max: 5 });
const padding = fc.oneof(
  fc.constantFrom("same", "valid") as fc.Arbitrary<"same">,
  fc.integer({ min: 0, max: 2 }),
  fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)).map(
    ([t, b, l, r]) =>
      [
        [0, 0],
        [t, b],
        [l, r],
        [0, 0],
      ] as tf.backend_util.ExplicitPadding,
  ),
);
/** Images that hold at least one window. */
const geometry = fc
  .record({
    batch: fc.integer({ min: 1, max: 4 }),
    extra: fc.tuple(fc.nat(9), fc.nat(9)),
    filter: fc.tuple(small, small),
    strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    pad: padding,
    inChannels: fc.constantFrom(1, 2, 3, 4, 5, 8, 9, 16),
    outChannels: fc.constantFrom(1, 3, 4, 7, 8, 10, 16, 17),
    seed,
  })
  // With padding given as one number tfjs takes the filter's height for its width too.
  .map((g) =>
    typeof g.pad === "number" ? { ...g, filter: [g.filter[0], g.filter[0]] as [number, number] } : g,
  );
const imagesOf = (g: {
  batch: number;
  extra: [number, number];
  filter: [number, number];
  inChannels: number;
}) => [g.batch, g.filter[0] + g.extra[0], g.filter[1] + g.extra[1], g.inChannels];

describe("convolutions", () => {
  it("forward agrees for every stride and padding", () =>
    law(
      fc.asyncProperty(geometry, (g) =>
        agree(() =>
          tf.conv2d(
            numbers(imagesOf(g), g.seed) as tf.Tensor4D,
            numbers([...g.filter, g.inChannels, g.outChannels], g.seed + 1) as tf.Tensor4D,
            g.strides,
            g.pad,
          ),
        ),
      ),
    ));

  it("forward agrees with bias, activation and dilation", () =>
    law(
      fc.asyncProperty(
        geometry,
        fc.constantFrom("linear", "relu", "relu6", "sigmoid") as fc.Arbitrary<"relu">,
        fc.constantFrom(1, 1, 2),
        (g, activation, dilations) =>
          agree(() =>
            tf.fused.conv2d({
              x: numbers([g.batch, 9, 8, g.inChannels], g.seed) as tf.Tensor4D,
              filter: numbers([3, 2, g.inChannels, g.outChannels], g.seed + 1) as tf.Tensor4D,
              strides: dilations === 1 ? g.strides : 1,
              pad: "same",
              dilations,
              bias: numbers([g.outChannels], g.seed + 2),
              activation,
            }),
          ),
      ),
      30,
    ));

  it("both gradients agree for every stride and padding", () =>
    law(
      fc.asyncProperty(geometry, (g) =>
        agree(() => {
          const x = numbers(imagesOf(g), g.seed) as tf.Tensor4D;
          const filter = numbers([...g.filter, g.inChannels, g.outChannels], g.seed + 1) as tf.Tensor4D;
          const y = tf.conv2d(x, filter, g.strides, g.pad);
          const dy = numbers(y.shape, g.seed + 2);
          const attributes = { strides: g.strides, pad: g.pad, dataFormat: "NHWC" };
          return [
            run("Conv2DBackpropInput", { dy, filter }, { ...attributes, inputShape: x.shape }),
            run("Conv2DBackpropFilter", { x, dy }, { ...attributes, filterShape: filter.shape }),
          ];
        }),
      ),
      150,
    ));

  it("agree on images larger than a block", () =>
    agree(() => {
      const x = numbers([3, 37, 29, 3], 1) as tf.Tensor4D;
      const filter = numbers([5, 4, 3, 11], 2) as tf.Tensor4D;
      const y = tf.conv2d(x, filter, 1, "same");
      const dy = numbers(y.shape, 3);
      const attributes = { strides: 1, pad: "same", dataFormat: "NHWC" };
      return [
        y,
        run("Conv2DBackpropInput", { dy, filter }, { ...attributes, inputShape: x.shape }),
        run("Conv2DBackpropFilter", { x, dy }, { ...attributes, filterShape: filter.shape }),
      ];
    }));

  it("depthwise gradients agree for every stride, padding and multiplier", () =>
    law(
      fc.asyncProperty(geometry, fc.integer({ min: 1, max: 3 }), (g, multiplier) =>
        agree(() => {
          const x = numbers(imagesOf(g), g.seed) as tf.Tensor4D;
          const filter = numbers([...g.filter, g.inChannels, multiplier], g.seed + 1) as tf.Tensor4D;
          const info = tf.backend_util.computeConv2DInfo(
            x.shape,
            filter.shape,
            g.strides,
            1,
            g.pad,
            undefined,
            true,
          );
          const dy = numbers(info.outShape, g.seed + 2);
          const attributes = { strides: g.strides, pad: g.pad, dilations: [1, 1] };
          return [
            run("DepthwiseConv2dNativeBackpropInput", { dy, filter }, { ...attributes, inputShape: x.shape }),
            run(
              "DepthwiseConv2dNativeBackpropFilter",
              { x, dy },
              { ...attributes, filterShape: filter.shape },
            ),
          ];
        }),
      ),
    ));

  it("say what they cannot do", async () => {
    await tf.setBackend("wasm");
    const x = tf.zeros([1, 2, 2, 1]) as tf.Tensor4D;
    expect(() => tf.conv2d(x, tf.zeros([5, 1, 1, 1]) as tf.Tensor4D, 1, 0)).toThrow(/filter of 5×1 .* 2×2/);
    x.dispose();
    const dy = tf.zeros([1, 2, 3, 3]);
    expect(() =>
      run(
        "Conv2DBackpropFilter",
        { x: dy, dy },
        { strides: 1, pad: "same", dataFormat: "NCHW", filterShape: [1, 1, 2, 2] },
      ),
    ).toThrow(/Conv2DBackpropFilter on the wasm backend takes float32, NHWC/);
    dy.dispose();
  });
});

describe("pooling gradients", () => {
  it("agree for every window, stride and padding", () =>
    law(
      fc.asyncProperty(geometry, (g) =>
        agree(() => {
          const x = numbers(imagesOf(g), g.seed) as tf.Tensor4D;
          const pad = typeof g.pad === "object" ? "same" : g.pad;
          const attributes = { filterSize: g.filter, strides: g.strides, pad };
          const info = tf.backend_util.computePool2DInfo(x.shape, g.filter, g.strides, 1, pad);
          const dy = numbers(info.outShape, g.seed + 1);
          return [
            run("MaxPoolGrad", { dy, input: x, output: dy }, attributes),
            run("AvgPoolGrad", { dy, input: x }, attributes),
          ];
        }),
      ),
      100,
    ));

  it("of equal inputs goes to the first", () =>
    agree(() => {
      const x = tf.ones([1, 4, 4, 5]);
      const dy = numbers([1, 2, 2, 5], 1);
      return run("MaxPoolGrad", { dy, input: x, output: dy }, { filterSize: 2, strides: 2, pad: "valid" });
    }));
});

describe("sums", () => {
  const shape = fc
    .array(fc.constantFrom(1, 2, 3, 4, 5, 7, 16, 20), { minLength: 1, maxLength: 5 })
    .filter((s) => (s as number[]).reduce((a, b) => a * b, 1) < 20000);
  it("and means over any axes agree", () =>
    law(
      fc.asyncProperty(shape, fc.array(fc.nat(4)), fc.boolean(), seed, (s, wanted, keepDims, from) => {
        const axes = [...new Set(wanted.filter((axis) => axis < s.length))];
        return agree(() => {
          const x = numbers(s, from);
          const axis = axes.length > 0 ? axes : undefined;
          return [tf.sum(x, axis, keepDims), tf.mean(x, axis, keepDims)];
        });
      }),
      150,
    ));

  it("stay exact over many rows", async () => {
    const [result] = await on("wasm", () => tf.sum(tf.fill([100_000, 3], 0.1), 0));
    for (const value of Array.from((result as Result).values)) {
      expect(Math.abs(value / (100_000 * Math.fround(0.1)) - 1)).toBeLessThan(1e-6);
    }
  });
});

describe("arithmetic", () => {
  const lengths = fc.array(fc.constantFrom(1, 2, 3, 4, 8, 17), { minLength: 0, maxLength: 4 });
  it("agrees however the operands repeat", () =>
    law(
      fc.asyncProperty(lengths, fc.nat(255), fc.nat(4), seed, (shape, repeats, dropped, s) => {
        const repeat = (bits: number) => shape.map((length, i) => ((bits >> i) & 1 ? 1 : length));
        return agree(() => {
          const a = numbers(repeat(repeats & 15).slice(dropped === 4 ? 1 : 0), s);
          const b = numbers(repeat(repeats >> 4).slice(dropped % 4), s + 1);
          return [
            tf.add(a, b),
            tf.sub(a, b),
            tf.mul(a, b),
            tf.div(a, tf.add(tf.abs(b), 0.5)),
            tf.squaredDifference(a, b),
          ];
        });
      }),
      200,
    ));

  it("agrees on the means of groups and on integers", () =>
    agree(() => {
      const x = numbers([3, 25, 8, 2], 1);
      const mean = numbers([3, 1, 8, 1], 2);
      return [tf.sub(x, mean), tf.sub(mean, x), tf.add(tf.tensor1d([1, 2], "int32"), tf.scalar(3, "int32"))];
    }));
});

describe("the rest", () => {
  it("gradient of relu agrees", () =>
    law(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), seed, (length, s) =>
        agree(() => tf.grad((x) => tf.mul(tf.relu(x), numbers([length], s + 1)))(numbers([length], s))),
      ),
      20,
    ));

  it("gradient of an embedding lookup agrees, indices repeated", () =>
    law(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 9 }),
        fc.array(fc.nat(100), { minLength: 1, maxLength: 30 }),
        seed,
        (rows, width, wanted, s) =>
          agree(() => {
            const indices = tf.tensor1d(
              wanted.map((i) => i % rows),
              "int32",
            );
            return tf.grad((table) => tf.mul(tf.gather(table, indices), numbers([wanted.length, width], s)))(
              numbers([rows, width], s + 1),
            );
          }),
      ),
      30,
    ));

  it("clones and casts share their numbers and outlive the first of them", async () => {
    await tf.setBackend("wasm");
    const x = numbers([5], 1);
    const values = x.dataSync();
    const clone = tf.clone(x);
    const same = tf.cast(clone, "float32");
    const whole = tf.cast(tf.mul(x, 4), "int32");
    x.dispose();
    clone.dispose();
    expect(same.dataSync()).toEqual(values);
    expect(Array.from(whole.dataSync())).toEqual(Array.from(values, (v) => Math.trunc(v * 4) + 0));
    tf.dispose([same, whole]);
  });

  it("kernels leave no tensors and keep no data in tfjs's memory", async () => {
    await tf.setBackend("wasm");
    const before = tf.memory().numTensors;
    await agree(() => tf.sum(numbers([3, 4, 5], 1), [0, 2]));
    expect(tf.memory().numTensors).toBe(before);
    // A data section (id 11) would overwrite whatever tfjs keeps there.
    const bytes = Uint8Array.from(atob(compiled), (c) => c.charCodeAt(0));
    const sections: number[] = [];
    for (let at = 8; at < bytes.length; ) {
      sections.push(bytes[at++] as number);
      let size = 0;
      for (let shift = 0; ; shift += 7) {
        const byte = bytes[at++] as number;
        size |= (byte & 127) << shift;
        if (byte < 128) break;
      }
      at += size;
    }
    expect(sections).not.toContain(11);
  });

  it("putting tfjs's own kernels back and ours again changes nothing else", () => {
    const names = () =>
      tf
        .getKernelsForBackend("wasm")
        .map((k) => k.kernelName)
        .sort();
    const ours = names();
    restore();
    for (const added of ["Conv2DBackpropFilter", "UnsortedSegmentSum"]) expect(names()).not.toContain(added);
    expect(tf.getKernel("Relu", "wasm")).toBeDefined();
    restore = registerTrainingKernels();
    expect(names()).toEqual(ours);
    expect(ours).toEqual(expect.arrayContaining(trainingKernels.map((k) => k.name)));
  });
});
