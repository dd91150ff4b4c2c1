// Adding few numbers to many; what the sparse compressors share. Inlined, not exported from the module.

import { room } from "./room";

/** Places that are found before their numbers are touched, so that many of those are on their way at a time. */
export const BATCH: usize = 1024;

/** Where their addresses are written; 64 bytes behind them are left in the room. */
@inline
export function places(): usize {
  return room();
}

/** Moves the numbers at the first `count` places to `values`, and leaves zeros. */
@inline
export function takeFromPlaces(count: usize, values: usize): void {
  let from = places();
  for (let k: usize = 0; k < count; k++, from += 4, values += 4) {
    const p = <usize>load<u32>(from);
    store<u32>(values, load<u32>(p));
    store<u32>(p, 0);
  }
}

/**
 * Adds factor · value to the number at each of the first `count` places. Eight are read before one is written: a write
 * between two reads that miss the caches would keep them from being on their way together.
 */
@inline
export function addAtPlaces(count: usize, values: usize, factor: f32): void {
  let from = places();
  let k: usize = 0;
  for (; k + 8 <= count; k += 8, from += 32, values += 32) {
    const a = <usize>load<u32>(from), b = <usize>load<u32>(from, 4);
    const c = <usize>load<u32>(from, 8), d = <usize>load<u32>(from, 12);
    const e = <usize>load<u32>(from, 16), f = <usize>load<u32>(from, 20);
    const g = <usize>load<u32>(from, 24), h = <usize>load<u32>(from, 28);
    const ofA = load<f32>(a), ofB = load<f32>(b), ofC = load<f32>(c), ofD = load<f32>(d);
    const ofE = load<f32>(e), ofF = load<f32>(f), ofG = load<f32>(g), ofH = load<f32>(h);
    store<f32>(a, ofA + factor * load<f32>(values));
    store<f32>(b, ofB + factor * load<f32>(values, 4));
    store<f32>(c, ofC + factor * load<f32>(values, 8));
    store<f32>(d, ofD + factor * load<f32>(values, 12));
    store<f32>(e, ofE + factor * load<f32>(values, 16));
    store<f32>(f, ofF + factor * load<f32>(values, 20));
    store<f32>(g, ofG + factor * load<f32>(values, 24));
    store<f32>(h, ofH + factor * load<f32>(values, 28));
  }
  for (; k < count; k++, from += 4, values += 4) {
    const p = <usize>load<u32>(from);
    store<f32>(p, load<f32>(p) + factor * load<f32>(values));
  }
}
