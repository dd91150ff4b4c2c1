/** Convolutions of every kind: sides, kernels, strides, paddings, dilations, activations and batches. */
import { layers, type SymbolicTensor } from "@tensorflow/tfjs-layers";
import type { LayerCase } from "./check.js";
import {
  activations,
  biased,
  convolve,
  convolveDepthwise,
  convolveTransposed,
  mapped,
  multiply,
  type Numbers,
} from "./reference.js";

type Padding = "valid" | "same";
type Layer = layers.Layer;
type Named = { [name: string]: unknown };

export const batches = [1, 2, 3];
export const paddings: readonly Padding[] = ["valid", "same"];

/** The function that makes a layer, for settings whose types differ from one to another. */
export const make = (kind: string) =>
  (layers as unknown as Record<string, (settings: Named) => Layer>)[kind]!;

export const applied =
  (layer: () => Layer) =>
  ([x]: SymbolicTensor[]) =>
    layer().apply(x!) as SymbolicTensor;

/** Every pairing of the lists' entries. */
export function product<T extends Record<string, readonly unknown[]>>(
  lists: T,
): { [K in keyof T]: T[K][number] }[] {
  return Object.entries(lists).reduce<Named[]>(
    (sofar, [name, values]) => sofar.flatMap((each) => values.map((value) => ({ ...each, [name]: value }))),
    [{}],
  ) as { [K in keyof T]: T[K][number] }[];
}

interface Shape {
  readonly sides: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
}

/** Kernels smaller than, equal to and larger than their stride; odd, even and unequal sides. */
const shapes: Readonly<Record<1 | 2 | 3, readonly Shape[]>> = {
  1: [
    { sides: [7], kernel: [3], strides: [1] },
    { sides: [8], kernel: [3], strides: [2] },
    { sides: [7], kernel: [1], strides: [2] },
    { sides: [7], kernel: [2], strides: [3] },
    { sides: [6], kernel: [4], strides: [1] },
  ],
  2: [
    { sides: [5, 5], kernel: [3, 3], strides: [1, 1] },
    { sides: [6, 5], kernel: [3, 3], strides: [2, 2] },
    { sides: [5, 6], kernel: [3, 2], strides: [2, 1] },
    { sides: [5, 6], kernel: [2, 2], strides: [2, 2] },
    { sides: [7, 6], kernel: [2, 2], strides: [3, 3] },
    { sides: [5, 4], kernel: [1, 1], strides: [1, 1] },
    { sides: [5, 4], kernel: [1, 1], strides: [2, 2] },
    { sides: [7, 5], kernel: [1, 2], strides: [3, 3] },
    { sides: [6, 6], kernel: [5, 5], strides: [1, 1] },
    { sides: [4, 4], kernel: [4, 4], strides: [2, 2] },
  ],
  3: [
    { sides: [3, 4, 3], kernel: [2, 2, 2], strides: [1, 1, 1] },
    { sides: [4, 4, 4], kernel: [3, 3, 3], strides: [2, 2, 2] },
    { sides: [4, 5, 3], kernel: [2, 3, 1], strides: [2, 1, 1] },
    { sides: [5, 4, 5], kernel: [1, 1, 1], strides: [2, 2, 2] },
    { sides: [6, 5, 4], kernel: [2, 2, 2], strides: [3, 3, 3] },
    { sides: [4, 3, 3], kernel: [3, 3, 3], strides: [1, 1, 1] },
  ],
};
const described = ({ sides, kernel, strides }: Shape) =>
  `${kernel.join("×")} on ${sides.join("×")} by ${strides.join("×")}`;

/** One number for layers in one dimension. */
const flat = (values: readonly number[]) => (values.length === 1 ? values[0]! : [...values]);

function plain(rank: 1 | 2 | 3): LayerCase[] {
  return product({ shape: shapes[rank], padding: paddings, batch: batches, useBias: [true, false] })
    .filter(({ batch, useBias }) => useBias || batch === 2)
    .map(({ shape, padding, batch, useBias }) => ({
      layer: `conv${rank}d`,
      about: `${described(shape)} ${padding}, batch ${batch}${useBias ? "" : ", no bias"}`,
      inputs: [[batch, ...shape.sides, 2]],
      build: applied(() =>
        make(`conv${rank}d`)({
          ...{ filters: 3, kernelSize: flat(shape.kernel), strides: flat(shape.strides), padding, useBias },
        }),
      ),
      reference: ([x], [kernel, bias]) =>
        biased(convolve(x!, kernel!, { strides: shape.strides, padding }), bias),
    }));
}

