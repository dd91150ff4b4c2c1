/** How a model's tensors lie in its flat vector: one after another, in the trainer's order. */
export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Index of the tensor's first number in the flat vector. */
  readonly offset: number;
  /** Count of the tensor's numbers. */
  readonly length: number;
}

/** Names and shapes of the tensors of a model, in the order in which they lie in its flat vector. */
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

/** The layout of the numbers from `first` up to `end` of a flat vector: tensors are cut where they cross the ends. */
export function layoutOfPart({ tensors }: Layout, first: number, end: number): Layout {
  const pieces = tensors.map(({ name, shape, offset, length }) => {
    const size = Math.max(0, Math.min(end, offset + length) - Math.max(first, offset));
    return { name, shape: size === length ? shape : [size] };
  });
  return createLayout(pieces);
}
