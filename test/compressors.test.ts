import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressorSettings } from "../src/compressors/index.js";
import { ForeignVector, MalformedPayload } from "../src/foundation/errors.js";
import { random, randomFromKey } from "../src/foundation/random.js";
import {
  bench,
  characters,
  everyCompressor,
  fill,
  layoutOf,
  type Written,
} from "./support/compressor-cases.js";
import { checkError, expectError } from "./support/errors.js";

const lengths = fc.oneof(
  fc.constant([1]),
  fc.constant([64]),
  fc.constant([1000]),
  fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }),
);
const character = fc.constantFrom(...Object.keys(characters));
const seed = fc.integer({ min: 0, max: 1e6 });

describe.each(everyCompressor.map((written) => [JSON.stringify(written), written] as const))(
  "%s",
  (_title, written) => {
    it("has the same bits with SIMD and without: payload, residual and sum", () => {
      fc.assert(
        fc.property(
          lengths,
          character,
          seed,
          fc.float({ noNaN: true, min: -2, max: 2 }),
          (ns, name, seed, scale) => {
            const layout = layoutOf(...ns);
            const results = (["simd", "reference"] as const).map((kernels) => {
              const { compressor, vector, out } = bench(written, layout, kernels);
              fill(vector, name, seed);
              const payload = compressor.squeeze(vector, random(seed, "squeeze")).slice();
              fill(out, "gaussian", seed + 1);
              compressor.addTo(out, payload, scale);
              return [payload, new Uint8Array(vector.slice().buffer), new Uint8Array(out.slice().buffer)];
            });
            expect(results[0]).toEqual(results[1]);
          },
        ),
        { numRuns: 14 },
      );
    });

    it("has the same bits beyond a run of sums, a batch of places and a block of natural compression", () => {
      const layout = layoutOf(4500);
      const results = (["simd", "reference"] as const).map((kernels) => {
        const { compressor, vector, out } = bench(written, layout, kernels);
        fill(vector, "heavy", 1);
        const payload = compressor.squeeze(vector, random(1, "squeeze")).slice();
        compressor.addTo(out, payload, 0.7);
        return [payload, vector.slice(), out.slice()];
      });
      expect(results[0]).toEqual(results[1]);
    });

    it("leaves exactly what the decoder does not give back, and draws only on its key", () => {
      fc.assert(
        fc.property(lengths, character, seed, (ns, name, seed) => {
          const layout = layoutOf(...ns);
          const { compressor, vector, out } = bench(written, layout);
          fill(vector, name, seed);
          const before = vector.slice();
          const stream = random(seed, "squeeze");
          const payload = compressor.squeeze(vector, stream).slice();
          expect(payload.length).toBeGreaterThanOrEqual(compressor.minimumPayloadBytes);
          expect(payload.length).toBeLessThanOrEqual(compressor.maximumPayloadBytes);
          compressor.addTo(out, payload, 1);
          // Plain equality: the sign of a zero is of no matter here.
          const wrong = before.findIndex((x, k) => vector[k] !== Math.fround(x - out[k]!));
          expect(wrong).toBe(-1);
          vector.set(before);
          expect(compressor.squeeze(vector, randomFromKey(stream.low, stream.high))).toEqual(payload);
        }),
        { numRuns: 12 },
      );
    });

    it("adds scale times the same numbers, whatever the scale", () => {
      fc.assert(
        fc.property(character, seed, fc.float({ noNaN: true, min: -8, max: 8 }), (name, seed, scale) => {
          const { compressor, vector, out } = bench(written, layoutOf(150, 21));
          fill(vector, name, seed);
          const payload = compressor.squeeze(vector, random(seed)).slice();
          compressor.addTo(out, payload, 1);
          const decoded = out.slice();
          compressor.addTo(out.fill(0), payload, scale);
          // The sign of a zero is of no matter here.
          const wrong = decoded.findIndex((x, k) => out[k] !== Math.fround(scale * x));
          expect(wrong).toBe(-1);
        }),
        { numRuns: 20 },
      );
    });

    it("refuses a vector of another memory or another length, in a line", () => {
      const { compressor, vector, space, out } = bench(written, layoutOf(40, 9));
      fill(vector, "gaussian", 1);
      const payload = compressor.squeeze(vector, random(1)).slice();
      const before = Buffer.from(new Uint8Array(space.buffer));
      const foreign = bench(written, layoutOf(40, 9)).vector;
      for (const wrong of [foreign, new Float32Array(49), out.subarray(1), space.vector(50)]) {
        for (const act of [
          () => compressor.squeeze(wrong, random(2)),
          () => compressor.addTo(wrong, payload, 1),
        ]) {
          expectError(act, ForeignVector, { code: "foreign-vector" });
        }
      }
      expect(before.equals(new Uint8Array(space.buffer))).toBe(true);
    });

    it("adds nothing from a damaged payload, or only finite numbers", () => {
      const layout = layoutOf(37, 90);
      const { compressor, vector, out, space } = bench(written, layout);
      const inside = space.bytes(compressor.maximumPayloadBytes + 8);
      fc.assert(
        fc.property(
          seed,
          fc.nat(),
          fc.constantFrom("flip", "cut", "extend", "noise", "ones"),
          fc.boolean(),
          (seed, at, damage, isInside) => {
            fill(vector, "gaussian", seed);
            const sent = compressor.squeeze(vector, random(seed)).slice();
            const stream = random(at, "damage");
            let received: Uint8Array = sent;
            if (damage === "flip") received[at % sent.length]! ^= 1 << (at & 7);
            if (damage === "cut") received = sent.slice(0, at % sent.length);
            if (damage === "extend") received = Uint8Array.of(...sent, 0);
            if (damage === "noise") received = sent.map((_byte, k) => stream.bits(k));
            if (damage === "ones") received = sent.fill(255, at % sent.length);
            if (isInside) {
              inside.set(received, 3);
              received = inside.subarray(3, 3 + received.length);
            }
            fill(out, "gaussian", seed + 1);
            const before = out.slice();
            try {
              compressor.addTo(out, received, 0.5);
              expect(["flip", "noise", "ones"]).toContain(damage);
              expect(out.every(Number.isFinite)).toBe(true);
            } catch (error) {
              checkError(error, MalformedPayload);
              expect(out).toEqual(before);
            }
          },
        ),
        { numRuns: 80 },
      );
    });
  },
);

