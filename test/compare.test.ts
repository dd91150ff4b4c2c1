import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { comparisonTables } from "../src/cli/compare.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { cellsOf, MAX_CELLS, parseComparison, weightsOf } from "../src/runs/comparison.js";
import {
  figuresOf,
  type Measured,
  modelledTime,
  type Point,
  RATES,
  secondsAt,
} from "../src/runs/comparison-result.js";
import { frontierOf, rowsOf } from "../src/runs/comparison-rows.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { runCell } from "../src/runs/node/compare-cell.js";
import { simulate } from "../src/runs/simulate.js";
import { parseNetwork } from "../src/transports/simulated/settings.js";
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
const cellsFor = (settings: object, contents: ReadonlyMap<string, unknown> = new Map()) =>
  cellsOf(comparison(settings), contents);

describe("a comparison's runs", () => {
  it("have another key where a file of weights has other numbers", () => {
    const named = comparison({ rows: { file: { weights: "m.safetensors" }, drawn: { weights: "seed" } } });
    const keysWith = (digest: string) =>
      cellsOf(named, new Map([["m.safetensors", digest]])).map(({ key }) => key);
    expect(weightsOf(named)).toEqual(["m.safetensors", "seed"]);
    const [before, after] = [keysWith("a"), keysWith("b")];
    expect(after[0]).not.toBe(before[0]);
    expect(after.slice(1)).toEqual(before.slice(1));
  });

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
        const cells = cellsFor({
          rows: Object.fromEntries(rows.map((row) => [row, { algorithm: row }])),
          topologies: topologies.map((name) => `${name}.json`),
          ...{ grid: { rounds, localSteps: steps }, seeds },
        });
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
    const [cell] = cellsFor({
      base: { rounds: 1, seed: 9 },
      grid: { rounds: [2], localSteps: [3] },
      rows: { one: { localSteps: 4 } },
    });
    expect(cell!.settings).toEqual({ rounds: 2, localSteps: 4, seed: 1 });
  });

  it("are refused beyond their limit", () => {
    const seeds = (count: number) => Array.from({ length: count }, (_, seed) => seed);
    expect(cellsFor({ seeds: seeds(MAX_CELLS) })).toHaveLength(MAX_CELLS);
    const refusal = { code: "too-many-cells", field: "grid" };
    expectError(() => cellsFor({ seeds: seeds(MAX_CELLS + 1) }), InvalidExperiment, refusal);
    // Far more than memory could hold.
    const fields = Array.from({ length: 40 }, (_, k) => [`field${k}`, seeds(10)]);
    expectError(() => cellsFor({ grid: Object.fromEntries(fields) }), InvalidExperiment, refusal);
  });

  it("have another key when the topology file holds something else, and names by path where files share theirs", () => {
    const keyOf = (content: unknown) => cellsFor({}, new Map([["ring.json", content]]))[0]!.key;
    expect(keyOf({ peers: 5 })).toBe(keyOf({ peers: 5 }));
    expect(keyOf({ peers: 5 })).not.toBe(keyOf({ peers: 6 }));
    const names = cellsFor({ topologies: ["a/ring.json", "b/ring.json"] }).map(({ name }) => name);
    expect(names).toEqual(["one, a/ring.json", "one, b/ring.json"]);
  });

  it("are refused by name where there are none, or the file says what is not known", () => {
    expectError(() => comparison({ rows: {} }), InvalidExperiment, { field: "rows" });
    expectError(() => comparison({ topologies: [] }), InvalidExperiment, { field: "topologies" });
    expectError(() => comparison({ row: {} }), InvalidExperiment, { code: "unknown-setting" });
  });
});

/** A result with these evaluations: accuracy of the worst peer after so many bytes; 10 rounds between them. */
function measured(
  name: string,
  curve: readonly (readonly [bytes: number, worst: number])[],
  seed = 1,
): Measured {
  const points = curve.map(([bytes, worst], k): Point => {
    const rounds = 10 * (k + 1);
    return {
      ...{ rounds, steps: rounds, bytes, busiestBytes: 2 * bytes, messages: rounds },
      ...{ worst, mean: worst, meanModel: worst, worstLoss: 1 - worst, meanModelLoss: 1 - worst },
      ...{ consensusDistance: 0.5, isClosing: false },
    };
  });
  return { name, seed, key: `${name} ${seed}`, parameters: 100, points, total: points.at(-1)!, seconds: 1 };
}
const settings = { target: 0.9, stepMs: 2, latencyMs: 3 };

