import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ForeignVector } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { createReferenceKernels } from "../src/kernels/reference.js";
import { createSimdKernels } from "../src/kernels/simd.js";
import {
  createOptimizer,
  type OptimizerSettings,
  optimizerSettings,
  optimizerVectors,
} from "../src/optimizers/index.js";
import { createVectorSpace, spaceBytes, type Vector } from "../src/vectors/vector.js";
import { expectError } from "./support/errors.js";
import { anyLength, everyOptimizer } from "./support/optimizer-cases.js";
import { ruleOf } from "./support/optimizer-rules.js";

const kinds = optimizerSettings.options.map((option) => option.shape.kind.value);
const seeds = fc.integer({ min: 0, max: 1e6 });
const rate = (t: number) => 0.1 / (1 + t);

/** An optimiser and its vectors, in a space that has just as many as it says it takes. */
function workplace(settings: OptimizerSettings, length: number, createKernels = createSimdKernels) {
  const space = createVectorSpace(spaceBytes(2 + optimizerVectors(settings), length), createKernels);
  const [update, point] = [space.vector(length), space.vector(length)];
  return { space, update, point, optimizer: createOptimizer(settings, { length, space }) };
}

type Workplace = ReturnType<typeof workplace>;

/** Steps first … last − 1 of descent along drawn gradients, whose sizes differ by many powers of 2. */
function descend({ space, update, point, optimizer }: Workplace, seed: number, first: number, last: number) {
  for (let t = first; t < last; t++) {
    const draws = random(seed, "gradient", t);
    for (let k = 0; k < update.length; k++) update[k] = normal(draws, k) * 2 ** ((k % 40) - 30);
    optimizer.step(update, point, rate(t));
    space.kernels.add(point.byteOffset, update.byteOffset, point.length);
  }
}

function start({ point }: Workplace, seed: number): void {
  for (let k = 0; k < point.length; k++) point[k] = normal(random(seed, "start"), k);
}

/** All that a step reads and writes. */
const contentOf = ({ update, point, optimizer: { state } }: Workplace) => ({
  update: update.slice(),
  point: point.slice(),
  vectors: Object.fromEntries(Object.entries(state.vectors).map(([name, vector]) => [name, vector.slice()])),
  scalars: { ...state.scalars },
});

describe.each(everyOptimizer)("%s", (_name, settings) => {
  it("steps as the paper's equations say, in float64", () => {
    const length = 23;
    const place = workplace(settings, length);
    start(place, 1);
    const rules = Array.from({ length }, () => ruleOf(settings));
    for (let t = 1; t <= 50; t++) {
      const { update, point, optimizer, space } = place;
      const draws = random(7, "gradient", t);
      for (let k = 0; k < length; k++) update[k] = normal(draws, k) * 2 ** ((k % 8) - 4);
      const norm = Math.hypot(...update);
      const clip = settings.clipNorm === undefined ? 1 : Math.min(1, settings.clipNorm / norm);
      const penalty = settings.kind === "adamw" ? 0 : settings.weightDecay;
      const squared = update.reduce((sum, g, k) => sum + (clip * g + penalty * point[k]!) ** 2, 0);
      const expected = rules.map((rule, k) => rule(clip * update[k]!, point[k]!, rate(t), t, squared));
      optimizer.step(update, point, rate(t));
      expected.forEach((value, k) => {
        expect(Math.abs(update[k]! - value)).toBeLessThan(1e-5 * (Math.abs(value) + rate(t)));
      });
      space.kernels.add(point.byteOffset, update.byteOffset, length);
    }
  });

  it("has the same bits with SIMD and without, for any length", () => {
    fc.assert(
      fc.property(anyLength, seeds, (length, seed) => {
        const [simd, reference] = [createSimdKernels, createReferenceKernels].map((createKernels) => {
          const place = workplace(settings, length, createKernels);
          start(place, seed);
          descend(place, seed, 0, 3);
          return contentOf(place);
        });
        expect(simd).toEqual(reference);
      }),
      { numRuns: 15 },
    );
  });

  it("goes on to the bit from a copy of its state", () => {
    fc.assert(
      fc.property(anyLength, fc.integer({ min: 0, max: 4 }), seeds, (length, before, seed) => {
        const [whole, copy] = [workplace(settings, length), workplace(settings, length)];
        start(whole, seed);
        descend(whole, seed, 0, before);

        copy.point.set(whole.point);
        const [from, to] = [whole.optimizer.state, copy.optimizer.state];
        expect(Object.keys(to.vectors)).toEqual(Object.keys(from.vectors));
        for (const [name, vector] of Object.entries(from.vectors)) to.vectors[name]!.set(vector);
        Object.assign(to.scalars, from.scalars);

        for (const place of [whole, copy]) descend(place, seed, before, before + 3);
        expect(contentOf(copy)).toEqual(contentOf(whole));
      }),
      { numRuns: 15 },
    );
  });

  it("has as many vectors as it says, reads the point only, and stays with a rate of 0", () => {
    const place = workplace(settings, 37);
    start(place, 3);
    const { vectors } = place.optimizer.state;
    expect(Object.keys(vectors)).toHaveLength(optimizerVectors(settings));
    expect(Object.values(vectors).every(({ length }) => length === 37)).toBe(true);
    const before = place.point.slice();
    for (let k = 0; k < 37; k++) place.update[k] = normal(random(4), k);
    place.optimizer.step(place.update, place.point, 0);
    expect(place.point).toEqual(before);
    expect(place.update.every((value) => value === 0)).toBe(true);
  });

  it("refuses vectors that its kernels could not reach", () => {
    const { optimizer, point, update, space } = workplace(settings, 8);
    for (const wrong of [
      new Float32Array(8),
      new Float32Array(space.buffer, point.byteOffset, 7),
    ] as Vector[]) {
      for (const act of [() => optimizer.step(wrong, point, 1), () => optimizer.step(update, wrong, 1)]) {
        expectError(act, ForeignVector, { code: "foreign-vector" });
      }
    }
  });
});

