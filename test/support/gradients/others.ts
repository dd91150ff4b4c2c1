/** Layers without windows: products, activations, normalisation, shapes, merging, sequences, and our own layers. */
import type { layers, SymbolicTensor } from "@tensorflow/tfjs-layers";
import { CausalAttention } from "../../../src/models/layers/causal-attention.js";
import { GroupNormalization } from "../../../src/models/layers/group-normalization.js";
import { TokenEmbedding } from "../../../src/models/layers/token-embedding.js";
import type { LayerCase } from "./check.js";
import { applied, batches, make, product } from "./convolutions.js";
import { activations, biased, mapped, multiply, type Numbers, normalized, softmax } from "./reference.js";

/** One layer at each batch size. */
function atBatches(
  layer: string,
  about: string,
  shape: readonly number[],
  build: LayerCase["build"],
  others: Pick<LayerCase, "numbers" | "reference" | "refused"> = {},
): LayerCase[] {
  return batches.map((batch) => ({
    ...{ layer, about: `${about}${about && ", "}batch ${batch}`, inputs: [[batch, ...shape]], build },
    ...others,
  }));
}

const dense: LayerCase[] = [
  ...[[3], [4, 3], [2, 3, 3]].flatMap((shape) =>
    atBatches(
      "dense",
      `on ${shape.join("×")}`,
      shape,
      applied(() => make("dense")({ units: 4 })),
      {
        reference: ([x], [kernel, bias]) => biased(multiply(x!, kernel!), bias),
      },
    ),
  ),
  ...atBatches(
    "dense",
    "no bias",
    [5],
    applied(() => make("dense")({ units: 2, useBias: false })),
    {
      reference: ([x], [kernel]) => multiply(x!, kernel!),
    },
  ),
];

const GRID = { numbers: "distinct" } as const;
const activation: LayerCase[] = [
  ...Object.entries(activations).flatMap(([name, of]) =>
    atBatches(
      "activation",
      name,
      [4, 3],
      applied(() => make("activation")({ activation: name })),
      {
        ...GRID,
        reference: ([x]) => mapped(x!, of),
      },
    ),
  ),
  ...["softmax", "logSoftmax"].flatMap((name) =>
    atBatches(
      "activation",
      name,
      [4, 3],
      applied(() => make("activation")({ activation: name })),
      {
        reference: ([x]) => mapped(softmax(x!), (value) => (name === "softmax" ? value : Math.log(value))),
      },
    ),
  ),
  ...atBatches(
    "softmax",
    "",
    [4],
    applied(() => make("softmax")({})),
    {
      reference: ([x]) => softmax(x!),
    },
  ),
  ...Object.entries({
    reLU: { of: (x: number) => Math.max(0, x), settings: {} },
    "reLU, at most": { of: (x: number) => Math.min(0.33, Math.max(0, x)), settings: { maxValue: 0.33 } },
    leakyReLU: { of: (x: number) => (x > 0 ? x : 0.3 * x), settings: { alpha: 0.3 } },
    elu: { of: activations.elu!, settings: {} },
    thresholdedReLU: { of: (x: number) => (x > 0.33 ? x : 0), settings: { theta: 0.33 } },
  }).flatMap(([name, { of, settings }]) =>
    atBatches(
      name,
      "",
      [4, 3],
      applied(() => make(name.split(",")[0]!)(settings)),
      {
        ...GRID,
        reference: ([x]) => mapped(x!, of),
      },
    ),
  ),
  ...atBatches(
    "prelu",
    "",
    [4, 3],
    applied(() => make("prelu")({})),
    {
      ...GRID,
      reference: ([x], [alpha]) =>
        mapped(x!, (value, k) => (value > 0 ? value : value * alpha!.values[k % alpha!.values.length]!)),
    },
  ),
  ...atBatches(
    "prelu",
    "shared axes",
    [3, 2, 2],
    applied(() => make("prelu")({ sharedAxes: [1, 2] })),
    GRID,
  ),
];

