// The k largest magnitudes. Format and meaning: ../reference/topk.ts.
//
// The bits of |v|, read as an integer, are in the order of |v|. The k-th largest of many is found in two levels of a
// histogram, 16 and then 15 bits, counted over candidates only: numbers no smaller than a bound that at
// least k numbers reach. The table is all zeros between calls.

import { addAtPlaces, BATCH, places } from "./sparse";

const MAGNITUDE: u32 = 0x7fffffff;
/** Bits below the first level of the histogram. */
const LOW_BITS: u32 = 15;
/** The bound is worth finding when fewer than one number in this many is kept. */
const SPARSE: usize = 32;
/** Numbers whose four largest-of-sixteen bound the answer. */
const GROUP: usize = 64;
/** Bits below the bound's histogram (12 bits remain). */
const BOUND_BITS: u32 = 19;
const BOUND_BUCKETS: usize = 4096;
/** Most numbers whose answer is found bit by bit. */
const FEW: usize = 1024;

@inline
function bump(table: usize, bucket: u32): void {
  const p = table + (<usize>bucket << 2);
  store<u32>(p, load<u32>(p) + 1);
}

/** Which of the numbers k … k + 15 have a magnitude of at least `bound`, a bit each. */
@inline
function candidates(v: usize, k: usize, length: usize, bound: u32): u32 {
  const p = v + (k << 2);
  if (k + 16 <= length) {
    const magnitude = i32x4.splat(MAGNITUDE), least = i32x4.splat(bound);
    const a = i32x4.ge_s(v128.and(v128.load(p), magnitude), least);
    const b = i32x4.ge_s(v128.and(v128.load(p, 16), magnitude), least);
    const c = i32x4.ge_s(v128.and(v128.load(p, 32), magnitude), least);
    const d = i32x4.ge_s(v128.and(v128.load(p, 48), magnitude), least);
    return i8x16.bitmask(i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d)));
  }
  let mask: u32 = 0;
  for (let j: usize = 0; k + j < length; j++) {
    if ((load<u32>(p + (j << 2)) & MAGNITUDE) >= bound) mask |= 1 << <u32>j;
  }
  return mask;
}

/**
 * A magnitude that at least `count` numbers reach, or 0: the count-th largest of the largest numbers of
 * disjoint groups, rounded down.
 */
function lowerBound(v: usize, length: usize, count: usize, table: usize): u32 {
  if (count * SPARSE > length) return 0;
  const magnitude = i32x4.splat(MAGNITUDE);
  for (let k: usize = 0; k + GROUP <= length; k += GROUP) {
    const p = v + (k << 2);
    let a = v128.and(v128.load(p), magnitude), b = v128.and(v128.load(p, 16), magnitude);
    for (let j: usize = 32; j < GROUP << 2; j += 32) {
      a = i32x4.max_s(a, v128.and(v128.load(p + j), magnitude));
      b = i32x4.max_s(b, v128.and(v128.load(p + j, 16), magnitude));
    }
    a = i32x4.max_s(a, b);
    bump(table, <u32>i32x4.extract_lane(a, 0) >> BOUND_BITS);
    bump(table, <u32>i32x4.extract_lane(a, 1) >> BOUND_BITS);
    bump(table, <u32>i32x4.extract_lane(a, 2) >> BOUND_BITS);
    bump(table, <u32>i32x4.extract_lane(a, 3) >> BOUND_BITS);
  }
  let reached: usize = 0;
  let bucket = BOUND_BUCKETS;
  while (bucket > 0 && reached < count) reached += load<u32>(table + (--bucket << 2));
  memory.fill(table, 0, BOUND_BUCKETS << 2);
  return reached < count ? 0 : <u32>bucket << BOUND_BITS;
}

/** How many magnitudes are at least `bound`. */
function reaching(v: usize, length: usize, bound: u32): usize {
  let found: usize = 0;
  for (let k: usize = 0; k < length; k += 16) found += <usize>popcnt(candidates(v, k, length, bound));
  return found;
}

/** `threshold` of few numbers, bit by bit: a histogram has more buckets than they are. */
function thresholdOfFew(v: usize, length: usize, count: usize): u64 {
  let least: u32 = 0;
  for (let bit: u32 = 1 << 30; bit; bit >>= 1) {
    if (reaching(v, length, least | bit) >= count) least |= bit;
  }
  return (<u64>(count - reaching(v, length, least + 1)) << 32) | <u64>least;
}

