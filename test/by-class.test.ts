import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { countExamples, MAX_COUNTED_CLASSES } from "../src/dataset.js";
import { loadDataset } from "../src/datasets/index.js";
import { mergeByClass, recallsOf } from "../src/evaluation.js";
import { parseTopology } from "../src/graphs/topology.js";
import { recallRange } from "../src/inspect/by-class.js";
import { readRun } from "../src/inspect/read.js";
import { renderPage } from "../src/inspect/report.js";
import { viewRun } from "../src/inspect/view.js";
import { evaluateMean, evaluatorOf } from "../src/runs/evaluators.js";
import { parseExperiment } from "../src/runs/experiment.js";
import type { GraphRound, LogHeader, PeerRound } from "../src/runs/log.js";
import { recordSimulation } from "../src/runs/node/record-simulation.js";
import { parseNetwork } from "../src/transports/simulated/settings.js";
import { createLayout } from "../src/vectors/layout.js";
import { findChromium, suiteBrowser } from "./support/chromium.js";
import { endAll, murmur } from "./support/processes.js";
import { linesOf, loggedRun, newFolder } from "./support/runs.js";
import { functionTrainer } from "./support/trainers.js";

afterEach(endAll);
const hasChromium = findChromium("by-class: cards are not looked at");

const PEERS = 4;
const settings = { trainer: "layers", model: "softmax", rounds: 10, evaluateEvery: 5, projectEvery: 0 };
/** A run on digits, three classes a peer. */
let directory: string;
beforeAll(async () => {
  directory = await loggedRun({ ...settings, split: { kind: "shards", classesPerPeer: 3 } }, PEERS);
});

const parsed = <Line>(folder: string, name: string) =>
  linesOf(folder, name).map((line) => JSON.parse(line)) as Line[];
const headerOf = (folder: string, peer: number) => parsed<LogHeader>(folder, `peer-${peer}.jsonl`)[0]!;
const evaluationsOf = (folder: string, peer: number) =>
  parsed<PeerRound>(folder, `peer-${peer}.jsonl`).flatMap(({ evaluation, round, kind }) =>
    evaluation ? [{ ...evaluation, round, kind }] : [],
  );
const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);
const everyPeer = Array.from({ length: PEERS }, (_, peer) => peer);

/** A copy of the run whose lines are changed. */
function changed(change: (line: Record<string, unknown>) => object): string {
  const folder = join(newFolder(), "changed");
  mkdirSync(folder);
  for (const name of readdirSync(directory)) {
    const lines = parsed<Record<string, unknown>>(directory, name).map((line) =>
      JSON.stringify(change(line)),
    );
    writeFileSync(join(folder, name), `${lines.join("\n")}\n`);
  }
  return folder;
}

describe("counts of examples", () => {
  it("count each label once, and classes one by one up to a number of them", () => {
    const cases = fc.record({
      count: fc.constantFrom(2, 5, MAX_COUNTED_CLASSES, MAX_COUNTED_CLASSES + 1),
      train: fc.array(fc.nat(), { minLength: 1, maxLength: 30 }),
      test: fc.array(fc.nat(), { maxLength: 30 }),
      positions: fc.constantFrom(1, 3),
    });
    fc.assert(
      fc.property(cases, ({ count, train, test, positions }) => {
        const examples = (numbers: readonly number[]) => ({
          features: new Float32Array(2 * numbers.length),
          labels: Int32Array.from(
            numbers.flatMap((number) => Array.from({ length: positions }, (_, k) => (number + k) % count)),
          ),
        });
        const targets = { kind: "classes", count, names: ["a"] } as const;
        const counts = countExamples(examples(train), examples(test), 2, targets);
        expect(counts).toMatchObject({ train: train.length, test: test.length });
        expect(counts.classes === undefined).toBe(count > MAX_COUNTED_CLASSES);
        if (!counts.classes) return;
        for (const part of ["train", "test"] as const) {
          const numbers = { train, test }[part];
          expect(counts.classes[part].length).toBe(count);
          expect(sum(counts.classes[part])).toBe(positions * numbers.length);
          for (const label of examples(numbers).labels)
            expect(counts.classes[part][label]).toBeGreaterThan(0);
        }
      }),
    );
  });

  it("have no classes where targets are numbers or marks, or unknown", () => {
    const examples = { features: new Float32Array(4), labels: new Float32Array(2) };
    for (const targets of [undefined, { kind: "numbers", count: 1 }, { kind: "marks", count: 1 }] as const) {
      expect(countExamples(examples, examples, 2, targets)).toEqual({ train: 2, test: 2 });
    }
  });
});

