/** The gradient of a convolution with respect to its input. */
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import type { Assembly } from "./assembly.js";
import type { Context } from "./context.js";
import { tiledInputGradient } from "./convolution-tiles.js";
import { input, isFloat, sizeOf } from "./kernel.js";
import {
  aligned,
  convolve,
  dense,
  forGroups,
  groupOf,
  type Info,
  infoOf,
  type Padding,
  paddedBytes,
  panelBytes,
  type Source,
  strided,
} from "./windows.js";

/** Pixels of the input per tap that a group of images should have. */
const GROUP_PIXELS = 256;

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

/** dy between enough zeros that every tap of every phase finds a number. */
function paddingOfGradient(info: Info): Padding {
  const { inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth, padInfo } = info;
  const top = Math.ceil(info.filterHeight / strideHeight) - 1;
  const left = Math.ceil(info.filterWidth / strideWidth) - 1;
  const height = top + Math.max(outHeight, Math.floor((inHeight - 1 + padInfo.top) / strideHeight) + 1);
  const width = left + Math.max(outWidth, Math.floor((inWidth - 1 + padInfo.left) / strideWidth) + 1);
  return { copied: height !== outHeight || width !== outWidth, top, left, height, width };
}

/** A phase along each axis, and the address of the part of the filter that it sees. */
interface Part {
  readonly row: Phase;
  readonly column: Phase;
  readonly filter: number;
}

/** The phases that see any of the filter. */
function partsOf(info: Info, { top, left }: Padding, packed: number): { parts: Part[]; isComplete: boolean } {
  const { inHeight, inWidth, filterHeight, filterWidth, strideHeight, strideWidth, padInfo } = info;
  const rows = phasesOf(inHeight, filterHeight, strideHeight, padInfo.top, top);
  const columns = phasesOf(inWidth, filterWidth, strideWidth, padInfo.left, left);
  const tapBytes = panelBytes(info.inChannels) * info.outChannels;
  const parts: Part[] = [];
  let filter = packed;
  for (const row of rows) {
    for (const column of columns) {
      if (row.taps * column.taps === 0) continue;
      parts.push({ row, column, filter });
      filter += tapBytes * row.taps * column.taps;
    }
  }
  return { parts, isComplete: parts.length === rows.length * columns.length };
}

/** Packs the part of the filter at `from` that each phase sees. */
function packParts(assembly: Assembly, info: Info, from: number, parts: readonly Part[]): void {
  const { filterHeight, filterWidth, inChannels, outChannels, strideHeight, strideWidth } = info;
  for (const { row, column, filter } of parts) {
    assembly.packFilterPhase(
      from,
      filterHeight,
      filterWidth,
      inChannels,
      outChannels,
      row.firstTap,
      column.firstTap,
      strideHeight,
      strideWidth,
      filter,
    );
  }
}

export function inputGradient(
  context: Context,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const dy = input(inputs, "dy");
  const filter = input(inputs, "filter");
  const info = infoOf(attributes.inputShape as number[], filter.shape, attributes);
  if (!info || !isFloat(dy, filter) || sizeOf(info.outShape) * sizeOf(info.inShape) === 0) return undefined;
  const tiled = tiledInputGradient(context, info, dy, filter);
  if (tiled) return tiled;
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = info;
  const { filterHeight, filterWidth, strideHeight, strideWidth } = info;
  const { assembly } = context;
  const out = context.output(info.inShape);
  const source: Source = {
    address: context.address(dy),
    batch: batchSize,
    height: outHeight,
    width: outWidth,
    pixel: outChannels * 4,
    padding: paddingOfGradient(info),
  };

  const group = groupOf(batchSize, inHeight * inWidth, GROUP_PIXELS * strideHeight * strideWidth);
  const taps = Math.ceil(filterHeight / strideHeight) * Math.ceil(filterWidth / strideWidth);
  const windowBytes = aligned(assembly.windowsScratchBytes(taps * outChannels));
  const filterBytes = panelBytes(inChannels) * filterHeight * filterWidth * outChannels;
  const scratch = context.scratch(windowBytes + filterBytes + paddedBytes(source, group));
  const packed = scratch + windowBytes;
  const { parts, isComplete } = partsOf(info, source.padding, packed);
  packParts(assembly, info, context.address(filter), parts);

  const dx = dense(context.address(out), inHeight, inWidth, inChannels * 4);
  // A stride larger than the filter leaves input that no window saw.
  if (!isComplete) assembly.zero(dx.base, batchSize * dx.image);
  const { padding, pixel } = source;
  forGroups(assembly, source, group, packed + filterBytes, (base, first, images) => {
    const padded = dense(base, padding.height, padding.width, pixel);
    const to = { ...dx, base: dx.base + first * dx.image };
    for (const { row, column, filter } of parts) {
      convolve(assembly, {
        from: strided(padded, row.start, column.start, 1, 1),
        segment: padded.row,
        segments: row.taps,
        run: column.taps * outChannels,
        to: strided(to, row.firstPosition, column.firstPosition, strideHeight, strideWidth),
        images,
        height: row.positions,
        width: column.positions,
        filter,
        outChannels: inChannels,
        bias: 0,
        activation: 0,
        scratch,
      });
    }
  });
  return out;
}
