import { compiled, compiledShared } from "./compiled.js";
import type { Kernels } from "./kernels.js";

let plainModule: WebAssembly.Module | undefined;
let sharedModule: WebAssembly.Module | undefined;

function compile(base64: string): WebAssembly.Module {
  return new WebAssembly.Module(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)));
}

/** The same code, for a memory of one thread or of several: a module must declare whether its memory is shared. */
function moduleFor(memory: WebAssembly.Memory): WebAssembly.Module {
  if (memory.buffer instanceof ArrayBuffer) {
    plainModule ??= compile(compiled);
    return plainModule;
  }
  sharedModule ??= compile(compiledShared);
  return sharedModule;
}

/** What a thread's kernels keep within a call, in bytes; as `assembly/room.ts` has it. */
export const ROOM_BYTES = 64 * 65;

/**
 * The SIMD kernels over `memory`.
 *
 * @param room where another thread's kernels keep what they must; the first thread's do so before the heap
 */
export function createSimdKernels(memory: WebAssembly.Memory, room?: number): Kernels {
  const { exports } = new WebAssembly.Instance(moduleFor(memory), { env: { memory } });
  const firstRoom = Math.ceil((exports.endOfData as () => number)() / 64) * 64;
  (exports.workIn as (address: number) => void)(room ?? firstRoom);
  return { heapBase: firstRoom + ROOM_BYTES, ...exports } as unknown as Kernels;
}