describe("figures by class", () => {
  it("of test sets add up to those of all examples together", () => {
    const part = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const figures = parts.map((classes) => ({
          correct: classes.map(([right]) => right),
          count: classes.map(([right, wrong]) => right + wrong),
        }));
        const all = mergeByClass(figures);
        for (let label = 0; label < 3; label++) {
          expect(all.correct[label]).toBe(sum(figures.map(({ correct }) => correct[label]!)));
          expect(all.count[label]).toBe(sum(figures.map(({ count }) => count[label]!)));
          const recall = recallsOf(all)[label];
          expect(recall).toBe(all.count[label] === 0 ? null : all.correct[label]! / all.count[label]!);
          const range = recallRange({ peers: figures.map((each, peer) => ({ peer, ...each })) }, label);
          expect(range === undefined).toBe(recall === null);
          if (!range) continue;
          expect(range.lowest.recall).toBeLessThanOrEqual(recall! + 1e-9);
          expect(range.highest.recall).toBeGreaterThanOrEqual(recall! - 1e-9);
          const { correct, count } = figures[range.lowest.peer]!;
          expect(correct[label]! / count[label]!).toBe(range.lowest.recall);
        }
      }),
    );
  });

  it("of the mean model are those of all peers' test sets, unless one does not count", async () => {
    const layout = createLayout([{ name: "x", shape: [1] }]);
    const evaluator = (evaluation: object) => ({
      ...functionTrainer(
        layout,
        () => {},
        () => 0,
      ),
      evaluates: undefined as never,
      evaluate: async () => ({ loss: 1, accuracy: 0.5, ...evaluation }),
    });
    const byClass = { correct: [1, 2], count: [3, 4] };
    const of = async (...each: object[]) => {
      const known = { mean: new Float32Array(1), statistics: [] };
      return (await evaluateMean(each.map(evaluator).map(evaluatorOf), known)).meanEvaluation!;
    };
    expect((await of({ byClass }, { byClass })).byClass).toEqual({ correct: [2, 4], count: [6, 8] });
    expect(await of({ byClass }, {})).not.toHaveProperty("byClass");
  });
});

describe("logs", () => {
  it("say how many examples of each class a peer has", async () => {
    const { train, test, targets } = await loadDataset(parseExperiment({}).data);
    const data = everyPeer.map((peer) => headerOf(directory, peer).data!);
    const held = (label: number) => sum(data.map(({ classes }) => classes!.train[label]!));
    for (let label = 0; label < targets.count; label++) {
      expect(held(label)).toBe(train.labels.filter((each) => each === label).length);
    }
    expect(sum(data.map((each) => each.train))).toBe(train.labels.length);
    for (const { classes, test: tested } of data) {
      expect(tested).toBe(test.labels.length);
      expect(sum(classes!.test)).toBe(tested);
      expect(classes!.train.filter((count) => count > 0).length).toBeLessThanOrEqual(3);
    }
    expect(parsed<LogHeader>(directory, "graph.jsonl")[0]).not.toHaveProperty("data");
  });

  it("of real peers say the same, and so do those of a simulated network", async () => {
    const topology = join(newFolder(), "ring.json");
    writeFileSync(topology, JSON.stringify({ graph: { kind: "ring", peers: PEERS } }));
    const experiment = join(newFolder(), "experiment.json");
    const split = { kind: "shards", classesPerPeer: 3 };
    writeFileSync(experiment, JSON.stringify({ ...settings, rounds: 2, split }));
    const out = join(newFolder(), "up");
    const { status, stderr } = murmur("up", topology, experiment, "--out", out);
    expect(status, stderr).toBe(0);
    const network = join(newFolder(), "network");
    await recordSimulation({
      topology: parseTopology({ graph: { kind: "ring", peers: PEERS } }, "test"),
      experiment: parseExperiment({ ...settings, rounds: 2, split }),
      network: parseNetwork({}),
      directory: network,
      warn() {},
    });
    for (const peer of everyPeer) {
      for (const folder of [out, network]) {
        expect(headerOf(folder, peer).data).toEqual(headerOf(directory, peer).data);
      }
      expect(evaluationsOf(out, peer)).toEqual(evaluationsOf(network, peer));
    }
  }, 60_000);

  it("have an evaluation's figures by class, which add up to its accuracy", () => {
    for (const peer of everyPeer) {
      const evaluations = evaluationsOf(directory, peer);
      expect(evaluations.length).toBeGreaterThan(2);
      for (const { accuracy, byClass } of evaluations) {
        expect(sum(byClass!.correct) / sum(byClass!.count)).toBe(accuracy);
        expect(byClass!.count).toEqual(headerOf(directory, peer).data!.classes!.test);
      }
    }
    for (const { meanEvaluation } of parsed<GraphRound>(directory, "graph.jsonl")) {
      if (!meanEvaluation) continue;
      expect(sum(meanEvaluation.byClass!.correct) / sum(meanEvaluation.byClass!.count)).toBe(
        meanEvaluation.accuracy,
      );
    }
  });
});

