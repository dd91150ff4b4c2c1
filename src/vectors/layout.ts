/** How a model's tensors lie in its flat vector: one after another, in the trainer's order. */
export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Index of the tensor's first number in the flat vector. */
  readonly offset: number;
  /** Count of the tensor's numbers. */
  readonly length: number;
}

export interface Layout {
  readonly tensors: readonly Tensor[];
  /** Count of all numbers: the length of the flat vector. */
  readonly length: number;
}

/** The layout of tensors with these names and shapes, in this order. Empty tensors are left out. */
export function createLayout(tensors: readonly { name: string; shape: readonly number[] }[]): Layout {
  let length = 0;
  const placed: Tensor[] = [];
  for (const { name, shape } of tensors) {
    const size = shape.reduce((product, side) => product * side, 1);
    if (size === 0) continue;
    placed.push({ name, shape: [...shape], offset: length, length: size });
    length += size;
  }
  return { tensors: placed, length };
}
