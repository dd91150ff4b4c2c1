// The laws that error feedback rests on, for every compressor, and what each promises beyond them.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressorSettings, createCompressor } from "../src/compressors/index.js";
import { MalformedPayload } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { createLayout } from "../src/vectors/layout.js";
import { createVectorSpace } from "../src/vectors/vector.js";
import {
  bench,
  characters,
  everyCompressor,
  fill,
  layoutOf,
  sumOfSquares,
  type Written,
} from "./support/compressor-cases.js";

const deterministic = (written: Written) =>
  (["identity", "float16", "sign", "onebit", "topk", "topsign", "dct-topk", "ternary", "low-rank"].includes(
    written.kind,
  ) &&
    written.values !== "natural") ||
  written.rounding === "nearest";

/** ‖v − C(v)‖² averaged over keys, and ‖v‖². */
function squaredError(written: Written, name: string, keys: number, lengths: number[]) {
  const { compressor, vector } = bench(written, layoutOf(...lengths));
  fill(vector, name, 5);
  const before = vector.slice();
  let error = 0;
  for (let key = 0; key < keys; key++) {
    vector.set(before);
    compressor.squeeze(vector, random(key, "law"));
    error += sumOfSquares(vector) / keys;
  }
  return { compressor, error, size: sumOfSquares(before) };
}

/** Rounding of the float32 numbers themselves, and of those so small that float32 has no digits left. */
const rounding = (size: number, count: number) => 1e-10 * size + count * 2 ** -252;

describe.each(everyCompressor.map((written) => [JSON.stringify(written), written] as const))(
  "%s",
  (_title, written) => {
    // Halves have no more range than they have; what holds beyond it is the next test.
    const isHalf = written.kind === "float16" || written.values === "float16";
    const outOfRange = isHalf ? ["farOffset", "huge", "small", "tiny", "octaves"] : [];
    const sizes = written.unscaled ? [] : [[257, 40, 1, 2], [9]];
    it.each(sizes)("contracts as it states, with tensors of %s …", (...lengths) => {
      for (const name of Object.keys(characters)) {
        if (outOfRange.includes(name)) continue;
        const keys = deterministic(written) ? 1 : 60;
        const { compressor, error, size } = squaredError(written, name, keys, lengths);
        expect(compressor.contraction).toBeGreaterThan(0);
        expect(compressor.contraction).toBeLessThanOrEqual(1);
        // Levels beyond float32 cost part of α, as min–max and QSGD say.
        // A mean over keys is not yet the expectation: a tenth is allowed.
        const beyond = { minmax: 7 / 16, qsgd: Math.min(1, 3.4e38 / Math.sqrt(size)) }[written.kind] ?? 1;
        const alpha = compressor.contraction * (name === "huge" ? beyond : 1);
        const margin = deterministic(written) ? 1 : 1.1;
        const bound = Math.min(1 - alpha, 1) * margin * size + rounding(size, vectorLength(lengths));
        if (error > bound) throw new Error(`${compressor.name} on ${name}: ${error / size} > ${1 - alpha}`);
      }
    });

    it("bounds the norm of what a payload decodes to, closely for normal numbers", () => {
      for (const lengths of [[257, 40, 1, 2], [4099]]) {
        const { compressor, vector, out } = bench(written, layoutOf(...lengths));
        for (const name of Object.keys(characters)) {
          fill(vector, name, 6);
          out.fill(0);
          const payload = compressor.squeeze(vector, random(6, name));
          compressor.addTo(out, payload, 1);
          const norm = Math.sqrt(sumOfSquares(out));
          const bound = compressor.normBound(payload);
          expect(bound).toBeLessThan(Number.POSITIVE_INFINITY);
          // Some compressors add a little below the smallest float32.
          expect(norm).toBeLessThanOrEqual(bound * (1 + 1e-6) + 1e-44);
          if (name === "gaussian") expect(bound).toBeLessThanOrEqual(looseness(written) * norm * (1 + 1e-6));
          // Wherever the bytes lie.
          const elsewhere = new Uint8Array(payload.length + 3).subarray(3);
          elsewhere.set(payload);
          expect(compressor.normBound(elsewhere)).toBe(bound);
        }
      }
    });

    it("bounds the norm of every payload that passes the check, honest or not", () => {
      const { compressor, vector, out } = bench(written, layoutOf(70, 3));
      fill(vector, "gaussian", 7);
      const honest = compressor.squeeze(vector, random(7)).slice();
      const byte = fc.tuple(fc.nat({ max: honest.length - 1 }), fc.integer({ min: 0, max: 255 }));
      let passed = 0;
      fc.assert(
        fc.property(fc.array(byte, { maxLength: 8 }), (changes) => {
          const payload = honest.slice();
          for (const [k, value] of changes) payload[k] = value;
          try {
            compressor.check(payload);
          } catch {
            return;
          }
          passed++;
          out.fill(0);
          compressor.addTo(out, payload, 1);
          const norm = Math.sqrt(sumOfSquares(out));
          expect(norm).toBeLessThanOrEqual(compressor.normBound(payload) * (1 + 1e-6) + 1e-44);
        }),
        { numRuns: 60 },
      );
      expect(passed).toBeGreaterThan(5);
    });

    it("turns zeros into zeros", () => {
      const { compressor, vector, out } = bench(written, layoutOf(100, 33));
      compressor.addTo(out, compressor.squeeze(vector, random(1)), 1);
      expect(sumOfSquares(vector)).toBe(0);
      expect(sumOfSquares(out)).toBe(0);
      expect(compressor.normBound(compressor.squeeze(vector, random(1)))).toBe(0);
    });

    it("works the same above 2 GiB", () => {
      const layout = layoutOf(101, 17);
      const results = [0, 2 ** 31].map((below) => {
        bigSpace.skipTo(below);
        const { space } = bigSpace;
        const compressor = createCompressor(compressorSettings.parse(written), { layout, space });
        const vector = space.vector(layout.length);
        const out = space.vector(layout.length);
        fill(vector, "gaussian", 3);
        const payload = compressor.squeeze(vector, random(8));
        compressor.addTo(out, payload, 0.25);
        compressor.addTo(out, payload.slice(), 0.5);
        return [vector.slice(), out.slice(), payload.slice()];
      });
      expect(results[1]).toEqual(results[0]);
    });
  },
);

