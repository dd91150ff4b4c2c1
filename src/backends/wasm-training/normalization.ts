import type { TensorInfo } from "@tensorflow/tfjs-core";
import { input, sizeOf, type TrainingKernel } from "./kernel.js";

type Triple = [TensorInfo, TensorInfo, TensorInfo];

/**
 * Group normalisation as one pass over memory per sum; our own name, used by models/layers/group-normalization.ts.
 * In: x [batch, positions, channels], gamma and beta [channels]. Out: the result, and each group's mean and
 * 1/√(variance + epsilon), [batch, groups], for the gradient.
 */
export const groupNormalization: TrainingKernel = {
  name: "GroupNormalization",
  run(context, inputs, attributes) {
    const [x, gamma, beta] = [input(inputs, "x"), input(inputs, "gamma"), input(inputs, "beta")];
    const { groups, epsilon } = attributes as { groups: number; epsilon: number };
    const [batch, positions, channels] = x.shape as [number, number, number];
    const { assembly, address } = context;
    const [y, mean, inverse] = [x.shape, [batch, groups], [batch, groups]].map(context.output) as Triple;
    assembly.groupNormalization(
      address(x),
      address(gamma),
      address(beta),
      address(y),
      address(mean),
      address(inverse),
      batch,
      positions,
      channels,
      groups,
      epsilon,
      context.scratch(assembly.groupNormalizationScratchBytes(channels)),
    );
    return [y, mean, inverse];
  },
};

/** The gradients with respect to x, gamma and beta. */
export const groupNormalizationGrad: TrainingKernel = {
  name: "GroupNormalizationGrad",
  run(context, inputs) {
    const [dy, x, gamma] = [input(inputs, "dy"), input(inputs, "x"), input(inputs, "gamma")];
    const [mean, inverse] = [input(inputs, "mean"), input(inputs, "inverse")];
    const [batch, positions, channels] = x.shape as [number, number, number];
    const groups = mean.shape[1] as number;
    const { assembly, address } = context;
    const [dx, dGamma, dBeta] = [x.shape, gamma.shape, gamma.shape].map(context.output) as Triple;
    const ownBytes = assembly.groupNormalizationScratchBytes(channels);
    const perExampleBytes = sizeOf([batch, channels]) * 4;
    const scratch = context.scratch(ownBytes + 2 * perExampleBytes);
    const gammaPerExample = scratch + ownBytes;
    const betaPerExample = gammaPerExample + perExampleBytes;
    assembly.groupNormalizationGradient(
      address(dy),
      address(x),
      address(gamma),
      address(mean),
      address(inverse),
      address(dx),
      gammaPerExample,
      betaPerExample,
      batch,
      positions,
      channels,
      groups,
      scratch,
    );
    assembly.sumMiddle(gammaPerExample, address(dGamma), 1, batch, channels, 1);
    assembly.sumMiddle(betaPerExample, address(dBeta), 1, batch, channels, 1);
    return [dx, dGamma, dBeta];
  },
};
