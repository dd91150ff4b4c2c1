import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import type { LayersModel, layers as layersModule, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { initializers, input, layers, model as modelOf, sequential } from "@tensorflow/tfjs-layers";
import fc from "fast-check";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { useBackend } from "../src/backends/index.js";
import type { Dataset } from "../src/dataset.js";
import { allowDifferentData, datasetFingerprint, partsFingerprint } from "../src/datasets/content.js";
import { digestOfNumbers } from "../src/datasets/digest-of-numbers.js";
import type { Fingerprint } from "../src/exchange/fingerprint.js";
import { HandshakeRefused, InvalidExperiment } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { GroupNormalization } from "../src/models/layers/group-normalization.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { headerLine } from "../src/runs/log-header.js";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import { generateIdentity, type JoinOptions, joinRun } from "../src/runs/node/network.js";
import { modelFingerprint } from "../src/trainers/layers-fingerprint.js";
import { createLayersTrainer } from "../src/trainers/layers-trainer.js";
import { weightsOf } from "../src/trainers/layers-weights.js";
import { createLayout } from "../src/vectors/layout.js";
import { encodeSafetensors } from "../src/vectors/safetensors.js";
import { checkError, expectRejection } from "./support/errors.js";
import { scratchFolder } from "./support/files.js";
import { someExamples } from "./support/layers-trainers.js";
import { joined } from "./support/mutate.js";
import { quick } from "./support/network.js";

type Layer = layersModule.Layer;

beforeAll(async () => void (await useBackend()));

const { file } = scratchFolder();
afterEach(() => void vi.unstubAllGlobals());

let folders = 0;
/** A file of a peer's own, in a folder of its own. */
const ownFile = (name: string, content: string | Uint8Array): string => file(`${folders++}/${name}`, content);

/** Thirty examples, dealt to the classes in turn; another stretch gives other examples. */
const table = (names: readonly string[], stretch = 1) =>
  [
    "x,y,species",
    ...Array.from({ length: 30 }, (_, k) => `${k ** stretch},${(k * 7) % 5},${names[k % names.length]}`),
  ].join("\n");

/** Two peers on loopback with settings of their own: what became of each. */
async function meet(settings: readonly object[], options: readonly Partial<JoinOptions>[] = []) {
  const addresses = await freeLoopbackAddresses(2);
  const identities = await Promise.all(addresses.map(generateIdentity));
  const peers = identities.map(({ peerId }, id) => ({ id, peerId, listen: [addresses[id]!] }));
  const topology = parseTopology({ graph: { kind: "chain", peers: 2 }, peers }, "pair");
  const results = await Promise.allSettled(
    settings.map(async (own, id) => {
      const experiment = parseExperiment({
        rounds: 2,
        evaluateEvery: 0,
        split: "iid",
        model: "softmax",
        consensusRate: 0.5,
        ...own,
      });
      const run = await joinRun({
        ...{ topology, experiment, id, identity: identities[id]!, ...options[id] },
        deadlines: { ...quick, readyMs: 10_000 },
      });
      for await (const _ of run);
      await run.close();
      return run.isComplete;
    }),
  );
  return results.map((result) => (result.status === "fulfilled" ? result.value : result.reason));
}

/** Both peers refuse, at this field, each with its own view. */
async function expectRefusal(
  settings: readonly object[],
  field: string,
  says: readonly RegExp[],
  options: readonly Partial<JoinOptions>[] = [],
): Promise<void> {
  const results = await meet(settings, options);
  for (const id of [0, 1]) {
    const expected = { code: "experiment-differs", peer: id, neighbour: 1 - id, field };
    expect(checkError(results[id], HandshakeRefused, expected).message).toMatch(says[id]!);
  }
}

const csv = (content: string, settings: object = {}) => ({
  data: { kind: "csv", path: ownFile("pets.csv", content), ...settings },
});
const userModels = new URL("support/user-models-by-name.mjs", import.meta.url).pathname;

describe("peers on loopback", () => {
  it("refuse each other where class 1 of one is class 0 of the other", async () => {
    await expectRefusal([csv(table(["cat", "dog"])), csv(table(["dog", "fox"]))], "classes", [
      /: class 0 is "cat" here and "dog" at peer 1; start both/,
      /: class 0 is "dog" here and "cat" at peer 0; start both/,
    ]);
  });

  it("start together from one model, wherever its file lies, and refuse each other where the models differ", async () => {
    const content = table(["cat", "dog"]);
    const weights = (value: number) => {
      const tensors = Object.entries({ "dense1/kernel": [2, 2], "dense1/bias": [2] }).map(([name, shape]) => {
        return { name, shape, values: new Float32Array(shape.reduce((n, side) => n * side, 1)).fill(value) };
      });
      return { weights: ownFile("m.safetensors", joined(...encodeSafetensors({ tensors, metadata: {} }))) };
    };
    expect(
      await meet([csv(content, {}), csv(content, {})].map((each) => ({ ...each, ...weights(0.25) }))),
    ).toEqual([true, true]);
    const others = [{ ...csv(content), ...weights(0.25) }, csv(content)];
    await expectRefusal(others, "initialModel", [/"initialModel" is .*; start both/, /"initialModel" is /]);
  });

  it("refuse each other where tensors differ that the run leaves as they are, and where others learn", async () => {
    const started = (frozen: number) => {
      const shapes = {
        "dense1/kernel": [2, 4],
        "dense1/bias": [4],
        "dense2/kernel": [4, 2],
        "dense2/bias": [2],
      };
      const tensors = Object.entries(shapes).map(([name, shape]) => ({
        ...{ name, shape },
        values: new Float32Array(shape.reduce((n, side) => n * side, 1)).fill(
          name === "dense1/kernel" ? frozen : 0.25,
        ),
      }));
      return {
        ...csv(table(["cat", "dog"])),
        ...{ model: { kind: "mlp", hidden: [4] }, trainable: ["dense2"] },
        weights: ownFile("m.safetensors", joined(...encodeSafetensors({ tensors, metadata: {} }))),
      };
    };
    expect(await meet([started(1), started(1)])).toEqual([true, true]);
    await expectRefusal([started(1), started(2)], "frozenWeights", [
      /: "frozenWeights" is "\w{12}…" here and "\w{12}…" at peer 1; start both from the same files and settings$/,
      /: "frozenWeights" is "\w{12}…" here and "\w{12}…" at peer 0; start both from the same files and settings$/,
    ]);
    await expectRefusal([started(1), { ...started(1), trainable: ["dense*"] }], "trainable", [
      /: "trainable" is \S+dense2\S+ here and \S+dense\*\S+ at peer 1; start both from the same files and settings$/,
      /: "trainable" is \S+dense\*\S+ here and \S+dense2\S+ at peer 0; start both from the same files and settings$/,
    ]);
  });

  it("refuse each other where one has a class more", async () => {
    await expectRefusal([csv(table(["cat", "dog"])), csv(table(["cat", "dog", "fox"]))], "classes", [
      /class 2 is absent here and "fox" at peer 1/,
      /class 2 is "fox" here and absent at peer 0/,
    ]);
  });

  it("refuse each other where parts of their split files overlap", async () => {
    const all = [...Array(24).keys()];
    const split = (cut: number) => ({
      ...csv(table(["cat", "dog"])),
      split: {
        kind: "file",
        path: ownFile("split.json", JSON.stringify({ peers: [all.slice(0, cut), all.slice(cut)] })),
      },
    });
    await expectRefusal([split(7), split(2)], "splitParts", [
      /the part of peer 0 is "7 examples, \w{12}" here and "2 examples, \w{12}" at peer 1/,
      /the part of peer 0 is "2 examples, \w{12}" here and "7 examples, \w{12}" at peer 0/,
    ]);
  });

  it("refuse each other where models of one layout compute different things", async () => {
    const model = (name: string) => ({
      ...csv(table(["cat", "dog"])),
      model: { kind: "module", path: userModels, export: name },
    });
    await expectRefusal([model("relu"), model("sigmoid")], "modelLayers", [
      /layer 1 of the model is "Dense relu \w{12}" here and "Dense sigmoid \w{12}" at peer 1/,
      /layer 1 of the model is "Dense sigmoid \w{12}" here and "Dense relu \w{12}" at peer 0/,
    ]);
  });

  it("join where the same data and model lie under other names", async () => {
    const other = `export { relu as mine } from ${JSON.stringify(pathToFileURL(userModels).href)};`;
    const content = table(["cat", "dog"]);
    const results = await meet([
      { ...csv(content), model: { kind: "module", path: userModels, export: "relu" } },
      {
        data: {
          kind: "csv",
          path: ownFile("animals.txt", content.replaceAll(",", ";")),
          delimiter: ";",
        },
        model: { kind: "module", path: ownFile("model.mjs", other), export: "mine" },
      },
    ]);
    expect(results).toEqual([true, true]);
  });

  it("learn from different data of the same classes where both allow it, and only then", async () => {
    const settings = [csv(table(["cat", "dog"])), csv(table(["cat", "dog"], 2))];
    const allow = { allowDifferentData: true };
    expect(await meet(settings, [allow, allow])).toEqual([true, true]);
    await expectRefusal(settings, "data", [
      /"data" is "\d+ training .*" here.* or start both with --allow-different-data$/,
      /"data" is "\d+ training .*" here.* or start both with --allow-different-data$/,
    ]);
    await expectRefusal(
      settings,
      "data",
      [
        /"data" is "any" here .*; start both with --allow-different-data, or neither$/,
        /"any" at peer 0; start both with --allow-different-data, or neither$/,
      ],
      [allow],
    );
  });

  it("refuse other classes, shapes and scales where both allow different data", async () => {
    const both = [{ allowDifferentData: true }, { allowDifferentData: true }];
    const content = table(["cat", "dog"]);
    const pets = csv(content);
    await expectRefusal([pets, csv(table(["dog", "fox"]))], "classes", [/class 0/, /class 0/], both);
    const wider = content.replaceAll(",", ",1,");
    await expectRefusal([pets, csv(wider)], "exampleShape", [/"exampleShape" is "2"/, /is "4"/], both);
    const unscaled = csv(content, { scale: "none" });
    await expectRefusal([pets, unscaled], "featureScale", [/is "standard" here/, /is "none" here/], both);
  });
});

describe("a trainer of one's own", () => {
  const examples = someExamples(12, 2, 2);
  const targets = { kind: "classes", count: 2 } as const;
  const dataset: Dataset = { name: "own", inputShape: [2], targets, train: examples, test: examples };
  /** The trainer of each peer, with a description of its data where it has one. */
  const trainers = (...fingerprints: readonly (() => Promise<Fingerprint> | undefined)[]) =>
    fingerprints.map((fingerprint, peer) => {
      const kernelInitializer = initializers.glorotUniform({ seed: 1 });
      const model = sequential({ layers: [layers.dense({ units: 2, inputShape: [2], kernelInitializer })] });
      const described = fingerprint() && { fingerprint: fingerprint as () => Promise<Fingerprint> };
      const trainer = createLayersTrainer({
        ...{ model, train: examples, test: examples, seed: 1, peer, ...described },
      });
      return { trainer };
    });
  const silent = () => undefined;
  const describes = () => datasetFingerprint(dataset);

  it("joins others that describe as much", async () => {
    expect(await meet([{}, {}], trainers(silent, silent))).toEqual([true, true]);
    expect(await meet([{}, {}], trainers(describes, describes))).toEqual([true, true]);
  });

  it("that does not describe its data is refused by one that does, which says how", async () => {
    const says = [/"classes" is absent here.*fingerprint\(\)$/, /absent at peer 0.*fingerprint\(\)$/];
    await expectRefusal([{}, {}], "classes", says, trainers(silent, describes));
  });
});

it("logs of peers that keep the same files under different names belong to one run", () => {
  const topology = parseTopology({ graph: { kind: "ring", peers: 3 } }, "ring");
  const layout = createLayout([{ name: "x", shape: [1] }]);
  const fingerprintOf = (path: string, rest: object = {}) => {
    const experiment = parseExperiment({
      data: { kind: "csv", path, ...rest },
      split: { kind: "file", path },
    });
    return headerLine(0, experiment, topology, layout).fingerprint;
  };
  expect(fingerprintOf("a/x.csv")).toBe(fingerprintOf("b/y.csv"));
  expect(fingerprintOf("a/x.csv", { scale: "none" })).not.toBe(fingerprintOf("a/x.csv"));
});

describe("the content of a data set", () => {
  const dataset = (change: (parts: Dataset) => void = () => {}, about: Partial<Dataset> = {}): Dataset => {
    const part = (count: number) => ({
      features: Float32Array.from({ length: 2 * count }, (_, k) => k / 7),
      labels: Int32Array.from({ length: count }, (_, k) => k % 3),
    });
    const targets = { kind: "classes", count: 3 } as const;
    const made = { name: "a", inputShape: [2], targets, train: part(9), test: part(4), ...about };
    change(made);
    return made;
  };

  const named = (...names: string[]) => dataset(() => {}, { targets: { kind: "classes", count: 3, names } });

  it("is that of its examples, not of its name", async () => {
    const content = await datasetFingerprint(dataset());
    expect(await datasetFingerprint(dataset(() => {}, { name: "b" }))).toEqual(content);
    expect(content).toMatchObject({ classes: '["0","1","2"]', exampleShape: "2" });
    // Names that say no more than the labels are no difference.
    expect(await datasetFingerprint(named("0", "1", "2"))).toEqual(content);
  });

  it.each<["train" | "test", "features" | "labels", number, number]>([
    ["train", "features", 17, 0],
    ["train", "labels", 8, 0],
    ["test", "features", 0, -0],
    ["test", "labels", 3, 1],
  ])("differs with one number of %s %s", async (part, kind, at, value) => {
    const changed = dataset((parts) => parts[part][kind].fill(value, at, at + 1));
    const [one, other] = await Promise.all([dataset(), changed].map(datasetFingerprint));
    expect(other!.data).not.toBe(one!.data);
    expect({ ...other, data: "" }).toEqual({ ...one, data: "" });
  });

  it("differs with the order of the labels", async () => {
    const [one, other] = [named("a", "b", "c"), named("a", "c", "b")].map(datasetFingerprint);
    expect((await one!).classes).not.toBe((await other!).classes);
  });

  it("is computed once per data set", async () => {
    const one = dataset();
    const { data } = await datasetFingerprint(one);
    one.train.features[0] = 99;
    expect((await datasetFingerprint(one)).data).toBe(data);
  });

  it("takes every number of a large array, and is the same without Web Crypto", async () => {
    const numbers = new Float32Array(1024 * 1024 + 5);
    const before = await digestOfNumbers(numbers);
    vi.stubGlobal("crypto", undefined);
    expect(await digestOfNumbers(numbers)).toBe(before);
    vi.unstubAllGlobals();
    expect(await digestOfNumbers(numbers.subarray(1))).not.toBe(before);
    expect(await digestOfNumbers(new Int32Array(numbers.length))).not.toBe(before);
    numbers[numbers.length - 1] = 1;
    expect(await digestOfNumbers(numbers)).not.toBe(before);
  });

  it("of a split file is who holds what", () => {
    const parts = fc.array(fc.array(fc.nat({ max: 5 }), { maxLength: 4 }), { maxLength: 3 });
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const isSame = partsFingerprint(one).splitParts === partsFingerprint(other).splitParts;
        expect(isSame).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
    );
  });

  it("where it may differ leaves everything else to be compared", () => {
    const fields = fc.dictionary(fc.constantFrom("classes", "data", "seed", "splitParts"), fc.string());
    fc.assert(
      fc.property(fields, (fingerprint: Fingerprint) => {
        const { splitParts: _, ...others } = fingerprint;
        expect(allowDifferentData(fingerprint)).toEqual({ ...others, data: "any" });
      }),
    );
  });
});