/** How far above the norm of normal numbers a compressor's bound may be, as its description has it. */
function looseness({ kind, scope = "block", block = 512, values }: Written): number {
  if (typeof values === "object") return looseness(values as Written);
  const largest = {
    minmax: 6,
    "dct-topk": 1.0001,
    ternary: 1.5,
    qsgd: Math.sqrt(scope === "block" ? Number(block) : 4099),
  };
  return largest[kind as keyof typeof largest] ?? 1;
}

const vectorLength = (lengths: number[]) => lengths.reduce((sum, n) => sum + n, 0);

/** A space whose allocations can be moved beyond 2 GiB; untouched pages take no memory. */
const bigSpace = (() => {
  const spaces = [createVectorSpace(2 ** 26), createVectorSpace(2 ** 31 + 2 ** 26)];
  spaces[1]!.bytes(2 ** 31);
  let chosen = spaces[0]!;
  return {
    skipTo(below: number) {
      chosen = spaces[below ? 1 : 0]!;
    },
    get space() {
      return chosen;
    },
  };
})();

describe("top-k", () => {
  it("keeps exactly the largest, the first of equals", () => {
    for (const name of Object.keys(characters)) {
      for (const [n, ratio] of [
        [1000, 0.01],
        [5000, 0.01],
        [777, 0.2],
        [130, 0.5],
      ] as const) {
        const { compressor, vector, out } = bench({ kind: "topk", ratio }, layoutOf(n));
        fill(vector, name, 11);
        const before = vector.slice();
        compressor.addTo(out, compressor.squeeze(vector, random(0)), 1);
        const order = Array.from(before.keys()).sort(
          (i, j) => Math.abs(before[j]!) - Math.abs(before[i]!) || i - j,
        );
        const kept = new Set(order.slice(0, Math.floor(ratio * n)));
        const expected = before.map((x, k) => (kept.has(k) ? x + 0 : 0));
        expect(out).toEqual(expected);
      }
    }
  });

  it("codes the places close to their entropy", () => {
    for (const ratio of [0.001, 0.01, 0.03, 0.1, 0.3, 0.5, 0.7]) {
      const n = 100_000;
      const { compressor, vector } = bench({ kind: "topk", ratio }, layoutOf(n));
      fill(vector, "gaussian", 3);
      const payload = compressor.squeeze(vector, random(0));
      const places = 8 * payload.length - 32 * ratio * n;
      const entropy = -n * (ratio * Math.log2(ratio) + (1 - ratio) * Math.log2(1 - ratio));
      expect(places / entropy).toBeLessThan(1.15);
      if (ratio <= 0.1) expect(places / entropy).toBeLessThan(1.03);
    }
  });

  it("reaches both ends of the sizes it states", () => {
    const n = 4000;
    for (const first of [0, n - 40]) {
      const { compressor, vector } = bench({ kind: "topk" }, layoutOf(n));
      for (let k = 0; k < 40; k++) vector[first + k] = 1;
      const { length } = compressor.squeeze(vector, random(0));
      expect(length).toBe(first ? compressor.maximumPayloadBytes : compressor.minimumPayloadBytes);
    }
  });
});