describe("where a payload lies", () => {
  it.each(everyCompressor.map((written) => [JSON.stringify(written), written] as const))(
    "%s reads the same at the very end of the memory as elsewhere",
    (_title, written) => {
      for (const ns of [[1], [7, 90], [1500]]) {
        const { compressor, vector, out, space } = bench(written, layoutOf(...ns));
        fill(vector, "gaussian", 4);
        const sent = compressor.squeeze(vector, random(4)).slice();
        compressor.addTo(out, sent, 0.5);
        const elsewhere = out.slice();
        const last = new Uint8Array(space.buffer, space.buffer.byteLength - sent.length);
        last.set(sent);
        compressor.addTo(out.fill(0), last, 0.5);
        expect(out).toEqual(elsewhere);
      }
    },
  );

  it.each([["identity"], ["float16"]] as const)(
    "%s reads a received payload in pieces, and adds none when the last one is damaged",
    (kind) => {
      // More than two pieces of 2¹⁸ bytes, and the last one odd.
      const { compressor, vector, out } = bench({ kind }, layoutOf(300_001));
      fill(vector, "gaussian", 5);
      const own = compressor.squeeze(vector, random(5));
      const received = own.slice();
      compressor.addTo(out, own, 0.5);
      const expected = out.slice();
      compressor.addTo(out.fill(0), received, 0.5);
      expect(Buffer.from(out.slice().buffer).equals(Buffer.from(expected.buffer))).toBe(true);
      received.fill(0xff, received.length - 2);
      out.fill(7);
      expect(() => compressor.addTo(out, received, 0.5)).toThrow(MalformedPayload);
      expect(out.every((x) => x === 7)).toBe(true);
    },
  );
});

