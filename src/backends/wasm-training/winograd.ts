/** Convolutions and filter gradients by Winograd's minimal filtering, see `assembly/winograd.ts`. */
import type { Context } from "./context.js";
import { aligned, dense, forGroups, groupOf, type Info, panelBytes, type Source } from "./windows.js";

/** Tiles of m × m outputs from 6 × 6 inputs, by the side of the filter. */
const TILE_SIDE: Readonly<Record<number, number>> = { 3: 4, 5: 2 };
/** Counts of channels are multiples of this. */
const CHANNEL_MULTIPLE = 4;
/** Below, the transforms cost more than they save. */
const MIN_CHANNELS = 8;

/** Side of a tile's outputs; undefined for a convolution that windows compute, or compute faster. */
export function tileSideOf(info: Info): number | undefined {
  const { filterHeight, filterWidth, strideHeight, strideWidth, inChannels, outChannels, padInfo } = info;
  if (filterHeight !== filterWidth || strideHeight !== 1 || strideWidth !== 1) return undefined;
  if (inChannels % CHANNEL_MULTIPLE !== 0 || outChannels % CHANNEL_MULTIPLE !== 0) return undefined;
  if (Math.min(inChannels, outChannels) < MIN_CHANNELS) return undefined;
  if (Math.max(padInfo.top, padInfo.left) >= filterHeight) return undefined;
  return TILE_SIDE[filterHeight];
}

/** A convolution at stride 1 of images of which every pixel up to the padding is in a window. */
export interface TiledConvolution {
  /** Address of the images, and of the result. */
  readonly from: number;
  readonly to: number;
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
  /** Rows and columns of zeros before the image. */
  readonly top: number;
  readonly left: number;
  /** Sides of the filter and of a tile's outputs. */
  readonly side: number;
  readonly tileSide: number;
}

/** Images with zeros around them for whole tiles, `tiles` along an axis being as many as cover the result. */
function tiledSource(convolution: TiledConvolution): Source & { tilesY: number; tilesX: number } {
  const { from, batch, height, width, channels, outHeight, outWidth, top, left, side, tileSide } =
    convolution;
  const tilesY = Math.ceil(outHeight / tileSide);
  const tilesX = Math.ceil(outWidth / tileSide);
  const paddedHeight = Math.max(height + top, tilesY * tileSide + side - 1);
  const paddedWidth = Math.max(width + left, tilesX * tileSide + side - 1);
  const copied = paddedHeight !== height || paddedWidth !== width;
  const padding = { copied, top, left, height: paddedHeight, width: paddedWidth };
  return { address: from, batch, height, width, pixel: channels * 4, padding, tilesY, tilesX };
}

const paddedBytesOf = ({ padding, pixel }: Source, group: number) =>
  padding.copied ? group * padding.height * padding.width * pixel : 0;

/** @param pack writes the filter in panels of [side²·channels][8] to an address */
export function convolveTiles(
  { assembly, scratch }: Context,
  convolution: TiledConvolution,
  pack: (to: number) => void,
): void {
  const { channels, outChannels, side, tileSide, outHeight, outWidth, to } = convolution;
  const source = tiledSource(convolution);
  const group = groupOf(
    source.batch,
    source.tilesY * source.tilesX,
    assembly.winogradBlock(channels, outChannels),
  );
  const tileBytes = aligned(assembly.winogradScratchBytes(channels, outChannels));
  const filterBytes = assembly.winogradFilterBytes(channels, outChannels);
  const packedBytes = panelBytes(outChannels) * side * side * channels;
  // The packed filter is done with before images are padded.
  const base = scratch(tileBytes + filterBytes + Math.max(packedBytes, paddedBytesOf(source, group)));
  const filter = base + tileBytes;
  const rest = filter + filterBytes;
  pack(rest);
  assembly.winogradFilter(rest, side, channels, panelBytes(outChannels) / 32, filter, base);
  const { padding, pixel } = source;
  const outImage = outHeight * outWidth * outChannels * 4;
  forGroups(assembly, source, group, rest, (address, first, images) => {
    const padded = dense(address, padding.height, padding.width, pixel);
    assembly.winograd(
      ...([padded.base, padded.image, padded.row, padded.pixel, to + first * outImage, images] as const),
      ...([outHeight, outWidth, channels, outChannels, tileSide, filter, base] as const),
    );
  });
}

/** Writes the gradient of the filter, [side][side][channels][outChannels], to `gradient`. @param dy its address */
export function filterGradientOfTiles(
  { assembly, scratch }: Context,
  convolution: Omit<TiledConvolution, "to">,
  dy: number,
  gradient: number,
): void {
  const { batch, channels, outHeight, outWidth, outChannels, side, tileSide } = convolution;
  const source = tiledSource({ ...convolution, to: 0 });
  const { tilesY, tilesX, padding, pixel } = source;
  const [height, width] = [tilesY * tileSide, tilesX * tileSide];
  const dyPadding = {
    copied: height !== outHeight || width !== outWidth,
    ...{ top: 0, left: 0, height, width },
  };
  const dySource: Source = {
    ...{ address: dy, batch, height: outHeight, width: outWidth },
    ...{ pixel: outChannels * 4, padding: dyPadding },
  };
  const group = groupOf(batch, tilesY * tilesX, assembly.winogradBlock(channels, outChannels));
  const tileBytes = aligned(assembly.winogradScratchBytes(channels, outChannels));
  const pointBytes = assembly.winogradFilterBytes(channels, outChannels);
  const paddedBytes = paddedBytesOf(source, group);
  const base = scratch(tileBytes + pointBytes + paddedBytes + paddedBytesOf(dySource, group));
  const points = base + tileBytes;
  const images = points + pointBytes;
  assembly.zero(points, pointBytes);
  forGroups(assembly, source, group, images, (address, first, count) => {
    const padded = dense(address, padding.height, padding.width, pixel);
    const part = { ...dySource, address: dy + first * outHeight * outWidth * dySource.pixel, batch: count };
    forGroups(assembly, part, count, images + paddedBytes, (dyAddress) => {
      const outer = dense(dyAddress, height, width, dySource.pixel);
      assembly.winogradFilterGradient(
        ...([padded.base, padded.image, padded.row, padded.pixel] as const),
        ...([outer.base, outer.image, outer.row, outer.pixel, count, tilesY, tilesX] as const),
        ...([channels, outChannels, tileSide, points, base] as const),
      );
    });
  });
  assembly.winogradFilterFromPoints(points, side, channels, outChannels, gradient, base);
}
