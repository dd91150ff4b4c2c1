import type { BackendKind } from "../backend.js";

const PACKAGE = "@tensorflow/tfjs-node";

/** TensorFlow's own library on the processor, all cores. */
export const node: BackendKind = {
  name: "node",
  about: "libtensorflow on the processor, all cores",
  packages: [PACKAGE],
  remedy: `npm install ${PACKAGE} (downloads libtensorflow from storage.googleapis.com); or build its binding: scripts/build-native.mjs`,
  async start() {
    const { loadTensorflow } = await import("./tensorflow.js");
    const { version } = await loadTensorflow(PACKAGE);
    return `libtensorflow ${version} on the processor`;
  },
};
