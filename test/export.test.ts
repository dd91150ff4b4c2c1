import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AlgorithmName, algorithms } from "../src/algorithms/index.js";
import type { Checkpoint } from "../src/checkpoint.js";
import { FileProblem, InvalidCheckpoint, InvalidExperiment, InvalidModel } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { modelIn } from "../src/peer-memory.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { openModel } from "../src/runs/model-use.js";
import { readCheckpoint, writeCheckpoint } from "../src/runs/node/checkpoints/file.js";
import { exportModel } from "../src/runs/node/export.js";
import { readModel } from "../src/runs/node/models.js";
import { preparePeers } from "../src/runs/prepare.js";
import { encodeModel, fileOf, type ModelFile, meanOf } from "../src/saved-model.js";
import { findChromium, launchChromium } from "./support/chromium.js";
import { expectError, expectRejection } from "./support/errors.js";
import { topologyFor } from "./support/graphs.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-export-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const warn = () => {};

const ring = parseTopology({ graph: { kind: "ring", peers: 4 } }, "ring");

/** A checkpoint of the first peer of a run that has not begun, with numbers of its own where it evaluates. */
async function snapshot(settings: object, topology = ring) {
  const experiment = parseExperiment({ rounds: 4, ...settings });
  const { peers, dispose } = await preparePeers({ topology, experiment });
  const [peer] = peers;
  await peer!.fingerprint();
  peer!.point.forEach((_, k, point) => {
    point[k] = 0.25 * k;
  });
  const checkpoint = peer!.snapshot(await peer!.trainerState());
  const expected = fileOf(await peer!.saved());
  return { checkpoint, expected, dispose };
}

describe("the model of a checkpoint", () => {
  const quadratic = { trainer: { kind: "quadratic", dimension: [5, 3] } };
  it.each(Object.keys(algorithms) as AlgorithmName[])(
    "of %s is what its peer evaluates",
    async (algorithm) => {
      const { checkpoint, expected, dispose } = await snapshot(
        { ...quadratic, algorithm },
        topologyFor(algorithms[algorithm], ring),
      );
      const path = join(scratch, `${algorithm}.checkpoint`);
      await writeCheckpoint(path, checkpoint);
      expect(fileOf(modelIn(await readCheckpoint(path)))).toEqual(expected);
      const { model } = modelIn(checkpoint);
      expect(Array.from(model)).toEqual(Array.from(model, (_, k) => 0.25 * k));
      dispose();
    },
  );

  it.each([{ blocks: 2 }, { averaging: { from: 1 } }, { quasiGlobalMomentum: 0.5 }])(
    "with %j too",
    async (option) => {
      const { checkpoint, expected, dispose } = await snapshot({ ...quadratic, ...option });
      expect(fileOf(modelIn(checkpoint))).toEqual(expected);
      dispose();
    },
  );

  it("is missing in a checkpoint that does not say what it is of", async () => {
    const { checkpoint, dispose } = await snapshot(quadratic);
    const { exported: _, ...older }: Checkpoint = checkpoint;
    expectError(() => modelIn(older), InvalidCheckpoint, { code: "checkpoint-without-model", peer: 0 });
    dispose();
  });

  it("is the newest that can be read, of the peer that is named", async () => {
    const { checkpoint, expected, dispose } = await snapshot(quadratic);
    const folder = join(scratch, "run");
    for (const peer of [0, 3]) mkdirSync(join(folder, `peer-${peer}`), { recursive: true });
    for (const round of [1, 2, 3]) {
      await writeCheckpoint(join(folder, "peer-3", `round-${round}.checkpoint`), { ...checkpoint, round });
    }
    writeFileSync(join(folder, "peer-3", "round-3.checkpoint"), "torn");
    const before = readdirSync(join(folder, "peer-3"));
    const warnings: string[] = [];
    const to = join(scratch, "newest.safetensors");
    const exported = await exportModel({ source: folder, to, of: 3, warn: (text) => warnings.push(text) });
    expect(exported).toEqual({ files: [to], peers: [0], round: 2 });
    expect((await readModel(to)).tensors).toEqual(expected.tensors);
    expect(warnings).toHaveLength(1);
    expect(readdirSync(join(folder, "peer-3"))).toEqual(before);

    const refused = async (
      source: string,
      code: string,
      Class: typeof FileProblem,
      of?: number | "mean",
      target = "x.safetensors",
    ) => expectRejection(exportModel({ source, to: join(scratch, target), of, warn }), Class, { code });
    await refused(folder, "export-of-several-peers", InvalidExperiment);
    await refused(folder, "no-checkpoints", InvalidCheckpoint, 0);
    await refused(folder, "no-checkpoints", InvalidCheckpoint, 7);
    await refused(join(scratch, "none"), "checkpoint-missing", FileProblem);
    await refused(folder, "no-checkpoints", InvalidCheckpoint, "mean");
    await refused(join(folder, "peer-3"), "no-checkpoints", InvalidCheckpoint, "mean");
    await refused(to, "export-of-one-peer", InvalidExperiment, "mean");
    await refused(to, "export-format", InvalidExperiment, undefined, "x.txt");
    await refused(to, "export-exists", FileProblem, undefined, "newest.safetensors");
    dispose();
  });
});

