// What people really have: one test for each situation that others met.
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Dataset } from "../src/dataset.js";
import { type DatasetSettings, loadDataset } from "../src/datasets/index.js";
import {
  FileProblem,
  InvalidData,
  InvalidExperiment,
  type MurmurationError,
} from "../src/foundation/errors.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createWhole, writeText, writeWhole } from "../src/sinks/whole-file.js";
import { createTrainer } from "../src/trainers/index.js";
import { type ErrorClass, expectRejection } from "./support/errors.js";
import { scratchFolder } from "./support/files.js";
import { murmur } from "./support/processes.js";

const { folder: scratch, file } = scratchFolder();
const load = (data: object): Promise<Dataset> =>
  loadDataset(parseExperiment({ data }).data as DatasetSettings);
const refused = <E extends MurmurationError>(data: object, code: string, Class?: ErrorClass<E>) =>
  expectRejection(load(data), Class ?? InvalidData, { code });

describe("tables", () => {
  const rows = Array.from({ length: 20 }, (_, k) => `${k},${k % 3}.5,${k % 2}`);
  const csv = (name: string, lines: readonly string[], settings: object = {}) => ({
    ...{ kind: "csv", path: file(`tables/${name}.csv`, lines.join("\n")) },
    ...settings,
  });

  it("in Latin-1 do not make one class of two words", async () => {
    const bytes = Buffer.from(
      ["a,word", ...rows.map((_, k) => `${k},caf${"éè"[k % 2]}`)].join("\n"),
      "latin1",
    );
    await refused({ kind: "csv", path: file("tables/latin.csv", bytes) }, "csv-encoding");
  });

  it("without a line of names do not lose their first row", async () => {
    await refused(csv("no-header", rows), "csv-header-of-numbers");
    expect((await load(csv("no-names", rows, { header: false }))).train.features.length).toBe(32);
  });

  it("whose columns are years have names", async () => {
    const years = csv("years", ["2019,2020,2021", ...rows], { label: 2020, targets: "numbers" });
    expect((await load(years)).featureNames).toEqual(["2019", "2021"]);
    await refused({ ...years, label: 2022 }, "csv-label-column");
  });

  it("with another delimiter say which", async () => {
    const semicolons = ["a;b;c", ...rows.map((row) => row.replaceAll(",", ";"))];
    await refused(csv("semicolon", semicolons), "csv-other-delimiter");
    expect((await load(csv("semicolons", semicolons, { delimiter: ";" }))).inputShape).toEqual([2]);
    const tabs = semicolons.map((line) => line.replaceAll(";", "\t"));
    expect((await load(csv("tabs", tabs, { delimiter: "\\t" }))).inputShape).toEqual([2]);
    await refused(csv("one", ["class", ...rows.map((_, k) => `c${k % 2}`)]), "csv-one-column");
  });
});

describe("folders of IDX files", () => {
  const idx = (dimensions: readonly number[], values: readonly number[]): Buffer => {
    const header = Buffer.alloc(4 + 4 * dimensions.length);
    header.writeUInt32BE(0x0800 + dimensions.length);
    for (const [k, side] of dimensions.entries()) header.writeUInt32BE(side, 4 + 4 * k);
    return Buffer.concat([header, Buffer.from(values)]);
  };
  const images = (count: number) =>
    idx(
      [count, 1, 2],
      Array.from({ length: 2 * count }, (_, k) => k),
    );
  const labels = (count: number) =>
    idx(
      [count],
      Array.from({ length: count }, (_, k) => k % 2),
    );
  const pair = (folder: string, set: string, count: number, ending = "-ubyte") => {
    file(`${folder}/${set}images-idx3${ending}`, images(count));
    file(`${folder}/${set}labels-idx1${ending}`, labels(count));
  };
  const sizes = async (folder: string) => {
    const { train, test } = await load({ kind: "idx", path: join(scratch, folder) });
    return [train.labels.length, test.labels.length];
  };

  it("of EMNIST learn from the training pair", async () => {
    pair("emnist", "emnist-letters-train-", 6);
    pair("emnist", "emnist-letters-test-", 4);
    expect(await sizes("emnist")).toEqual([6, 4]);
  });

  it("of several sets are refused", async () => {
    pair("sets", "emnist-letters-train-", 6);
    pair("sets", "emnist-digits-train-", 6);
    await refused({ kind: "idx", path: join(scratch, "sets") }, "idx-several-sets");
  });

  it("are read as they unpack: with dots, in folders of their names, half of them packed", async () => {
    for (const [part, count] of [
      ["train", 8],
      ["t10k", 5],
    ] as const) {
      file(`unpacked/${part}-images.idx3-ubyte`, images(count));
      file(`unpacked/${part}-labels.idx1-ubyte.gz`, gzipSync(labels(count)));
      file(`nested/${part}-images-idx3-ubyte/${part}-images-idx3-ubyte`, images(count));
      file(`nested/${part}-labels-idx1-ubyte/${part}-labels-idx1-ubyte`, labels(count));
    }
    expect(await sizes("unpacked")).toEqual([8, 5]);
    expect(await sizes("nested")).toEqual([8, 5]);
  });

  it("name their classes", async () => {
    pair("named", "train-", 8);
    const path = join(scratch, "named");
    const { targets } = await load({ kind: "idx", path, classes: ["shirt", "shoe", "bag"] });
    expect(targets).toMatchObject({ count: 3, names: ["shirt", "shoe", "bag"] });
    await refused({ kind: "idx", path, classes: ["shirt"] }, "idx-label-range");
  });
});

