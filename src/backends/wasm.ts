import { createRequire } from "node:module";
import type { BackendKind } from "../backend.js";

/** tfjs's WebAssembly with our own kernels for training. The default: the same everywhere, and to the bit. */
export const wasm: BackendKind = {
  name: "wasm",
  about: "WebAssembly with SIMD, one thread; needs nothing to be installed",
  packages: [],
  remedy: "use Node 20 or later on a processor with SIMD",
  async start() {
    const { setThreadsCount, setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    const { setBackend } = await import("@tensorflow/tfjs-core");
    const entry = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm");
    setWasmPaths(entry.slice(0, 1 + Math.max(entry.lastIndexOf("/"), entry.lastIndexOf("\\"))));
    // Several threads would add numbers in another order from run to run.
    setThreadsCount(1);
    if (!(await setBackend("wasm"))) throw new Error("WebAssembly does not start");
    // tfjs's gradients come with its layers, and one of them is replaced.
    await import("@tensorflow/tfjs-layers");
    const { registerTrainingKernels } = await import("./wasm-training/index.js");
    registerTrainingKernels();
    return "WebAssembly with SIMD, one thread";
  },
};
