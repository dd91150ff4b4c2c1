// The k largest magnitudes. Format and meaning: ../reference/topk.ts.
//
// The bits of |v|, read as an integer, are in the order of |v|. The k-th largest is found in two levels of a
// histogram, 16 and then 15 bits, counted over candidates only: numbers no smaller than a bound that at
// least k numbers reach. The table is all zeros between calls.

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

/** The `count`-th largest magnitude in the low half; how many numbers of just that size to keep in the high half. */
function threshold(v: usize, length: usize, count: usize, table: usize): u64 {
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
  v: usize, length: usize, count: usize, rice: u32, values: usize, gaps: usize, table: usize,
): usize {
  const found = threshold(v, length, count, table);
  const least = <u32>found;
  let ties = <u32>(found >> 32);
  let held: u64 = 0; // bits not yet written, fewer than 32 of them
  let bits: u64 = 0;
  let next: usize = 0;
  for (let k: usize = 0; k < length; k += 16) {
    for (let mask = candidates(v, k, length, least); mask; mask &= mask - 1) {
      const index = k + <usize>ctz(mask);
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
      let zeros = gap >> rice;
      for (; zeros >= 32; zeros -= 32) {
        store<u32>(gaps, <u32>held);
        gaps += 4;
        held >>= 32;
      }
      held |= (<u64>1) << (bits + zeros);
      bits += zeros + 1;
      if (bits >= 32) {
        store<u32>(gaps, <u32>held);
        gaps += 4;
        held >>= 32;
        bits -= 32;
      }
      held |= <u64>(gap & ((1 << rice) - 1)) << bits;
      bits += rice;
      if (bits >= 32) {
        store<u32>(gaps, <u32>held);
        gaps += 4;
        held >>= 32;
        bits -= 32;
      }
    }
  }
  for (; <i64>bits > 0; bits -= 8) {
    store<u8>(gaps++, <u8>held);
    held >>= 8;
  }
  return gaps;
}

/** Reads `count` gaps; `write` says whether to add the values or only to check. Returns where the gaps end, or 0. */
@inline
function walk(
  out: usize, length: usize, count: usize, rice: u32, values: usize, gaps: usize, end: usize, factor: f32,
  write: bool,
): usize {
  let held: u64 = 0; // the next bits; those past the first `bits` are right too, but not counted
  let bits: u64 = 0;
  let next: u64 = 0;
  const remainder: u64 = ((<u64>1) << rice) - 1;
  for (let j: usize = 0; j < count; j++) {
    let zeros: u64 = 0;
    for (; ; ) {
      if (bits < 32) {
        if (gaps + 8 <= end) {
          held |= load<u64>(gaps) << bits;
          const bytes = (63 - bits) >> 3;
          gaps += <usize>bytes;
          bits += bytes << 3;
        } else {
          for (; bits < 56 && gaps < end; bits += 8) held |= <u64>load<u8>(gaps++) << bits;
        }
      }
      const run = ctz(held);
      if (run < bits) {
        zeros += run;
        held = held >> run >> 1;
        bits -= run + 1;
        break;
      }
      if (!bits) return 0;
      zeros += bits;
      held >>= bits;
      bits = 0;
    }
    if (bits < rice) {
      for (; bits < 56 && gaps < end; bits += 8) held |= <u64>load<u8>(gaps++) << bits;
      if (bits < rice) return 0;
    }
    const index = next + ((zeros << rice) | (held & remainder));
    held >>= rice;
    bits -= rice;
    if (!write && index >= <u64>length) return 0;
    next = index + 1;
    if (write) {
      const p = out + (<usize>index << 2);
      store<f32>(p, load<f32>(p) + factor * load<f32>(values));
      values += 4;
    }
  }
  // Whole bytes read ahead are given back; what is left of the last byte must be zeros.
  gaps -= <usize>(bits >> 3);
  if (held & (((<u64>1) << (bits & 7)) - 1)) return 0;
  return gaps;
}

export function topkCheck(length: usize, count: usize, rice: u32, gaps: usize, end: usize): usize {
  return walk(0, length, count, rice, 0, gaps, end, 0, false);
}

export function topkAddTo(
  out: usize, count: usize, rice: u32, values: usize, gaps: usize, end: usize, factor: f32,
): usize {
  return walk(out, 0, count, rice, values, gaps, end, factor, true);
}