describe("clipping", () => {
  it("leaves a gradient alone up to clipNorm, and gives a longer one that norm in the same direction", () => {
    fc.assert(
      fc.property(
        anyLength,
        seeds,
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (length, seed, clipNorm) => {
          const { update, point, optimizer } = workplace(
            optimizerSettings.parse({ kind: "sgd", clipNorm }),
            length,
          );
          for (let k = 0; k < length; k++) update[k] = normal(random(seed), k);
          const gradient = update.slice();
          const norm = Math.hypot(...gradient);
          optimizer.step(update, point, 1);
          const factor = Math.min(1, clipNorm / norm);
          for (let k = 0; k < length; k++) {
            expect(Math.abs(update[k]! + factor * gradient[k]!)).toBeLessThanOrEqual(1e-6 * factor * norm);
          }
          if (norm <= clipNorm) expect(update).toEqual(gradient.map((value) => -value));
          else expect(Math.hypot(...update) / clipNorm).toBeCloseTo(1, 5);
        },
      ),
    );
  });

  it.each(kinds)("makes %s step as from the clipped gradient", (kind) => {
    const place = (clipNorm?: number) =>
      workplace(optimizerSettings.parse({ kind, weightDecay: 0, ...(clipNorm && { clipNorm }) }), 9);
    const [clipped, plain] = [place(2), place()];
    for (let t = 0; t < 4; t++) {
      for (let k = 0; k < 9; k++) clipped.update[k] = k % 3 === 0 ? 4 * (t + 1) : 0;
      // Three numbers of 4(t + 1) each.
      plain.update.set(clipped.update.map((value) => (value * 2) / (4 * (t + 1) * Math.sqrt(3))));
      for (const { optimizer, update, point } of [clipped, plain]) optimizer.step(update, point, 0.1);
      for (let k = 0; k < 9; k++) expect(clipped.update[k]).toBeCloseTo(plain.update[k]!, 6);
    }
  });
});

describe("centred RMSProp", () => {
  it("stays finite where gradients never change, and where they are large", () => {
    const { update, point, optimizer } = workplace(
      optimizerSettings.parse({ kind: "rmsprop", centered: true }),
      3,
    );
    for (let t = 0; t < 200; t++) {
      update.set([0, 1e3, 1e10]);
      optimizer.step(update, point, 1e-6);
      expect(update.every(Number.isFinite)).toBe(true);
    }
  });
});

/** Where 40 steps along drawn gradients, times `scale`, lead. */
function course(written: object, rateOf: (t: number) => number, scale = 1) {
  const place = workplace(optimizerSettings.parse(written), 9);
  start(place, 5);
  for (let t = 1; t <= 40; t++) {
    const draws = random(6, "gradient", t);
    for (let k = 0; k < 9; k++) place.update[k] = scale * normal(draws, k);
    place.optimizer.step(place.update, place.point, rateOf(t));
    place.space.kernels.add(place.point.byteOffset, place.update.byteOffset, 9);
  }
  return place.point;
}

describe("generic Adam", () => {
  it("is AdaGrad where all squares count the same and γ falls as 1/√t", () => {
    const adagrad = course({ kind: "adagrad", initialAccumulator: 1e-12 }, () => 0.1);
    const written = { kind: "generic-adam", beta1: 0, decay: "linear", epsilon: 1e-12 };
    const generic = course(written, (t) => 0.1 / Math.sqrt(t));
    for (let k = 0; k < 9; k++) expect(Math.abs(adagrad[k]! - generic[k]!)).toBeLessThan(1e-4);
  });
});

describe("generalised sign", () => {
  it("moves no number by more than γ/√(1 − β₂), whatever the gradients, and by γ with β₂ = 0", () => {
    for (const beta2 of [0, 0.9, 0.999]) {
      const settings = optimizerSettings.parse({ kind: "generalized-sign", beta2, epsilon: 1e-30 });
      const { update, point, optimizer } = workplace(settings, 40);
      const most = 0.01 / Math.sqrt(1 - beta2);
      for (let t = 0; t < 60; t++) {
        for (let k = 0; k < 40; k++) update[k] = normal(random(9, t), k) * 2 ** ((t * 7 + k) % 40);
        optimizer.step(update, point, 0.01);
        const steps = update.map(Math.abs);
        expect(Math.max(...steps)).toBeLessThanOrEqual(most * (1 + 1e-5));
        if (beta2 === 0) expect(Math.min(...steps)).toBeCloseTo(0.01, 7);
      }
    }
  });
});

describe("AdaGrad-Norm", () => {
  it("does not depend on the unit of the gradients, where b₀ has it too, and makes no step longer than γ", () => {
    const plain = course({ kind: "adagrad-norm", initialNorm: 0.5 }, () => 0.1);
    const scaled = course({ kind: "adagrad-norm", initialNorm: 512 }, () => 0.1, 1024);
    expect(scaled).toEqual(plain);
    const { update, point, optimizer } = workplace(optimizerSettings.parse({ kind: "adagrad-norm" }), 9);
    for (let t = 0; t < 30; t++) {
      for (let k = 0; k < 9; k++) update[k] = normal(random(9, t), k) * 2 ** (t % 20);
      optimizer.step(update, point, 0.01);
      expect(Math.hypot(...update)).toBeLessThanOrEqual(0.01 * (1 + 1e-6));
    }
  });
});