describe("top-k by sign", () => {
  it("errs by exactly ‖v‖² − ‖v_K‖₁²/k, and attains its α at both corners", () => {
    const n = 1000;
    for (const ratio of [0.01, 0.2, 1]) {
      const { compressor, vector } = bench({ kind: "topsign", ratio }, layoutOf(n));
      const k = ratio * n;
      fill(vector, "heavy", 4);
      const size = sumOfSquares(vector);
      const kept = Array.from(vector, Math.abs)
        .sort((a, b) => b - a)
        .slice(0, k);
      compressor.squeeze(vector, random(0));
      const expected = size - kept.reduce((sum, x) => sum + x, 0) ** 2 / k;
      expect(sumOfSquares(vector) / expected).toBeCloseTo(1, 5);
      const alphas = [() => 1, (j: number) => (j === 7 ? 1 : 0)].map((make) => {
        for (let j = 0; j < n; j++) vector[j] = make(j);
        const before = sumOfSquares(vector);
        compressor.squeeze(vector, random(0));
        return 1 - sumOfSquares(vector) / before;
      });
      expect(Math.min(...alphas)).toBeCloseTo(compressor.contraction, 6);
    }
  });

  it("takes about 0.34 bits a number at 5 %, and a bit and a place for each", () => {
    const n = 100_000;
    const { compressor, vector } = bench({ kind: "topsign" }, layoutOf(n));
    fill(vector, "gaussian", 3);
    const bits = (8 * compressor.squeeze(vector, random(0)).length) / n;
    expect(bits).toBeGreaterThan(0.335);
    expect(bits).toBeLessThan(0.345);
  });
});

describe("top-k of cosine coefficients", () => {
  it("sends a wave of few frequencies whole, where top-k sends a share of it", () => {
    const left = ["topk", "dct-topk"].map((kind) => {
      const { compressor, vector } = bench({ kind, ratio: 0.05 }, layoutOf(640));
      // Frequencies 3 and 10 of every chunk of 64: two coefficients of 64.
      for (let k = 0; k < 640; k++) {
        const phase = (Math.PI * (2 * (k % 64) + 1)) / 128;
        vector[k] = Math.cos(3 * phase) - 0.5 * Math.cos(10 * phase);
      }
      const size = sumOfSquares(vector);
      compressor.squeeze(vector, random(0));
      return sumOfSquares(vector) / size;
    });
    expect(left[0]).toBeGreaterThan(0.8);
    expect(left[1]).toBeLessThan(1e-12);
  });

  it("keeps the end of a tensor behind its last whole chunk as it is", () => {
    const { compressor, vector, out } = bench({ kind: "dct-topk", ratio: 0.05 }, layoutOf(64 + 9, 5));
    vector[66] = 3;
    vector[75] = -2;
    const before = vector.slice();
    compressor.addTo(out, compressor.squeeze(vector, random(0)), 1);
    expect(out).toEqual(before);
  });
});

