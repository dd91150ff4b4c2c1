import {
  engine,
  type GradConfig,
  getBackend,
  getGradient,
  registerGradient,
  type Tensor,
  unregisterGradient,
} from "@tensorflow/tfjs-core";

/** tfjs's gradient of relu is step, cast and multiply: three passes where one does. */
const relu: GradConfig = {
  kernelName: "Relu",
  inputsToSave: ["x"],
  gradFunc: (dy, saved) => ({
    x: () => engine().runKernel("ReluGrad", { dy: dy as Tensor, x: saved[0] as Tensor }) as Tensor,
  }),
};

/** Replaces gradients while `backendName` is the current backend. @returns a function that puts the old ones back */
export function registerTrainingGradients(backendName: string): () => void {
  const undo: (() => void)[] = [];
  for (const gradient of [relu]) {
    const stock = getGradient(gradient.kernelName);
    if (!stock) continue;
    unregisterGradient(gradient.kernelName);
    registerGradient({
      ...stock,
      gradFunc: (dy, saved, attributes) =>
        (getBackend() === backendName ? gradient : stock).gradFunc(dy, saved, attributes),
    });
    undo.push(() => {
      unregisterGradient(gradient.kernelName);
      registerGradient(stock);
    });
  }
  return () => {
    for (const step of undo) step();
  };
}
