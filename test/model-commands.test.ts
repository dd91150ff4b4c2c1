import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import type { PeerSummary } from "../src/runs/node/record-peer.js";
import { endAll, murmur, startMurmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-model-commands-"));
const at = (...names: string[]) => join(scratch, ...names);
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(endAll);

/** Rows of three columns of different scale around their class's centre. */
const flowers = Array.from({ length: 60 }, (_, k) => {
  const name = ["rose", "iris", "lily"][k % 3];
  return `${100 * ((k % 3) + (k % 5) / 3)},${(k % 7) / 10},${k % 4},${name}`;
});
const pair = at("pair.json");
const table = at("flowers.csv");
const data = ["--data", "csv", "--data.path", table];
const settings = [...data, "--split", "iid", "--model.hidden", "[5,4]", "--rounds", "25"];

/** A command that works. @returns what it prints */
function ok(...args: string[]): string {
  const { status, stdout, stderr } = murmur(...args);
  expect(status, stderr).toBe(0);
  return stdout;
}

/** A command that is refused in one line. @returns the line */
function refused(...args: string[]): string {
  const { status, stderr } = murmur(...args);
  expect(status).toBe(2);
  const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
  expect(errors).toHaveLength(1);
  expect(stderr.trim().split("\n").at(-1)).toBe(errors[0]);
  return errors[0]!;
}

const model = at("saved", "model.safetensors");
beforeAll(() => {
  writeFileSync(table, `${["long,wide,count,species", ...flowers].join("\n")}\n`);
  writeFileSync(pair, JSON.stringify({ graph: { kind: "chain", peers: 2 } }));
  const run = [pair, ...settings, "--checkpoints", at("checkpoints"), "--save", at("saved"), "--json"];
  expect(JSON.parse(ok("simulate", ...run)).models).toEqual([model]);
});

describe("--save", () => {
  it("leaves one model of peers that agree, with the same bytes from processes", () => {
    expect(readdirSync(at("saved"))).toEqual(["model.safetensors"]);
    const { models, peers } = JSON.parse(ok("up", pair, ...settings, "--save", at("up"), "--json"));
    expect(models).toEqual([at("up", "model.safetensors")]);
    expect(readdirSync(at("up"))).toEqual(["model.safetensors"]);
    expect(readFileSync(models[0])).toEqual(readFileSync(model));

    // The run's own figures are those of the model that it left.
    const { loss, accuracy } = JSON.parse(ok("evaluate", models[0], "--json"));
    expect({ loss, accuracy }).toMatchObject({ loss: peers[0].loss, accuracy: peers[0].accuracy });
  });

  it("leaves the model of each peer where they differ, and of the peers that ran here", async () => {
    const run = [pair, ...settings, "--closing-rounds", "0"];
    const printed = ok("simulate", ...run, "--save", at("apart"));
    expect(readdirSync(at("apart"))).toEqual(["peer-0.safetensors", "peer-1.safetensors"]);
    for (const name of readdirSync(at("apart"))) expect(printed).toContain(at("apart", name));

    const addresses = await freeLoopbackAddresses(2);
    const own = at("own.json");
    const peers = addresses.map((address, id) => ({ id, listen: [address] }));
    writeFileSync(own, JSON.stringify({ name: "chain-2", graph: { kind: "chain", peers: 2 }, peers }));
    ok("keys", own);
    const started = [0, 1].map((id) =>
      startMurmur("peer", own, ...run.slice(1), "--id", String(id), "--save", at("peers"), "--json"),
    );
    for (const [id, { finished }] of started.entries()) {
      const { status, stdout, stderr } = await finished;
      expect(status, stderr).toBe(0);
      const path = at("peers", `peer-${id}.safetensors`);
      expect((JSON.parse(stdout) as PeerSummary).model).toBe(path);
      expect(readFileSync(path)).toEqual(readFileSync(at("apart", `peer-${id}.safetensors`)));
    }
  });

  it("writes over nothing", () => {
    const before = readFileSync(model);
    for (const command of ["simulate", "up"]) {
      expect(refused(command, pair, ...settings, "--save", at("saved"))).toContain(`${model} already exists`);
    }
    expect(readFileSync(model)).toEqual(before);
  });
});

describe("murmur evaluate", () => {
  it("shows loss, accuracy and a table of the classes, also as a file", () => {
    const csv = at("classes.csv");
    const lines = ok("evaluate", model, "--csv", csv).split("\n");
    expect(lines[0]).toBe(`12 held-out examples of ${table}`);
    expect(lines[1]).toMatch(/^loss [\d.]+, accuracy [\d.]+ %$/);
    const { accuracy, classes, confusion, part, labels } = JSON.parse(ok("evaluate", model, "--json"));
    expect([part, labels]).toEqual(["test", 12]);
    expect(lines[1]).toContain(`accuracy ${(100 * accuracy).toFixed(1)} %`);
    expect(classes.map(({ name }: { name: string }) => name)).toEqual(["iris", "lily", "rose"]);
    const rows = readFileSync(csv, "utf8").trimEnd().split("\n");
    expect(rows[0]).toBe("class,support,precision,recall,as iris,as lily,as rose");
    expect(rows.slice(1).map((row) => row.split(",").slice(4).map(Number))).toEqual(confusion);
  });

  it("takes other data, and other parts", () => {
    const of = (...args: string[]) => {
      const { part, labels } = JSON.parse(ok("evaluate", model, ...args, "--json"));
      return [part, labels];
    };
    expect(of("--part", "train")).toEqual(["train", 48]);
    const other = at("other.csv");
    writeFileSync(other, readFileSync(table));
    expect(of(other)).toEqual(["all", 60]);
    expect(ok("evaluate", model, other).split("\n")[0]).toBe(`all 60 examples of ${other}`);
    expect(of(JSON.stringify({ kind: "csv", path: other, label: "species" }), "--part", "test")).toEqual([
      "test",
      12,
    ]);
  });
});

describe("murmur predict", () => {
  it("says the class and its probability for every row, in the file's order, with labels or without", () => {
    const bare = at("bare.csv");
    const rows = flowers.map((row) => row.replace(/,\w+$/, ""));
    writeFileSync(bare, `${["long,wide,count", ...rows].join("\n")}\n`);
    const [labelled, unlabelled] = [table, bare].map((path) =>
      ok("predict", model, path, "--part", "all", "--json")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    );
    expect(labelled).toHaveLength(60);
    expect(unlabelled).toEqual(labelled);
    const { accuracy } = JSON.parse(ok("evaluate", model, "--part", "all", "--json"));
    const right = labelled!.filter((each, k) => flowers[k]!.endsWith(`,${each.class}`));
    expect(right.length / 60).toBe(accuracy);
    for (const [k, { row, class: name, probability, probabilities }] of labelled!.entries()) {
      expect(row).toBe(k);
      expect(probabilities[name]).toBe(probability);
    }
    const lines = ok("predict", model, bare).trimEnd().split("\n");
    expect(lines).toHaveLength(61);
    expect(lines[1]!.trim().split(/\s+/).slice(0, 2)).toEqual(["0", `“${labelled![0].class}”`]);
  });
});

describe("a model of text", () => {
  it("answers at every position, and names line ends in one line", () => {
    const book = at("book.txt");
    writeFileSync(book, 'the cat\nsat on "the" mat.\n'.repeat(20));
    const text = [
      "--data",
      "text",
      "--data.path",
      book,
      "--data.sequence-length",
      "4",
      "--split",
      "contiguous",
    ];
    const transformer = ["--model", "char-transformer", "--model.width", "4", "--model.heads", "1"];
    ok(
      "simulate",
      pair,
      ...text,
      ...transformer,
      "--model.blocks",
      "1",
      "--rounds",
      "2",
      "--save",
      at("text"),
    );
    const saved = at("text", "model.safetensors");
    const [head, ...lines] = ok("predict", saved, "--json").trimEnd().split("\n");
    expect(JSON.parse(head!)).toMatchObject({ row: 0, position: 0 });
    expect(JSON.parse(lines[3]!)).toMatchObject({ row: 1, position: 0 });
    const table = ok("evaluate", saved).trimEnd().split("\n").slice(4);
    // Of a table that is wider than the terminal, the rows come again with the other columns.
    const rows = new Set(table.map((line) => line.split(/\s{2,}/)[0]!).filter((name) => /^“.*”$/.test(name)));
    expect(rows).toContain("“\\n”");
    expect(rows.size).toBe(JSON.parse(ok("evaluate", saved, "--json")).classes.length);
  });
});

describe("--weights", () => {
  it("starts a run from a model", () => {
    const run = [
      pair,
      ...data,
      "--split",
      "iid",
      "--model.hidden",
      "[5,4]",
      "--rounds",
      "1",
      "--learning-rate",
      "1e-9",
    ];
    ok("simulate", ...run, "--weights", model, "--save", at("again"));
    const [first, again] = [model, at("again", "model.safetensors")].map((path) =>
      JSON.parse(ok("evaluate", path, "--json")),
    );
    expect(again.loss).toBeCloseTo(first.loss, 5);
    expect(again.confusion).toEqual(first.confusion);
  });

  it("is refused at once where the model is another", () => {
    for (const command of ["simulate", "up"]) {
      const line = refused(command, pair, ...data, "--rounds", "1", "--weights", model);
      expect(line).toContain(
        `${model} does not fit the model: dense1/kernel has shape [3, 5] there and [3, 64] here`,
      );
    }
  });
});

describe("murmur export", () => {
  it("makes a model of a checkpoint that the other commands take", () => {
    const to = at("exported", "peer-1.safetensors");
    expect(ok("export", at("checkpoints"), "--id", "1", "--to", to)).toBe(
      `model of peer 1 after round 20: ${to}\n`,
    );
    expect(JSON.parse(ok("evaluate", to, "--json")).labels).toBe(12);
    const mean = at("exported", "mean.safetensors");
    expect(ok("export", at("checkpoints"), "--mean", "--to", mean)).toContain(
      "mean of peers 0, 1 after round 20",
    );
    expect(JSON.parse(ok("evaluate", mean, "--json")).labels).toBe(12);
    ok("export", model, "--to", at("tfjs", "model.json"));
    expect(readdirSync(at("tfjs"))).toEqual(["model.json", "weights.bin"]);
    expect(readFileSync(at("tfjs", "weights.bin"))).toHaveLength(4 * (3 * 5 + 5 + 5 * 4 + 4 + 4 * 3 + 3));
  });
});

describe("evaluate and predict", () => {
  it("take what export takes: a checkpoint, or a run's folder with a peer or the mean", () => {
    const folder = at("checkpoints");
    const [newest] = readdirSync(join(folder, "peer-1")).filter((name) => name.includes("20"));
    const choices = [
      [folder, "--id", "1"],
      [folder, "--mean"],
      [join(folder, "peer-0")],
      [join(folder, "peer-1", newest!)],
      [at("saved")],
    ];
    for (const [k, choice] of choices.entries()) {
      const file = at("chosen", `${k}.safetensors`);
      ok("export", ...choice, "--to", file);
      for (const command of ["evaluate", "predict"]) {
        const [chosen, expected] = [choice, [file]].map((of) => ok(command, ...of, "--json"));
        expect(chosen!.replace(/"model":"[^"]*"/, "")).toBe(expected!.replace(/"model":"[^"]*"/, ""));
      }
    }
  });
});

describe("what cannot be used", () => {
  const cases: [what: string, args: () => string[], says: RegExp][] = [
    ["no model", () => ["evaluate", at("none")], /none: there is no such file/],
    ["another file", () => ["predict", table], /flowers\.csv.*no safetensors file/],
    ["an unknown part", () => ["evaluate", model, "--part", "some"], /test, train, all/],
    ["data of another shape", () => ["evaluate", model, "digits"], /shape \[8, 8, 1\].*takes \[3\]/],
    ["data that are not there", () => ["evaluate", model, at("none.csv")], /cannot read .*none\.csv/],
    ["data that are no JSON", () => ["evaluate", model, "{kind"], /not JSON/],
    ["an unknown backend", () => ["evaluate", model, "--backend", "wsam"], /--backend.*wasm/],
    [
      "several peers",
      () => ["export", at("checkpoints"), "--to", at("x.safetensors")],
      /peers 0, 1: choose one with --id/,
    ],
    [
      "several peers of whom none is chosen",
      () => ["predict", at("checkpoints")],
      /peers 0, 1: choose one with --id/,
    ],
    ["one peer and the mean", () => ["export", model, "--id", "0", "--mean", "--to", "x"], /--mean.*--id/],
    [
      "a peer of a folder with the model of all",
      () => ["evaluate", at("saved"), "--id", "1"],
      /saved holds one model of all peers, model\.safetensors: leave out --id/,
    ],
    ["no target", () => ["export", model], /--to/],
    ["a table over the model", () => ["predict", model, "--csv", model], /is a file that is read/],
    ["a table over the data", () => ["evaluate", model, table, "--csv", table], /is a file that is read/],
  ];
  it.each(cases)("is refused in one line: %s", (_what, args, says) => {
    expect(refused(...args())).toMatch(says);
  });
});

/** A Python that has the safetensors package and numpy. */
const python = [process.env.PYTHON ?? "python3"].find(
  (name) => spawnSync(name, ["-c", "import numpy, safetensors"]).status === 0,
);
if (!python) {
  console.warn(
    "models are not loaded in Python: install safetensors and numpy, or name a python that has them in PYTHON",
  );
}

describe.skipIf(!python)("a model in Python", () => {
  const script = new URL("support/mlp.py", import.meta.url).pathname;
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(python!, [script, ...args], { encoding: "utf8" });
    expect(status, stderr).toBe(0);
    return stdout;
  };

  it("answers as murmur predict does, to 1e-5", () => {
    const theirs: number[][] = JSON.parse(run(model, table));
    const csv = at("predicted.csv");
    ok("predict", model, "--part", "all", "--csv", csv);
    const [head, ...rows] = readFileSync(csv, "utf8").trimEnd().split("\n");
    expect(head).toBe("row,class,probability,p iris,p lily,p rose");
    expect(theirs).toHaveLength(rows.length);
    for (const [k, row] of rows.entries()) {
      const ours = row.split(",").slice(3).map(Number);
      ours.forEach((share, label) => {
        expect(Math.abs(share - theirs[k]![label]!)).toBeLessThan(1e-5);
      });
    }
  });

  it("starts a run from there", () => {
    const copy = at("copy.safetensors");
    run(model, "--copy", copy);
    expect(existsSync(copy)).toBe(true);
    ok("simulate", pair, ...settings, "--rounds", "1", "--weights", copy);
  });
});
