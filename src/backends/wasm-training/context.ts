import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import {
  type DataType,
  getKernel,
  type KernelBackend,
  type NamedAttrMap,
  type NamedTensorInfoMap,
  type TensorInfo,
} from "@tensorflow/tfjs-core";
import type { Assembly } from "./assembly.js";
import { isFastMath } from "./math.js";
import { trainingKernels } from "./module.js";

/** The parts of tfjs's wasm backend that kernels use. */
interface Backend extends KernelBackend {
  wasm: { asm?: Record<string, unknown>; _malloc(bytes: number): number; _free(address: number): void };
  dataIdMap: { get(dataId: object): { memoryOffset: number } };
  makeOutput(shape: number[], dtype: DataType): TensorInfo;
}

/** Our kernels over one backend's memory, and scratch in it. */
export interface Context {
  readonly assembly: Assembly;
  /** Whether results may have other last bits than the usual ones. */
  readonly isFast: boolean;
  /** Address of a tensor's first number. Valid as long as the tensor, even if the memory grows. */
  address(tensor: TensorInfo): number;
  /** A new float32 tensor of undefined content. */
  output(shape: number[]): TensorInfo;
  /** Another tensor over the same numbers. */
  share(tensor: TensorInfo): TensorInfo;
  /** At least `bytes` of scratch, valid until the next call; 16-byte aligned. */
  scratch(bytes: number): number;
  /** What another kernel of the backend makes of `inputs`; `old` is freed. */
  replace(
    old: TensorInfo,
    kernelName: string,
    inputs: NamedTensorInfoMap,
    attributes: NamedAttrMap,
  ): TensorInfo;
}

/** The usual kernels of each backend, and its fast ones. */
const usual = new WeakMap<object, Context>();
const fast = new WeakMap<object, Context>();

function memoryOf(wasm: Backend["wasm"]): WebAssembly.Memory {
  for (const exported of Object.values(wasm.asm ?? {})) {
    if (exported instanceof WebAssembly.Memory) return exported;
  }
  throw new Error("training kernels: this build of @tensorflow/tfjs-backend-wasm hides its memory; use 4.22");
}

function createContext(backend: Backend, isFast: boolean): Context {
  const { wasm, dataIdMap } = backend;
  const assembly = trainingKernels(memoryOf(wasm), isFast);
  let scratch = 0;
  let scratchBytes = 0;
  return {
    ...{ assembly, isFast },
    // malloc and the backend hold addresses above 2 GiB as negative numbers.
    address: (tensor) => dataIdMap.get(tensor.dataId).memoryOffset >>> 0,
    output: (shape) => backend.makeOutput(shape, "float32"),
    share({ dataId, shape, dtype }) {
      backend.incRef(dataId);
      return { dataId, shape, dtype };
    },
    scratch(bytes) {
      if (bytes > scratchBytes) {
        if (scratch) wasm._free(scratch);
        scratch = wasm._malloc(bytes) >>> 0;
        if (!scratch) {
          scratchBytes = 0;
          throw new Error(`training kernels: no ${bytes} bytes left in the wasm memory; use a smaller batch`);
        }
        scratchBytes = bytes;
      }
      return scratch;
    },
    replace(old, kernelName, inputs, attributes) {
      const kernel = getKernel(kernelName, "wasm");
      if (!kernel) throw new Error(`training kernels: the wasm backend has no kernel ${kernelName}`);
      const result = kernel.kernelFunc({ inputs, attrs: attributes, backend }) as TensorInfo;
      backend.disposeData(old.dataId);
      return result;
    },
  };
}

/** Our kernels over the memory of `backend`, which is tfjs's wasm backend; which of them, `withMath` decides. */
export function contextOf(backend: unknown): Context {
  const key = backend as Backend & BackendWasm;
  const isFast = isFastMath();
  const contexts = isFast ? fast : usual;
  let context = contexts.get(key);
  if (!context) {
    context = createContext(key, isFast);
    contexts.set(key, context);
  }
  return context;
}
