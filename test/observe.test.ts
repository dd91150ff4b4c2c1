// The mean model and the consensus distance, against their definitions.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { observe } from "../src/runs/observe.js";

/** Σ_i ‖x_i − x̄‖² / n, in two passes. */
function byDefinition(models: readonly Float32Array[]) {
  const count = models.length;
  const mean = Float64Array.from(models[0]!, (_, k) => models.reduce((sum, x) => sum + x[k]!, 0) / count);
  const squares = models.map((x) => x.reduce((sum, value, k) => sum + (value - mean[k]!) ** 2, 0));
  return {
    mean,
    distance: squares.reduce((sum, square) => sum + square, 0) / count,
    norm: Math.sqrt(mean.reduce((sum, value) => sum + value ** 2, 0)),
  };
}

const value = fc.float({ min: -1e3, max: 1e3, noNaN: true });
/** Models that scatter by so much around a common one; the first may be an outlier. */
const scattered = fc
  .record({
    length: fc.constantFrom(1, 7, 4096, 4099),
    count: fc.integer({ min: 1, max: 40 }),
    spread: fc.constantFrom(0, 1e-6, 1, 1e4),
    outlier: fc.constantFrom(0, 1e3),
    centre: value,
    seed: fc.nat(),
  })
  .map(({ length, count, spread, outlier, centre, seed }) =>
    Array.from({ length: count }, (_, i) =>
      Float32Array.from(
        { length },
        (_, k) => centre + spread * Math.sin(seed + 7 * i + 13 * k) + (i === 0 ? outlier : 0),
      ),
    ),
  );

describe("what all models come to", () => {
  it("is their mean and their distance from it", () => {
    fc.assert(
      fc.property(scattered, (models) => {
        const mean = new Float32Array(models[0]!.length);
        const { consensusDistance, meanModelNorm } = observe(models, mean);
        const expected = byDefinition(models);
        expect(Math.abs(consensusDistance - expected.distance)).toBeLessThanOrEqual(1e-9 * expected.distance);
        expect(Math.abs(meanModelNorm - expected.norm)).toBeLessThanOrEqual(1e-9 * expected.norm);
        for (const [k, average] of mean.entries()) {
          expect(Math.abs(average - expected.mean[k]!)).toBeLessThanOrEqual(
            1e-7 * Math.abs(expected.mean[k]!),
          );
        }
      }),
      { numRuns: 60 },
    );
  });

  it("is no distance at all where models are equal", () => {
    const model = Float32Array.from({ length: 5000 }, (_, k) => Math.fround(0.1 * k));
    const mean = new Float32Array(5000);
    expect(observe([model, model.slice(), model.slice()], mean).consensusDistance).toBe(0);
    expect(mean).toEqual(model);
  });
});
