import { add, engine, getBackend, getKernel, mul, type Tensor } from "@tensorflow/tfjs-core";

/** x + factor·y, in one pass where the backend has a kernel for it; the same bits either way. Of equal shapes. */
export function addScaled(x: Tensor, y: Tensor, factor: number): Tensor {
  return getKernel("AddScaled", getBackend())
    ? (engine().runKernel("AddScaled", { x, y }, { factor }) as Tensor)
    : add(x, mul(y, factor));
}
