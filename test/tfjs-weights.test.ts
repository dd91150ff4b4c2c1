import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidData, InvalidModel } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { exportModel } from "../src/runs/node/export.js";
import { recordSimulation } from "../src/runs/node/record-simulation.js";
import { createTrainer } from "../src/trainers/index.js";
import { bytesOfWeights } from "../src/trainers/initial-weights.js";
import { expectRejection } from "./support/errors.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-tfjs-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const ring = parseTopology({ graph: { kind: "ring", peers: 4 } }, "ring");

describe("a model of TensorFlow.js as the start", () => {
  const settings = { rounds: 5, evaluateEvery: 0, model: { kind: "mlp", hidden: [12, 8] }, seed: 3 };
  const folder = join(scratch, "tfjs");
  const path = join(folder, "model.json");
  const trainerFrom = (weights: string, others: object = {}) =>
    createTrainer(parseExperiment({ ...settings, ...others, weights }), { peer: 0, peers: 4, seed: 3 });
  const edited = (name: string, change: (model: TfjsJson) => void) => {
    const model = JSON.parse(readFileSync(path, "utf8"));
    change(model);
    writeFileSync(join(folder, name), JSON.stringify(model));
    return join(folder, name);
  };
  interface TfjsJson {
    modelTopology: unknown;
    weightsManifest: {
      paths: string[];
      weights: { dtype: string; shape: number[]; quantization?: object }[];
    }[];
  }
  let source = "";
  beforeAll(async () => {
    const save = join(scratch, "for-tfjs");
    const experiment = parseExperiment({ ...settings, rounds: 5 });
    await recordSimulation({ topology: ring, experiment, save, warn: () => {} });
    source = join(save, "model.safetensors");
    await exportModel({ source, to: path, warn: () => {} });
  });

  it("is that of the safetensors file which it was made of, frozen tensors included", async () => {
    const trainable = ["dense3"];
    const [one, other] = [await trainerFrom(source, { trainable }), await trainerFrom(path, { trainable })];
    const [a, b] = [one, other].map((trainer) => {
      const vector = new Float32Array(trainer.layout.length);
      trainer.initialize(vector);
      return vector;
    });
    expect(b).toEqual(a);
    expect(await other.frozen!.read()).toEqual(await one.frozen!.read());
    expect(await other.fingerprint!()).toEqual(await one.fingerprint!());
    // A comparison sees changes of either file.
    expect((await bytesOfWeights(path)).map(({ length }) => length > 100)).toEqual([true, true]);
    expect(await bytesOfWeights(source)).toHaveLength(1);
    for (const trainer of [one, other]) trainer.dispose();
  });

  it.each([
    ["has no JSON", () => edited("x.json", () => {}), "{", /is not JSON: name the model.json/],
    [
      "is a graph model",
      () => edited("g.json", (model) => delete (model as Partial<TfjsJson>).weightsManifest),
      undefined,
      /weightsManifest is missing/,
    ],
    [
      "has other numbers",
      () => edited("i.json", (m) => (m.weightsManifest[0]!.weights[0]!.dtype = "int32")),
      undefined,
      /dtype cannot be "int32"/,
    ],
    [
      "is quantized",
      () => edited("q.json", (m) => (m.weightsManifest[0]!.weights[0]!.quantization = {})),
      undefined,
      /weights\[0\] is quantized: convert/,
    ],
    [
      "names files elsewhere",
      () => edited("e.json", (m) => (m.weightsManifest[0]!.paths = ["../weights.bin"])),
      undefined,
      /paths\[0\] cannot be/,
    ],
    [
      "has a shape that does not fit",
      () => edited("s.json", (m) => (m.weightsManifest[0]!.weights[0]!.shape = [9, 9])),
      undefined,
      /^model \S+ lists \d+ numbers, and its files .*: save/,
    ],
    [
      "has no layers",
      () => edited("n.json", (m) => (m.modelTopology = {})),
      undefined,
      /is not one that TensorFlow.js loads/,
    ],
  ])("is refused in one line where it %s", async (_what, make, text, says) => {
    const file = make();
    if (text !== undefined) writeFileSync(file, text);
    const error = await expectRejection(trainerFrom(file), InvalidModel);
    expect(error.message).toMatch(says);
  });

  it.each([-4, -1, 1, 4])("is refused where its weights are %i bytes longer", async (more) => {
    const bytes = readFileSync(join(folder, "weights.bin"));
    const name = `weights${more}.bin`;
    writeFileSync(
      join(folder, name),
      more < 0 ? bytes.subarray(0, more) : Buffer.concat([bytes, Buffer.alloc(more)]),
    );
    const cut = edited(`length${more}.json`, (model) => {
      model.weightsManifest[0]!.paths = [name];
    });
    await expectRejection(trainerFrom(cut), InvalidModel, { code: "tfjs-weights-length", field: cut });
  });

  it("is refused where a file of weights is missing, or the model is another", async () => {
    const missing = edited("m.json", (model) => (model.weightsManifest[0]!.paths = ["none.bin"]));
    await expectRejection(trainerFrom(missing), InvalidData, { code: "data-file-unreadable" });
    await expectRejection(trainerFrom(path, { model: "softmax" }), InvalidModel, {
      code: "model-does-not-fit",
    });
  });
});
