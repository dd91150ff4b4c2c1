/** Rows of int32 numbers, each once, in the order in which they were added, with the row and action that led to each. */
export interface StateTable {
  readonly size: number;
  /** @returns the number of the row, a new one or the one that it has */
  add(row: Int32Array, parent: number, action: number): number;
  read(index: number, row: Int32Array): void;
  parent(index: number): number;
  action(index: number): number;
}

const hashOf = (row: Int32Array): number => {
  let hash = 0x811c9dc5;
  for (const value of row) {
    hash = Math.imul(hash ^ value, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  return hash >>> 0;
};

export function createTable(width: number): StateTable {
  const stride = width + 2;
  let capacity = 1 << 12;
  let rows = new Int32Array(capacity * stride);
  /** Open addressing at half load: a row's number plus one, 0 where free. */
  let slots = new Int32Array(2 * capacity);
  let size = 0;

  const slotOf = (row: Int32Array): number => {
    const mask = slots.length - 1;
    for (let slot = hashOf(row) & mask; ; slot = (slot + 1) & mask) {
      const index = slots[slot]! - 1;
      if (index < 0 || isAt(index, row)) return slot;
    }
  };
  const isAt = (index: number, row: Int32Array): boolean => {
    const start = index * stride;
    for (let k = 0; k < width; k++) if (rows[start + k] !== row[k]) return false;
    return true;
  };
  const grow = (): void => {
    capacity *= 2;
    const larger = new Int32Array(capacity * stride);
    larger.set(rows);
    rows = larger;
    slots = new Int32Array(2 * capacity);
    for (let index = 0; index < size; index++)
      slots[slotOf(rows.subarray(index * stride, index * stride + width))] = index + 1;
  };

  return {
    get size() {
      return size;
    },
    add(row, parent, action) {
      const slot = slotOf(row);
      const found = slots[slot]! - 1;
      if (found >= 0) return found;
      const index = size++;
      rows.set(row, index * stride);
      rows[index * stride + width] = parent;
      rows[index * stride + width + 1] = action;
      slots[slot] = size;
      if (size === capacity) grow();
      return index;
    },
    read: (index, row) => row.set(rows.subarray(index * stride, index * stride + width)),
    parent: (index) => rows[index * stride + width]!,
    action: (index) => rows[index * stride + width + 1]!,
  };
}

/** A state from which steps may go on for ever; −1 where there is none. */
export function firstOnCycle(size: number, steps: readonly number[]): number {
  const entering = new Int32Array(size);
  const first = new Int32Array(size + 1);
  for (let k = 0; k < steps.length; k += 2) {
    entering[steps[k + 1]!]!++;
    first[steps[k]! + 1]!++;
  }
  for (let state = 0; state < size; state++) first[state + 1]! += first[state]!;
  const filled = first.slice();
  const targets = new Int32Array(steps.length / 2);
  for (let k = 0; k < steps.length; k += 2) targets[filled[steps[k]!]!++] = steps[k + 1]!;
  const free: number[] = [];
  for (let state = 0; state < size; state++) if (entering[state] === 0) free.push(state);
  for (let state = free.pop(); state !== undefined; state = free.pop()) {
    for (const target of targets.subarray(first[state], first[state + 1]))
      if (--entering[target]! === 0) free.push(target);
  }
  return entering.findIndex((count) => count > 0);
}
