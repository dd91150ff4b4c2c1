// A finished model, as a user's module may export it. It is made when the module is read, so tfjs must be ready.
import { initializers, layers, sequential } from "@tensorflow/tfjs-layers";

export default sequential({
  layers: [
    layers.dense({ units: 4, inputShape: [3], kernelInitializer: initializers.glorotUniform({ seed: 5 }) }),
  ],
});
