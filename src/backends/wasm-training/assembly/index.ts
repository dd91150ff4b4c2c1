// What the compiled module exports. It keeps no data of its own in the memory it is given, which is tfjs's.
export { matMul, matMulScratchBytes } from "./matmul";
export {
  filterGradient, filterGradientScratchBytes, packFilter, packFilterPhase, padImages, windows, windowsScratchBytes,
} from "./convolution";
export * from "./binary";
export * from "./depthwise";
export * from "./elementwise";
export * from "./normalization";
export * from "./pooling";
export * from "./sums";
export {
  winograd, winogradBlock, winogradFilter, winogradFilterBytes, winogradFilterFromPoints, winogradFilterGradient,
  winogradScratchBytes,
} from "./winograd";
