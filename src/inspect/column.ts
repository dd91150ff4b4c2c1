/** Rows of a new column: few, as thousands of peers have a score of columns each. It grows by half of itself. */
const FIRST_ROWS = 16;

/** A growing column of numbers; NaN where a row has none. */
export interface Column {
  readonly length: number;
  push(value: number | undefined): void;
  /** NaN outside the rows. */
  at(row: number): number;
  /** A view of all rows, valid until the next `push`. */
  values(): Float64Array;
}

export function createColumn(): Column {
  let values = new Float64Array(FIRST_ROWS);
  let length = 0;
  return {
    get length() {
      return length;
    },
    push(value) {
      if (length === values.length) {
        const longer = new Float64Array(length + (length >> 1));
        longer.set(values);
        values = longer;
      }
      values[length++] = value ?? Number.NaN;
    },
    at: (row) => (row >= 0 && row < length ? values[row]! : Number.NaN),
    values: () => values.subarray(0, length),
  };
}

/** A record with one value per name. */
export function recordOf<Name extends string, Value>(
  names: readonly Name[],
  make: (name: Name) => Value,
): Record<Name, Value> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Value>;
}
