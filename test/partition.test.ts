import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import {
  checkParts,
  classTable,
  type MadeSplit,
  partition,
  splitSettings,
} from "../src/datasets/partition.js";
import { readSplit } from "../src/datasets/split-file.js";
import { InvalidData, InvalidExperiment } from "../src/foundation/errors.js";
import { type Expected, expectError, expectRejection } from "./support/errors.js";

/** `count` labels in which every class occurs, in a scrambled order. */
function labelsOf(count: number, classes: number): number[] {
  return Array.from({ length: count }, (_, i) => (i * 7919) % count).map((i) => i % classes);
}

const everySplit = splitSettings.options
  .map((option) => option.shape.kind.value)
  .filter((kind) => kind !== "file" && kind !== "own")
  .map((kind) => splitSettings.parse({ kind }) as MadeSplit);

describe.each(everySplit.map((settings) => [settings.kind, settings] as const))("%s", (_kind, settings) => {
  const cases = fc.record({
    classes: fc.integer({ min: 2, max: 10 }),
    peers: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 17, max: 40 })),
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
    expectError(() => partition([0, 1], settings, { classes: 2, peers: 3, seed: 1 }), InvalidExperiment, {
      code: "too-few-examples",
    });
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

test("shards, auto: two classes a peer as before, more where peers are few, runs of one sort where they are many", () => {
  const labels = labelsOf(500, 10);
  const split = (peers: number, classesPerPeer: number | "auto" = "auto") =>
    partition(labels, { kind: "shards", classesPerPeer }, { classes: 10, peers, seed: 1 });
  for (const peers of [5, 8, 16, 250]) expect(split(peers)).toEqual(split(peers, 2));
  expect(split(4)).toEqual(split(4, 3));
  expect(split(1)).toEqual(split(1, 10));
  for (const peers of [251, 400, 500]) {
    const parts = split(peers);
    expect(new Set(parts.flat()).size).toBe(500);
    for (const row of classTable(labels, parts, 10)) {
      const held = row.filter((count) => count > 0).length;
      expect(held).toBeGreaterThan(0);
      expect(held).toBeLessThanOrEqual(2);
    }
  }
});

test.each([
  ["more classes per peer than there are", 11, 8, "too-many-classes-per-peer"],
  ["too few places for all classes", 2, 4, "too-few-classes-per-peer"],
  ["fewer examples of a class than holders", 10, 60, "class-too-small"],
])("shards: %s", (_name, classesPerPeer, peers, code) => {
  const split = () =>
    partition(labelsOf(500, 10), { kind: "shards", classesPerPeer }, { classes: 10, peers, seed: 1 });
  expectError(split, InvalidExperiment, { code, field: "split.classesPerPeer" });
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
  expectError(
    () => partition(labels, { ...settings, minimumExamples: 63 }, { classes: 10, peers: 8, seed: 5 }),
    InvalidExperiment,
    { code: "too-few-examples-per-peer", field: "split.minimumExamples" },
  );
});

describe("checkParts", () => {
  const made = fc.record({ peers: fc.integer({ min: 5, max: 12 }), seed: fc.integer() }).map((context) => {
    const labels = labelsOf(300, 10);
    return {
      peers: context.peers,
      examples: labels.length,
      parts: partition(labels, { kind: "iid" }, { classes: 10, ...context }),
    };
  });

  test("takes every partition, in any order within a peer", () => {
    fc.assert(
      fc.property(made, ({ parts, peers, examples }) => {
        const turned = parts.map((part) => part.toReversed());
        expect(checkParts(turned, { peers, examples }, "s")).toEqual(parts);
      }),
      { numRuns: 30 },
    );
  });

  test("refuses a partition in which one example was changed, naming the peer", () => {
    fc.assert(
      fc.property(
        made,
        fc.nat(11),
        fc.nat(),
        fc.integer({ min: 0, max: 400 }),
        ({ parts, peers, examples }, peer, place, index) => {
          const part = parts[peer % peers]!;
          fc.pre(part[place % part.length] !== index);
          part[place % part.length] = index;
          const check = () => checkParts(parts, { peers, examples }, "s");
          const { message } = expectError(
            check,
            InvalidExperiment,
            index < examples
              ? { code: "split-file-repeated-example" }
              : { code: "split-file-unknown-example", peer: peer % peers },
          );
          expect(message).toMatch(new RegExp(`^s .* example ${index}\\b`));
        },
      ),
      { numRuns: 50 },
    );
  });

  test.each<[string, number[][], Expected]>([
    ["another number of peers", [[0, 1, 2]], { code: "split-file-peer-count" }],
    ["a peer without examples", [[0, 1, 2], []], { code: "split-file-empty-peer", peer: 1 }],
    [
      "an example twice with one peer",
      [
        [0, 0],
        [1, 2],
      ],
      { code: "split-file-repeated-example", peer: 0 },
    ],
    ["an example that nobody holds", [[0], [2]], { code: "split-file-missing-example" }],
  ])("refuses %s", (_name, parts, expected) => {
    expectError(() => checkParts(parts, { peers: 2, examples: 3 }, "s"), InvalidExperiment, expected);
  });
});

describe("readSplit", () => {
  const folder = mkdtempSync(join(tmpdir(), "murmur-split-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const among = { examples: 4, peers: 2 };

  test("gives every peer its examples in ascending order, whatever else the file says", async () => {
    const path = join(folder, "split.json");
    writeFileSync(path, JSON.stringify({ seed: 3, peers: [[2], [3, 0, 1]] }));
    expect(await readSplit(path, among)).toEqual([[2], [0, 1, 3]]);
  });

  test("refuses every cut-off of a file", async () => {
    const text = JSON.stringify({ peers: [[2], [3, 0, 1]] });
    for (let length = 0; length < text.length; length++) {
      const path = join(folder, `${length}.json`);
      writeFileSync(path, text.slice(0, length));
      await expectRejection(readSplit(path, among), InvalidExperiment, {
        code: "split-file-not-json",
        field: path,
      });
    }
  });

  test.each([
    ["of another form", { parts: [] }, { code: "invalid-setting", field: "peers" }],
    ["of fractions", { peers: [[0, 1.5], [2]] }, { code: "invalid-setting", field: "peers[0][1]" }],
    ["of negative numbers", { peers: [[0, -1], [2]] }, { code: "invalid-setting", field: "peers[0][1]" }],
    ["of other data", { peers: [[0, 1, 2, 3], [4]] }, { code: "split-file-unknown-example", peer: 1 }],
    ["for other peers", { peers: [[0, 1, 2, 3]] }, { code: "split-file-peer-count" }],
  ])("refuses a file %s", async (name, content, expected) => {
    const path = join(folder, name);
    writeFileSync(path, JSON.stringify(content));
    await expectRejection(readSplit(path, among), InvalidExperiment, expected);
  });

  test("refuses a file that is not there", async () => {
    const path = join(folder, "nowhere");
    await expectRejection(readSplit(path, among), InvalidData, { code: "data-file-unreadable", field: path });
  });
});
