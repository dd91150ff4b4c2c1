/** Plain float64 versions of what runs on kernels: vectors of all peers as rows, a mixing matrix, top-k. */
import { denseWeights, type Mixing } from "../../src/graphs/mixing.js";

export type Rows = readonly Float64Array[];

/** f of every coordinate of rows. */
export function rows(count: number, length: number, f: (i: number, k: number) => number): Float64Array[] {
  return Array.from({ length: count }, (_, i) => Float64Array.from({ length }, (_, k) => f(i, k)));
}

export const zeros = (count: number, length: number) => rows(count, length, () => 0);

/** a + s·b */
export const sum = (a: Rows, b: Rows, scale = 1): Float64Array[] =>
  rows(a.length, a[0]!.length, (i, k) => a[i]![k]! + scale * b[i]![k]!);

/** W·X */
export const mixed = (mixing: Mixing, x: Rows): Float64Array[] => {
  const { peers } = mixing;
  const weights = denseWeights(mixing);
  return rows(peers, x[0]!.length, (i, k) => {
    let total = 0;
    for (let j = 0; j < peers; j++) total += weights[i * peers + j]! * x[j]![k]!;
    return total;
  });
};

/** Σ_j w_ij (x_j − x_i) = (WX − X)_i */
export const disagreement = (mixing: Mixing, x: Rows) => sum(mixed(mixing, x), x, -1);

/** The mean of all rows, in every row. */
export const averaged = (x: Rows): Float64Array[] =>
  rows(x.length, x[0]!.length, (_, k) => x.reduce((total, row) => total + row[k]!, 0) / x.length);

/** The largest numbers of each row; the others are 0. */
export const topOfRows = (x: Rows, count: number): Float64Array[] =>
  x.map((row) => {
    const order = [...row.keys()].sort((a, b) => Math.abs(row[b]!) - Math.abs(row[a]!));
    const kept = new Set(order.slice(0, count));
    return row.map((value, k) => (kept.has(k) ? value : 0));
  });

export const largestGap = (a: readonly ArrayLike<number>[], b: Rows): number =>
  Math.max(...b.flatMap((row, i) => [...row].map((value, k) => Math.abs(value - a[i]![k]!))));
