// What a user of the package may name in an experiment file: models and data sets of their own.
import { initializers, layers, sequential } from "@tensorflow/tfjs-layers";

function dense({ inputShape, outputs }, kernelInitializer) {
  return sequential({ layers: [layers.dense({ units: outputs, inputShape, kernelInitializer })] });
}

export default (context, { scale = 1 } = {}) =>
  dense(context, initializers.randomUniform({ minval: -scale, maxval: scale, seed: context.seed }));

export const unseeded = (context) => dense(context, initializers.glorotUniform({}));

export const nothing = () => ({ layers: "none" });

const examples = (count) => ({
  features: new Float32Array(3 * count),
  labels: Int32Array.from({ length: count }, (_, k) => k % 2),
});

export const data = { inputShape: [3], classes: 2, train: examples(8), test: examples(2) };

export const loadData = async ({ count }) => ({ ...data, name: "mine", train: examples(count) });

export const broken = {
  shape: { ...data, inputShape: 3 },
  classes: { ...data, classes: 0 },
  features: { ...data, train: { ...examples(8), features: [1, 2, 3] } },
  count: { ...data, test: { ...examples(2), features: new Float32Array(5) } },
  labels: { ...data, test: { ...examples(2), labels: new Int32Array(3) } },
};
export const { shape, classes, features, count, labels } = broken;