describe("low rank", () => {
  const matrices = createLayout([
    { name: "kernel", shape: [3, 5, 12] },
    { name: "bias", shape: [12] },
    { name: "dense", shape: [9, 40] },
  ]);

  it("gives a matrix of its rank back, and every tensor that it cannot make shorter", () => {
    const { compressor, vector } = bench({ kind: "low-rank", rank: 2 }, matrices);
    const draws = random(1, "factors");
    for (const { offset, length, shape } of matrices.tensors) {
      const n = shape.at(-1)!;
      for (let k = 0; k < length; k++) {
        const [i, j] = [Math.floor(k / n), k % n];
        vector[offset + k] = normal(draws, i) * normal(draws, 1000 + j) + normal(draws, 2000 + i) * (j % 3);
      }
    }
    const size = sumOfSquares(vector);
    compressor.squeeze(vector, random(2));
    expect(sumOfSquares(vector)).toBeLessThan(1e-10 * size);
  });

  it("contracts as it states, is a projection, and bounds its norm, whatever the numbers", () => {
    for (const name of Object.keys(characters)) {
      for (const rank of [1, 3]) {
        const { compressor, vector, out } = bench({ kind: "low-rank", rank }, matrices);
        fill(vector, name, 3);
        const before = vector.slice();
        const size = sumOfSquares(before);
        let error = 0;
        for (let key = 0; key < 20; key++) {
          vector.set(before);
          out.fill(0);
          const payload = compressor.squeeze(vector, random(key));
          compressor.addTo(out, payload, 1);
          expect(vector.every(Number.isFinite) && out.every(Number.isFinite)).toBe(true);
          error += sumOfSquares(vector) / 20;
          expect(sumOfSquares(vector)).toBeLessThanOrEqual(size * (1 + 1e-6) + rounding(size, 600));
          const norm = Math.sqrt(sumOfSquares(out));
          const bound = compressor.normBound(payload);
          expect(norm).toBeLessThanOrEqual(bound * (1 + 1e-5) + 1e-42);
          if (name === "gaussian") expect(bound).toBeLessThan(Math.sqrt(rank) * norm * 1.001);
        }
        expect(error).toBeLessThanOrEqual((1 - compressor.contraction) * size * 1.02 + rounding(size, 600));
      }
    }
  });

  it("has the same bits with SIMD and without, and adds what it leaves", () => {
    const results = (["simd", "reference"] as const).map((kernels) => {
      const { compressor, vector, out } = bench({ kind: "low-rank" }, matrices, kernels);
      fill(vector, "heavy", 3);
      const before = vector.slice();
      const payload = compressor.squeeze(vector, random(3)).slice();
      compressor.addTo(out, payload, 1);
      expect(before.findIndex((x, k) => vector[k] !== Math.fround(x - out[k]!))).toBe(-1);
      return [payload, vector.slice(), out.slice()];
    });
    expect(results[0]).toEqual(results[1]);
  });

  it("refuses factors that are not finite, and adds only finite numbers of any others", () => {
    const { compressor, vector, out } = bench({ kind: "low-rank" }, matrices);
    fill(vector, "gaussian", 3);
    const sent = compressor.squeeze(vector, random(3)).slice();
    for (let place = 0; place < sent.length; place += 36) {
      for (const value of [Number.NaN, Number.NEGATIVE_INFINITY, 3.4e38]) {
        const received = sent.slice();
        new DataView(received.buffer).setFloat32(place, value, true);
        if (value === 3.4e38) compressor.addTo(out.fill(0), received, 1);
        else expect(() => compressor.addTo(out, received, 1)).toThrow(MalformedPayload);
        expect(out.every(Number.isFinite)).toBe(true);
      }
    }
  });
});

describe("QSGD with entropy coding", () => {
  it.each([
    [1, 512],
    [7, 512],
    [7, 64],
    [100, 512],
  ])(
    "%i levels, blocks of %i: within 5 % of the codes' entropy, the same numbers as without",
    (levels, block) => {
      const n = 100 * 2048;
      const runs = ["fixed", "entropy"].map((coding) => {
        const { compressor, vector, out } = bench({ kind: "qsgd", levels, block, coding }, layoutOf(n));
        fill(vector, "gaussian", 3);
        const payload = compressor.squeeze(vector, random(4)).slice();
        compressor.addTo(out, payload, 1);
        return { payload, vector, out };
      });
      const [fixed, entropy] = runs.map(({ payload }) => payload);
      for (const of of ["vector", "out"] as const) {
        const [plain, coded] = runs.map((run) => Buffer.from(run[of].slice().buffer));
        expect(coded!.equals(plain!)).toBe(true);
      }
      const units = (4 * n) / block;
      const bits = (8 * (fixed!.length - units)) / n;
      const counts = new Map<number, number>();
      for (let k = 0; k < n; k++) {
        const code = (fixed![units + ((k * bits) >> 3)]! >> ((k * bits) & 7)) & (2 ** bits - 1);
        counts.set(code, (counts.get(code) ?? 0) + 1);
      }
      let entropyBits = 0;
      for (const count of counts.values()) entropyBits -= count * Math.log2(count / n);
      expect((8 * (entropy!.length - units)) / entropyBits).toBeLessThan(1.05);
    },
  );

  it("sends codes as they are where coding would not make them shorter", () => {
    const { compressor, vector, out } = bench({ kind: "qsgd", coding: "entropy" }, layoutOf(60, 5));
    fill(vector, "gaussian", 3);
    const before = vector.slice();
    const payload = compressor.squeeze(vector, random(4)).slice();
    expect(payload.length).toBe(compressor.maximumPayloadBytes);
    compressor.addTo(out, payload, 1);
    before.forEach((x, k) => {
      expect(vector[k]).toBe(Math.fround(x - out[k]!));
    });
  });

  it("takes least where nothing is told", () => {
    const { compressor, vector } = bench({ kind: "qsgd", coding: "entropy" }, layoutOf(1000));
    expect(compressor.squeeze(vector, random(4)).length).toBe(compressor.minimumPayloadBytes);
  });
});