/** Settings and weights of batch and layer normalisation. */
const scaled = ([gamma, beta]: readonly Numbers[], epsilon = 1e-3) => ({
  ...{ gamma: gamma!, beta: beta!, epsilon },
});
const normalization: LayerCase[] = [
  ...[[4], [3, 4], [3, 2, 4]].flatMap((shape) =>
    product({ batch: [2, 3, 8] }).map(
      ({ batch }): LayerCase => ({
        layer: "batchNormalization",
        about: `on ${shape.join("×")}, batch ${batch}`,
        inputs: [[Math.max(batch, shape.length === 1 ? 5 : 0), ...shape]],
        build: applied(() => make("batchNormalization")({})),
        reference: ([x], weights) => normalized(x!, (at) => at.at(-1)!, scaled(weights)),
      }),
    ),
  ),
  ...[
    { about: "on four sides", shape: [2, 2, 2, 4], settings: {} },
    { about: "axis 1", shape: [3, 4, 2], settings: { axis: 1 } },
    { about: "no scale or center", shape: [3, 2, 2], settings: { scale: false, center: false } },
  ].flatMap(({ about, shape, settings }) =>
    atBatches(
      "batchNormalization",
      about,
      shape,
      applied(() => make("batchNormalization")(settings)),
      {
        refused: true,
      },
    ),
  ),
  ...atBatches(
    "layerNormalization",
    "",
    [3, 5],
    applied(() => make("layerNormalization")({})),
    {
      reference: ([x], weights) => normalized(x!, ([b, row]) => b! * 3 + row!, scaled(weights)),
    },
  ),
  ...atBatches(
    "GroupNormalization",
    "2 groups",
    [3, 2, 6],
    applied(() => new GroupNormalization({ groups: 2 })),
  ),
  ...atBatches(
    "GroupNormalization",
    "per position",
    [3, 6],
    applied(() => new GroupNormalization({ groups: 1, perPosition: true })),
  ),
];

const shaping: LayerCase[] = [
  ...atBatches(
    "flatten",
    "",
    [3, 2, 2],
    applied(() => make("flatten")({})),
    {
      reference: ([x]) => ({ shape: [x!.shape[0]!, 12], values: x!.values }),
    },
  ),
  ...atBatches(
    "reshape",
    "",
    [3, 4],
    applied(() => make("reshape")({ targetShape: [2, 6] })),
    {
      reference: ([x]) => ({ shape: [x!.shape[0]!, 2, 6], values: x!.values }),
    },
  ),
  ...[
    [2, 1],
    [3, 1, 2],
    [2, 3, 1],
  ].flatMap((dims) =>
    atBatches(
      "permute",
      dims.join(),
      [2, 3, 4].slice(0, dims.length),
      applied(() => make("permute")({ dims })),
    ),
  ),
  ...atBatches(
    "repeatVector",
    "",
    [4],
    applied(() => make("repeatVector")({ n: 3 })),
  ),
  ...atBatches(
    "zeroPadding2d",
    "",
    [3, 4, 2],
    applied(() =>
      make("zeroPadding2d")({
        padding: [
          [1, 2],
          [0, 3],
        ],
      }),
    ),
  ),
  ...atBatches(
    "cropping2D",
    "",
    [5, 5, 2],
    applied(() =>
      make("cropping2D")({
        cropping: [
          [1, 2],
          [0, 3],
        ],
      }),
    ),
  ),
  ...atBatches(
    "centerCrop",
    "",
    [5, 5, 2],
    applied(() => make("centerCrop")({ height: 3, width: 2 })),
    {
      refused: true,
    },
  ),
  ...atBatches(
    "rescaling",
    "",
    [5, 2],
    applied(() => make("rescaling")({ scale: 0.3, offset: 2 })),
    {
      reference: ([x]) => mapped(x!, (value) => 0.3 * value + 2),
    },
  ),
  ...atBatches(
    "dropout",
    "",
    [4, 5],
    applied(() => make("dropout")({ rate: 0.4, seed: 7 })),
  ),
  ...atBatches(
    "dropout",
    "rate 0",
    [4, 5],
    applied(() => make("dropout")({ rate: 0, seed: 7 })),
    {
      reference: ([x]) => x!,
    },
  ),
  ...atBatches(
    "spatialDropout1d",
    "",
    [4, 5],
    applied(() => make("spatialDropout1d")({ rate: 0.4, seed: 7 })),
  ),
];

const merged = (kind: string, settings: object) => (inputs: SymbolicTensor[]) =>
  make(kind)({ ...settings }).apply(inputs) as SymbolicTensor;