describe("what is read of them", () => {
  it("is the last evaluation before closing, of every peer and of the mean, with the worst peer", () => {
    const { byClass, data } = viewRun(readRun(directory));
    expect(byClass!.round).toBe(settings.rounds);
    const last = (peer: number) =>
      evaluationsOf(directory, peer).findLast(({ kind }) => kind === "learning")!;
    for (const { peer, correct, count } of byClass!.peers) {
      expect({ correct, count }).toEqual(last(peer!).byClass);
    }
    const accuracies = everyPeer.map((peer) => last(peer).accuracy!);
    expect(accuracies[byClass!.worst]).toBe(Math.min(...accuracies));
    const mean = parsed<GraphRound>(directory, "graph.jsonl").findLast(
      ({ kind, meanEvaluation }) => kind === "learning" && meanEvaluation,
    )!;
    expect({ ...byClass!.mean, peer: undefined }).toEqual({ ...mean.meanEvaluation!.byClass });
    expect(data!.peers.map(({ peer }) => peer)).toEqual(everyPeer);
  });

  it("is nothing of logs of earlier versions, which read as before", () => {
    const old = changed(({ data: _, ...line }) => {
      for (const name of ["evaluation", "meanEvaluation"]) {
        const { byClass: _, ...evaluation } = (line[name] ?? {}) as Record<string, unknown>;
        if (line[name]) Object.assign(line, { [name]: evaluation });
      }
      return line;
    });
    const [before, now] = [old, directory].map((folder) => viewRun(readRun(folder)));
    expect(before).not.toHaveProperty("data");
    expect(before).not.toHaveProperty("byClass");
    const { data: _, byClass: _figures, ...rest } = now!;
    expect({ ...before, name: now!.name }).toEqual(rest);
    const { stdout, status } = murmur("inspect", old);
    expect(status).toBe(0);
    expect(stdout).not.toMatch(/by class|examples/);
  });

  it("has the classes' names in the terminal and in JSON", () => {
    const names = ["zero", "one", 'a "b"', ...Array.from({ length: 7 }, (_, k) => `class ${k + 3}`)];
    const named = changed((line) => {
      const { data } = line as Partial<LogHeader>;
      return data ? { ...line, data: { ...data, classes: { names, ...data.classes } } } : line;
    });
    const { stdout } = murmur("inspect", named);
    const { byClass, data } = viewRun(readRun(named));
    const percent = (value: number) => (100 * value).toFixed(1);
    expect(stdout).toMatch(/^accuracy by class, after round 10$/m);
    const row = new RegExp(
      `^“zero” +${percent(recallsOf(byClass!.mean!)[0]!)} +.* ${percent(recallRange(byClass!, 0)!.highest.recall)} *$`,
      "m",
    );
    expect(stdout).toMatch(row);
    expect(stdout).toMatch(/^“a \\"b\\"” /m);
    expect(stdout).toMatch(/^examples, and training labels of each class$/m);
    const run = JSON.parse(murmur("inspect", named, "--json").stdout.trimEnd().split("\n").at(-1)!);
    expect(run.classes).toEqual(names);
    expect(run.evaluatedRound).toBe(10);
    for (const { peer, examples, byClass: own } of run.peers) {
      const { peer: _, ...expected } = data!.peers[peer]!;
      expect(examples).toEqual(expected);
      const { correct, count } = byClass!.peers[peer]!;
      expect(own).toEqual({ correct, count });
    }
  });

  it("shows 16 peers in the terminal, the 16 worst classes, and says so", async () => {
    const many = await loggedRun({ ...settings, rounds: 1, split: "iid" }, 17);
    const { stderr, stdout } = murmur("inspect", many);
    expect(stderr).toMatch(/^note: 16 of 17 peers are shown; --json has all$/m);
    expect(stdout).toMatch(/^ +15 +\d+ +\d+ /m);
    expect(stdout).not.toMatch(/^ +16 +\d+ +\d+ /m);
  });
});

