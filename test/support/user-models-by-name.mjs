// Models of one layout that compute different things, as a user's modules may export them.
import { initializers, layers, sequential } from "@tensorflow/tfjs-layers";

const withActivation =
  (activation) =>
  ({ inputShape, classes, seed }) => {
    const kernelInitializer = initializers.glorotUniform({ seed });
    return sequential({
      layers: [
        layers.dense({ units: 4, inputShape, activation, kernelInitializer }),
        layers.dense({ units: classes, kernelInitializer }),
      ],
    });
  };

export const relu = withActivation("relu");
export const sigmoid = withActivation("sigmoid");
