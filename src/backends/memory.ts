/** Numbers between our arrays and tensors, without an array in between where the backend's memory is open. */
import { backend, getBackend, type Tensor, tensor, type Variable } from "@tensorflow/tfjs-core";

/** What the wasm backend has beyond others: its memory, and where in it each tensor lies. */
interface OpenMemory {
  readonly wasm?: { readonly HEAPU8: Uint8Array };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number; readonly refCount: number } };
}

/** Whether results can be read at once. Those of WebGPU have to be waited for, which a gradient function cannot. */
export function readsAtOnce(): boolean {
  return getBackend() !== "webgpu";
}

/** A float32 tensor's numbers where the wasm backend has them; undefined on other backends. */
function openNumbers({ dataId, size }: Tensor): Float32Array | undefined {
  const { wasm, dataIdMap } = backend() as unknown as OpenMemory;
  // An address above 2 GiB is negative; the memory's buffer is another one after it grew.
  return wasm && new Float32Array(wasm.HEAPU8.buffer, dataIdMap.get(dataId).memoryOffset >>> 0, size);
}

/** Copies a float32 tensor's numbers into `out`. */
export async function readInto(tensor: Tensor, out: Float32Array): Promise<void> {
  out.set(openNumbers(tensor) ?? ((await tensor.data()) as Float32Array));
}

/** Sets a float32 variable's numbers. */
export function writeInto(variable: Variable, numbers: Float32Array<ArrayBufferLike>): void {
  // In place where no other tensor has the same memory.
  const isItsOwn = (backend() as unknown as OpenMemory).dataIdMap?.get(variable.dataId)?.refCount === 1;
  const open = isItsOwn ? openNumbers(variable) : undefined;
  if (open) {
    open.set(numbers);
    return;
  }
  // Native backends take no views of memory that threads share, and cpu keeps the very array that it is given.
  const value = tensor(numbers.slice(), variable.shape, "float32");
  variable.assign(value);
  value.dispose();
}
