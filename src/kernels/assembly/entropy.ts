// Range asymmetric numeral systems over bytes. Format and meaning: ../reference/entropy.ts.

const SYMBOLS: usize = 256;
const PRECISION: u32 = 12;
const TOTAL: u32 = 1 << PRECISION;
const LEAST_STATE: u32 = 1 << 16;
const PRESENCE_BYTES: usize = 32;
const STATES: usize = 4;

// The working room: 256 frequencies, 256 sums of those before, and 4096 bytes for what is needed at a time: the symbol of
// each of the decoder's slots; while the encoder counts, its counts, and then the reciprocals of the frequencies.
const STARTS: usize = SYMBOLS << 2;
const SLOTS: usize = SYMBOLS << 3;
const RECIPROCALS: usize = SLOTS;

@inline
function frequencyAt(table: usize, symbol: usize): u32 {
  return load<u32>(table + (symbol << 2));
}

@inline
function bump(counts: usize, symbol: u32): void {
  const p = counts + (<usize>symbol << 2);
  store<u32>(p, load<u32>(p) + 1);
}

/** How often each byte occurs. Four tables take turns, so that equal neighbours do not wait for each other. */
function countSymbols(bytes: usize, count: usize, table: usize): void {
  const counts = table + SLOTS;
  memory.fill(counts, 0, SYMBOLS << 4);
  let k: usize = 0;
  for (; k + 4 <= count; k += 4) {
    const four = load<u32>(bytes + k);
    bump(counts, four & 0xff);
    bump(counts + (SYMBOLS << 2), (four >> 8) & 0xff);
    bump(counts + (SYMBOLS << 3), (four >> 16) & 0xff);
    bump(counts + 3 * (SYMBOLS << 2), four >> 24);
  }
  for (; k < count; k++) bump(counts, load<u8>(bytes + k));
  for (let p: usize = 0; p < SYMBOLS << 2; p += 16) {
    const a = v128.load(counts + p), b = v128.load(counts + p, SYMBOLS << 2);
    const c = v128.load(counts + p, SYMBOLS << 3), d = v128.load(counts + p, 3 * (SYMBOLS << 2));
    v128.store(table + p, i32x4.add(i32x4.add(a, b), i32x4.add(c, d)));
  }
}

/** Turns counts into frequencies that sum to 4096, of which every byte that occurs has one. */
function scaleCounts(table: usize, count: usize): void {
  let sum: u32 = 0;
  let most: usize = 0;
  for (let s: usize = 0; s < SYMBOLS; s++) {
    const here = frequencyAt(table, s);
    if (!here) continue;
    if (here > frequencyAt(table, most)) most = s;
  }
  for (let s: usize = 0; s < SYMBOLS; s++) {
    const here = frequencyAt(table, s);
    if (!here) continue;
    const frequency = max<u32>(1, <u32>(((<u64>here) << PRECISION) / <u64>count));
    store<u32>(table + (s << 2), frequency);
    sum += frequency;
  }
  if (sum < TOTAL) store<u32>(table + (most << 2), frequencyAt(table, most) + TOTAL - sum);
  for (; sum > TOTAL; sum--) {
    let largest: usize = 0;
    for (let s: usize = 1; s < SYMBOLS; s++) if (frequencyAt(table, s) > frequencyAt(table, largest)) largest = s;
    store<u32>(table + (largest << 2), frequencyAt(table, largest) - 1);
  }
}

@inline
function sumStarts(table: usize): u32 {
  let start: u32 = 0;
  for (let s: usize = 0; s < SYMBOLS; s++) {
    store<u32>(table + STARTS + (s << 2), start);
    start += frequencyAt(table, s);
  }
  return start;
}

/** Writes ⌈2^44 / f⌉ for every frequency f: by it a state below f · 2^20 is divided in one multiplication, exactly. */
function findReciprocals(table: usize): void {
  for (let s: usize = 0; s < SYMBOLS; s++) {
    const frequency = <u64>frequencyAt(table, s);
    if (frequency) store<u64>(table + RECIPROCALS + (s << 3), (((<u64>1) << 44) + frequency - 1) / frequency);
  }
}

/** 1 when a state has to write a word before it takes up a symbol of this frequency. */
@inline
function overflows(state: u32, frequency: u32): u32 {
  return <u32>(state >> (32 - PRECISION) >= frequency);
}

/** The state with one more symbol. */
@inline
function push(state: u32, frequency: u32, symbol: u32, table: usize): u32 {
  const quotient = <u32>((<u64>state * load<u64>(table + RECIPROCALS + (<usize>symbol << 3))) >> 44);
  return (quotient << PRECISION) + (state - quotient * frequency) + load<u32>(table + STARTS + (<usize>symbol << 2));
}