describe("a comparison's figures", () => {
  it("come from the evaluations before and after closing, and the first at which every peer has the target", () => {
    const run = measured("one", [
      [100, 0.5],
      [200, 0.91],
      [300, 0.95],
      [400, 0.96],
    ]);
    const points = run.points.map((point, k) => ({ ...point, isClosing: k === 3 }));
    const figures = figuresOf({ ...run, points }, 0.9);
    expect(figures.learned!.worst).toBe(0.95);
    expect(figures.closed!.worst).toBe(0.96);
    expect(figures.target).toMatchObject({ rounds: 20, bytes: 200 });
    // 400 bytes for 100 parameters and 40 steps.
    expect(figures.bitsPerParameterAndStep).toBeCloseTo(0.8);
    expect(figuresOf(run, 0.97).target).toBeUndefined();
  });

  it("model time by steps, messages and the busiest uplink", () => {
    const cost = { rounds: 5, steps: 40, bytes: 1e6, busiestBytes: 2e6, messages: 10 };
    const time = modelledTime(cost, settings);
    expect(secondsAt(time, RATES["10 Mbit/s"])).toBeCloseTo(0.08 + 0.06 + 1.6);
    expect(secondsAt(time, RATES["10 Gbit/s"])).toBeCloseTo(0.08 + 0.06 + 0.0016);
  });

  const graphs = { ring: { kind: "ring", peers: 6 }, star: { kind: "star", peers: 6 } };
  it.each([
    ["ring", { algorithm: "dpsgd", localSteps: 3 }],
    ["ring", { algorithm: "beer", compressor: "minmax" }],
    ["star", { algorithm: "gradient-tracking" }],
    ["star", { algorithm: "choco", compressor: "sign" }],
  ] as const)("model the time of the simulated network on a %s: %j", async (graph, own) => {
    const trainer = { kind: "quadratic", dimension: [200] };
    const settingsOfRun = { trainer, rounds: 4, learningRate: 0.05, projectEvery: 0, ...own };
    const experiment = parseExperiment(settingsOfRun);
    const content = { name: graph, graph: graphs[graph] };
    const topology = { file: graph, content };
    const cell = await runCell({ name: "", seed: 1, key: "", settings: settingsOfRun, topology });
    const time = modelledTime((cell as Measured).total, settings);
    for (const uplink of [1e6, 1e8]) {
      const { stepMs, latencyMs } = settings;
      const network = parseNetwork({ uplink, latencyMs, computeMs: stepMs * experiment.localSteps });
      const simulation = await simulate(parseTopology(content, graph), experiment, { network });
      let elapsedMs = 0;
      for await (const round of simulation.run()) elapsedMs = round.elapsedMs!;
      simulation.dispose();
      expect(secondsAt(time, uplink)).toBeCloseTo(elapsedMs / 1000, 6);
    }
  });

  it("have a frontier that no evaluation beats and every other one is beaten by", () => {
    const point = fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 20 }));
    const curves = fc.array(fc.array(point, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(curves, (all) => {
        const rows = all.map((curve, k) => ({
          name: String(k),
          metric: { name: "accuracy", better: "higher" } as const,
          curve: curve.map(([bytes, worst]) => ({ rounds: 1, bytes, worst })),
        }));
        const frontier = frontierOf(rows);
        for (const { curve } of rows) {
          for (const { bytes, worst } of curve) {
            expect(frontier.some((best) => best.bytes <= bytes && best.worst >= worst)).toBe(true);
            expect(
              frontier.some(
                (best) =>
                  best.bytes >= bytes && best.worst <= worst && (best.bytes > bytes || best.worst < worst),
              ),
            ).toBe(false);
          }
        }
      }),
    );
  });

  it("are means over the seeds with a result; a seed without one keeps its row from the target", () => {
    const runs = [
      measured(
        "one",
        [
          [100, 0.5],
          [200, 0.92],
        ],
        1,
      ),
      measured(
        "one",
        [
          [300, 0.7],
          [400, 0.96],
        ],
        2,
      ),
    ];
    expect(rowsOf(runs, settings)[0]!.target).toMatchObject({ bytes: 300, rounds: 20 });
    const failed = [
      { name: "one", seed: 3, key: "x", problem: "diverged" },
      { name: "none", seed: 1, key: "y", problem: "refused" },
    ];
    const [row, ...others] = rowsOf([...runs, ...failed], settings);
    expect(others).toEqual([]);
    expect(row).toMatchObject({ name: "one", seeds: [1, 2], failed: 1, reached: 2, bytes: 300 });
    expect(row!.target).toBeUndefined();
    expect(row!.learned!.worst).toMatchObject({ low: 0.92, high: 0.96 });
    expect(row!.learned!.worst.mean).toBeCloseTo(0.94);
    expect(row!.curve.map(({ bytes }) => bytes)).toEqual([200, 300]);
  });
});

