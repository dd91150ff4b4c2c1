import type { Assembly } from "./assembly.js";
import { compiled } from "./compiled.js";

let compiledModule: WebAssembly.Module | undefined;

/** The training kernels over a memory. They keep no data of their own in it. */
export function trainingKernels(memory: WebAssembly.Memory): Assembly {
  compiledModule ??= new WebAssembly.Module(Uint8Array.from(atob(compiled), (c) => c.charCodeAt(0)));
  return new WebAssembly.Instance(compiledModule, { env: { memory } }).exports as unknown as Assembly;
}