/** Dilated convolutions have no gradients in tfjs, and the last three layers pass dilations over. */
const dilated: LayerCase[] = product({
  kind: ["conv1d", "conv2d", "conv3d", "separableConv2d", "convLstm2d"].concat([
    ...["depthwiseConv2d", "conv2dTranspose", "conv3dTranspose"],
  ]),
  padding: paddings,
}).map(({ kind, padding }) => ({
  layer: `${kind}, dilated`,
  about: padding,
  inputs: [[2, ...(kind === "convLstm2d" ? [2] : []), ...[7, 6, 5].slice(0, Number(/\d/.exec(kind)![0])), 2]],
  refused: true,
  build: applied(() => make(kind)({ filters: 3, kernelSize: 2, padding, dilationRate: 2 })),
}));

function transposed(rank: 2 | 3): LayerCase[] {
  return product({ shape: shapes[rank], padding: paddings, batch: batches })
    .filter(({ shape }) => rank === 2 || new Set(shape.strides).size === 1)
    .map(({ shape: { kernel, strides, sides }, padding, batch }) => {
      const small = sides.map((side) => Math.max(2, side - 2));
      return {
        layer: `conv${rank}dTranspose`,
        about: `${described({ kernel, strides, sides: small })} ${padding}, batch ${batch}`,
        inputs: [[batch, ...small, 2]],
        build: applied(() =>
          make(`conv${rank}dTranspose`)({
            filters: 3,
            kernelSize: [...kernel],
            strides: [...strides],
            padding,
          }),
        ),
        reference: ([x], [weights, bias]) =>
          biased(convolveTransposed(x!, weights!, { strides, padding }), bias),
      };
    });
}

const depthwise: LayerCase[] = product({
  shape: shapes[2].filter(({ strides }) => strides[0] === strides[1]),
  padding: paddings,
  batch: batches,
  multiplier: [1, 2],
}).map(({ shape, padding, batch, multiplier }) => ({
  layer: "depthwiseConv2d",
  about: `${described(shape)} ${padding}, batch ${batch}, multiplier ${multiplier}`,
  inputs: [[batch, ...shape.sides, 3]],
  build: applied(() =>
    make("depthwiseConv2d")({
      ...{ kernelSize: [...shape.kernel], strides: [...shape.strides], padding, depthMultiplier: multiplier },
    }),
  ),
  reference: ([x], [kernel, bias]) =>
    biased(convolveDepthwise(x!, kernel!, { strides: shape.strides, padding }), bias),
}));

function separated(
  x: Numbers,
  [depth, point, bias]: readonly Numbers[],
  windows: { readonly strides: readonly number[]; readonly padding: Padding },
): Numbers {
  const each = convolveDepthwise(x, depth!, windows);
  return biased(multiply(each, { ...point!, shape: point!.shape.slice(-2) }), bias);
}

const separable: LayerCase[] = product({
  shape: shapes[2].filter(({ strides }) => strides[0] === strides[1]),
  padding: paddings,
  batch: batches,
}).map(({ shape, padding, batch }) => ({
  layer: "separableConv2d",
  about: `${described(shape)} ${padding}, batch ${batch}`,
  inputs: [[batch, ...shape.sides, 2]],
  build: applied(() =>
    make("separableConv2d")({
      ...{
        filters: 3,
        kernelSize: [...shape.kernel],
        strides: [...shape.strides],
        padding,
        depthMultiplier: 2,
      },
    }),
  ),
  reference: ([x], weights) => separated(x!, weights, { strides: shape.strides, padding }),
}));

