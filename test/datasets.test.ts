import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { sizeOf } from "../src/dataset.js";
import { parseDigits } from "../src/datasets/digits.js";
import { embedded } from "../src/datasets/digits-embedded.js";
import { loadDataset } from "../src/datasets/index.js";
import { classTable } from "../src/datasets/partition.js";
import { InvalidData } from "../src/foundation/errors.js";
import { expectError } from "./support/errors.js";

const digits = await loadDataset({ kind: "digits" });

test("digits: 1437 images to train and 360 to test, of ten classes, scaled to [0, 1]", () => {
  expect(digits.inputShape).toEqual([8, 8, 1]);
  expect(digits.targets).toEqual({ kind: "classes", count: 10 });
  for (const [examples, count] of [
    [digits.train, 1437],
    [digits.test, 360],
  ] as const) {
    expect(examples.labels).toHaveLength(count);
    expect(examples.features).toHaveLength(count * sizeOf(digits.inputShape));
    expect(new Set(examples.labels).size).toBe(10);
    expect(examples.features.every((pixel) => pixel >= 0 && pixel <= 1)).toBe(true);
    expect(examples.features.some((pixel) => pixel === 1)).toBe(true);
  }
});

test("digits: each class gives a fifth of its images to the test part, to within one", () => {
  const all = ({ labels }: { labels: ArrayLike<number> }) => [Array.from(labels, (_, i) => i)];
  const [train] = classTable(digits.train.labels, all(digits.train), 10);
  const [held] = classTable(digits.test.labels, all(digits.test), 10);
  for (let label = 0; label < 10; label++) {
    const count = train![label]! + held![label]!;
    expect(count).toBeGreaterThan(170);
    expect(Math.abs(held![label]! - count / 5)).toBeLessThan(1);
  }
});

test("digits: no image is in both parts, and an image keeps its label", () => {
  // Line i has the number i in its first six pixels and i mod 10 as its label.
  const lines = Array.from({ length: 200 }, (_, i) => {
    const pixels = new Array(64).fill(0);
    pixels[0] = i % 16;
    pixels[1] = Math.floor(i / 16);
    return [...pixels, i % 10].join(",");
  });
  const { train, test: held } = parseDigits(lines.join("\n"));
  const numbers = [train, held].map(({ features, labels }) =>
    Array.from(labels, (label, k) => {
      const number = 16 * (features[64 * k]! + 16 * features[64 * k + 1]!);
      expect(number % 10).toBe(label);
      return number;
    }),
  );
  expect(numbers[1]).toHaveLength(40);
  expect(numbers.flat().sort((a, b) => a - b)).toEqual(lines.map((_, i) => i));
});

const image = [...new Array(64).fill(3), 7].join(",");
test.each([
  ["no lines", "\n\n", { code: "digits-empty" }],
  ["a line cut short", `${image}\n${image.slice(0, 40)}`, { code: "digits-line", field: "line 2" }],
  ["a field too many", `${image},1`, { code: "digits-line", field: "line 1" }],
  ["a pixel above 16", image.replace("3", "17"), { code: "digits-line", field: "line 1" }],
  ["a negative pixel", image.replace("3", "-1"), { code: "digits-line", field: "line 1" }],
  ["a word", `${image}\n${image}\n${image.replace("3", "three")}`, { code: "digits-line", field: "line 3" }],
  ["a label above 9", image.replace(/7$/, "10"), { code: "digits-line", field: "line 1" }],
])("digits: %s is refused", (_name, text, expected) => {
  expectError(() => parseDigits(text), InvalidData, expected);
});

test("a data set is loaded once, however many peers ask for it", async () => {
  expect(await loadDataset({ kind: "digits" })).toBe(digits);
});

test("digits: what is embedded is the file", () => {
  const file = readFileSync(new URL("../src/datasets/digits.csv.gz", import.meta.url));
  expect(embedded).toBe(file.toString("base64"));
});

test("the licence's attribution lies beside the data", () => {
  expect(existsSync(new URL("../src/datasets/digits-attribution.txt", import.meta.url))).toBe(true);
});
