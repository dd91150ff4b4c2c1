import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compressorSettings } from "../src/compressors/index.js";
import { MalformedPayload } from "../src/errors.js";
import { random, randomFromKey } from "../src/random.js";
import { bench, characters, everyCompressor, fill, layoutOf, type Written } from "./compressorCases.js";

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
            let received = sent;
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
              expect(error).toBeInstanceOf(MalformedPayload);
              expect((error as Error).message).not.toContain("\n");
              expect(out).toEqual(before);
            }
          },
        ),
        { numRuns: 80 },
      );
    });
  },
);

describe("settings", () => {
  const written = (settings: Written) => compressorSettings.parse(settings);

  it("have defaults for all but the kind", () => {
    for (const { kind } of everyCompressor) expect(written({ kind }).kind).toBe(kind);
    expect(bench({ kind: "minmax" }, layoutOf(99)).compressor.name).toBe("minmax(4 bit, block=64)");
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
    { kind: "topk", scope: "block" },
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
