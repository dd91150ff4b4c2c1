import { initializers, layers, sequential } from "@tensorflow/tfjs-layers";

/** A layer for which tfjs has no gradient: resizing. */
export default ({ inputShape, outputs, classes, seed }) =>
  sequential({
    layers: [
      layers.flatten({ inputShape }),
      layers.dense({ units: 16, kernelInitializer: initializers.glorotUniform({ seed }) }),
      layers.reshape({ targetShape: [4, 4, 1] }),
      layers.resizing({ height: 2, width: 2 }),
      layers.flatten(),
      layers.dense({
        units: outputs ?? classes,
        kernelInitializer: initializers.glorotUniform({ seed: seed + 1 }),
      }),
    ],
  });