describe("the mean of models", () => {
  const numbers = [
    [1, 2 ** -24],
    [1, 2 ** -24],
    [-1, 2 ** -24],
    [1, 5 * 2 ** -24],
  ];
  const member = (peer: number, round = 7): ModelFile =>
    fileOf({
      card: {
        tensors: [{ name: "w", shape: [1] }],
        localShapes: { seen: [1] },
        frozenShapes: {},
        about: { experiment: "{}" },
      },
      ...{ peer, round },
      model: Float32Array.from(numbers[peer]!.slice(0, 1)),
      local: { seen: Float32Array.from(numbers[peer]!.slice(1)) },
      frozen: {},
    });

  it("is of all peers in a folder, and names them", async () => {
    const folder = join(scratch, "models");
    mkdirSync(folder);
    for (const peer of [0, 1, 2, 3]) {
      writeFileSync(join(folder, `peer-${peer}.safetensors`), Buffer.concat(encodeModel(member(peer))));
    }
    const to = join(folder, "mean.safetensors");
    const exported = await exportModel({ source: folder, to, of: "mean", warn });
    expect(exported).toEqual({ files: [to], peers: [0, 1, 2, 3], round: 7 });
    const { tensors, metadata } = await readModel(to);
    expect(tensors.map(({ name, values }) => [name, ...values])).toEqual([
      ["w", 0.5],
      ["seen", 2 ** -23],
    ]);
    expect(metadata).toMatchObject({ peers: "[0,1,2,3]", round: "7" });
    expect(metadata.peer).toBeUndefined();
    const one = await exportModel({ source: folder, to: join(folder, "one.safetensors"), of: 2, warn });
    expect(one.peers).toEqual([2]);
    expect((await readModel(one.files[0]!)).tensors).toEqual(member(2).tensors);
  });

  it.each([undefined, "mean"] as const)(
    "is the one model of peers that agree, with --mean or without (%s)",
    async (of) => {
      const folder = mkdtempSync(join(scratch, "agreed-"));
      writeFileSync(join(folder, "model.safetensors"), Buffer.concat(encodeModel(member(0))));
      const exported = await exportModel({ source: folder, to: join(folder, "out.safetensors"), of, warn });
      expect((await readModel(exported.files[0]!)).tensors).toEqual(member(0).tensors);
    },
  );

  it("is that of checkpoints of the newest round that all peers have", async () => {
    const { checkpoint, dispose } = await snapshot({ trainer: { kind: "quadratic", dimension: 3 } });
    const folder = join(scratch, "uneven");
    for (const [peer, rounds] of [[10, 20], [10]].entries()) {
      mkdirSync(join(folder, `peer-${peer}`), { recursive: true });
      for (const round of rounds) {
        const model = new Float32Array(3).fill(round + peer);
        const path = join(folder, `peer-${peer}`, `round-${round}.checkpoint`);
        await writeCheckpoint(path, {
          ...checkpoint,
          peer,
          round,
          vectors: { ...checkpoint.vectors, model },
        });
      }
    }
    const to = join(scratch, "uneven.safetensors");
    expect(await exportModel({ source: folder, to, of: "mean", warn })).toMatchObject({
      peers: [0, 1],
      round: 10,
    });
    expect(Array.from((await readModel(to)).tensors[0]!.values)).toEqual([10.5, 10.5, 10.5]);
    dispose();
  });

  it("is none of models of different rounds or runs", () => {
    const other = { ...member(1), metadata: { ...member(1).metadata, experiment: '{"seed":2}' } };
    for (const unlike of [member(1, 8), other]) {
      expectError(() => meanOf([member(0), unlike]), InvalidModel, { code: "models-without-mean" });
    }
  });
});