const merging: LayerCase[] = [
  ...product({
    kind: ["add", "average", "multiply", "maximum", "minimum", "concatenate"],
    batch: batches,
  }).map(
    ({ kind, batch }): LayerCase => ({
      layer: kind,
      about: `batch ${batch}`,
      inputs: [1, 2, 3].map(() => [batch, 3, 4]),
      build: merged(kind, {}),
    }),
  ),
  ...product({ axis: [1, 2, 3], batch: [1, 2] }).map(
    ({ axis, batch }): LayerCase => ({
      layer: "concatenate",
      about: `axis ${axis}, batch ${batch}`,
      inputs: [[batch, 2, 3, 2], [batch, 2, 3, 2].map((side, k) => (k === axis ? side + 1 : side))],
      build: merged("concatenate", { axis }),
    }),
  ),
  ...product({ normalize: [false, true], batch: batches }).map(
    ({ normalize, batch }): LayerCase => ({
      layer: "dot",
      about: `${normalize ? "normalised, " : ""}batch ${batch}`,
      inputs: [
        [batch, 5],
        [batch, 5],
      ],
      build: merged("dot", { axes: -1, normalize }),
    }),
  ),
];

const recurrentActivation = "sigmoid";
const cells = { simpleRNN: {}, lstm: { recurrentActivation }, gru: { recurrentActivation } } as const;
const recurrent: LayerCase[] = [
  ...Object.entries(cells).flatMap(([kind, own]) =>
    product({ returnSequences: [false, true], goBackwards: [false, true] }).flatMap((settings) =>
      atBatches(
        kind,
        `${settings.returnSequences ? "sequences" : "last"}${settings.goBackwards ? ", backwards" : ""}`,
        [4, 3],
        applied(() => make(kind)({ units: 3, ...own, ...settings })),
      ),
    ),
  ),
  ...Object.entries(cells).flatMap(([kind, own]) => [
    ...atBatches(
      kind,
      "stacked",
      [3, 2],
      ([x]) =>
        make(kind)({ units: 2, ...own }).apply(
          make(kind)({ units: 3, ...own, returnSequences: true }).apply(x!) as SymbolicTensor,
        ) as SymbolicTensor,
    ),
    ...["sum", "mul", "concat", "ave"].flatMap((mergeMode) =>
      atBatches(
        `bidirectional ${kind}`,
        mergeMode,
        [3, 2],
        applied(() =>
          make("bidirectional")({
            layer: make(kind)({ units: 2, ...own, returnSequences: true }),
            mergeMode,
          }),
        ),
      ),
    ),
    ...atBatches(
      `masking, ${kind}`,
      "",
      [3, 2],
      ([x]) =>
        make(kind)({ units: 2, ...own }).apply(
          make("masking")({ maskValue: 0 }).apply(x!) as SymbolicTensor,
        ) as SymbolicTensor,
    ),
  ]),
  ...atBatches(
    "convLstm2d",
    "",
    [2, 3, 3, 2],
    applied(() => make("convLstm2d")({ filters: 2, kernelSize: 2, padding: "same" })),
  ),
  ...atBatches(
    "timeDistributed",
    "dense",
    [3, 4],
    applied(() => make("timeDistributed")({ layer: make("dense")({ units: 2 }) })),
  ),
  ...atBatches(
    "timeDistributed",
    "conv2d",
    [2, 3, 3, 1],
    applied(() => make("timeDistributed")({ layer: make("conv2d")({ filters: 2, kernelSize: 2 }) })),
  ),
];

const tokens: LayerCase[] = [
  ...atBatches(
    "embedding",
    "",
    [4],
    applied(() => make("embedding")({ inputDim: 5, outputDim: 3 })),
    {
      numbers: "tokens",
      reference: ([x], [table]) => ({
        shape: [...x!.shape, 3],
        values: Float64Array.from(
          [...x!.values].flatMap((token) => [...table!.values.slice(3 * token, 3 * token + 3)]),
        ),
      }),
    },
  ),
  ...atBatches(
    "embedding, masked lstm",
    "",
    [4],
    ([x]) =>
      make("lstm")({ units: 2 }).apply(
        make("embedding")({ inputDim: 5, outputDim: 3, maskZero: true }).apply(x!) as SymbolicTensor,
      ) as SymbolicTensor,
    { numbers: "tokens" },
  ),
  ...atBatches(
    "TokenEmbedding",
    "",
    [4],
    applied(() => new TokenEmbedding({ vocabulary: 5, width: 3, seeds: [1, 2] }) as layers.Layer),
    { numbers: "tokens" },
  ),
  ...[1, 2].flatMap((heads) =>
    atBatches(
      "CausalAttention",
      `${heads} heads`,
      [4, 6],
      applied(() => new CausalAttention({ heads, seeds: [1, 2] }) as layers.Layer),
    ),
  ),
];

export const otherCases: readonly LayerCase[] = [
  ...dense,
  ...activation,
  ...normalization,
  ...shaping,
  ...merging,
  ...recurrent,
  ...tokens,
];
