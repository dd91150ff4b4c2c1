import { initializers, layers, sequential } from "@tensorflow/tfjs-layers";

/** A layer for which tfjs has no gradient. */
export default ({ inputShape, outputs, classes, seed }) =>
  sequential({
    layers: [
      layers.flatten({ inputShape }),
      layers.dense({ units: 8, kernelInitializer: initializers.glorotUniform({ seed }) }),
      layers.thresholdedReLU({ theta: 0.1 }),
      layers.dense({
        units: outputs ?? classes,
        kernelInitializer: initializers.glorotUniform({ seed: seed + 1 }),
      }),
    ],
  });
