/** Faster forms of tfjs's own kernels for its wasm backend, where those are slow at training. */
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import {
  BatchMatMul,
  type BatchMatMulAttrs,
  getKernel,
  registerKernel,
  type TensorInfo,
  Transpose,
  unregisterKernel,
} from "@tensorflow/tfjs-core";

/**
 * Matrix products of transposed matrices, as in every gradient of a dense layer. tfjs runs plain products
 * through XNNPACK and transposed ones through a simple loop at a tenth of that speed, so it pays to transpose
 * first.
 *
 * The backend must have started: tfjs sets kernels up at that moment, and these call those that were set up.
 */
export function registerFasterKernels(): void {
  const product = getKernel(BatchMatMul, "wasm").kernelFunc;
  const transposition = getKernel(Transpose, "wasm").kernelFunc;
  unregisterKernel(BatchMatMul, "wasm");
  registerKernel({
    kernelName: BatchMatMul,
    backendName: "wasm",
    kernelFunc({ inputs, attrs, backend: storage }) {
      const backend = storage as BackendWasm;
      const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
      const { transposeA, transposeB } = attrs as unknown as BatchMatMulAttrs;

      function transposed(x: TensorInfo): TensorInfo {
        const axes = x.shape.map((_, axis) => axis);
        const perm = [...axes.slice(0, -2), axes.length - 1, axes.length - 2];
        return transposition({ inputs: { x }, attrs: { perm }, backend }) as TensorInfo;
      }

      const left = transposeA ? transposed(a) : a;
      const right = transposeB ? transposed(b) : b;
      const out = product({
        inputs: { a: left, b: right },
        attrs: { transposeA: false, transposeB: false },
        backend,
      });
      if (transposeA) backend.disposeData(left.dataId);
      if (transposeB) backend.disposeData(right.dataId);
      return out;
    },
  });
}
