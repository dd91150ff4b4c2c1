import type * as Core from "@tensorflow/tfjs-core";

/**
 * tfjs-layers calls a few operations as methods of tensors (in its orthogonal initialiser, the default of
 * recurrent layers), but tfjs-core alone has them as functions only.
 */
export function completeTensors({ Tensor, reshape, sign, stridedSlice, transpose }: typeof Core): void {
  const methods = {
    flatten(this: Core.Tensor) {
      return reshape(this, [this.size]);
    },
    reshape(this: Core.Tensor, shape: number[]) {
      return reshape(this, shape);
    },
    sign(this: Core.Tensor) {
      return sign(this);
    },
    stridedSlice(this: Core.Tensor, begin: number[], end: number[], strides: number[]) {
      return stridedSlice(this, begin, end, strides);
    },
    transpose(this: Core.Tensor) {
      return transpose(this);
    },
  };
  for (const [name, method] of Object.entries(methods)) {
    if (name in Tensor.prototype) continue;
    // Writable, so that a program may still load all of tfjs's own methods afterwards.
    Object.defineProperty(Tensor.prototype, name, { value: method, writable: true, configurable: true });
  }
}