describe("a comparison's tables", () => {
  const linesOf = (results: readonly Measured[], target?: number) =>
    stripVTControlCharacters(
      comparisonTables(rowsOf(results, { ...settings, target }), { ...settings, target }),
    )
      .split("\n")
      .map((line) => line.trimEnd());
  const tablesOf = (results: readonly Measured[], target?: number) => {
    const lines = linesOf(results, target);
    const gap = lines.indexOf("");
    // Titles and names that take several lines go on in lines that begin with a space.
    const rows = (from: number, to?: number) => lines.slice(from, to).filter((line) => !line.startsWith(" "));
    return { quality: rows(1, gap), cost: rows(gap + 2) };
  };

  it("have the fewest bytes to the target first, then what did not reach it, by accuracy", () => {
    const { quality, cost } = tablesOf(
      [
        measured("bad", [[100, 0.5]]),
        measured("dear", [[900, 0.95]]),
        measured("middling", [[100, 0.8]]),
        measured("cheap", [[100, 0.92]]),
      ],
      0.9,
    );
    expect(quality.map((line) => line.split(" ")[0])).toEqual(["cheap", "dear", "middling", "bad"]);
    // 10 steps of 2 ms and 10 messages of 3 ms and back, and 1600 bits.
    expect(cost[0]).toMatch(/^cheap +100 B +10 +80\.2 ms +80 ms +80 ms +80 ms$/);
    expect(cost[3]).toMatch(/^bad +– +– +– +– +– +–$/);
  });

  it("count a row as there only when all its seeds are, and show how far they lie apart", () => {
    const { quality, cost } = tablesOf(
      [measured("one", [[100, 0.92]], 1), measured("one", [[100, 0.88]], 2)],
      0.9,
    );
    expect(quality).toHaveLength(1);
    expect(quality[0]).toContain("90.0 ± 2.0");
    expect(cost[0]).toContain("1 of 2");
    // Without a target, the whole run: 10 steps of 2 ms and 10 messages of 3 ms and back.
    expect(tablesOf([measured("one", [[100, 0.92]])]).cost[0]).toMatch(
      /^one +80\.2 ms +80 ms +80 ms +80 ms$/,
    );
  });

  it("of errors have the smallest first, and a target that is an upper bound", () => {
    const metric = { name: "mae", better: "lower" } as const;
    const byError = (name: string, ...curve: [number, number][]) => ({ ...measured(name, curve), metric });
    const results = [
      byError("bad", [100, 9]),
      byError("good", [100, 5], [300, 2]),
      byError("dear", [900, 1]),
    ];
    const { quality, cost } = tablesOf(results, 3);
    expect(linesOf(results, 3)[0]).toMatch(/^run +worst +mean +closed /);
    expect(quality.map((line) => line.split(" ")[0])).toEqual(["good", "dear", "bad"]);
    expect(cost[0]).toMatch(/^good +300 B +20 /);
    expect(frontierOf(rowsOf(results, settings)).map(({ worst }) => worst)).toEqual([5, 2, 1]);
    expect(linesOf(results, 3)[1]).toMatch(/^ +mae +model mae +mae$/);
    const mixed = linesOf([...results, measured("accurate", [[100, 0.9]])]);
    expect(mixed[0]).toMatch(/^run +worst +mean +closed +metric/);
    expect(mixed.join("\n")).toMatch(/accurate +90\.0 +90\.0 +– +accuracy %/);
  });

  it("fit 80 columns, whatever the names are", () => {
    const names = fc.string({ minLength: 1, maxLength: 200, unit: "grapheme-ascii" });
    fc.assert(
      fc.property(names, (name) => {
        const curve = [[123_456_789, 0.912]] as const;
        const lines = linesOf([measured(name, curve, 1), measured(name, [[987_654_321, 0.956]], 2)], 0.9);
        for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80);
      }),
      { numRuns: 50 },
    );
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
    const page = join(folder, "comparison.html");
    const { status, stdout, stderr } = murmur(
      ...["compare", file, "--out", out, "--json", "--jobs", "2", "--html", page],
    );
    expect(status, stderr).toBe(0);
    const results = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    return { results, stderr, page: readFileSync(page, "utf8") };
  };

  it("ends with exit code 1 where no run has a result", () => {
    write({ whole: { algorithm: "all-reduce" } });
    const { status, stderr } = murmur("compare", file, "--out", join(folder, "refused"));
    expect(status).toBe(1);
    expect(stderr).toContain("whole, seed 2: algorithm all-reduce needs");
  });

  it("runs what it has no result of, and nothing else; what cannot run is a row with the reason", () => {
    write({ exact: { algorithm: "dpsgd" }, whole: { algorithm: "all-reduce" } });
    const first = run();
    expect(first.results.map(({ name, seed }) => [name, seed])).toEqual([
      ["exact", 1],
      ["exact", 2],
      ["whole", 1],
      ["whole", 2],
    ]);
    const [exact, , whole] = first.results;
    expect(exact).toMatchObject({ steps: 4, target: { rounds: 2, steps: 2, messages: 2 } });
    expect(exact.closed.worst).toBeGreaterThan(0);
    // On a ring every peer sends as much as the others.
    expect(exact.busiestBytes).toBe(exact.bytes);
    expect(exact.messages).toBe(exact.rounds);
    expect(exact.bitsPerParameterAndStep).toBe((8 * exact.bytes) / exact.parameters / 4);
    expect(exact.modelledSeconds["10 Mbit/s"]).toBeCloseTo((8 * exact.bytes) / 1e7);
    expect(exact.points.map(({ rounds }: Point) => rounds)).toEqual([2, 4, exact.rounds]);
    expect(whole.problem).toContain("this graph is not complete");
    expect(first.stderr).toContain("whole, seed 1");
    expect(first.page).toContain("whole, seed 1");
    expect(first.page).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)="(?!data:)/);
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
