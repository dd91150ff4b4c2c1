/** Fast kernels for the convolutions that Winograd's filtering takes; undefined leaves one to windows. */
import type { NamedAttrMap, NamedTensorInfoMap, TensorInfo } from "@tensorflow/tfjs-core";
import { activated, LINEAR, RELU, tileActivation } from "./activation.js";
import type { Context } from "./context.js";
import { input } from "./kernel.js";
import type { Info } from "./windows.js";
import { convolveTiles, filterGradientOfTiles, tileSideOf } from "./winograd.js";

function tileSide(context: Context, info: Info): number | undefined {
  return context.isFast ? tileSideOf(info) : undefined;
}

/** The convolution itself, as its gradients take it too. */
function forwardOf(info: Info, side: number, from: number) {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, padInfo } = info;
  return {
    ...{ from, batch: batchSize, height: inHeight, width: inWidth, channels: inChannels },
    ...{ outHeight, outWidth, outChannels, top: padInfo.top, left: padInfo.left },
    ...{ side: info.filterHeight, tileSide: side },
  };
}

export function tiledForward(
  context: Context,
  info: Info,
  inputs: NamedTensorInfoMap,
  attributes: NamedAttrMap,
): TensorInfo | undefined {
  const side = tileSide(context, info);
  const { bias } = inputs;
  const activation = tileActivation(attributes);
  // The pass that adds a bias applies relu; nothing does without one.
  if (side === undefined || (bias ? activation > RELU : activation !== LINEAR)) return undefined;
  const { assembly } = context;
  const out = context.output(info.outShape);
  const to = context.address(out);
  const { batchSize, outHeight, outWidth, outChannels } = info;
  const depth = info.filterHeight * info.filterWidth * info.inChannels;
  convolveTiles(context, { ...forwardOf(info, side, context.address(input(inputs, "x"))), to }, (packed) =>
    assembly.packFilter(context.address(input(inputs, "filter")), depth, outChannels, packed),
  );
  if (bias) {
    assembly.addRow(to, context.address(bias), batchSize * outHeight * outWidth, outChannels, activation);
  }
  return activated(context, out, inputs, attributes);
}

/** A convolution of dy with the filter backwards. */
export function tiledInputGradient(
  context: Context,
  info: Info,
  dy: TensorInfo,
  filter: TensorInfo,
): TensorInfo | undefined {
  const side = tileSide(context, info);
  if (side === undefined) return undefined;
  const out = context.output(info.inShape);
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = info;
  const { filterHeight, filterWidth, padInfo } = info;
  const backwards = {
    ...{ from: context.address(dy), batch: batchSize, height: outHeight, width: outWidth },
    ...{ channels: outChannels, outHeight: inHeight, outWidth: inWidth, outChannels: inChannels },
    ...{ top: filterHeight - 1 - padInfo.top, left: filterWidth - 1 - padInfo.left },
    ...{ side: filterHeight, tileSide: side, to: context.address(out) },
  };
  convolveTiles(context, backwards, (packed) =>
    context.assembly.packFilterPhase(
      ...([context.address(filter), filterHeight, filterWidth, inChannels, outChannels] as const),
      ...([0, 0, 1, 1, packed] as const),
    ),
  );
  return out;
}

/** Whether it has written the gradient to `gradient`. */
export function tiledFilterGradient(
  context: Context,
  info: Info,
  x: TensorInfo,
  dy: TensorInfo,
  gradient: number,
): boolean {
  const side = tileSide(context, info);
  if (side === undefined) return false;
  filterGradientOfTiles(context, forwardOf(info, side, context.address(x)), context.address(dy), gradient);
  return true;
}
