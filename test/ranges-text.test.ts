import fc from "fast-check";
import { expect, it } from "vitest";
import { rangesText } from "../src/foundation/ranges-text.js";

it.each([
  [[], ""],
  [[3], "3"],
  [[0, 1], "0, 1"],
  [[0, 1, 2, 5, 7, 8], "0 to 2, 5, 7, 8"],
])("%j in words: %j", (numbers, text) => {
  expect(rangesText(numbers)).toBe(text);
});

it("names every number once, in order", () => {
  const ascending = fc.uniqueArray(fc.nat(60)).map((numbers) => numbers.sort((a, b) => a - b));
  fc.assert(
    fc.property(ascending, (numbers) => {
      const read = rangesText(numbers)
        .split(", ")
        .filter((part) => part !== "")
        .flatMap((part) => {
          const [first, last = first] = part.split(" to ").map(Number) as [number, number?];
          return Array.from({ length: last! - first + 1 }, (_, k) => first + k);
        });
      expect(read).toEqual(numbers);
    }),
  );
});