const program = new URL("support/tfjs-program.mjs", import.meta.url).pathname;
const hasChromium = findChromium("export: models are not loaded in a browser");

describe("a model for TensorFlow.js", () => {
  const cases: [name: string, settings: object][] = [
    ["mlp", { model: { kind: "mlp", hidden: [5] } }],
    ["cnn", { model: { kind: "cnn", filters: [3], kernelSize: 3 } }],
    ["resnet", { model: { kind: "resnet", blocks: 1, filters: 4, groups: 2 } }],
    ["batch-resnet", { model: { kind: "resnet", blocks: 1, filters: 4, normalization: "batch" } }],
    [
      "text",
      {
        model: { kind: "char-transformer", width: 8, heads: 2, blocks: 1 },
        data: { kind: "text", path: join(scratch, "book.txt"), sequenceLength: 6 },
        split: "contiguous",
      },
    ],
  ];
  const features = new Map<string, number[]>();
  const expected = new Map<string, number[]>();
  let server: Server;
  let origin: string;

  beforeAll(async () => {
    writeFileSync(join(scratch, "book.txt"), "the cat sat on the mat. ".repeat(30));
    const { outputFiles } = await build({
      ...{ entryPoints: [program], bundle: true, format: "esm", platform: "browser", write: false },
      logLevel: "silent",
    });
    const script = outputFiles[0]!.text;
    server = createServer(({ url = "" }, response) => {
      if (url === "/page") return response.setHeader("content-type", "text/html").end("<!doctype html>");
      if (url === "/program.js") return response.setHeader("content-type", "text/javascript").end(script);
      const path = join(scratch, url);
      return existsSync(path) ? response.end(readFileSync(path)) : response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

    for (const [name, settings] of cases) {
      const experiment = parseExperiment(settings);
      const topology = parseTopology({ graph: { kind: "chain", peers: 2 } }, "chain");
      const { peers, trainers, dispose } = await preparePeers({ topology, experiment });
      // Statistics that no initialiser has.
      const local = await trainers[0]!.state();
      for (const values of Object.values(local)) values.set(values.map((_, k) => 0.5 + 0.1 * k));
      await trainers[0]!.restore(local);
      const file = fileOf(await peers[0]!.saved());
      const source = join(scratch, `${name}.safetensors`);
      writeFileSync(source, Buffer.concat(encodeModel(file)));
      await exportModel({ source, to: join(scratch, name, "model.json"), warn });

      const { predictor, examples } = await openModel(file);
      const input = Float32Array.from(
        { length: 2 * predictor.inputSize },
        (_, k) => k % examples.targets.count,
      );
      features.set(name, [...input]);
      expected.set(name, [...(await predictor.run(input))]);
      predictor.dispose();
      dispose();
    }
  });
  afterAll(() => void server?.close());

  const check = (name: string, answers: number[]) => {
    const wanted = expected.get(name)!;
    expect(answers).toHaveLength(wanted.length);
    for (const [k, answer] of answers.entries()) {
      expect(Math.abs(answer - wanted[k]!)).toBeLessThan(1e-5 * (1 + Math.abs(wanted[k]!)));
    }
    expect(Math.max(...wanted) - Math.min(...wanted)).toBeGreaterThan(0.01);
  };

  it("is opened by tf.loadLayersModel in Node, and answers as it does here", async () => {
    const script = `import { answers } from ${JSON.stringify(program)};
      const given = ${JSON.stringify([...features])};
      const results = [];
      for (const [name, input] of given) results.push([name, await answers(\`${origin}/\${name}/model.json\`, input)]);
      console.log(JSON.stringify(results));`;
    // Not in one go: this process serves the files.
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", script]);
    const results = JSON.parse(stdout) as [string, number[]][];
    expect(results.map(([name]) => name)).toEqual(cases.map(([name]) => name));
    for (const [name, answers] of results) check(name, answers);
  });

  it.skipIf(!hasChromium)("is opened in Chromium too", async () => {
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(`${origin}/page`);
      for (const [name, input] of features) {
        const call = `answers("/${name}/model.json", ${JSON.stringify(input)})`;
        check(
          name,
          (await page.evaluate(`import("/program.js").then(({ answers }) => ${call})`)) as number[],
        );
      }
    } finally {
      await browser.close();
    }
  });
});
