import fc from "fast-check";
import { expect, test } from "vitest";
import { augmentationSettings, createAugmentation } from "../src/datasets/augmentation.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { random } from "../src/foundation/random.js";
import { expectError } from "./support/errors.js";

const shape = [5, 6, 2];
const SIZE = 60;
/** Images whose numbers tell where they were: 1 … 60, and the next image from 61. */
const numbered = (count: number) => Float32Array.from({ length: count * SIZE }, (_, k) => k + 1);
const at = (image: ArrayLike<number>, row: number, column: number, channel: number) =>
  row < 0 || row >= 5 || column < 0 || column >= 6 ? 0 : image[(row * 6 + column) * 2 + channel]!;

test("every image is some flip and shift of itself, and nothing of its neighbours", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 0, max: 7 }), fc.boolean(), (seed, shift, flip) => {
      const augment = createAugmentation({ flip, shift }, shape);
      const batch = numbered(4);
      augment?.(batch, random(seed, "test"));
      for (let i = 0; i < 4; i++) {
        const original = numbered(4).subarray(i * SIZE, (i + 1) * SIZE);
        const image = batch.subarray(i * SIZE, (i + 1) * SIZE);
        const isMove = (flipped: boolean, down: number, right: number) =>
          image.every((value, k) => {
            const [row, column, channel] = [Math.floor(k / 12), Math.floor(k / 2) % 6, k % 2];
            // Shifted columns are those of the mirrored image, which is 0 outside as well.
            const from = column - right;
            const source = flipped && from >= 0 && from < 6 ? 5 - from : from;
            return value === at(original, row - down, source, channel);
          });
        const steps = Array.from({ length: 2 * shift + 1 }, (_, k) => k - shift);
        const found = [false, ...(flip ? [true] : [])].some((flipped) =>
          steps.some((down) => steps.some((right) => isMove(flipped, down, right))),
        );
        expect(found).toBe(true);
      }
    }),
    { numRuns: 100 },
  );
});

test("it follows from its draws, and images of a batch differ", () => {
  const augment = createAugmentation({ flip: true, shift: 2 }, shape)!;
  const run = (seed: number) => {
    const batch = new Float32Array(8 * SIZE);
    for (let i = 0; i < 8; i++) batch.set(numbered(1), i * SIZE);
    augment(batch, random(seed, "test"));
    return batch;
  };
  expect(run(1)).toEqual(run(1));
  expect(run(2)).not.toEqual(run(1));
  const images = Array.from({ length: 8 }, (_, i) =>
    run(1)
      .subarray(i * SIZE, (i + 1) * SIZE)
      .join(),
  );
  expect(new Set(images).size).toBeGreaterThan(4);
});

test("half of the images are flipped, and every shift is as likely as any other", () => {
  const augment = createAugmentation({ flip: true, shift: 1 }, [3, 3, 1])!;
  const batch = new Float32Array(9 * 9000);
  // One bright pixel left of the middle: where it goes tells flip and shift.
  for (let i = 0; i < 9000; i++) batch[9 * i + 3] = 1;
  augment(batch, random(5, "test"));
  const counts = new Map<number, number>();
  for (let i = 0; i < 9000; i++) {
    const place = batch.subarray(9 * i, 9 * i + 9).indexOf(1);
    counts.set(place, (counts.get(place) ?? 0) + 1);
  }
  // Of 18 moves, the pixel leaves in 6, is in the middle column in 6 and at each side in 3 times one row.
  const share = (place: number) => counts.get(place)! / 9000;
  expect(Math.abs(share(-1) - 1 / 3)).toBeLessThan(0.02);
  for (const middle of [1, 4, 7]) expect(Math.abs(share(middle) - 1 / 9)).toBeLessThan(0.02);
  for (const side of [0, 2, 3, 5, 6, 8]) expect(Math.abs(share(side) - 1 / 18)).toBeLessThan(0.015);
});

test("without settings there is none, and only images can be changed", () => {
  expect(createAugmentation(augmentationSettings.parse({}), [64])).toBeUndefined();
  const expected = { code: "augmentation-needs-images", field: "augmentation" };
  for (const shape of [[64], [8, 8]]) {
    expectError(() => createAugmentation({ flip: true, shift: 0 }, shape), InvalidExperiment, expected);
    expectError(() => createAugmentation({ flip: false, shift: 1 }, shape), InvalidExperiment, expected);
  }
  expect(() => augmentationSettings.parse({ shift: 65 })).toThrow();
});