describe("modules of one's own", () => {
  const path = file(
    "modules.mjs",
    `export const data = () => { throw new Error("the database is down"); };
     export const model = () => { throw new Error("the weights file is missing"); };`,
  );

  it("that throw are named, with their error", async () => {
    const error = await refused({ kind: "module", path, export: "data" }, "module-export-fails", FileProblem);
    expect(error.message).toContain("the database is down");
    const experiment = parseExperiment({ model: { kind: "module", path, export: "model" } });
    await expectRejection(createTrainer(experiment, { peer: 0, peers: 2, seed: 1 }), FileProblem, {
      code: "module-export-fails",
      field: path,
    });
  });

  it("without a gradient are refused", async () => {
    const source = new URL("support/models-without-gradient.mjs", import.meta.url).pathname;
    const experiment = parseExperiment({ model: { kind: "module", path: source }, split: "iid" });
    const trainer = await createTrainer(experiment, { peer: 0, peers: 2, seed: 1 });
    const point = new Float32Array(trainer.layout.length);
    trainer.initialize(point);
    await expectRejection(trainer.gradient(point, point.slice(), 0), InvalidExperiment, {
      code: "model-without-gradient",
    });
    trainer.dispose();
  });
});

describe("files that users keep", () => {
  const failing = async () => {
    throw new Error("no space left on device");
  };

  it("are there whole, or as they were", async () => {
    const kept = file("kept/old.txt", "old");
    await expect(writeWhole(kept, failing)).rejects.toThrow("no space");
    await expect(createWhole(join(scratch, "kept/new.txt"), failing)).rejects.toThrow("no space");
    await expect(createWhole(kept, (handle) => handle.writeFile("new"))).rejects.toThrow("EEXIST");
    expect(readdirSync(join(scratch, "kept"))).toEqual(["old.txt"]);
    expect(readFileSync(kept, "utf8")).toBe("old");
    await createWhole(join(scratch, "kept/new.txt"), (handle) => handle.writeFile("new"));
    expect(readdirSync(join(scratch, "kept"))).toEqual(["new.txt", "old.txt"]);
  });

  it("may be a pipe", async () => {
    const pipe = join(scratch, "pipe");
    execFileSync("mkfifo", [pipe]);
    const [{ stdout: text }] = await Promise.all([
      promisify(execFile)("cat", [pipe]),
      writeText(pipe, "a table"),
    ]);
    expect(text).toBe("a table");
  });

  it("of keys that a full disk left empty are made anew", () => {
    const topology = file("keys/r.json", JSON.stringify({ graph: { kind: "ring", peers: 3 } }));
    const key = file("keys/r.keys/peer-0.key", "");
    const { status, stderr } = murmur("keys", topology);
    expect(status, stderr).toBe(0);
    expect(readFileSync(key, "utf8").length).toBeGreaterThan(20);
  });

  it("go to a folder that is made before data are read, and goes again where nothing came of the run", () => {
    const topology = file("pair.json", JSON.stringify({ graph: { kind: "chain", peers: 2 } }));
    const data = ["--data", "csv", "--data.path", join(scratch, "nowhere.csv")];
    for (const command of ["simulate", "up"]) {
      const said = (folder: string) => {
        const { status, stderr } = murmur(command, topology, ...data, "--out", folder);
        expect(status).toBe(2);
        expect(stderr).not.toContain("logs so far");
        return stderr;
      };
      expect(said(join(file("plain", ""), "logs"))).toMatch(/^error: cannot make folder .*plain\/logs: /m);
      const folder = join(scratch, "logs");
      expect(said(folder)).toMatch(/^error: .*cannot read .*nowhere\.csv/m);
      expect(existsSync(folder)).toBe(false);
    }
  });

  it("need a temporary folder, or a sentence", () => {
    const topology = file("ring.json", JSON.stringify({ graph: { kind: "ring", peers: 3 } }));
    const command = new URL("../dist/cli/main.js", import.meta.url).pathname;
    const env = { ...process.env, NO_COLOR: "1", TMPDIR: join(scratch, "nowhere") };
    const inNowhere = (...args: string[]) =>
      spawnSync(process.execPath, [command, ...args, "--rounds", "2"], { encoding: "utf8", env });
    const up = inNowhere("up", topology, "--split", "iid");
    expect(up.status).toBe(2);
    expect(up.stderr).toMatch(/^error: cannot make a temporary folder in .*TMPDIR$/m);
    const program = ["--trainer", "process", "--trainer.command", "node"];
    const simulated = inNowhere("simulate", topology, ...program);
    expect(simulated.status).toBe(2);
    expect(simulated.stderr).toMatch(/^error: cannot share a folder with a trainer program in .*TMPDIR$/m);
  });
});
