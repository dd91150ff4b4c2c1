import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normal, random } from "../src/foundation/random.js";
import type { Kernels } from "../src/kernels/kernels.js";
import { createReferenceKernels } from "../src/kernels/reference.js";
import { createSimdKernels } from "../src/kernels/simd.js";
import { createVectorSpace } from "../src/vectors/vector.js";

const length = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 2000 }));
const seed = fc.integer({ min: 0, max: 1e6 });
const spaces = [createSimdKernels, createReferenceKernels].map((create) => {
  const space = createVectorSpace(1 << 17, create);
  return {
    space,
    a: space.vector(2000),
    b: space.vector(2000),
    bytes: space.bytes(9000),
    room: space.bytes(1 << 13),
  };
});

/** What `act` returns and leaves behind, with either kind of kernels on the same numbers. */
function both(n: number, seed: number, act: (kernels: Kernels, a: number, b: number) => number | undefined) {
  return spaces.map(({ space, a, b }) => {
    for (let k = 0; k < n; k++) {
      a[k] = normal(random(seed, "a"), k) * 2 ** (k % 30);
      b[k] = normal(random(seed, "b"), k);
    }
    const result = act(space.kernels, a.byteOffset, b.byteOffset);
    return { result, a: a.slice(0, n + 1), b: b.slice(0, n + 1) };
  });
}

describe("vector kernels", () => {
  const actions: Record<
    string,
    (n: number) => (kernels: Kernels, a: number, b: number) => number | undefined
  > = {
    add: (n) => (kernels, a, b) => void kernels.add(a, b, n),
    addThrough: (n) => (kernels, a, b) => void kernels.addThrough(a, b, a, n),
    subtractFrom: (n) => (kernels, a, b) => void kernels.subtractFrom(a, b, n),
    sortPairs: (n) => (kernels, a, b) => void kernels.sortPairs(a, b, n),
    addScaled: (n) => (kernels, a, b) => void kernels.addScaled(a, b, n, 1 / 3),
    sumOfMagnitudes: (n) => (kernels, a) => kernels.sumOfMagnitudes(a, n),
    sumOfSquares: (n) => (kernels, a) => kernels.sumOfSquares(a, n),
    squaredDistance: (n) => (kernels, a, b) => kernels.squaredDistance(a, b, n),
    allFinite: (n) => (kernels, a) => kernels.allFinite(a, n),
  };

  it.each(Object.keys(actions))("%s has the same bits with SIMD and without", (name) => {
    fc.assert(
      fc.property(length, seed, (n, seed) => {
        const [simd, reference] = both(n, seed, actions[name]!(n));
        expect(simd).toEqual(reference);
      }),
      { numRuns: 30 },
    );
  });

  it("sums what they say", () => {
    const [simd] = both(999, 7, (kernels, a, b) => kernels.squaredDistance(a, b, 999));
    const expected = simd!.a.slice(0, 999).reduce((sum, x, k) => sum + (x - simd!.b[k]!) ** 2, 0);
    expect(simd!.result! / expected).toBeCloseTo(1, 12);
  });

  it("finds one number that is not finite anywhere, and reads where nothing is aligned", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.nat(),
        fc.integer({ min: 0, max: 7 }),
        fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
        (n, at, shift, bad) => {
          for (const { space, bytes } of spaces) {
            const pointer = bytes.byteOffset + shift;
            const view = new DataView(space.buffer, pointer);
            for (let k = 0; k < n; k++) view.setFloat32(4 * k, 3e38, true);
            expect(space.kernels.allFinite(pointer, n)).toBe(1);
            view.setFloat32(4 * (at % n), bad, true);
            expect(space.kernels.allFinite(pointer, n)).toBe(0);
          }
        },
      ),
    );
  });
});

describe("float16 kernels", () => {
  it("decode every finite half as IEEE says, and encode it back to itself", () => {
    for (const { space, a, bytes } of spaces) {
      const view = new DataView(space.buffer, bytes.byteOffset);
      for (let first = 0; first < 0x10000; first += 2000) {
        const halves = Array.from({ length: 2000 }, (_, k) => Math.min(first + k, 0xffff)).filter(
          (half) => (half & 0x7c00) !== 0x7c00,
        );
        halves.forEach((half, k) => {
          view.setUint16(2 * k, half, true);
        });
        // Adding to −0 keeps the sign of a zero.
        a.fill(-0);
        space.kernels.float16AddTo(a.byteOffset, halves.length, bytes.byteOffset, 1);
        halves.forEach((half, k) => {
          const exponent = (half >> 10) & 31;
          const fraction = (half & 1023) / 1024;
          const magnitude = exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14;
          if (!Object.is(a[k], half & 0x8000 ? -magnitude : magnitude))
            throw new Error(`half ${half}: ${a[k]}`);
        });
        space.kernels.float16Squeeze(a.byteOffset, halves.length, bytes.byteOffset);
        halves.forEach((half, k) => {
          if (view.getUint16(2 * k, true) !== half) throw new Error(`half ${half} does not return`);
        });
      }
    }
  });

  it("round to the nearest half, ties to even, and hold what is too large", () => {
    const cases: [number, number][] = [
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [1 + 2 ** -11 + 2 ** -20, 0x3c01],
      [2 ** -25, 0x0000],
      [2 ** -25 * 1.001, 0x0001],
      [-3 * 2 ** -25, 0x8002],
      [2 ** -14 - 2 ** -26, 0x0400],
      [65519, 0x7bff],
      [1e30, 0x7bff],
      [-1e30, 0xfbff],
    ];
    for (const { space, a, bytes } of spaces) {
      a.set(cases.map(([x]) => x));
      space.kernels.float16Squeeze(a.byteOffset, cases.length, bytes.byteOffset);
      const halves = new Uint16Array(space.buffer, bytes.byteOffset, cases.length);
      expect(Array.from(halves)).toEqual(cases.map(([, half]) => half));
    }
  });
});