export function entropyEncode(bytes: usize, count: usize, to: usize, limit: usize, table: usize): usize {
  countSymbols(bytes, count, table);
  let present: usize = 0;
  for (let s: usize = 0; s < SYMBOLS; s++) present += <usize>(frequencyAt(table, s) > 0);
  const statesAt = to + PRESENCE_BYTES + (present << 1);
  const words = statesAt + (STATES << 2);
  const end = to + limit;
  if (!count || words > end) return 0;
  scaleCounts(table, count);
  sumStarts(table);

  memory.fill(to, 0, PRESENCE_BYTES);
  for (let s: usize = 0, p = to + PRESENCE_BYTES; s < SYMBOLS; s++) {
    const frequency = frequencyAt(table, s);
    if (!frequency) continue;
    store<u8>(to + (s >> 3), <u32>load<u8>(to + (s >> 3)) | (<u32>1 << (<u32>s & 7)));
    store<u16>(p, frequency);
    p += 2;
  }

  findReciprocals(table);
  let a = LEAST_STATE, b = a, c = a, d = a;
  /** Where the last word went; they go from the last to the first. */
  let at = end;
  let k = count;
  // The last few, so that the rest are whole turns.
  for (; k & 3; k--) {
    const symbol = <u32>load<u8>(bytes + k - 1);
    const frequency = frequencyAt(table, symbol);
    const turn = (k - 1) & 3;
    // With so few no state overflows: it began as the least.
    if (turn == 0) a = push(a, frequency, symbol, table);
    else if (turn == 1) b = push(b, frequency, symbol, table);
    else c = push(c, frequency, symbol, table);
  }
  for (; k; k -= 4) {
    const four = load<u32>(bytes + k - 4);
    const sa = four & 0xff, sb = (four >> 8) & 0xff, sc = (four >> 16) & 0xff, sd = four >> 24;
    const fa = frequencyAt(table, sa), fb = frequencyAt(table, sb);
    const fc = frequencyAt(table, sc), fd = frequencyAt(table, sd);
    // Branch-free, since the branch would be unpredictable: a word that is not due is overwritten.
    const wd = overflows(d, fd);
    store<u16>(at - 2, d);
    at -= <usize>wd << 1;
    d = push(d >> (wd << 4), fd, sd, table);
    const wc = overflows(c, fc);
    store<u16>(at - 2, c);
    at -= <usize>wc << 1;
    c = push(c >> (wc << 4), fc, sc, table);
    const wb = overflows(b, fb);
    store<u16>(at - 2, b);
    at -= <usize>wb << 1;
    b = push(b >> (wb << 4), fb, sb, table);
    const wa = overflows(a, fa);
    store<u16>(at - 2, a);
    at -= <usize>wa << 1;
    a = push(a >> (wa << 4), fa, sa, table);
    // Words that went too far are where the states go, of which there are more bytes than a turn takes.
    if (at < words) return 0;
  }
  store<u32>(statesAt, a);
  store<u32>(statesAt, b, 4);
  store<u32>(statesAt, c, 8);
  store<u32>(statesAt, d, 12);
  const size = end - at;
  memory.copy(words, at, size);
  return words + size;
}

/** Reads the frequencies; gives where they end, or 0 when they are malformed. */
function readTable(from: usize, end: usize, table: usize): usize {
  if (from + PRESENCE_BYTES > end) return 0;
  let p = from + PRESENCE_BYTES;
  let sum: u32 = 0;
  for (let s: usize = 0; s < SYMBOLS; s++) {
    let frequency: u32 = 0;
    if ((<u32>load<u8>(from + (s >> 3)) >> (<u32>s & 7)) & 1) {
      if (p + 2 > end) return 0;
      frequency = <u32>load<u16>(p);
      p += 2;
      if (!frequency || frequency > TOTAL - sum) return 0;
    }
    store<u32>(table + (s << 2), frequency);
    memory.fill(table + SLOTS + sum, <u8>s, frequency);
    sum += frequency;
  }
  return sum == TOTAL ? p : 0;
}

/** The state after the byte that its low bits stand for. */
@inline
function pop(state: u32, symbol: u32, table: usize): u32 {
  const slot = state & (TOTAL - 1);
  const p = table + (<usize>symbol << 2);
  return load<u32>(p) * (state >> PRECISION) + slot - load<u32>(p, STARTS);
}

@inline
function symbolOf(state: u32, table: usize): u32 {
  return load<u8>(table + SLOTS + <usize>(state & (TOTAL - 1)));
}

export function entropyDecode(from: usize, end: usize, to: usize, count: usize, table: usize): i32 {
  let at = readTable(from, end, table);
  if (!at || at + (STATES << 2) > end) return 0;
  sumStarts(table);
  let a = load<u32>(at), b = load<u32>(at, 4), c = load<u32>(at, 8), d = load<u32>(at, 12);
  at += STATES << 2;
  let k: usize = 0;
  // Four bytes take eight bytes of words at most.
  for (; k + 4 <= count && at + 8 <= end; k += 4) {
    const sa = symbolOf(a, table), sb = symbolOf(b, table), sc = symbolOf(c, table), sd = symbolOf(d, table);
    store<u32>(to + k, sa | (sb << 8) | (sc << 16) | (sd << 24));
    a = pop(a, sa, table);
    b = pop(b, sb, table);
    c = pop(c, sc, table);
    d = pop(d, sd, table);
    // Branch-free, since the branch would be unpredictable.
    const wa = <u32>(a < LEAST_STATE);
    a = select<u32>((a << 16) | <u32>load<u16>(at), a, wa);
    at += <usize>wa << 1;
    const wb = <u32>(b < LEAST_STATE);
    b = select<u32>((b << 16) | <u32>load<u16>(at), b, wb);
    at += <usize>wb << 1;
    const wc = <u32>(c < LEAST_STATE);
    c = select<u32>((c << 16) | <u32>load<u16>(at), c, wc);
    at += <usize>wc << 1;
    const wd = <u32>(d < LEAST_STATE);
    d = select<u32>((d << 16) | <u32>load<u16>(at), d, wd);
    at += <usize>wd << 1;
  }
  for (; k < count; k++) {
    const symbol = symbolOf(a, table);
    store<u8>(to + k, symbol);
    a = pop(a, symbol, table);
    if (a < LEAST_STATE) {
      if (at + 2 > end) return 0;
      a = (a << 16) | <u32>load<u16>(at);
      at += 2;
    }
    // The states take turns.
    const turned = a;
    a = b;
    b = c;
    c = d;
    d = turned;
  }
  return <i32>(at == end && a == LEAST_STATE && b == LEAST_STATE && c == LEAST_STATE && d == LEAST_STATE);
}