describe("places of top-k", () => {
  const gaps: [string, number, number, (k: number, n: number) => boolean][] = [
    ["all at the end, a thousand zeros of quotients before them", 100_000, 0.01, (k, n) => k >= n - 1000],
    ["half at the start and half at the end", 100_000, 0.01, (k, n) => k < 500 || k >= n - 500],
    ["none next to another", 100_000, 0.01, (k) => k % 97 === 96],
  ];
  it.each(gaps)("%s", (_title, n, ratio, isLarge) => {
    const [simd, reference] = (["simd", "reference"] as const).map((kernels) => {
      const { compressor, vector, out } = bench({ kind: "topk", ratio }, layoutOf(n), kernels);
      for (let k = 0; k < n; k++) vector[k] = isLarge(k, n) ? 5 + (k % 11) : (k % 13) / 13;
      const payload = compressor.squeeze(vector, random(1)).slice();
      compressor.addTo(out, payload, 1);
      return { payload, out: out.slice() };
    });
    expect(simd!.payload).toEqual(reference!.payload);
    const wrong = simd!.out.findIndex((x, k) => x !== reference!.out[k]);
    expect(wrong).toBe(-1);
    expect(simd!.out.reduce((count, x) => count + (x === 0 ? 0 : 1), 0)).toBe(Math.floor(ratio * n));
  });
});

describe("known numbers", () => {
  const ones = (n: number) => new Array<number>(n).fill(1);
  const cases: [Written, number[], number[]][] = [
    [{ kind: "identity" }, [1, -2.5, 0, 4], [1, -2.5, 0, 4]],
    [{ kind: "float16" }, [1, -2.5, 1 + 2 ** -12, 70000], [1, -2.5, 1, 65504]],
    [{ kind: "sign" }, [1, -1, 3, -3], [2, -2, 2, -2]],
    [{ kind: "minmax", bits: 2, rounding: "nearest" }, [-3, -1, 1, 3], [-3, -1, 1, 3]],
    [{ kind: "qsgd", levels: 1 }, [0, 3, 0], [0, 3 / (1 + Math.sqrt(3)), 0]],
    [{ kind: "natural" }, [1, -4, 0, 0.125], [1, -4, 0, 0.125]],
    [{ kind: "topk", ratio: 0.5 }, [1, -4, 3, 0.5], [0, -4, 3, 0]],
    [{ kind: "topk", count: 2, values: "natural" }, [1, -4, 2, 0.5], [0, -4, 2, 0]],
    [{ kind: "topsign", ratio: 0.5 }, [1, -4, 3, 0.5], [0, -3.5, 3.5, 0]],
    [{ kind: "randomk", ratio: 1 }, [1, -4, 3, 0.5], [1, -4, 3, 0.5]],
    [{ kind: "ternary" }, [0.1, -3, 5, 0, 0], [0, -4, 4, 0, 0]],
  ];
  it.each(cases)("%j", (written, numbers, expected) => {
    const { compressor, vector, out } = bench(written, layoutOf(numbers.length));
    for (const scale of [1, -0.5, 0.25, 3]) {
      vector.set(numbers);
      out.set(ones(numbers.length));
      compressor.addTo(out, compressor.squeeze(vector, random(5)), scale);
      expected.forEach((x, k) => {
        expect(out[k]).toBeCloseTo(1 + scale * x, 5);
      });
    }
  });
});

