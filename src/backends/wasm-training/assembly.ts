/**
 * What `assembly/` exports, with the names of its parameters there. Addresses and distances are in bytes, everything
 * else counts numbers unless its name says otherwise; flags are 0 or 1.
 */
export interface Assembly
  extends MatMulKernels,
    ConvolutionKernels,
    WinogradKernels,
    DepthwiseKernels,
    PoolingKernels,
    NormalizationKernels,
    ElementwiseKernels {}

interface MatMulKernels {
  matMulScratchBytes(columns: number, depth: number): number;
  matMul(
    a: number,
    b: number,
    c: number,
    batch: number,
    rows: number,
    columns: number,
    depth: number,
    aBatchBytes: number,
    bBatchBytes: number,
    transposeA: number,
    transposeB: number,
    bias: number,
    activation: number,
    scratch: number,
  ): void;
}

/** `windows` and `filterGradient` are called through `windows.ts`, which takes their distances as records. */
interface ConvolutionKernels {
  windowsScratchBytes(depth: number): number;
  padImages(
    from: number,
    images: number,
    height: number,
    rowBytes: number,
    to: number,
    top: number,
    leftBytes: number,
    paddedHeight: number,
    paddedRowBytes: number,
  ): void;
  packFilter(filter: number, depth: number, outChannels: number, to: number): void;
  packFilterPhase(
    filter: number,
    filterHeight: number,
    filterWidth: number,
    inChannels: number,
    outChannels: number,
    firstY: number,
    firstX: number,
    strideY: number,
    strideX: number,
    to: number,
  ): void;
  windows(
    input: number,
    inImage: number,
    inRow: number,
    inPixel: number,
    inSegment: number,
    out: number,
    outImage: number,
    outRow: number,
    outPixel: number,
    images: number,
    height: number,
    width: number,
    segments: number,
    run: number,
    packed: number,
    outChannels: number,
    bias: number,
    activation: number,
    scratch: number,
  ): void;
  filterGradientScratchBytes(
    images: number,
    outHeight: number,
    outWidth: number,
    outChannels: number,
    filterHeight: number,
  ): number;
  filterGradient(
    input: number,
    inImage: number,
    inRow: number,
    inPixel: number,
    inSegment: number,
    dy: number,
    images: number,
    outHeight: number,
    outWidth: number,
    filterHeight: number,
    run: number,
    outChannels: number,
    dFilter: number,
    scratch: number,
  ): void;
}

interface WinogradKernels {
  winogradBlock(channels: number, outChannels: number): number;
  winogradScratchBytes(channels: number, outChannels: number): number;
  winogradFilterBytes(channels: number, outChannels: number): number;
  winogradFilter(
    packed: number,
    size: number,
    channels: number,
    panels: number,
    to: number,
    scratch: number,
  ): void;
  winogradFilterFromPoints(
    gradient: number,
    size: number,
    channels: number,
    outChannels: number,
    to: number,
    scratch: number,
  ): void;
  winograd(
    input: number,
    inImage: number,
    inRow: number,
    inPixel: number,
    out: number,
    images: number,
    height: number,
    width: number,
    channels: number,
    outChannels: number,
    m: number,
    filter: number,
    scratch: number,
  ): void;
  winogradFilterGradient(
    input: number,
    inImage: number,
    inRow: number,
    inPixel: number,
    dy: number,
    dyImage: number,
    dyRow: number,
    dyPixel: number,
    images: number,
    tilesY: number,
    tilesX: number,
    channels: number,
    outChannels: number,
    m: number,
    gradient: number,
    scratch: number,
  ): void;
}

/** What the depthwise kernels take after their addresses. */
export type DepthwiseGeometry = readonly [
  batch: number,
  height: number,
  width: number,
  channels: number,
  multiplier: number,
  outHeight: number,
  outWidth: number,
  filterHeight: number,
  filterWidth: number,
  strideY: number,
  strideX: number,
  top: number,
  left: number,
];
/** What the pooling kernels take after their addresses. */
export type PoolGeometry = readonly [
  batch: number,
  height: number,
  width: number,
  channels: number,
  outHeight: number,
  outWidth: number,
  filterHeight: number,
  filterWidth: number,
  strideY: number,
  strideX: number,
  top: number,
  left: number,
];

interface DepthwiseKernels {
  depthwiseInputGradient(dy: number, filter: number, dx: number, ...geometry: DepthwiseGeometry): void;
  depthwiseFilterGradient(x: number, dy: number, dFilter: number, ...geometry: DepthwiseGeometry): void;
}

interface PoolingKernels {
  maxPoolGradient(x: number, dy: number, dx: number, ...geometry: PoolGeometry): void;
  averagePoolGradient(dy: number, dx: number, ...rest: readonly [...PoolGeometry, factor: number]): void;
}

interface NormalizationKernels {
  groupNormalizationScratchBytes(channels: number): number;
  groupNormalization(
    x: number,
    gamma: number,
    beta: number,
    y: number,
    means: number,
    inverses: number,
    batch: number,
    positions: number,
    channels: number,
    groups: number,
    epsilon: number,
    scratch: number,
  ): void;
  groupNormalizationGradient(
    dy: number,
    x: number,
    gamma: number,
    means: number,
    inverses: number,
    dx: number,
    dGamma: number,
    dBeta: number,
    batch: number,
    positions: number,
    channels: number,
    groups: number,
    scratch: number,
  ): void;
}

interface ElementwiseKernels {
  zero(out: number, bytes: number): void;
  reluGradient(dy: number, x: number, out: number, length: number): void;
  addRow(values: number, row: number, rows: number, columns: number, activation: number): void;
  addScaled(x: number, y: number, factor: number, out: number, length: number): void;
  segmentSum(values: number, index: number, out: number, rows: number, width: number, segments: number): void;
  sumMiddle(x: number, out: number, outer: number, reduced: number, inner: number, factor: number): void;
  sumLast(x: number, out: number, outer: number, reduced: number, factor: number): void;
  expand(from: number, to: number, outer: number, outerStep: number, inner: number, innerStep: number): void;
  binaryRows(
    operation: number,
    a: number,
    b: number,
    out: number,
    count: number,
    length: number,
    aRowBytes: number,
    bRowBytes: number,
    aSteps: number,
    bSteps: number,
  ): void;
}
