/** Pooling, global pooling and resampling. */
import type { LayerCase } from "./check.js";
import { applied, batches, make, paddings, product } from "./convolutions.js";
import { type Numbers, pool, upSample } from "./reference.js";

interface Shape {
  readonly sides: readonly number[];
  readonly pool: readonly number[];
  readonly strides: readonly number[];
}

const shapes: Readonly<Record<1 | 2 | 3, readonly Shape[]>> = {
  1: [
    { sides: [7], pool: [2], strides: [2] },
    { sides: [7], pool: [3], strides: [1] },
    { sides: [8], pool: [3], strides: [2] },
    { sides: [7], pool: [1], strides: [2] },
    { sides: [7], pool: [2], strides: [3] },
  ],
  2: [
    { sides: [5, 6], pool: [2, 2], strides: [2, 2] },
    { sides: [5, 5], pool: [3, 3], strides: [1, 1] },
    { sides: [6, 5], pool: [3, 3], strides: [2, 2] },
    { sides: [6, 5], pool: [2, 3], strides: [1, 2] },
    { sides: [7, 5], pool: [2, 2], strides: [3, 3] },
    { sides: [4, 5], pool: [1, 1], strides: [2, 2] },
    { sides: [4, 5], pool: [1, 1], strides: [1, 1] },
    { sides: [4, 4], pool: [4, 4], strides: [4, 4] },
  ],
  3: [
    { sides: [4, 4, 5], pool: [2, 2, 2], strides: [2, 2, 2] },
    { sides: [3, 4, 3], pool: [3, 3, 3], strides: [1, 1, 1] },
    { sides: [3, 4, 4], pool: [1, 2, 3], strides: [1, 1, 2] },
    { sides: [5, 4, 3], pool: [3, 2, 1], strides: [2, 2, 2] },
    { sides: [6, 5, 4], pool: [2, 2, 2], strides: [3, 3, 3] },
  ],
};

function pooling(rank: 1 | 2 | 3, kind: "max" | "average"): LayerCase[] {
  return product({
    shape: shapes[rank],
    padding: paddings,
    batch: batches,
    numbers: kind === "max" ? (["distinct", "negative"] as const) : (["normal"] as const),
  })
    .filter(({ numbers, batch }) => numbers !== "negative" || batch === 2)
    .map(({ shape: { sides, pool: window, strides }, padding, batch, numbers }) => ({
      layer: `${kind}Pooling${rank}d`,
      about: `${window.join("×")} on ${sides.join("×")} by ${strides.join("×")} ${padding}, batch ${batch}${numbers === "negative" ? ", below 0" : ""}`,
      inputs: [[batch, ...sides, 2]],
      numbers,
      build: applied(() =>
        make(`${kind}Pooling${rank}d`)({
          ...{
            poolSize: rank === 1 ? window[0]! : window,
            strides: rank === 1 ? strides[0]! : strides,
            padding,
          },
        }),
      ),
      reference: ([x]) => pool(x!, kind, { sides: window, strides, padding }),
    }));
}

/** All of a side, as pooling whose window is the whole. */
const overall = (x: Numbers, kind: "max" | "average"): Numbers => {
  const sides = x.shape.slice(1, -1);
  const { values } = pool(x, kind, { sides, strides: sides.map(() => 1), padding: "valid" });
  return { shape: [x.shape[0]!, x.shape.at(-1)!], values };
};

const globally: LayerCase[] = product({
  rank: [1, 2],
  kind: ["max", "average"] as const,
  batch: batches,
}).map(({ rank, kind, batch }) => ({
  layer: `global pooling ${rank}d`,
  about: `${kind}, batch ${batch}`,
  inputs: [[batch, ...[5, 4].slice(0, rank), 3]],
  numbers: "distinct",
  build: applied(() => make(`global${kind === "max" ? "Max" : "Average"}Pooling${rank}d`)({})),
  reference: ([x]) => overall(x!, kind),
}));

const upSampling: LayerCase[] = product({
  interpolation: ["nearest", "bilinear"] as const,
  size: [
    [2, 2],
    [1, 3],
    [3, 2],
  ] as const,
  batch: batches,
}).map(({ interpolation, size, batch }) => ({
  layer: `upSampling2d, ${interpolation}`,
  about: `by ${size.join("×")}, batch ${batch}`,
  inputs: [[batch, 3, 4, 2]],
  build: applied(() => make("upSampling2d")({ size: [...size], interpolation })),
  reference: ([x]) => upSample(x!, size, interpolation),
}));

/** More channels than a kernel takes at once, and a remainder; windows larger than the input. */
const wide: LayerCase[] = product({
  kind: ["max", "average"],
  rank: [1, 2, 3],
  about: ["19 channels", "larger than its input"],
}).map(({ kind, rank, about }) => {
  const isWide = about === "19 channels";
  return {
    layer: `${kind}Pooling${rank}d`,
    about,
    inputs: [[3, ...(isWide ? [5, 4, 3] : [2, 3, 2]).slice(0, rank), isWide ? 19 : 2]],
    numbers: "distinct",
    build: applied(() =>
      make(`${kind}Pooling${rank}d`)({ poolSize: isWide ? 2 : 5, strides: 2, padding: "same" }),
    ),
  };
});

const otherForms: LayerCase[] = [
  ...product({
    kind: ["maxPooling2d", "averagePooling2d", "maxPooling3d", "averagePooling3d", "upSampling2d"],
    padding: paddings,
  }).map(
    ({ kind, padding }): LayerCase => ({
      layer: `${kind}, channels first`,
      about: padding,
      inputs: [[2, 2, ...(kind.endsWith("3d") ? [3] : []), 5, 4]],
      numbers: "distinct",
      build: applied(() =>
        make(kind)({ dataFormat: "channelsFirst", ...(kind !== "upSampling2d" && { poolSize: 2, padding }) }),
      ),
    }),
  ),
  ...product({ interpolation: ["nearest", "bilinear"], batch: batches }).map(
    ({ interpolation, batch }): LayerCase => ({
      layer: `resizing, ${interpolation}`,
      about: `batch ${batch}`,
      inputs: [[batch, 4, 5, 2]],
      refused: true,
      build: applied(() => make("resizing")({ height: 7, width: 3, interpolation })),
    }),
  ),
];

export const poolingCases: readonly LayerCase[] = [
  ...([1, 2, 3] as const).flatMap((rank) => [...pooling(rank, "max"), ...pooling(rank, "average")]),
  ...globally,
  ...wide,
  ...upSampling,
  ...otherForms,
];