describe("numbers in payloads that are not finite", () => {
  const n = 20;
  const notFinite = ["NaN", "Infinity", "-Infinity"].map(Number);
  /** Where a payload of `n` numbers holds float32 numbers, and one whose levels overflow though it is finite itself. */
  const cases: [Written, number[], number?][] = [
    [{ kind: "identity" }, [0, 4, 4 * (n - 1)]],
    [{ kind: "sign" }, [0]],
    [{ kind: "sign", scope: "block", block: 8 }, [0, 4, 8]],
    [{ kind: "minmax" }, [0, 4], 3e38],
    [{ kind: "minmax", bits: 8, block: 10 }, [0, 4, 8, 12]],
    [{ kind: "qsgd" }, [0], 3e38],
    [{ kind: "qsgd", block: 10 }, [0, 4], 3e38],
    [{ kind: "topk", ratio: 0.2 }, [0, 4, 12]],
    [{ kind: "topsign", ratio: 0.2 }, [0]],
    [{ kind: "topsign", count: 3, scope: "block", block: 10 }, [0, 5]],
    [{ kind: "randomk", ratio: 0.2 }, [8, 12, 20]],
    [{ kind: "ternary", block: 10 }, [0, 4]],
  ];
  it.each(cases)("%j", (written, places, overflowing) => {
    const { compressor, vector, out } = bench(written, layoutOf(n));
    fill(vector, "gaussian", 3);
    const sent = compressor.squeeze(vector, random(3)).slice();
    out.fill(7);
    for (const place of places) {
      for (const bad of [...notFinite, ...(place === places.at(-1) && overflowing ? [overflowing] : [])]) {
        const received = sent.slice();
        new DataView(received.buffer).setFloat32(place, bad, true);
        expect(() => compressor.addTo(out, received, 0.5)).toThrow(MalformedPayload);
      }
    }
    expect(out.every((x) => x === 7)).toBe(true);
    compressor.addTo(out, sent, 0.5);
  });

  it("halves", () => {
    const { compressor, vector, out } = bench({ kind: "float16" }, layoutOf(n));
    fill(vector, "gaussian", 3);
    const sent = compressor.squeeze(vector, random(3)).slice();
    for (let k = 0; k < n; k++) {
      for (const bad of [0x7c00, 0xfc00, 0x7e00, 0xfc01]) {
        const received = sent.slice();
        new DataView(received.buffer).setUint16(2 * k, bad, true);
        expect(() => compressor.addTo(out, received, 1)).toThrow(MalformedPayload);
      }
    }
    expect(out.every((x) => x === 0)).toBe(true);
  });

  it("natural: a base beyond the largest exponent, in any block", () => {
    const { compressor, vector, out } = bench({ kind: "natural" }, layoutOf(n, 4097));
    const sent = compressor.squeeze(vector, random(3)).slice();
    for (const place of [0, 1 + n, 2 + n]) {
      const received = sent.slice();
      received[place] = 128;
      expect(() => compressor.addTo(out, received, 1)).toThrow(MalformedPayload);
      received[place] = 127;
      compressor.addTo(out, received, 1);
    }
  });
});

describe("settings", () => {
  const written = (settings: Written) => compressorSettings.parse(settings);

  it("have defaults for all but the kind", () => {
    for (const { kind } of everyCompressor) expect(written({ kind }).kind).toBe(kind);
    expect(bench({ kind: "minmax" }, layoutOf(99)).compressor.name).toBe("minmax(4 bit, block=256)");
  });

  it.each([
    { kind: "zip" },
    { kind: "sign", blocks: 64 },
    { kind: "sign", scope: "block", block: 7 },
    { kind: "minmax", bits: 3 },
    { kind: "qsgd", levels: 0 },
    { kind: "qsgd", levels: 128 },
    { kind: "topk", ratio: 0 },
    { kind: "randomk", ratio: 1.01 },
    { kind: "randomk", scope: "block" },
    { kind: "topk", count: 0 },
    { kind: "topk", values: "sign" },
    { kind: "topsign", block: 7 },
  ])("refuse %j in a line", (settings) => {
    const result = compressorSettings.safeParse(settings);
    expect(result.error?.issues).toHaveLength(1);
    expect(result.error?.issues[0]?.message).toMatch(/^[^\n]+$/);
  });

  it("tell compressors apart by name", () => {
    const names = everyCompressor.map((settings) => bench(settings, layoutOf(200)).compressor.name);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("an empty model", () => {
  it.each(everyCompressor)("%j", (settings) => {
    const { compressor, vector, out } = bench(settings, layoutOf());
    compressor.addTo(out, compressor.squeeze(vector, random(0)).slice(), 1);
    expect(compressor.contraction).toBeGreaterThan(0);
    expect(compressor.contraction).toBeLessThanOrEqual(1);
  });
});