describe("ternary with entropy coding", () => {
  it("takes what the bytes' entropy is where few numbers are large, and is as without where many are", () => {
    const n = 100_000;
    const bits = (name: string, coding: string) => {
      const { compressor, vector } = bench({ kind: "ternary", coding }, layoutOf(n));
      fill(vector, name, 3);
      return (8 * compressor.squeeze(vector, random(0)).length) / n;
    };
    expect(bits("gaussian", "entropy")).toBeLessThanOrEqual(bits("gaussian", "fixed") + 8 / n);
    // One number in twenty is not 0: 0.29 bits for whether, 0.05 for the sign, 32/256 for the scale.
    expect(bits("sparse", "entropy")).toBeLessThan(0.55);
    expect(bits("sparse", "fixed")).toBeGreaterThan(1.6);
  });
});

describe("sign", () => {
  it("errs by exactly ‖v‖² − ‖v‖₁²/n", () => {
    const n = 1001;
    const { compressor, vector } = bench({ kind: "sign" }, layoutOf(n));
    fill(vector, "heavy", 4);
    const size = sumOfSquares(vector);
    const magnitudes = vector.reduce((sum, x) => sum + Math.abs(x), 0);
    compressor.squeeze(vector, random(0));
    expect(sumOfSquares(vector) / (size - magnitudes ** 2 / n)).toBeCloseTo(1, 5);
  });
});

describe("one bit with two scales", () => {
  it("is the projection onto positive and negative numbers, and errs no more than sign", () => {
    for (const name of ["gaussian", "heavy", "offset", "sparse"]) {
      const [sign, onebit] = ["sign", "onebit"].map((kind) => {
        const { compressor, vector, out } = bench({ kind }, layoutOf(1001));
        fill(vector, name, 4);
        compressor.addTo(out, compressor.squeeze(vector, random(0)), 1);
        return { vector, out };
      });
      const errors = [sign, onebit].map((each) => sumOfSquares(each!.vector));
      expect(errors[1]!).toBeLessThanOrEqual(errors[0]! * (1 + 1e-6));
      for (const isUp of [true, false]) {
        const left = onebit!.vector.filter((_, k) => onebit!.out[k]! > 0 === isUp);
        const total = left.reduce((sum, e) => sum + e, 0);
        expect(Math.abs(total)).toBeLessThanOrEqual(
          1e-4 * Math.sqrt(sumOfSquares(onebit!.out) * 1001) + 1e-9,
        );
      }
    }
  });
});

