import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Dataset } from "../src/dataset.js";
import { oddities } from "../src/datasets/check.js";
import { fitFeatures } from "../src/datasets/fit.js";
import { type DatasetSettings, loadDataset, loadRows } from "../src/datasets/index.js";
import { holdOut, momentsOf, scalingOf, standardize, unscale } from "../src/datasets/parts.js";
import { InvalidData } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { simulate } from "../src/runs/simulate.js";
import { loadPeerData } from "../src/trainers/peer-data.js";
import { expectRejection } from "./support/errors.js";
import { scratchFolder } from "./support/files.js";

const { file } = scratchFolder();
let files = 0;
const csv = (lines: readonly string[], settings: object = {}): DatasetSettings => {
  const path = file(`${++files}/table.csv`, `${lines.join("\n")}\n`);
  return parseExperiment({ data: { kind: "csv", path, ...settings } }).data as DatasetSettings;
};
const refused = (data: DatasetSettings, code: string) =>
  expectRejection(loadDataset(data), InvalidData, { code });

/** Seconds since 1970, of which float32 keeps multiples of 128. */
const BEGAN = 1.7e9;
const NAMES = "time,other,class";
const stamped = (rows: number, first = 0) =>
  Array.from({ length: rows }, (_, k) => {
    const i = first + k;
    return `${BEGAN + ((i * 7) % 30) + (i % 2) * 40},${i % 5},${"ab"[i % 2]}`;
  });

const columnOf = (numbers: ArrayLike<number>, column: number, columns: number): number[] =>
  Array.from(numbers).filter((_, k) => k % columns === column);
const meanOf = (numbers: readonly number[]) => numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
const varianceOf = (numbers: readonly number[]) => meanOf(numbers.map((x) => (x - meanOf(numbers)) ** 2));

describe("tables with time stamps", () => {
  it("keep what these differ by", async () => {
    const { train, scaling } = await loadDataset(csv([NAMES, ...stamped(60)]));
    const times = columnOf(train.features, 0, 2);
    expect(meanOf(times)).toBeCloseTo(0, 6);
    expect(varianceOf(times)).toBeCloseTo(1, 5);
    // Back in the units of the file, every stamp is a whole number again.
    for (const time of columnOf(unscale(train.features, scaling!), 0, 2)) {
      expect(Math.abs(time - Math.round(time))).toBeLessThan(1e-4);
    }
  });

  it("are learned from", async () => {
    const data = csv([NAMES, ...stamped(80)]);
    const experiment = parseExperiment({
      ...{ data, split: "iid", rounds: 60, learningRate: 0.2, evaluateEvery: 0, closingRounds: 0 },
      model: { kind: "mlp", hidden: [8] },
    });
    const simulation = await simulate(
      parseTopology({ graph: { kind: "ring", peers: 3 } }, "test"),
      experiment,
    );
    let last: number | undefined;
    for await (const { reports } of simulation.run()) last = reports[0]!.loss;
    simulation.dispose();
    expect(last).toBeLessThan(0.45);
  });

  it("may have them as targets", async () => {
    const lines = ["a,when", ...Array.from({ length: 40 }, (_, k) => `${k},${BEGAN + k}`)];
    const { train, targets } = await loadDataset(csv(lines, { targets: "numbers" }));
    const back = unscale(train.labels, targets.scaling!);
    for (const when of back) expect(Math.abs(when - Math.round(when))).toBeLessThan(1e-4);
    expect(new Set(train.labels).size).toBe(train.labels.length);
  });

  it("reach a trained model as it knows them", async () => {
    const data = csv([NAMES, ...stamped(60)]);
    const dataset = await loadDataset(data);
    const rows = await loadRows(data, "train", dataset);
    expect(fitFeatures(rows, dataset, "it")).toEqual(dataset.train.features);
    const all = await loadRows(data, "all", dataset);
    expect(columnOf(all.features, 0, 2).slice(0, 3)).toEqual([BEGAN, BEGAN + 47, BEGAN + 14]);
  });

  it("are scaled alike where every peer has its own", async () => {
    const parts = [0, 40].map((first) => csv([NAMES, ...stamped(40, first)]));
    const task = (data: DatasetSettings) => ({ ...parseExperiment({ split: "own", data }), data });
    const peers = await Promise.all(
      parts.map((data, peer) => loadPeerData(task(data), { peer, peers: 2, seed: 1 })),
    );
    const total = peers[0]!.pooling.own.slice();
    peers[0]!.pooling.merge(total, peers[1]!.pooling.own);
    for (const { pooling } of peers) pooling.take(total);
    expect(peers[0]!.description.scaling).toEqual(peers[1]!.description.scaling);
    const times = peers.flatMap(({ train }) => columnOf(train.features, 0, 2));
    expect(meanOf(times)).toBeCloseTo(0, 6);
    expect(varianceOf(times)).toBeCloseTo(1, 5);
    expect(new Set(times).size).toBe(30);
  });

  it("are refused without scaling", async () => {
    await refused(csv([NAMES, ...stamped(60)], { scale: "none" }), "feature-lost-in-float32");
    const lines = ["a,when", ...Array.from({ length: 40 }, (_, k) => `${k},${BEGAN + k}`)];
    const targets = { targets: "numbers", targetScale: "none" };
    await refused(csv(lines, targets), "target-lost-in-float32");
    // Numbers that float32 holds as they are may be as close as they like.
    const close = ["a,class", ...Array.from({ length: 40 }, (_, k) => `${2 ** 23 + (k % 2)},${"ab"[k % 2]}`)];
    expect((await loadDataset(csv(close, { scale: "none" }))).train.features[0]).toBeGreaterThan(2 ** 22);
  });
});

