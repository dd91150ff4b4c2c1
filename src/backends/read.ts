import { backend, getBackend, type Tensor } from "@tensorflow/tfjs-core";

/** What the wasm backend has beyond others: its memory, and where in it each tensor lies. */
interface OpenMemory {
  readonly wasm?: { readonly HEAPU8: Uint8Array };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
}

/** Whether results can be read at once. Those of WebGPU have to be waited for, which a gradient function cannot. */
export function readsAtOnce(): boolean {
  return getBackend() !== "webgpu";
}

/** Copies a float32 tensor's numbers into `out`, without an array in between where the backend's memory is open. */
export async function readInto(tensor: Tensor, out: Float32Array): Promise<void> {
  const { wasm, dataIdMap } = backend() as unknown as OpenMemory;
  if (!wasm) {
    out.set(await tensor.data());
    return;
  }
  // An address above 2 GiB is negative; the memory's buffer is another one after it grew.
  const address = dataIdMap.get(tensor.dataId).memoryOffset >>> 0;
  out.set(new Float32Array(wasm.HEAPU8.buffer, address, tensor.size));
}
