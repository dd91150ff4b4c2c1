import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { backend_util } from "@tensorflow/tfjs-core";
import { activated, isUnknownActivation, tileActivation } from "./activation.js";
import type { Context } from "./context.js";
import { input, isFloat, sizeOf, type TrainingKernel } from "./kernel.js";

type Shape4 = [number, number, number, number];
type Info = backend_util.Conv2DInfo;

/** Output pixels that a group of images should have, so that packing and padding stay in the cache yet calls are few. */
const FORWARD_PIXELS = 256;
const GRADIENT_PIXELS = 512;
/** What kernels may read past the end of a padded image, rounded up. */
const SLACK_BYTES = 64;
const PANEL = 8;
const PANEL_BYTES = 32;

const panelsOf = (columns: number) => Math.ceil(columns / PANEL);
const aligned = (bytes: number) => (bytes + 15) & ~15;

function infoOf(x: number[], filter: number[], attributes: NamedAttrMap): Info | undefined {
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
interface Padding {
  readonly copied: boolean;
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

function paddingOf(info: Info): Padding {
  const { top, left } = info.padInfo;
  const height = Math.max(info.inHeight + top, (info.outHeight - 1) * info.strideHeight + info.filterHeight);
  const width = Math.max(info.inWidth + left, (info.outWidth - 1) * info.strideWidth + info.filterWidth);
  return { copied: height !== info.inHeight || width !== info.inWidth, top, left, height, width };
}

const groupOf = (batch: number, pixels: number, wanted: number) =>
  Math.max(1, Math.min(batch, Math.ceil(wanted / pixels)));

function forward(
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const x = input(inputs, "x");
  const filter = input(inputs, "filter");
  const { bias } = inputs;
  if (isUnknownActivation(attributes) || !isFloat(x, filter)) return undefined;
  const info = infoOf(x.shape, filter.shape, attributes);
  if (!info || sizeOf(info.outShape) * sizeOf(filter.shape) === 0) return undefined;
  const { batchSize, inChannels, outChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  if (bias && !(bias.shape.length === 1 && bias.shape[0] === outChannels && isFloat(bias))) return undefined;

  const { assembly } = context;
  const out = context.output(info.outShape);
  const padding = paddingOf(info);
  const group = groupOf(batchSize, outHeight * outWidth, FORWARD_PIXELS);
  const run = filterWidth * inChannels;
  const depth = filterHeight * run;
  const inPixel = inChannels * 4;
  const inRow = padding.width * inPixel;
  const inImage = padding.height * inRow;
  const outPixel = outChannels * 4;
  const outRow = outWidth * outPixel;
  const outImage = outHeight * outRow;

  const windowBytes = aligned(assembly.windowsScratchBytes!(depth));
  const biasBytes = panelsOf(outChannels) * PANEL_BYTES;
  const filterBytes = panelsOf(outChannels) * PANEL_BYTES * depth;
  const scratch = context.scratch(
    windowBytes + biasBytes + filterBytes + (padding.copied ? group * inImage + SLACK_BYTES : 0),
  );
  const paddedBias = scratch + windowBytes;
  const packed = paddedBias + biasBytes;
  const padded = packed + filterBytes;
  const from = context.address(x);
  const to = context.address(out);
  assembly.packFilter!(context.address(filter), depth, outChannels, packed);
  if (bias) assembly.packFilter!(context.address(bias), 1, outChannels, paddedBias);

  const sourceImage = info.inHeight * info.inWidth * inPixel;
  for (let first = 0; first < batchSize; first += group) {
    const images = Math.min(group, batchSize - first);
    const source = from + first * sourceImage;
    if (padding.copied) {
      assembly.padImages!(
        source,
        images,
        info.inHeight,
        info.inWidth * inPixel,
        padded,
        padding.top,
        padding.left * inPixel,
        padding.height,
        inRow,
      );
    }
    assembly.windows!(
      padding.copied ? padded : source,
      inImage,
      inRow * info.strideHeight,
      inPixel * info.strideWidth,
      inRow,
      to + first * outImage,
      outImage,
      outRow,
      outPixel,
      images,
      outHeight,
      outWidth,
      filterHeight,
      run,
      packed,
      outChannels,
      bias ? paddedBias : 0,
      tileActivation(attributes),
      scratch,
    );
  }
  return activated(context, out, inputs, attributes);
}

/** The taps of one phase along one axis: input positions `first`, `first + stride`, … see windows starting at `start`. */
interface Phase {
  readonly firstTap: number;
  readonly taps: number;
  readonly firstPosition: number;
  readonly positions: number;
  readonly start: number;
}

/**
 * Splits the gradient with respect to the input along one axis. Position p gets dy[o]·w[k] wherever
 * o·stride + k = p + before; all positions with the same (p + before) mod stride see the same taps k, so each
 * such phase is a plain convolution of dy.
 */
function phasesOf(size: number, filter: number, stride: number, before: number, padded: number): Phase[] {
  const phases: Phase[] = [];
  for (let firstTap = 0; firstTap < stride; firstTap++) {
    const firstPosition = (((firstTap - before) % stride) + stride) % stride;
    if (firstPosition >= size) continue;
    const taps = Math.max(0, Math.ceil((filter - firstTap) / stride));
    phases.push({
      firstTap,
      taps,
      firstPosition,
      positions: Math.ceil((size - firstPosition) / stride),
      start: (firstPosition + before - firstTap) / stride - (taps - 1) + padded,
    });
  }
  return phases;
}

function inputGradient(
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const dy = input(inputs, "dy");
  const filter = input(inputs, "filter");
  const info = infoOf(attributes.inputShape as number[], filter.shape, attributes);
  if (!info || !isFloat(dy, filter) || sizeOf(info.outShape) * sizeOf(info.inShape) === 0) return undefined;
  const { batchSize, inChannels, outChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const { inHeight, inWidth, strideHeight, strideWidth, padInfo } = info;
  const { assembly } = context;
  const out = context.output(info.inShape);

  // dy between enough zeros that every tap of every phase finds a number.
  const top = Math.ceil(filterHeight / strideHeight) - 1;
  const left = Math.ceil(filterWidth / strideWidth) - 1;
  const height = top + Math.max(outHeight, Math.floor((inHeight - 1 + padInfo.top) / strideHeight) + 1);
  const width = left + Math.max(outWidth, Math.floor((inWidth - 1 + padInfo.left) / strideWidth) + 1);
  const copied = height !== outHeight || width !== outWidth;
  const rows = phasesOf(inHeight, filterHeight, strideHeight, padInfo.top, top);
  const columns = phasesOf(inWidth, filterWidth, strideWidth, padInfo.left, left);

  const dyPixel = outChannels * 4;
  const dyRow = width * dyPixel;
  const dyImage = height * dyRow;
  const xPixel = inChannels * 4;
  const xRow = inWidth * xPixel;
  const xImage = inHeight * xRow;
  const group = groupOf(batchSize, inHeight * inWidth, FORWARD_PIXELS * strideHeight * strideWidth);
  const taps = Math.ceil(filterHeight / strideHeight) * Math.ceil(filterWidth / strideWidth);
  const windowBytes = aligned(assembly.windowsScratchBytes!(taps * outChannels));
  const panels = panelsOf(inChannels);
  const filterBytes = panels * PANEL_BYTES * filterHeight * filterWidth * outChannels;
  const scratch = context.scratch(windowBytes + filterBytes + (copied ? group * dyImage + SLACK_BYTES : 0));
  const packed = scratch + windowBytes;
  const padded = packed + filterBytes;
  const from = context.address(dy);
  const to = context.address(out);

  let next = packed;
  const parts: { row: Phase; column: Phase; packed: number }[] = [];
  let complete = true;
  for (const row of rows) {
    for (const column of columns) {
      if (row.taps * column.taps === 0) {
        complete = false;
        continue;
      }
      parts.push({ row, column, packed: next });
      assembly.packFilterPhase!(
        context.address(filter),
        filterHeight,
        filterWidth,
        inChannels,
        outChannels,
        row.firstTap,
        column.firstTap,
        strideHeight,
        strideWidth,
        next,
      );
      next += panels * PANEL_BYTES * row.taps * column.taps * outChannels;
    }
  }
  // A stride larger than the filter leaves input that no window saw.
  if (!complete) assembly.zero!(to, batchSize * xImage);

  const sourceImage = outHeight * outWidth * dyPixel;
  for (let first = 0; first < batchSize; first += group) {
    const images = Math.min(group, batchSize - first);
    const source = from + first * sourceImage;
    if (copied) {
      assembly.padImages!(
        source,
        images,
        outHeight,
        outWidth * dyPixel,
        padded,
        top,
        left * dyPixel,
        height,
        dyRow,
      );
    }
    for (const part of parts) {
      const { row, column } = part;
      assembly.windows!(
        (copied ? padded : source) + row.start * dyRow + column.start * dyPixel,
        dyImage,
        dyRow,
        dyPixel,
        dyRow,
        to + first * xImage + row.firstPosition * xRow + column.firstPosition * xPixel,
        xImage,
        xRow * strideHeight,
        xPixel * strideWidth,
        images,
        row.positions,
        column.positions,
        row.taps,
        column.taps * outChannels,
        part.packed,
        inChannels,
        0,
        0,
        scratch,
      );
    }
  }
  return out;
}

function filterGradient(
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const x = input(inputs, "x");
  const dy = input(inputs, "dy");
  const filterShape = attributes.filterShape as number[];
  const info = infoOf(x.shape, filterShape, attributes);
  if (!info || !isFloat(x, dy)) return undefined;
  const { batchSize, inChannels, outChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const { assembly } = context;
  const out = context.output(filterShape);
  const to = context.address(out);
  assembly.zero!(to, sizeOf(filterShape) * 4);
  if (sizeOf(info.outShape) * sizeOf(info.inShape) === 0) return out;

  const padding = paddingOf(info);
  const run = filterWidth * inChannels;
  // Tiles of four rows read past the last window where `run` is no multiple of four.
  const copied = padding.copied || run % 4 !== 0;
  const group = groupOf(batchSize, outHeight * outWidth, GRADIENT_PIXELS);
  const chunk =
    group > 1 ? outHeight : Math.max(1, Math.min(outHeight, Math.ceil(GRADIENT_PIXELS / outWidth)));
  const inPixel = inChannels * 4;
  const inRow = padding.width * inPixel;
  const inImage = padding.height * inRow;
  const gradientBytes = aligned(assembly.filterGradientScratchBytes!(group, chunk, outWidth, outChannels));
  const scratch = context.scratch(gradientBytes + (copied ? group * inImage + SLACK_BYTES : 0));
  const padded = scratch + gradientBytes;
  const from = context.address(x);
  const dyFrom = context.address(dy);
  const sourceImage = info.inHeight * info.inWidth * inPixel;
  const dyRow = outWidth * outChannels * 4;
  for (let first = 0; first < batchSize; first += group) {
    const images = Math.min(group, batchSize - first);
    const source = from + first * sourceImage;
    if (copied) {
      assembly.padImages!(
        source,
        images,
        info.inHeight,
        info.inWidth * inPixel,
        padded,
        padding.top,
        padding.left * inPixel,
        padding.height,
        inRow,
      );
    }
    for (let y = 0; y < outHeight; y += chunk) {
      assembly.filterGradient!(
        (copied ? padded : source) + y * info.strideHeight * inRow,
        inImage,
        inRow * info.strideHeight,
        inPixel * info.strideWidth,
        inRow,
        dyFrom + (first * outHeight + y) * dyRow,
        images,
        Math.min(chunk, outHeight - y),
        outWidth,
        filterHeight,
        run,
        outChannels,
        to,
        scratch,
      );
    }
  }
  return out;
}

export const conv2D: TrainingKernel = { name: "Conv2D", run: forward };
export const fusedConv2D: TrainingKernel = { name: "FusedConv2D", run: forward };
export const conv2DBackpropInput: TrainingKernel = { name: "Conv2DBackpropInput", run: inputGradient };
export const conv2DBackpropFilter: TrainingKernel = { name: "Conv2DBackpropFilter", run: filterGradient };
