import "@tensorflow/tfjs-backend-cpu";
import * as tf from "@tensorflow/tfjs-core";
import * as layers from "@tensorflow/tfjs-layers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { registerTrainingKernels } from "../src/backends/wasm-training/index.js";

// Whole models: the same steps from the same weights end at the same losses as on the cpu backend, and leave nothing.
let restore: () => void;
beforeAll(() => {
  restore = registerTrainingKernels();
});
afterAll(() => restore());

const BATCH = 4;
const STEPS = 3;

type Forward = (x: tf.Tensor) => tf.Tensor;
interface Model {
  readonly shape: number[];
  readonly build: () => { readonly forward: Forward; readonly variables: tf.Variable[] };
}

function numbers(shape: number[], scale: number, seed: number): tf.Tensor {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => scale * Math.sin(i * 12.9898 + seed)),
    shape,
  );
}

function ofLayers(...stack: layers.layers.Layer[]): Model["build"] {
  return () => {
    const model = layers.sequential({ layers: stack });
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    variables.forEach((variable, i) => {
      tf.tidy(() => variable.assign(numbers(variable.shape, 0.2, i)));
    });
    return { forward: (x) => model.apply(x, { training: true }) as tf.Tensor, variables };
  };
}

/** Attention of two heads over four characters, with layer normalisation and GELU. */
function attention(): ReturnType<Model["build"]> {
  const [tokens, width, heads, vocabulary] = [4, 8, 2, 6];
  const shapes = [
    [vocabulary, width],
    [width, width],
    [width, width],
    [width, width],
    [width, 10],
  ];
  const variables = shapes.map((shape, i) => tf.tidy(() => tf.variable(numbers(shape, 0.3, i))));
  const [embedding, query, key, value, head] = variables as [
    tf.Variable,
    tf.Variable,
    tf.Variable,
    tf.Variable,
    tf.Variable,
  ];
  const split = (x: tf.Tensor) =>
    tf.transpose(tf.reshape(x, [BATCH, tokens, heads, width / heads]), [0, 2, 1, 3]);
  const forward: Forward = (x) => {
    const ids = tf.cast(tf.mul(tf.abs(x), 100), "int32");
    const h = tf.gather(embedding, tf.mod(ids, tf.scalar(vocabulary, "int32")));
    const { mean, variance } = tf.moments(h, -1, true);
    const normal = tf.reshape(tf.mul(tf.sub(h, mean), tf.rsqrt(tf.add(variance, 1e-3))), [-1, width]);
    const [q, k, v] = [query, key, value].map((w) => split(tf.matMul(normal, w))) as [
      tf.Tensor,
      tf.Tensor,
      tf.Tensor,
    ];
    const mixed = tf.matMul(tf.softmax(tf.mul(tf.matMul(q, k, false, true), 0.5)), v);
    const joined = tf.add(h, tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [BATCH, tokens, width]));
    const gelu = tf.mul(joined, tf.mul(0.5, tf.add(1, tf.erf(tf.div(joined, Math.SQRT2)))));
    return tf.matMul(tf.mean(gelu, 1) as tf.Tensor2D, head as tf.Tensor2D);
  };
  return { forward, variables };
}

const { conv2d, dense, flatten, maxPooling2d, averagePooling2d, depthwiseConv2d, batchNormalization } =
  layers.layers;
const MODELS: Record<string, Model> = {
  "a perceptron": {
    shape: [20],
    build: () => ofLayers(dense({ units: 12, activation: "relu", inputShape: [20] }), dense({ units: 10 }))(),
  },
  "a convolutional network": {
    shape: [9, 9, 3],
    build: () =>
      ofLayers(
        conv2d({ filters: 6, kernelSize: 3, padding: "same", activation: "relu", inputShape: [9, 9, 3] }),
        maxPooling2d({ poolSize: 3, strides: 2 }),
        conv2d({ filters: 5, kernelSize: 3, strides: 2, padding: "same", useBias: false }),
        batchNormalization(),
        flatten(),
        dense({ units: 10, activation: "elu" }),
      )(),
  },
  "a depthwise network": {
    shape: [8, 8, 4],
    build: () =>
      ofLayers(
        depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, activation: "sigmoid", inputShape: [8, 8, 4] }),
        averagePooling2d({ poolSize: 2 }),
        flatten(),
        dense({ units: 10 }),
      )(),
  },
  "attention over embeddings": { shape: [4], build: attention },
};

async function losses(backend: string, model: Model): Promise<number[]> {
  await tf.setBackend(backend);
  const { forward, variables } = model.build();
  const x = numbers([BATCH, ...model.shape], 1, 7);
  const labels = tf.tidy(() => tf.oneHot(tf.tensor1d([1, 3, 5, 9], "int32"), 10));
  const optimizer = tf.train.momentum(0.1, 0.9);
  const seen: number[] = [];
  let tensors = 0;
  for (let step = 0; step < STEPS; step++) {
    const loss = optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(labels, forward(x)) as tf.Scalar,
      true,
      variables,
    );
    seen.push(loss?.dataSync()[0] as number);
    loss?.dispose();
    if (step === 0) tensors = tf.memory().numTensors;
  }
  expect(tf.memory().numTensors).toBe(tensors);
  optimizer.dispose();
  tf.dispose([x, labels, ...variables]);
  return seen;
}

it.each(Object.keys(MODELS))("%s trains as on the cpu backend and leaves no tensors", async (name) => {
  const model = MODELS[name] as Model;
  const ours = await losses("wasm", model);
  const expected = await losses("cpu", model);
  expect(expected[STEPS - 1]).not.toBe(expected[0]);
  ours.forEach((loss, i) => {
    expect(Math.abs(loss - (expected[i] as number))).toBeLessThan(1e-4 * Math.abs(expected[i] as number));
  });
});