describe.skipIf(!hasChromium)("cards", () => {
  const browser = suiteBrowser();

  async function open(folder: string, width?: number) {
    const file = join(newFolder(), "report.html");
    writeFileSync(file, renderPage({ runs: [viewRun(readRun(folder))], live: false }));
    const page = await browser.newPage(width);
    await page.goto(pathToFileURL(file).href);
    await page.waitForSelector(".chart canvas");
    return page;
  }

  it("show every peer's labels and every model's accuracy by class, and fit a telephone", async () => {
    const view = viewRun(readRun(directory));
    const page = await open(directory, 390);
    const cells = (selector: string) =>
      page.$$eval(`${selector} tbody tr`, (rows) =>
        rows.map((row) => [...row.children].map((cell) => cell.textContent)),
      );
    expect(await cells("#examples")).toEqual(
      view.data!.peers.map(({ peer, train, test, classes }) =>
        [peer, train, test, ...classes!.train.map((count) => count || "")].map(String),
      ),
    );
    const models = [view.byClass!.mean!, ...view.byClass!.peers];
    expect(await cells("#by-class")).toEqual(
      models.map((model) => [
        model.peer === null ? "mean" : `${model.peer}${model.peer === view.byClass!.worst ? " (worst)" : ""}`,
        String(Math.round((100 * sum(model.correct)) / sum(model.count))),
        ...recallsOf(model).map((recall) => String(Math.round(100 * recall!))),
      ]),
    );
    for (const card of ["#examples", "#by-class"]) {
      const hidden = await page.$eval(`${card} .scroll`, (box) => box.scrollWidth - box.clientWidth);
      expect(hidden).toBe(0);
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    await page.close();
  });

  it("are left out where the logs say nothing", async () => {
    const page = await open(await loggedRun({ rounds: 4 }));
    for (const card of ["#examples", "#by-class"]) expect(await page.isVisible(card)).toBe(false);
    await page.close();
  });

  it("take what a log says as text, and many classes without numbers", async () => {
    const evil = "<img src=x onerror=alert(1)>";
    const count = Array.from({ length: 30 }, (_, k) => k);
    const names = count.map((k) => (k === 0 ? evil : `species ${k}`));
    const many = changed((line) => {
      if (line.data)
        return { ...line, data: { train: 9, test: 9, classes: { names, train: count, test: count } } };
      return line.evaluation
        ? { ...line, evaluation: { loss: 1, byClass: { correct: count.map(() => 0), count } } }
        : line;
    });
    const page = await open(many);
    expect(await page.locator("#examples thead th").nth(3).textContent()).toBe(evil);
    expect(await page.locator("#by-class img").count()).toBe(0);
    expect(await page.locator("#examples tbody td.class").first().textContent()).toBe("");
    expect(await page.locator("#by-class tbody td.class").nth(31).getAttribute("title")).toBe(
      "0 (worst), class species 1: 0 of 1, 0.0 %",
    );
    await page.close();
  });
});
