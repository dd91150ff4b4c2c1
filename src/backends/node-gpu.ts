import type { BackendKind } from "../backend.js";

const PACKAGE = "@tensorflow/tfjs-node-gpu";

/** TensorFlow's own library on an NVIDIA GPU. */
export const nodeGpu: BackendKind = {
  name: "node-gpu",
  about: "libtensorflow on an NVIDIA GPU (Linux, Windows)",
  packages: [PACKAGE],
  remedy: `install CUDA 11.2 and cuDNN 8.1, then npm install ${PACKAGE} (downloads libtensorflow from storage.googleapis.com)`,
  async start() {
    const { forgetTensorflow, loadTensorflow } = await import("./tensorflow.js");
    const { version, usesGpu } = await loadTensorflow(PACKAGE);
    if (!usesGpu) {
      forgetTensorflow();
      throw new Error("the library loads, but finds no GPU that it can use");
    }
    return `libtensorflow ${version} on an NVIDIA GPU`;
  },
};
