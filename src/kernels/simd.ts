import type { Kernels } from "../kernels.js";
import { compiled } from "./compiled.js";

let compiledModule: WebAssembly.Module | undefined;

function moduleOnce(): WebAssembly.Module {
  if (!compiledModule) {
    const bytes = Uint8Array.from(atob(compiled), (character) => character.charCodeAt(0));
    compiledModule = new WebAssembly.Module(bytes);
  }
  return compiledModule;
}

/** The SIMD kernels over `memory`. */
export function createSimdKernels(memory: WebAssembly.Memory): Kernels {
  const { exports } = new WebAssembly.Instance(moduleOnce(), { env: { memory } });
  const heapBase = (exports.endOfData as () => number)();
  return { ...exports, heapBase } as unknown as Kernels;
}