/** The `count`-th largest magnitude in the low half; how many numbers of just that size to keep in the high half. */
function threshold(v: usize, length: usize, count: usize, table: usize): u64 {
  if (length <= FEW) return thresholdOfFew(v, length, count);
  const bound = lowerBound(v, length, count, table);
  const least = bound >> LOW_BITS;
  let most = least;
  for (let k: usize = 0; k < length; k += 16) {
    for (let mask = candidates(v, k, length, bound); mask; mask &= mask - 1) {
      const bucket = (load<u32>(v + ((k + <usize>ctz(mask)) << 2)) & MAGNITUDE) >> LOW_BITS;
      bump(table, bucket);
      if (bucket > most) most = bucket;
    }
  }
  let wanted = <u32>count;
  let high = most;
  for (; ; high--) {
    const here = load<u32>(table + (<usize>high << 2));
    if (here >= wanted) break;
    wanted -= here;
  }
  memory.fill(table + (<usize>least << 2), 0, <usize>(most - least + 1) << 2);

  const floor = high << LOW_BITS;
  const lowMask: u32 = (1 << LOW_BITS) - 1;
  for (let k: usize = 0; k < length; k += 16) {
    for (let mask = candidates(v, k, length, floor); mask; mask &= mask - 1) {
      const magnitude = load<u32>(v + ((k + <usize>ctz(mask)) << 2)) & MAGNITUDE;
      if (magnitude >> LOW_BITS == high) bump(table, magnitude & lowMask);
    }
  }
  let low = lowMask;
  for (; ; low--) {
    const here = load<u32>(table + (<usize>low << 2));
    if (here >= wanted) break;
    wanted -= here;
  }
  memory.fill(table, 0, <usize>(lowMask + 1) << 2);
  return (<u64>wanted << 32) | <u64>(floor | low);
}

export function topkSqueeze(
  v: usize, length: usize, count: usize, rice: u32, values: usize, remainders: usize, quotients: usize, table: usize,
): usize {
  const found = threshold(v, length, count, table);
  const least = <u32>found;
  let ties = <u32>(found >> 32);
  // Bits of either stream that are not yet written, fewer than 32 of them.
  let low: u64 = 0, lowBits: u64 = 0;
  let ones: u64 = 0, onesBits: u64 = 0;
  const mask: u32 = (1 << rice) - 1;
  let next: usize = 0;
  for (let k: usize = 0; k < length; k += 16) {
    for (let chosen = candidates(v, k, length, least); chosen; chosen &= chosen - 1) {
      const index = k + <usize>ctz(chosen);
      const p = v + (index << 2);
      const x = load<u32>(p);
      if ((x & MAGNITUDE) == least) {
        if (!ties) continue;
        ties--;
      }
      store<u32>(values, x);
      values += 4;
      store<u32>(p, 0);
      const gap = <u32>(index - next);
      next = index + 1;
      low |= <u64>(gap & mask) << lowBits;
      lowBits += rice;
      if (lowBits >= 32) {
        store<u32>(remainders, <u32>low);
        remainders += 4;
        low >>= 32;
        lowBits -= 32;
      }
      onesBits += gap >> rice;
      for (; onesBits >= 32; onesBits -= 32) {
        store<u32>(quotients, <u32>ones);
        quotients += 4;
        ones = 0;
      }
      ones |= (<u64>1) << onesBits++;
    }
  }
  for (; <i64>lowBits > 0; lowBits -= 8) {
    store<u8>(remainders++, <u8>low);
    low >>= 8;
  }
  for (; <i64>onesBits > 0; onesBits -= 8) {
    store<u8>(quotients++, <u8>ones);
    ones >>= 8;
  }
  return quotients;
}

/** The eight bytes at `p`, with zeros for those at `end` and beyond. */
@inline
function load8(p: usize, end: usize): u64 {
  if (p + 8 <= end) return load<u64>(p);
  let bytes: u64 = 0;
  for (let shift: u64 = 0; p < end; p++, shift += 8) bytes |= <u64>load<u8>(p) << shift;
  return bytes;
}

/** Σ of `count` numbers of `rice` bits. */
@inline
function sumOfRemainders(count: usize, rice: u32, remainders: usize, end: usize): u64 {
  if (!rice) return 0;
  const mask: u64 = ((<u64>1) << rice) - 1;
  let sum: u64 = 0;
  let bit: usize = 0;
  const bits = count * <usize>rice;
  const safe = end - remainders > 8 ? min(bits, (end - remainders - 8) << 3) : 0;
  for (; bit < safe; bit += rice) sum += (load<u64>(remainders + (bit >> 3)) >> (<u64>bit & 7)) & mask;
  for (; bit < bits; bit += rice) sum += (load8(remainders + (bit >> 3), end) >> (<u64>bit & 7)) & mask;
  return sum;
}

/**
 * What has to be known is little: how many ones there are, where the last one is, and the sum of the remainders, for
 * together they give the last place, and all others are before it.
 */