describe("numbers of a column", () => {
  const columns = fc.record({
    offset: fc.constantFrom(0, 0.1, -1e6, 1.7e9, -1e10),
    values: fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 50 }),
  });

  it("have mean 0 and variance 1 afterwards, wherever they begin, and are 0 where they are all equal", () => {
    fc.assert(
      fc.property(columns, ({ offset, values }) => {
        const numbers = Float64Array.from(values, (value) => offset + value / 8);
        const isConstant = numbers.every((number) => number === numbers[0]);
        standardize(numbers, new Float64Array(0), 1);
        expect(meanOf([...numbers])).toBeCloseTo(0, 6);
        expect(varianceOf([...numbers])).toBeCloseTo(isConstant ? 0 : 1, 6);
        if (isConstant) expect(numbers.every((number) => number === 0)).toBe(true);
      }),
    );
  });

  it("that are one fraction have exactly that mean", () => {
    const { mean, factor } = scalingOf(momentsOf(new Float64Array(1001).fill(0.1), 1));
    expect([mean[0], factor[0]]).toEqual([0.1, 0]);
  });
});

describe("tables whose first line is a row", () => {
  const flowers = Array.from({ length: 20 }, (_, k) => `${k},${k % 3},${["rose", "lily"][k % 2]}`);

  it("are refused where it has one of the classes", async () => {
    await refused(csv(flowers), "csv-header-with-class");
    expect((await loadDataset(csv(flowers, { header: false }))).targets.names).toEqual(["lily", "rose"]);
    await refused(
      csv(["3,1,0", ...flowers.map((row, k) => row.replace(/rose|lily/, `${k % 2}`))]),
      "csv-header-with-class",
    );
  });

  it("are taken for names where they are some", async () => {
    expect((await loadDataset(csv(["long,wide,species", ...flowers]))).featureNames).toEqual([
      "long",
      "wide",
    ]);
  });
});

describe("tables with many small classes", () => {
  const small = ["a,b,class", ...Array.from({ length: 120 }, (_, k) => `${k},${(k * k) % 7},k${k % 30}`)];

  it("hold the share out of all rows, one of each class as far as it goes", async () => {
    const { train, test, targets } = await loadDataset(csv(small));
    expect([targets.count, train.labels.length, test.labels.length]).toEqual([30, 96, 24]);
    expect(new Set(test.labels).size).toBe(24);
    expect(new Set(train.labels).size).toBe(30);
  });

  it("never lose the only example of a class to the test", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(8), { minLength: 1, maxLength: 60 }),
        fc.constantFrom(0.1, 0.2, 0.5),
        (labels, share) => {
          const marks = holdOut(labels, share);
          for (const label of new Set(labels)) {
            const members = labels.flatMap((each, k) => (each === label ? [marks[k]!] : []));
            expect(members).toContain(0);
          }
          const held = marks.reduce((sum, mark) => sum + mark, 0);
          expect(held).toBeLessThanOrEqual(Math.round(labels.length * share));
        },
      ),
    );
  });

  it("say which classes have no test examples", async () => {
    const [remark] = oddities(await loadDataset(csv(small)));
    expect(remark).toMatch(/^data csv: 6 of 30 classes have no test examples \(k\d+, .*\): /);
    expect(remark).not.toContain("\n");
  });
});

describe("tables that teach less than they seem to", () => {
  const odd = (lines: readonly string[], settings: object = {}): Promise<string[]> =>
    loadDataset(csv(lines, settings)).then((dataset: Dataset) => oddities(dataset));
  const rows = Array.from({ length: 30 }, (_, k) => `${k},3,${"ab"[k % 2]}`);

  it("name columns that are one number, and classes that are never seen", async () => {
    expect(await odd(["x,same,class", ...rows])).toEqual([
      expect.stringMatching(/in 1 of 2 columns \(same\)/),
    ]);
    const remarks = await odd(["x,same,class", ...rows], { classes: ["a", "b", "c"] });
    expect(remarks).toHaveLength(3);
    expect(remarks[0]).toContain("1 of 3 classes have no training examples (c)");
    expect(await odd(["x,y,class", ...rows.map((row, k) => row.replace(",3,", `,${k % 4},`))])).toEqual([]);
  });

  it.each([
    ["1e39", "a number beyond float32"],
    ["nan", "no number"],
    ["inf", "no finite number"],
    ["Infinity", "infinity"],
  ])("name file, line and column of %s, %s", async (word) => {
    const data = csv(["x,y,class", ...rows.slice(0, 9), `4,${word},a`, ...rows]);
    const { message, field } = await refused(data, "csv-not-a-number");
    expect(message).toContain("line 11 of ");
    expect(message).toContain("column y");
    expect(field).toMatch(/table\.csv:11$/);
  });
});