describe("entropy kernels", () => {
  /** Bytes of at most `bits` bits, small ones more often, or all the same; and the most that their code may take. */
  const inputs = fc.record({
    input: fc
      .tuple(fc.integer({ min: 0, max: 1500 }), fc.integer({ min: 0, max: 8 }), seed)
      .map(([n, bits, seed]) => {
        const [one, other] = [random(seed, 1), random(seed, 2)];
        return Uint8Array.from({ length: n }, (_, k) => one.bits(k) & other.bits(k) & (2 ** bits - 1));
      }),
    limit: fc.integer({ min: 0, max: 2200 }),
  });

  it("write the same code with SIMD and without, and read it back", () => {
    fc.assert(
      fc.property(inputs, ({ input, limit }) => {
        const codes = spaces.map(({ space, a, bytes, room }) => {
          const [source, to, table] = [a.byteOffset, bytes.byteOffset, room.byteOffset];
          new Uint8Array(space.buffer, source, input.length).set(input);
          const end = space.kernels.entropyEncode(source, input.length, to, limit, table) >>> 0;
          if (!end) return undefined;
          const code = new Uint8Array(space.buffer, to, end - to).slice();
          new Uint8Array(space.buffer, source, input.length).fill(0);
          expect(space.kernels.entropyDecode(to, end, source, input.length, table)).toBe(1);
          expect(new Uint8Array(space.buffer, source, input.length)).toEqual(input);
          return code;
        });
        expect(codes[0]).toEqual(codes[1]);
        if (codes[0]) expect(codes[0].length).toBeLessThanOrEqual(limit);
      }),
      { numRuns: 150 },
    );
  });
});

describe("top-k kernels", () => {
  const count = 60;
  const widest = 15;
  const space = createVectorSpace(2 ** (widest + 10), createSimdKernels);
  const out = space.vector(200 * 2 ** widest);
  const values = space.vector(count);
  const streams = space.bytes(1024);

  it.each([0, 1, 6, 13, 14, widest])("find the places of remainders of %i bits", (rice) => {
    fc.assert(
      fc.property(seed, (seed) => {
        const draws = random(seed, rice);
        // One quotient that is longer than a word, and brings the remainders after it out of step.
        const gaps = Array.from(
          { length: count },
          (_, k) => (draws.bits(k) % 2 ** (rice + 1)) + (k === 5 ? 70 * 2 ** rice : 0),
        );
        const low = gaps.flatMap((gap) => Array.from({ length: rice }, (_, b) => (gap >>> b) & 1));
        const high = gaps.flatMap((gap) => [...new Array<number>(gap >>> rice).fill(0), 1]);
        const remainders = streams.byteOffset;
        const quotients = remainders + Math.ceil(low.length / 8);
        const end = quotients + Math.ceil(high.length / 8);
        // Ones all around, which nothing may be made of.
        streams.fill(0xff).fill(0, 0, end - remainders);
        low.forEach((bit, k) => {
          streams[k >> 3]! |= bit << (k & 7);
        });
        high.forEach((bit, k) => {
          streams[quotients - remainders + (k >> 3)]! |= bit << (k & 7);
        });
        let next = 0;
        const places = gaps.map((gap) => {
          const place = next + gap;
          next = place + 1;
          return place;
        });
        values.forEach((_, k) => {
          values[k] = k + 1;
        });

        const check = (length: number) =>
          space.kernels.topkCheck(length, count, rice, remainders, quotients, end) >>> 0;
        expect([check(next), check(next - 1)]).toEqual([end, 0]);
        const add = (factor: number) =>
          space.kernels.topkAddTo(
            out.byteOffset,
            count,
            rice,
            values.byteOffset,
            remainders,
            quotients,
            end,
            factor,
          );
        add(2);
        expect(places.map((place) => out[place])).toEqual(gaps.map((_, k) => 2 * (k + 1)));
        // Nothing is anywhere else: taking it away again at those places leaves zeros.
        for (const place of places) out[place] = 0;
        expect(space.kernels.sumOfSquares(out.byteOffset, out.length)).toBe(0);
      }),
      { numRuns: 10 },
    );
  });
});