describe("unbiased compressors", () => {
  /** Mean of C(v) over keys and the mean of ‖C(v) − v‖² / ‖v‖², with C(v) multiplied by `scale`. */
  function moments(written: Written, n: number, keys: number, scale: number) {
    const { compressor, vector, out } = bench(written, layoutOf(n));
    fill(vector, "gaussian", 9);
    const before = vector.slice();
    const mean = new Float64Array(n);
    let variance = 0;
    for (let key = 0; key < keys; key++) {
      vector.set(before);
      out.fill(0);
      compressor.addTo(out, compressor.squeeze(vector, random(key)), scale);
      for (let k = 0; k < n; k++) {
        mean[k]! += out[k]! / keys;
        variance += (out[k]! - before[k]!) ** 2 / keys;
      }
    }
    const size = sumOfSquares(before);
    const bias = mean.reduce((sum, x, k) => sum + (x - before[k]!) ** 2, 0) / size;
    return { bias, variance: variance / size };
  }

  it.each([
    [4, 1000],
    [16, 1000],
    [1, 64],
  ])("QSGD with %i levels on %i numbers: unbiased, and as noisy as the paper says", (levels, n) => {
    const omega = Math.min(n / levels ** 2, Math.sqrt(n) / levels);
    const keys = 400;
    const { bias, variance } = moments({ kind: "qsgd", levels, scope: "whole" }, n, keys, 1 + omega);
    expect(variance).toBeLessThanOrEqual(omega);
    // The mean of `keys` unbiased draws is off by variance / keys; five standard deviations are allowed.
    expect(bias).toBeLessThan((variance / keys) * (1 + 5 * Math.sqrt(2 / n)));
    expect(variance).toBeGreaterThan(0);
  });

  it("QSGD unscaled expands typical vectors, which is why it is scaled", () => {
    const written = { kind: "qsgd", levels: 4, scope: "whole", unscaled: true };
    expect(bench(written, layoutOf(1000)).compressor.contraction).toBe(0);
    const { variance } = moments(written, 1000, 50, 1);
    expect(variance).toBeGreaterThan(5);
    expect(variance).toBeLessThan(5.6);
  });

  it("natural: unbiased, second moment at most 9/8, 1.08 on normal numbers", () => {
    const keys = 400;
    const { bias, variance } = moments({ kind: "natural" }, 2000, keys, 1);
    expect(bias).toBeLessThan((variance / keys) * (1 + 5 * Math.sqrt(2 / 2000)));
    expect(1 + variance).toBeGreaterThan(1.075);
    expect(1 + variance).toBeLessThan(1.09);
  });

  it("natural dithering: unbiased, with a variance below its ω", () => {
    const keys = 400;
    const { bias, variance } = moments({ kind: "dithering" }, 2048, keys, 1);
    expect(bias).toBeLessThan((variance / keys) * (1 + 5 * Math.sqrt(2 / 2048)));
    expect(variance).toBeGreaterThan(0.08);
    expect(variance).toBeLessThan(1 / 8 + 256 / 4096);
  });

  it("adaptive random draws in proportion to the magnitudes, one after another", () => {
    const numbers = [4, -3, 2, 1, 0];
    const drawn = (count: number) => {
      const { compressor, vector } = bench({ kind: "adaptive-random", count }, layoutOf(5));
      const counts = new Array<number>(5).fill(0);
      for (let key = 0; key < 8000; key++) {
        vector.set(numbers);
        compressor.squeeze(vector, random(key));
        numbers.forEach((x, k) => {
          if (x !== 0 && vector[k] === 0) counts[k]!++;
        });
      }
      return counts.map((times) => times / 8000);
    };
    const sizes = numbers.map(Math.abs);
    for (const [k, share] of drawn(1).entries()) expect(Math.abs(share - sizes[k]! / 10)).toBeLessThan(0.02);
    // First k, or first another and then k.
    const second = sizes.map((size, k) =>
      sizes.reduce((sum, other, j) => sum + (j === k ? 0 : (other / 10) * (size / (10 - other))), size / 10),
    );
    for (const [k, share] of drawn(2).entries()) expect(Math.abs(share - second[k]!)).toBeLessThan(0.02);
  });

  it("random-k draws every place equally often", () => {
    const { compressor, vector } = bench({ kind: "randomk", ratio: 0.1 }, layoutOf(25));
    const drawn = new Array(25).fill(0);
    for (let key = 0; key < 5000; key++) {
      vector.fill(1);
      compressor.squeeze(vector, random(key));
      vector.forEach((x, k) => {
        drawn[k] += 1 - x;
      });
    }
    // Two strata, of 13 and 12 numbers.
    drawn.forEach((count, k) => {
      expect(Math.abs(count / 5000 - 1 / (k < 13 ? 13 : 12))).toBeLessThan(0.02);
    });
  });
});

describe("float16", () => {
  it("is never an expansion, however large or small the numbers", () => {
    for (const name of Object.keys(characters)) {
      const { error, size } = squaredError({ kind: "float16" }, name, 1, [300]);
      expect(error).toBeLessThanOrEqual(size);
    }
  });
});

