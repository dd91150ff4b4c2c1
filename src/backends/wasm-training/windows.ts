/** Images and windows over them, as the convolution kernels take them: sizes, padding, and groups that fit the cache. */
import { backend_util, type NamedAttrMap } from "@tensorflow/tfjs-core";
import type { Assembly } from "./assembly.js";

type Shape4 = [number, number, number, number];
export type Info = backend_util.Conv2DInfo;

/** What kernels may read past the end of a padded image, rounded up. */
const SLACK_BYTES = 64;
const PANEL = 8;
const PANEL_BYTES = 32;

/** Bytes of the panels that hold `columns` numbers side by side, per number of their depth. */
export const panelBytes = (columns: number) => Math.ceil(columns / PANEL) * PANEL_BYTES;
export const aligned = (bytes: number) => (bytes + 15) & ~15;

/**
 * Sizes of the convolution that tfjs describes; undefined where its windows are dilated or channels come first.
 *
 * @throws Error when a window is larger than the image
 */
export function infoOf(x: number[], filter: number[], attributes: NamedAttrMap): Info | undefined {
  if (attributes.dataFormat === "NCHW") return undefined;
  const { strides, dilations, pad, dimRoundingMode } = attributes as {
    strides: number | [number, number];
    dilations?: number | [number, number];
    pad: "valid" | "same" | number | backend_util.ExplicitPadding;
    dimRoundingMode?: "floor" | "round" | "ceil";
  };
  const info = backend_util.computeConv2DInfo(
    x as Shape4,
    filter as Shape4,
    strides,
    dilations ?? 1,
    pad,
    dimRoundingMode,
  );
  // tfjs computes a negative size here and would then write outside its tensors.
  if (info.outHeight < 1 || info.outWidth < 1) {
    throw new Error(
      `a filter of ${info.filterHeight}×${info.filterWidth} with padding ${JSON.stringify(pad)} does not fit images of ${info.inHeight}×${info.inWidth}: pad more or take a smaller filter`,
    );
  }
  return info.dilationHeight === 1 && info.dilationWidth === 1 ? info : undefined;
}

/** How images lie in memory for the window kernels: in place, or copied into zeros where windows stick out. */
export interface Padding {
  readonly copied: boolean;
  readonly top: number;
  readonly left: number;
  /** Of the image between its zeros, in pixels. */
  readonly height: number;
  readonly width: number;
}

/** The zeros that windows over the input need. */
export function paddingOf(info: Info): Padding {
  const { top, left } = info.padInfo;
  const height = Math.max(info.inHeight + top, (info.outHeight - 1) * info.strideHeight + info.filterHeight);
  const width = Math.max(info.inWidth + left, (info.outWidth - 1) * info.strideWidth + info.filterWidth);
  return { copied: height !== info.inHeight || width !== info.inWidth, top, left, height, width };
}

/** Images for a group to have about `wanted` pixels. */
export const groupOf = (batch: number, pixels: number, wanted: number) =>
  Math.max(1, Math.min(batch, Math.ceil(wanted / pixels)));

/** A batch of images in a tensor, and the padding that its windows need. */
export interface Source {
  readonly address: number;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  /** Bytes from one pixel to the next. */
  readonly pixel: number;
  readonly padding: Padding;
}

/** The input of a convolution, which lies at `address`. */
export function inputSource(info: Info, address: number, padding = paddingOf(info)): Source {
  const { batchSize, inHeight, inWidth, inChannels } = info;
  return { address, batch: batchSize, height: inHeight, width: inWidth, pixel: inChannels * 4, padding };
}

/** Bytes of scratch that `forGroups` copies `group` images to. */
export function paddedBytes({ padding, pixel }: Source, group: number): number {
  return padding.copied ? group * padding.height * padding.width * pixel + SLACK_BYTES : 0;
}

/**
 * Goes through a batch, `group` images at a time, with the address at which windows may read them.
 *
 * @param scratch `paddedBytes(source, group)`
 */
export function forGroups(
  assembly: Assembly,
  source: Source,
  group: number,
  scratch: number,
  each: (base: number, first: number, images: number) => void,
): void {
  const { address, batch, height, width, pixel, padding } = source;
  const row = width * pixel;
  for (let first = 0; first < batch; first += group) {
    const images = Math.min(group, batch - first);
    const from = address + first * height * row;
    if (padding.copied) {
      const { top, left } = padding;
      const paddedRow = padding.width * pixel;
      assembly.padImages(from, images, height, row, scratch, top, left * pixel, padding.height, paddedRow);
    }
    each(padding.copied ? scratch : from, first, images);
  }
}

/** Where images lie: the address of the first pixel, and the bytes from one image, row and pixel to the next. */
export interface Images {
  readonly base: number;
  readonly image: number;
  readonly row: number;
  readonly pixel: number;
}

/** Images of `height` × `width` pixels without gaps. */
export function dense(base: number, height: number, width: number, pixel: number): Images {
  return { base, image: height * width * pixel, row: width * pixel, pixel };
}

/** Every `strideY`-th row and `strideX`-th pixel of `images`, from row `y` and pixel `x` on. */
export function strided(images: Images, y: number, x: number, strideY: number, strideX: number): Images {
  const { base, image, row, pixel } = images;
  return { base: base + y * row + x * pixel, image, row: row * strideY, pixel: pixel * strideX };
}

/** A convolution: the window that begins at each pixel of `from`, times the filter, to the same pixel of `to`. */
export interface Convolution {
  readonly from: Images;
  /** Bytes from one row of a window to the next. */
  readonly segment: number;
  /** Rows of a window, and numbers in each. */
  readonly segments: number;
  readonly run: number;
  readonly to: Images;
  readonly images: number;
  readonly height: number;
  readonly width: number;
  /** The packed filter. */
  readonly filter: number;
  readonly outChannels: number;
  /** Packed as the filter is; 0 for none. */
  readonly bias: number;
  readonly activation: number;
  readonly scratch: number;
}

export function convolve(assembly: Assembly, convolution: Convolution): void {
  const { from, segment, segments, run, to, images, height, width } = convolution;
  const { filter, outChannels, bias, activation, scratch } = convolution;
  assembly.windows(
    from.base,
    from.image,
    from.row,
    from.pixel,
    segment,
    to.base,
    to.image,
    to.row,
    to.pixel,
    images,
    height,
    width,
    segments,
    run,
    filter,
    outChannels,
    bias,
    activation,
    scratch,
  );
}
