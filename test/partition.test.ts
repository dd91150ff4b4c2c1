import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvalidExperiment } from "../src/errors.js";
import { classTable, partition, type SplitSettings, splitSettings } from "../src/partition.js";

/** `count` labels in which every class occurs, in a scrambled order. */
function labelsOf(count: number, classes: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919) % count).map((i) => i % classes);
}

const everySplit: SplitSettings[] = splitSettings.options.map((option) =>
  splitSettings.parse({ kind: option.shape.kind.value }),
);

describe.each(everySplit.map((settings) => [settings.kind, settings] as const))("%s", (_kind, settings) => {
  // At the defaults, sharding needs 2 · peers ≥ classes.
  const cases = fc.record({
    classes: fc.integer({ min: 2, max: 10 }),
    peers: fc.integer({ min: 5, max: 16 }),
    seed: fc.integer(),
    count: fc.integer({ min: 400, max: 700 }),
  });

  test("every example has exactly one holder, and no peer is left empty", () => {
    fc.assert(
      fc.property(cases, ({ classes, peers, seed, count }) => {
        const parts = partition(labelsOf(count, classes), settings, { classes, peers, seed });
        expect(parts).toHaveLength(peers);
        for (const part of parts) expect(part.length).toBeGreaterThan(0);
        const all = parts.flat().sort((a, b) => a - b);
        expect(all).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
      { numRuns: 50 },
    );
  });

  test("it depends on the seed and on nothing else", () => {
    const labels = labelsOf(500, 10);
    const context = { classes: 10, peers: 8, seed: 3 };
    expect(partition(labels, settings, context)).toEqual(partition(labels, settings, context));
    const other = partition(labels, settings, { ...context, seed: 4 });
    // Runs follow from the count alone.
    if (settings.kind === "contiguous") expect(other).toEqual(partition(labels, settings, context));
    else expect(other).not.toEqual(partition(labels, settings, context));
  });

  test("more peers than examples are refused", () => {
    expect(() => partition([0, 1], settings, { classes: 2, peers: 3, seed: 1 })).toThrow(InvalidExperiment);
  });
});

test("iid: counts differ by at most one", () => {
  const sizes = partition(labelsOf(503, 10), { kind: "iid" }, { classes: 10, peers: 8, seed: 1 }).map(
    (part) => part.length,
  );
  expect(Math.max(...sizes) - Math.min(...sizes)).toBe(1);
});

test("contiguous: peer after peer holds the next run of examples", () => {
  const parts = partition(labelsOf(503, 10), { kind: "contiguous" }, { classes: 10, peers: 8, seed: 1 });
  expect(parts.flat()).toEqual(Array.from({ length: 503 }, (_, i) => i));
  const sizes = parts.map((part) => part.length);
  expect(Math.max(...sizes) - Math.min(...sizes)).toBe(1);
});

test("shards: every peer holds exactly classesPerPeer classes, and every class has a holder", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 24 }),
      fc.integer(),
      (classesPerPeer, peers, seed) => {
        fc.pre(peers * classesPerPeer >= 10);
        const labels = labelsOf(600, 10);
        const parts = partition(labels, { kind: "shards", classesPerPeer }, { classes: 10, peers, seed });
        const table = classTable(labels, parts, 10);
        for (const row of table) expect(row.filter((count) => count > 0)).toHaveLength(classesPerPeer);
        for (let label = 0; label < 10; label++) {
          const shares = table.map((row) => row[label]!).filter((count) => count > 0);
          expect(shares.length).toBeGreaterThanOrEqual(Math.floor((peers * classesPerPeer) / 10));
          expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test.each([
  ["more classes per peer than there are", 11, 8, /classesPerPeer is 11/],
  ["too few places for all classes", 2, 4, /at least 3/],
  ["fewer examples of a class than holders", 10, 60, /class \d has 50 examples for the 60 peers/],
])("shards: %s", (_name, classesPerPeer, peers, message) => {
  const split = () =>
    partition(labelsOf(500, 10), { kind: "shards", classesPerPeer }, { classes: 10, peers, seed: 1 });
  expect(split).toThrow(InvalidExperiment);
  expect(split).toThrow(message);
});

test("dirichlet: proportions have the mean and the variance of the distribution", () => {
  const classes = 600;
  const peers = 5;
  const perClass = 400;
  const labels = labelsOf(classes * perClass, classes);
  for (const alpha of [0.2, 1, 5]) {
    const settings = { kind: "dirichlet", alpha, minimumExamples: 1 } as const;
    const table = classTable(labels, partition(labels, settings, { classes, peers, seed: 11 }), classes);
    const variance = (1 / peers) * (1 - 1 / peers) * (1 / (peers * alpha + 1));
    for (const row of table) {
      const shares = row.map((count) => count / perClass);
      const mean = shares.reduce((sum, share) => sum + share, 0) / classes;
      const spread = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / classes;
      // Five standard errors of the mean; a quarter for the variance, whose own error is larger.
      expect(Math.abs(mean - 1 / peers)).toBeLessThan(5 * Math.sqrt(variance / classes));
      expect(Math.abs(spread / variance - 1)).toBeLessThan(0.25);
    }
  }
});

test("dirichlet: the smallest α still leaves every peer its minimum", () => {
  const labels = labelsOf(500, 10);
  const settings = { kind: "dirichlet", alpha: 0.001, minimumExamples: 17 } as const;
  const parts = partition(labels, settings, { classes: 10, peers: 8, seed: 5 });
  expect(Math.min(...parts.map((part) => part.length))).toBe(17);
  expect(parts.flat()).toHaveLength(500);
  expect(() =>
    partition(labels, { ...settings, minimumExamples: 63 }, { classes: 10, peers: 8, seed: 5 }),
  ).toThrow(/lower minimumExamples/);
});
