import { backend, type Tensor } from "@tensorflow/tfjs-core";

/** What the wasm backend has beyond others: its memory, and where in it each tensor lies. */
interface OpenMemory {
  readonly wasm?: { readonly HEAPU8: Uint8Array };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
}

/** Copies a float32 tensor's numbers into `out`, without an array in between where the backend's memory is open. */
export function readInto(tensor: Tensor, out: Float32Array): void {
  const { wasm, dataIdMap } = backend() as unknown as OpenMemory;
  if (!wasm) {
    out.set(tensor.dataSync());
    return;
  }
  // An address above 2 GiB is negative; the memory's buffer is another one after it grew.
  const address = dataIdMap.get(tensor.dataId).memoryOffset >>> 0;
  out.set(new Float32Array(wasm.HEAPU8.buffer, address, tensor.size));
}