/** The layer of this kind in float64, “same” and without activation. */
const linear =
  (kind: string, stride = 1) =>
  ([x]: readonly Numbers[], weights: readonly Numbers[]): Numbers => {
    const windows = { strides: x!.shape.slice(1, -1).map(() => stride), padding: "same" as const };
    const [kernel, bias] = weights as [Numbers, Numbers];
    if (kind === "dense") return biased(multiply(x!, kernel), bias);
    if (kind === "depthwiseConv2d") return biased(convolveDepthwise(x!, kernel, windows), bias);
    if (kind === "separableConv2d") return separated(x!, weights, windows);
    if (kind === "conv2dTranspose") return biased(convolveTransposed(x!, kernel, windows), bias);
    return biased(convolve(x!, kernel, windows), bias);
  };

/** Activations inside a layer, which kernels apply in one go where no gradient is recorded. */
const activated: LayerCase[] = product({
  kind: ["dense", "conv1d", "conv2d", "conv3d", "depthwiseConv2d", "conv2dTranspose"],
  activation: ["relu", "relu6", "elu", "selu", "sigmoid", "hardSigmoid", "tanh", "softplus", "swish"],
  batch: [1, 2],
}).map(({ kind, activation, batch }) => {
  const sides = { dense: [], conv1d: [6], conv3d: [3, 3, 3] }[kind as string] ?? [5, 4];
  const settings = kind === "dense" ? { units: 4 } : { filters: 3, kernelSize: 2, padding: "same" };
  return {
    layer: `${kind}, activated`,
    about: `${activation}, batch ${batch}`,
    inputs: [[batch, ...sides, 2]],
    numbers: "grid",
    build: applied(() => make(kind)({ ...settings, activation })),
    reference: (inputs, weights) => mapped(linear(kind)(inputs, weights), activations[activation]!),
  };
});

/** More channels than a kernel takes at once, and a remainder; filters larger than the input. */
const wide: LayerCase[] = product({
  kind: ["dense", "conv1d", "conv2d", "conv3d", "depthwiseConv2d", "separableConv2d", "conv2dTranspose"],
  channels: [17, 36],
  batch: [1, 3],
}).map(({ kind, channels, batch }) => {
  const sides = { dense: [], conv1d: [6], conv3d: [3, 3, 3] }[kind as string] ?? [5, 4];
  const settings = kind === "dense" ? { units: 37 } : { filters: 21, kernelSize: 3, padding: "same" };
  return {
    layer: `${kind}, wide`,
    about: `${channels} channels, batch ${batch}`,
    inputs: [[batch, ...sides, channels]],
    build: applied(() => make(kind)(settings)),
    reference: linear(kind),
  };
});

const larger: LayerCase[] = product({
  kind: ["conv1d", "conv2d", "conv3d", "depthwiseConv2d", "separableConv2d"],
  strides: [1, 2],
}).map(({ kind, strides }) => ({
  layer: `${kind}, larger than its input`,
  about: `by ${strides}`,
  inputs: [[2, ...[2, 3, 2].slice(0, Number(/\d/.exec(kind)![0])), 2]],
  build: applied(() => make(kind)({ filters: 2, kernelSize: 5, strides, padding: "same" })),
  reference: linear(kind, strides),
}));

const otherForms: LayerCase[] = [
  ...batches.map(
    (batch): LayerCase => ({
      layer: "conv1d, causal",
      about: `batch ${batch}`,
      inputs: [[batch, 6, 2]],
      refused: true,
      build: applied(() => make("conv1d")({ filters: 3, kernelSize: 3, padding: "causal" })),
    }),
  ),
  ...product({
    kind: ["conv2d", "conv2dTranspose", "conv3d", "depthwiseConv2d", "separableConv2d"],
    batch: [1, 2],
  }).map(
    ({ kind, batch }): LayerCase => ({
      layer: `${kind}, channels first`,
      about: `batch ${batch}`,
      inputs: [[batch, 2, ...(kind === "conv3d" ? [3] : []), 5, 4]],
      ...(kind === "separableConv2d" && { refused: true }),
      build: applied(() =>
        make(kind)({ filters: 3, kernelSize: 2, strides: 2, dataFormat: "channelsFirst" }),
      ),
    }),
  ),
];

export const convolutionCases: readonly LayerCase[] = [
  ...plain(1),
  ...plain(2),
  ...plain(3),
  ...dilated,
  ...transposed(2),
  ...transposed(3),
  ...depthwise,
  ...separable,
  ...activated,
  ...wide,
  ...larger,
  ...otherForms,
];
