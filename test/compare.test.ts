import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { comparisonTable } from "../src/cli/compare.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { type CellResult, cellsOf, MAX_CELLS, parseComparison } from "../src/runs/comparison.js";
import { expectError } from "./support/errors.js";
import { murmur } from "./support/processes.js";

const folders: string[] = [];
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "murmur-compare-"));
  folders.push(folder);
  return folder;
};
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const comparison = (settings: object) =>
  parseComparison({ topologies: ["ring.json"], rows: { one: {} }, ...settings }, "test");

describe("a comparison's runs", () => {
  it("are every combination once, with a name of its own for all seeds and a key of its own", () => {
    const names = fc.uniqueArray(
      fc.string({ minLength: 1, maxLength: 5 }).filter((text) => !/[,/]/.test(text)),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    const values = fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(names, names, values, values, values, (rows, topologies, rounds, steps, seeds) => {
        const cells = cellsOf(
          comparison({
            rows: Object.fromEntries(rows.map((row) => [row, { algorithm: row }])),
            topologies: topologies.map((name) => `${name}.json`),
            ...{ grid: { rounds, localSteps: steps }, seeds },
          }),
        );
        const perSeed = rows.length * topologies.length * rounds.length * steps.length;
        expect(cells.length).toBe(perSeed * seeds.length);
        expect(new Set(cells.map(({ key }) => key)).size).toBe(cells.length);
        expect(new Set(cells.map(({ name }) => name)).size).toBe(perSeed);
        for (const { settings, seed } of cells) {
          expect(rounds).toContain(settings.rounds);
          expect(rows).toContain(settings.algorithm);
          expect(settings.seed).toBe(seed);
        }
      }),
    );
  });

  it("take what a row says before the grid, and the grid before what all share", () => {
    const [cell] = cellsOf(
      comparison({
        base: { rounds: 1, seed: 9 },
        grid: { rounds: [2], localSteps: [3] },
        rows: { one: { localSteps: 4 } },
      }),
    );
    expect(cell!.settings).toEqual({ rounds: 2, localSteps: 4, seed: 1 });
  });

  it("are refused beyond their limit", () => {
    const seeds = (count: number) => Array.from({ length: count }, (_, seed) => seed);
    expect(cellsOf(comparison({ seeds: seeds(MAX_CELLS) }))).toHaveLength(MAX_CELLS);
    expectError(() => cellsOf(comparison({ seeds: seeds(MAX_CELLS + 1) })), InvalidExperiment, {
      code: "too-many-cells",
      field: "grid",
    });
  });

  it("are refused by name where there are none, or the file says what is not known", () => {
    expectError(() => comparison({ rows: {} }), InvalidExperiment, { field: "rows" });
    expectError(() => comparison({ topologies: [] }), InvalidExperiment, { field: "topologies" });
    expectError(() => comparison({ row: {} }), InvalidExperiment, { code: "unknown-setting" });
  });
});

describe("a comparison's table", () => {
  const standing = (worst: number) => ({ worst, mean: worst, meanModel: worst, consensusDistance: 0 });
  const run = (name: string, seed: number, worst: number, reached?: number): CellResult => ({
    ...{ name, seed, key: `${name} ${seed}`, learned: standing(worst), rounds: 10, steps: 10 },
    ...{ bytes: 1000, bitsPerParameterAndStep: 1, ...(reached && { target: { round: 5, bytes: reached } }) },
  });
  const linesOf = (results: readonly CellResult[]) =>
    stripVTControlCharacters(comparisonTable(results, 0.9))
      .split("\n")
      .slice(1)
      .map((line) => line.trim());

  it("has the fewest bytes to the target first, then what did not reach it, by accuracy", () => {
    const lines = linesOf([
      run("bad", 1, 0.5),
      run("dear", 1, 0.95, 900),
      run("middling", 1, 0.8),
      run("cheap", 1, 0.92, 100),
    ]);
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["cheap", "dear", "middling", "bad"]);
  });

  it("counts a row as there only when all its seeds are, and leaves out what has no result", () => {
    const lines = linesOf([
      run("one", 1, 0.92, 100),
      run("one", 2, 0.88),
      { name: "refused", seed: 1, key: "x", problem: "no" },
    ]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("90.0 ± 2.0");
    expect(lines[0]).toContain("1 of 2");
  });
});

describe("murmur compare", () => {
  const folder = newFolder();
  const file = join(folder, "comparison.json");
  const out = join(folder, "results");
  const write = (rows: object) => {
    writeFileSync(join(folder, "ring.json"), JSON.stringify({ graph: { kind: "ring", peers: 5 } }));
    const base = { rounds: 4, evaluateEvery: 2 };
    writeFileSync(
      file,
      JSON.stringify({ base, rows, topologies: ["ring.json"], seeds: [1, 2], target: 0.01 }),
    );
  };
  const run = () => {
    const { status, stdout, stderr } = murmur("compare", file, "--out", out, "--json", "--jobs", "2");
    expect(status, stderr).toBe(0);
    const results = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as CellResult);
    return { results, stderr };
  };

  it("runs what it has no result of, and nothing else; what cannot run is a row with the reason", () => {
    write({ exact: { algorithm: "dpsgd" }, whole: { algorithm: "all-reduce" } });
    const first = run();
    expect(first.results.map(({ name, seed }) => [name, seed])).toEqual([
      ["exact", 1],
      ["exact", 2],
      ["whole", 1],
      ["whole", 2],
    ]);
    expect(first.results[0]).toMatchObject({ rounds: 4, steps: 4, target: { round: 2 } });
    expect(first.results[0]!.closed!.worst).toBeGreaterThan(0);
    expect(first.results[2]!.problem).toContain("this graph is not complete");
    expect(first.stderr).toContain("whole, seed 1");
    const files = readdirSync(out);
    expect(files).toHaveLength(4);

    const before = new Map(files.map((name) => [name, readFileSync(join(out, name), "utf8")]));
    write({ exact: { algorithm: "dpsgd" }, other: { algorithm: "dpsgd", rounds: 2 } });
    const second = run();
    // Seconds would differ if it had been run again.
    expect(second.results.slice(0, 2)).toEqual(first.results.slice(0, 2));
    expect(readdirSync(out)).toHaveLength(6);
    for (const [name, text] of before) expect(readFileSync(join(out, name), "utf8")).toBe(text);
  });
});
