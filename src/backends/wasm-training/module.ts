import { isNode } from "../../foundation/platform.js";
import type { Assembly } from "./assembly.js";
import { compiled, compiledRelaxed } from "./compiled.js";

let usual: WebAssembly.Module | undefined;
let relaxed: WebAssembly.Module | undefined;

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
}

/** Whether the engine has relaxed SIMD, whose multiply-adds round once. */
export function hasRelaxedSimd(): boolean {
  return relaxedModule() !== undefined;
}

function relaxedModule(): WebAssembly.Module | undefined {
  if (relaxed) return relaxed;
  const bytes = bytesOf(compiledRelaxed);
  if (!WebAssembly.validate(bytes)) {
    if (!isNode()) return undefined;
    // Node 20 has it behind a flag.
    process.getBuiltinModule?.("node:v8").setFlagsFromString("--experimental-wasm-relaxed-simd");
    if (!WebAssembly.validate(bytes)) return undefined;
  }
  relaxed = new WebAssembly.Module(bytes);
  return relaxed;
}

/**
 * The training kernels over a memory. They keep no data of their own in it.
 *
 * @param isFast with multiply-adds that round once, where the engine has them
 */
export function trainingKernels(memory: WebAssembly.Memory, isFast = false): Assembly {
  usual ??= new WebAssembly.Module(bytesOf(compiled));
  const module = (isFast && relaxedModule()) || usual;
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Assembly;
}