describe("the content of a model", () => {
  const dense = (settings: object = {}) => layers.dense({ units: 3, ...settings });
  const stack = (...parts: Layer[]) =>
    sequential({ layers: [layers.inputLayer({ inputShape: [3] }), ...parts] });
  /** Two layers on top of each other; the third takes the output of the first or of the second. */
  const wired = (from: 0 | 1) => {
    const inputs = input({ shape: [3] });
    const outputs: SymbolicTensor[] = [dense().apply(inputs) as SymbolicTensor];
    outputs.push(dense().apply(outputs[0]!) as SymbolicTensor);
    const sum = layers.add().apply([outputs[from]!, outputs[1]!]) as SymbolicTensor;
    return modelOf({ inputs, outputs: dense().apply(sum) as SymbolicTensor });
  };
  const withFrozen = (value: number) => {
    const model = stack(dense({ trainable: false }), dense());
    model.layers.at(-2)!.setWeights([tf.fill([3, 3], value), tf.zeros([3])]);
    return model;
  };
  const textOf = async (model: LayersModel) => {
    const content = await modelFingerprint(model, weightsOf(model));
    model.dispose();
    return JSON.stringify(content);
  };

  const same: [string, () => LayersModel, () => LayersModel][] = [
    ["built twice", () => stack(dense(), dense()), () => stack(dense(), dense())],
    ["wired alike", () => wired(0), () => wired(0)],
    ["nested alike", () => stack(wired(0)), () => stack(wired(0))],
    ["called something else", () => stack(dense({ name: "one" })), () => stack(dense({ name: "two" }))],
    [
      "with another initialiser",
      () => stack(dense({ kernelInitializer: initializers.zeros() })),
      () => stack(dense({ kernelInitializer: initializers.ones() })),
    ],
    ["with equal frozen weights", () => withFrozen(1), () => withFrozen(1)],
    [
      "with other running statistics",
      () => stack(layers.batchNormalization(), dense()),
      () => {
        const model = stack(layers.batchNormalization(), dense());
        const [gamma, beta, mean] = model.layers.at(-2)!.getWeights();
        model.layers.at(-2)!.setWeights([gamma!, beta!, tf.add(mean!, 1), tf.ones([3])]);
        return model;
      },
    ],
  ];
  it.each(same)("is the same %s", async (_, one, other) => {
    expect(await textOf(one())).toBe(await textOf(other()));
  });

  const different: [string, () => LayersModel, () => LayersModel][] = [
    ["activation", () => stack(dense({ activation: "relu" })), () => stack(dense({ activation: "tanh" }))],
    [
      "rate of dropout",
      () => stack(layers.dropout({ rate: 0.1 }), dense()),
      () => stack(layers.dropout({ rate: 0.2 }), dense()),
    ],
    ["regulariser", () => stack(dense()), () => stack(dense({ kernelRegularizer: "l1l2" }))],
    [
      "setting of a layer of one's own",
      () => stack(new GroupNormalization({ groups: 1 }), dense()),
      () => stack(new GroupNormalization({ groups: 3 }), dense()),
    ],
    ["wiring", () => wired(0), () => wired(1)],
    ["wiring of a nested model", () => stack(wired(0)), () => stack(wired(1))],
    ["frozen weight", () => withFrozen(1), () => withFrozen(2)],
    ["frozen layer", () => stack(dense(), dense()), () => stack(dense({ trainable: false }), dense())],
  ];
  it.each(different)("differs with the %s", async (_, one, other) => {
    expect(await textOf(one())).not.toBe(await textOf(other()));
  });

  it("whose layers cannot describe themselves is refused in one line", async () => {
    const model = stack(dense());
    model.layers[0]!.getConfig = () => {
      throw new Error("not\nimplemented");
    };
    await expectRejection(modelFingerprint(model, weightsOf(model)), InvalidExperiment, {
      code: "model-not-described",
    });
  });
});
