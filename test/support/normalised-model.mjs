import { initializers, layers, sequential } from "@tensorflow/tfjs-layers";

/** A model whose evaluation depends on statistics that stay with the peer. */
export default ({ inputShape, classes, seed }) =>
  sequential({
    layers: [
      layers.flatten({ inputShape }),
      layers.batchNormalization({ momentum: 0.5 }),
      layers.dense({ units: classes, kernelInitializer: initializers.glorotUniform({ seed }) }),
    ],
  });