export function topkCheck(
  length: usize, count: usize, rice: u32, remainders: usize, quotients: usize, end: usize,
): usize {
  let left = <u64>count;
  let at = quotients;
  let word: u64 = 0;
  for (; ; at += 8) {
    if (at >= end) return 0;
    word = load8(at, end);
    const ones = popcnt(word);
    if (ones >= left) break;
    left -= ones;
  }
  for (; left > 1; left--) word &= word - 1;
  const bit = ctz(word);
  const zeros = (<u64>(at - quotients) << 3) + bit + 1 - <u64>count;
  const last = (zeros << rice) + sumOfRemainders(count, rice, remainders, end) + <u64>count - 1;
  if (last >= <u64>length) return 0;
  // Both streams fill their last byte with zeros.
  if ((word & (word - 1)) & ((<u64>0xff) << (bit & ~7))) return 0;
  const bits = count * <usize>rice;
  if (bits & 7 && <u32>load<u8>(remainders + (bits >> 3)) >> (<u32>bits & 7)) return 0;
  return at + <usize>(bit >> 3) + 1;
}

/** Where the decoder stands between batches: behind the places in the room, four bytes each. */
const BIT: usize = BATCH << 2; // of the quotients, the next one
const ZEROS: usize = BIT + 4; // how many zeros were before it
const SUM: usize = BIT + 8; // of the remainders and of one for every place, less one
const LOW: usize = BIT + 12; // of the remainders, the next bit

/** Remainders of at most this many bits are read four at a time. */
const SHORT: u32 = 14;

/** Writes the address of the number that has `zeros` zeros of quotients, and this sum of remainders, before it. */
@inline
function storePlace(to: usize, out: usize, zeros: u32, radix: u32, sum: u32): void {
  store<u32>(to, <u32>out + ((zeros * radix + sum) << 2));
}

/**
 * Decodes as many places as there is room for from `to` to `last`: four at a time, where eight bytes hold what they need, or
 * else one.
 */
function decodePlaces(
  out: usize, rice: u32, radix: u32, remainders: usize, quotients: usize, end: usize, to: usize, last: usize,
): void {
  const state = places();
  let bit = load<u32>(state, BIT), zeros = load<u32>(state, ZEROS);
  let sum = load<u32>(state, SUM), low = load<u32>(state, LOW);
  const mask = radix - 1;
  // Remainders come before quotients, and end where these have eight bytes left.
  const safe = rice <= SHORT ? end - 8 : 0;
  while (to < last) {
    const at = quotients + <usize>(bit >> 3);
    if (at <= safe && to + 16 <= last) {
      const a = load<u64>(at) >> (bit & 7);
      const b = a & (a - 1), c = b & (b - 1), d = c & (c - 1);
      if (d) {
        let bits = load<u64>(remainders + <usize>(low >> 3)) >> (low & 7);
        low += rice << 2;
        sum += (<u32>bits & mask) + 1;
        storePlace(to, out, zeros + <u32>ctz(a), radix, sum);
        bits >>= rice;
        sum += (<u32>bits & mask) + 1;
        storePlace(to + 4, out, zeros + <u32>ctz(b) - 1, radix, sum);
        bits >>= rice;
        sum += (<u32>bits & mask) + 1;
        storePlace(to + 8, out, zeros + <u32>ctz(c) - 2, radix, sum);
        bits >>= rice;
        sum += (<u32>bits & mask) + 1;
        const skipped = <u32>ctz(d);
        zeros += skipped - 3;
        storePlace(to + 12, out, zeros, radix, sum);
        bit += skipped + 1;
        to += 16;
        continue;
      }
    }
    let word = load8(at, end) >> (bit & 7);
    while (!word) {
      zeros += 64 - (bit & 7);
      bit += 64 - (bit & 7);
      word = load8(quotients + <usize>(bit >> 3), end);
    }
    const skipped = <u32>ctz(word);
    zeros += skipped;
    bit += skipped + 1;
    sum += (<u32>(load8(remainders + <usize>(low >> 3), end) >> (low & 7)) & mask) + 1;
    low += rice;
    storePlace(to, out, zeros, radix, sum);
    to += 4;
  }
  store<u32>(state, bit, BIT);
  store<u32>(state, zeros, ZEROS);
  store<u32>(state, sum, SUM);
  store<u32>(state, low, LOW);
}

export function topkAddTo(
  out: usize, count: usize, rice: u32, values: usize, remainders: usize, quotients: usize, end: usize, factor: f32,
): void {
  const state = places();
  const radix: u32 = 1 << rice;
  v128.store(state, i32x4(0, 0, -1, 0), BIT);
  for (; count > BATCH; count -= BATCH, values += BATCH << 2) {
    decodePlaces(out, rice, radix, remainders, quotients, end, state, state + (BATCH << 2));
    addAtPlaces(BATCH, values, factor);
  }
  decodePlaces(out, rice, radix, remainders, quotients, end, state, state + (count << 2));
  addAtPlaces(count, values, factor);
}
