import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compareRuns, differencesOf, estimateOf } from "../src/inspect/groups.js";
import { readRun } from "../src/inspect/read.js";
import { viewRun } from "../src/inspect/view.js";
import { murmur } from "./support/processes.js";
import { loggedRun } from "./support/runs.js";

const ring4 = new URL("../topologies/ring-4.json", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "murmur-compare-"));
afterAll(() => rmSync(scratch, { recursive: true }));

describe("an estimate over seeds", () => {
  it("is the mean and the sample standard deviation", () => {
    expect(estimateOf([])).toBeNull();
    expect(estimateOf([3])).toEqual({ count: 1, mean: 3 });
    const { mean, deviation } = estimateOf([2, 4, 4, 4, 5, 5, 7, 9])!;
    expect(mean).toBe(5);
    expect(deviation).toBeCloseTo(Math.sqrt(32 / 7), 12);
  });

  it("moves and scales with its values", () => {
    const values = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 2, maxLength: 9 });
    const number = fc.double({ min: -10, max: 10, noNaN: true });
    fc.assert(
      fc.property(values, number, number, (own, factor, shift) => {
        const { mean, deviation } = estimateOf(own)!;
        const moved = estimateOf(own.map((value) => factor * value + shift))!;
        expect(moved.mean).toBeCloseTo(factor * mean + shift, 6);
        expect(moved.deviation).toBeCloseTo(Math.abs(factor) * deviation!, 6);
      }),
    );
  });
});

describe("settings that differ", () => {
  it("have paths, a kind stands for its object, and what is for editors is left out", () => {
    const all = [
      { $schema: "a", rounds: 1, compressor: "sign", list: [1] },
      { $schema: "b", rounds: 1, compressor: { kind: "topk", share: 0.1 }, list: [1] },
    ];
    expect(differencesOf(all)).toEqual([
      { name: "compressor", values: ["sign", "topk"] },
      { name: "compressor.share", values: ["–", "0.1"] },
    ]);
    expect(differencesOf([all[0]!, all[0]!])).toEqual([]);
  });

  it("make groups of what differs in the seed alone, also where topologies of one name do not", async () => {
    const small = { trainer: { kind: "quadratic", dimension: [20] }, rounds: 3 };
    const views = [];
    for (const seed of [1, 2]) views.push(viewRun(readRun(await loggedRun({ ...small, seed }, 4))));
    const [first, second] = [views[0]!, views[1]!];
    const { settings, groups } = compareRuns([first, second]);
    expect(settings.map(({ name }) => name)).toEqual(["seed"]);
    expect(groups.map(({ seeds }) => seeds)).toEqual([[1, 2]]);
    const rewired = { ...second, topology: { ...second.topology, edges: first.topology.edges.slice(1) } };
    expect(compareRuns([first, rewired]).groups).toEqual([]);
  });
});

describe("inspect --compare", () => {
  const settings = ["--rounds", "6", "--evaluate-every", "2", "--algorithm", "choco"];
  const runs = [
    ["a/run", "1", "minmax"],
    ["b/run", "2", "minmax"],
    ["sign", "1", "sign"],
  ] as const;
  const folders = runs.map(([name]) => join(scratch, name));
  beforeAll(() => {
    for (const [k, [, seed, compressor]] of runs.entries()) {
      const own = ["--seed", seed, "--compressor", compressor, "--out", folders[k]!];
      expect(murmur("simulate", ring4, ...settings, ...own).status).toBe(0);
    }
  });

  it("names runs apart, says what is after closing, and shows differences and means over seeds", () => {
    const { stdout } = murmur("inspect", folders[0]!, "--compare", ...folders.slice(1));
    const [figures, heading, means, differences] = stdout.split("\n\n");
    const firstWords = (text: string) => [...text.matchAll(/^\S+/gm)].map(([word]) => word);
    expect(firstWords(figures!)).toEqual(expect.arrayContaining(["run", "a/run", "b/run", "sign"]));
    expect(stdout).toContain("closed");
    expect(stdout).toContain("mean ± standard deviation over seeds");
    expect(stdout).toMatch(/^compressor minmax +2 .* ± /m);
    expect(stdout).toMatch(/^compressor sign +1 /m);
    expect(stdout).toMatch(/^setting +a\/run +b\/run +sign/m);
    expect(stdout).toMatch(/^seed +1 +2 +1/m);
    expect(stdout).not.toMatch(/^rounds +6/m);
    expect(
      [heading, means, differences]
        .join("\n")
        .split("\n")
        .every((line) => line.length <= 80),
    ).toBe(true);
  });
});