describe("min–max", () => {
  it("is the least-squares fit of the numbers by its codes", () => {
    for (const rounding of ["nearest", "stochastic"]) {
      const written = { kind: "minmax", bits: 4, scope: "whole", rounding };
      const { compressor, vector, out } = bench(written, layoutOf(5000));
      fill(vector, "heavy", 2);
      const size = sumOfSquares(vector);
      compressor.addTo(out, compressor.squeeze(vector, random(2)), 1);
      // The error is at right angles to 1 and to the codes, hence to C(v).
      const errorSize = sumOfSquares(vector);
      const dot = vector.reduce((sum, e, k) => sum + e * out[k]!, 0);
      const total = vector.reduce((sum, e) => sum + e, 0);
      expect(Math.abs(dot) / Math.sqrt(errorSize * size)).toBeLessThan(1e-5);
      expect(Math.abs(total) / Math.sqrt(errorSize * 5000)).toBeLessThan(1e-5);
    }
  });
});

describe("payload bytes", () => {
  const numbers = [1, -2, 0.5, 3, -0.25, 0, 8, -1, 2.5, -6];
  const golden: [Written, string][] = [
    [
      { kind: "identity" },
      "0000803f000000c00000003f00004040000080be0000000000000041000080bf000020400000c0c0",
    ],
    [{ kind: "float16" }, "003c00c00038004200b40000004800bc004100c6"],
    [{ kind: "sign" }, "6edb06406dabaa4a4002"],
    [{ kind: "sign", scope: "whole" }, "33331b406d01"],
    [{ kind: "onebit" }, "000020400000903f6d000020400000604002"],
    [{ kind: "minmax", bits: 8 }, "eb3cfebf8258203d4c003f802c33ff0000c0c08988083d96ff00"],
    [{ kind: "minmax", bits: 4 }, "7f26e0bfb2a1243f0483320f98d7c0c095d7103ff900"],
    [{ kind: "minmax", bits: 2, rounding: "nearest" }, "f83534c0810d554091354592c4c02a4932400e"],
    [{ kind: "qsgd", levels: 1 }, "58591b40d90e1a40952505"],
    [{ kind: "qsgd", levels: 7 }, "49978d3fa9a2623f67a7760da600"],
    [{ kind: "qsgd", levels: 100, scope: "whole" }, "d493e13d6d5268806164ac5b7b2e"],
    [{ kind: "natural" }, "047bfc7a7cf9007e03fc7dff"],
    [{ kind: "dithering" }, "7cc34209067b5c0f"],
    [{ kind: "topk", ratio: 0.3 }, "00004040000000410000c0c001000a02"],
    [{ kind: "topk", ratio: 0.3, scope: "whole" }, "00004040000000410000c0c0012a"],
    [{ kind: "topk", ratio: 0.3, values: "float16" }, "0042004800c601000a02"],
    [{ kind: "topk", count: 2, values: "natural" }, "047d7e037efe010a06"],
    [
      { kind: "topk", count: 2, values: { kind: "minmax", bits: 2, rounding: "nearest" } },
      "000040405955d53f0c0000c0c05855354003010a06",
    ],
    [{ kind: "topk", count: 2, scope: "block", block: 8 }, "0000404000000041000020400000c0c0010a06"],
    [{ kind: "dct-topk", count: 2 }, "0000403e0000003f0000203e0000c0be010a06"],
    [
      { kind: "low-rank" },
      "0000803f000000c00000003f00004040000080be0000000000000041000080bf000020400000c0c0",
    ],
    [{ kind: "adaptive-random", count: 2 }, "0000404000000041000020400000c0c0010a06"],
    [{ kind: "topsign", ratio: 0.3 }, "0000b040030000c0400001000a02"],
    [{ kind: "topsign", count: 2, scope: "whole" }, "0000e040010a06"],
    [{ kind: "randomk", ratio: 0.3 }, "aaeb7544c0ba7f880000803f000080be00002040"],
    [{ kind: "ternary" }, "abaa8a4000008840947b73"],
  ];
  it.each(golden)("%j", (written, hex) => {
    const { compressor, vector } = bench(written, layoutOf(7, 3));
    vector.set(numbers);
    expect(Buffer.from(compressor.squeeze(vector, random(42))).toString("hex")).toBe(hex);
  });
});
