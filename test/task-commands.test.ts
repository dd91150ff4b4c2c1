import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { endAll, murmurIn } from "./support/processes.js";
import * as tables from "./support/task-data.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-task-commands-"));
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(endAll);

beforeAll(() => {
  const write = (name: string, content: string) => writeFileSync(join(scratch, name), content);
  write("ring.json", JSON.stringify({ graph: { kind: "ring", peers: 4 } }));
  write("patients.csv", tables.binary);
  write("photos.csv", tables.marks.replace("red,big,old", "cat,dog,night"));
  write("houses.csv", tables.numbers.replace("rate", "rent"));
  const kinds = ["iris", "lily", "rose"];
  const flowers = tables.marks.trim().split("\n").slice(1);
  const rows = flowers.map((row, k) => `${row.split(",").slice(0, 3).join(",")},${kinds[k % 3]}`);
  write("flowers.csv", `${["a,b,c,species", ...rows].join("\n")}\n`);
});

/** A command that works, in the folder of the tables. @returns what it prints */
function ok(...args: string[]): string {
  const { status, stdout, stderr } = murmurIn(scratch, ...args);
  expect(status, stderr).toBe(0);
  return stdout;
}

/** The words of a command line, some of them in single quotes. */
const wordsOf = (line: string) =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, word]) => quoted ?? word!);

describe("a command of the README of losses", () => {
  const readme = readFileSync(new URL("../src/losses/README.md", import.meta.url), "utf8");
  const commands = readme.split("\n").filter((line) => line.startsWith("murmur "));

  it("is there for every loss", () => expect(commands).toHaveLength(6));

  const judges = ["accuracy", "accuracy", "microF1", "r2", "mae", "mae"];
  it.each(commands.map((command, k) => [command, judges[k]!]))("%s", (command, judge) => {
    const [, ...args] = wordsOf(command);
    const { final } = JSON.parse(ok(...args, "--rounds", "5", "--json"));
    expect(final.metric.name).toBe(judge);
    const { worst, best, meanModel } = final;
    for (const value of [worst, best, meanModel]) expect(value).toBeTypeOf("number");
    expect(final.metric.better === "lower" ? best <= worst : best >= worst).toBe(true);
  });
});

describe("a run judged by an error", () => {
  const data = ["--data", "csv", "--data.path", "houses.csv", "--data.targets", "numbers"];
  const settings = [...data, "--data.label", '["price","rent"]', "--split", "iid", "--loss", "mae"];
  const saved = join("saved", "model.safetensors");
  let summary = "";
  beforeAll(() => {
    const run = [...settings, "--model", "softmax", "--rounds", "20", "--evaluate-every", "10"];
    summary = ok("simulate", "ring.json", ...run, "--out", "logs", "--save", "saved");
  });

  it("shows it in its summary", () => {
    const [head, row] = summary.split("\n").slice(-9);
    expect(summary).toMatch(/^run +worst +best +mean +consensus +closed .*\n +mae +mae +model mae +mae$/m);
    expect([head, row].join("")).not.toContain("%");
  });

  it("shows it in inspect, as a table, as JSON and as CSV, where the worst is the largest", () => {
    expect(ok("inspect", "logs")).toMatch(/worst +best +mean +.*\n.* mae +mae +/);
    ok("inspect", "logs", "--csv", "rounds.csv");
    const rounds = ok("inspect", "logs", "--json")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const evaluated = rounds.filter(({ maeWorst }) => maeWorst !== undefined);
    expect(evaluated.length).toBeGreaterThan(1);
    for (const { maeWorst, maeMean, maeBest } of evaluated) {
      expect(maeWorst).toBeGreaterThanOrEqual(maeMean);
      expect(maeMean).toBeGreaterThanOrEqual(maeBest);
    }
    const [head] = readFileSync(join(scratch, "rounds.csv"), "utf8").split("\n");
    expect(head!.split(",")).toContain("mae");
  });

  it("leaves a model whose evaluation and predictions are in the units of the file", () => {
    const text = ok("evaluate", saved, "--csv", "targets.csv");
    expect(text).toMatch(
      /^80 |^40 held-out examples of houses\.csv\nloss [\d.]+, mse \S+, mae \S+, r2 \S+\n/,
    );
    expect(readFileSync(join(scratch, "targets.csv"), "utf8")).toMatch(/^target,mse,mae,r2\nprice,.*\nrent,/);
    const { metric, metrics, targets } = JSON.parse(ok("evaluate", saved, "--json"));
    expect(metric).toEqual({ name: "mae", better: "lower" });
    expect(targets[0]).toMatchObject({ name: "price" });
    expect(metrics.mae).toBeCloseTo((targets[0].mae + targets[1].mae) / 2, 6);

    ok("predict", saved, "--csv", "predicted.csv");
    const [head, ...rows] = readFileSync(join(scratch, "predicted.csv"), "utf8").trim().split("\n");
    expect(head).toBe("row,price,rent");
    const prices = rows.map((row) => Number(row.split(",")[1]));
    const mean = prices.reduce((sum, price) => sum + price, 0) / rows.length;
    expect(Math.abs(mean / tables.PRICE.constant - 1)).toBeLessThan(0.2);
  });

  it("exports it for TensorFlow.js with what undoes the scale", () => {
    ok("export", saved, "--to", join("web", "model.json"));
    const { userDefinedMetadata } = JSON.parse(readFileSync(join(scratch, "web", "model.json"), "utf8"));
    expect(userDefinedMetadata.outputs).toMatch(/output \/ factor \+ mean/);
    const { mean, factor } = JSON.parse(userDefinedMetadata.examples).targets.scaling;
    expect([mean, factor].map(({ length }) => length)).toEqual([2, 2]);
  });
});
