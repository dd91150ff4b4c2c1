import type { BackendKind } from "../backend.js";
import { isNode } from "../foundation/platform.js";
import { requireHere } from "./installed.js";

/**
 * tfjs's WebAssembly with our own kernels for training. The default: the same everywhere, and to the bit.
 *
 * In a browser the module is fetched from beside the page, as `tfjs-backend-wasm-simd.wasm`; a page that has it
 * elsewhere calls `setWasmPaths` of `@tensorflow/tfjs-backend-wasm` first.
 */
export const wasm: BackendKind = {
  name: "wasm",
  about: "WebAssembly with SIMD, one thread; needs nothing to be installed",
  packages: [],
  remedy:
    "use Node 20 or later on a processor with SIMD; a browser also needs tfjs-backend-wasm-simd.wasm beside the page",
  async start() {
    const { setThreadsCount, setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm");
    const { env, setBackend } = await import("@tensorflow/tfjs-core");
    if (isNode()) setWasmPaths(await folderOfModules());
    // Several threads would add numbers in another order from run to run, and share a memory that our kernels cannot
    // join. Browsers would take that build on pages that are cross-origin isolated.
    setThreadsCount(1);
    env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    if (!(await setBackend("wasm"))) throw new Error("WebAssembly does not start");
    // tfjs's gradients come with its layers, and one of them is replaced.
    await import("@tensorflow/tfjs-layers");
    const { registerTrainingKernels } = await import("./wasm-training/index.js");
    registerTrainingKernels();
    return "WebAssembly with SIMD, one thread";
  },
};

/** Where the compiled modules of tfjs's backend are, with the separator at its end. */
async function folderOfModules(): Promise<string> {
  const entry = (await requireHere()).resolve("@tensorflow/tfjs-backend-wasm");
  return entry.slice(0, 1 + Math.max(entry.lastIndexOf("/"), entry.lastIndexOf("\\")));
}
