import type { Kernels } from "../kernels.js";
import { compiled, compiledShared } from "./compiled.js";

let plainModule: WebAssembly.Module | undefined;
let sharedModule: WebAssembly.Module | undefined;

function compile(base64: string): WebAssembly.Module {
  return new WebAssembly.Module(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
}

/** The same code, for a memory of one thread or of several: WebAssembly has it that a module says which it takes. */
function moduleFor(memory: WebAssembly.Memory): WebAssembly.Module {
  if (memory.buffer instanceof ArrayBuffer) {
    plainModule ??= compile(compiled);
    return plainModule;
  }
  sharedModule ??= compile(compiledShared);
  return sharedModule;
}

/** The SIMD kernels over `memory`. */
export function createSimdKernels(memory: WebAssembly.Memory): Kernels {
  const { exports } = new WebAssembly.Instance(moduleFor(memory), { env: { memory } });
  const heapBase = (exports.endOfData as () => number)();
  return { ...exports, heapBase } as unknown as Kernels;
}
