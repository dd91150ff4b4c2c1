/**
 * How a call of a kernel on many numbers is made as several calls on fewer, with the same bits: what threads can
 * share. A piece begins at a whole block, and so at a byte of its own in the payload too. Kernels that are not here
 * go through their numbers in one order only (the streams of top-k and of entropy coding), or touch few of them.
 */
import type { Kernels } from "./kernels.js";
import type { OptimizerKernels } from "./reference/optimizers.js";
import { PART } from "./reference/vector.js";

type Kernel = (...parameters: never[]) => unknown;

/** How one kernel's calls are divided. */
export interface Division<K extends Kernel = Kernel> {
  /** Of how many numbers a call is, and how many must stay together: a piece has some multiple of that. */
  size(...parameters: Parameters<K>): readonly [length: number, unit: number];
  /** Makes the call for `count` numbers from number `first` on. */
  piece(kernels: Kernels, first: number, count: number, parameters: Parameters<K>): ReturnType<K>;
  /** What becomes of the pieces' results: all must be 1, or they are added in their order. Otherwise there are none. */
  readonly result?: "every" | "sum";
}

/** Where numbers do not depend on each other: whole cache lines, and whole bytes of bits. */
const ANY = 1024;
/** A single block whose scale is known can be cut anywhere; several are kept whole. */
const unitWithin = (length: number, block: number) => (block < length ? block : ANY);
/** Length of the blocks that a piece of `count` numbers is called with. */
const blockWithin = (length: number, block: number, count: number) => (block < length ? block : count);
/** Blocks that end before number `first`. */
const blocksBefore = (length: number, block: number, first: number) => (block < length ? first / block : 0);
/** Bytes before number `first` in codes of `bits` bits, where every block begins at a byte of its own. */
const codesBefore = (length: number, block: number, first: number, bits: number) =>
  block < length ? (first / block) * Math.ceil((block * bits) / 8) : (first * bits) / 8;

/**
 * How a kernel is divided whose numbers do not depend on each other, with `vectors` vectors of float32 as its first
 * parameters and their length as the next one.
 */
function elementwise<Name extends keyof OptimizerKernels>(
  name: Name,
  vectors: number,
): Division<Kernels[Name]> {
  type Call = (...parameters: readonly number[]) => void;
  return {
    size: (...parameters: readonly number[]) => [parameters[vectors]!, ANY],
    piece(kernels: Kernels, first: number, count: number, parameters: readonly number[]) {
      const kernel = kernels[name] as Call;
      kernel(
        ...parameters.map((value, k) => (k < vectors ? value + 4 * first : k === vectors ? count : value)),
      );
    },
  } as unknown as Division<Kernels[Name]>;
}

export const divisions: {
  readonly [Name in keyof Kernels]?: Kernels[Name] extends Kernel ? Division<Kernels[Name]> : never;
} = {
  add: {
    size: (_out, _v, length) => [length, ANY],
    piece: (kernels, first, count, [out, v]) => kernels.add(out + 4 * first, v + 4 * first, count),
  },
  addThrough: {
    size: (_sum, _out, _v, length) => [length, ANY],
    piece: (kernels, first, count, [sum, out, v]) =>
      kernels.addThrough(sum + 4 * first, out + 4 * first, v + 4 * first, count),
  },
  subtractFrom: {
    size: (_out, _v, length) => [length, ANY],
    piece: (kernels, first, count, [out, v]) => kernels.subtractFrom(out + 4 * first, v + 4 * first, count),
  },
  addScaled: {
    size: (_out, _v, length) => [length, ANY],
    piece: (kernels, first, count, [out, v, , scale]) =>
      kernels.addScaled(out + 4 * first, v + 4 * first, count, scale),
  },
  moveTo: {
    size: (_out, _v, length) => [length, ANY],
    piece: (kernels, first, count, [out, v]) => kernels.moveTo(out + 4 * first, v + 4 * first, count),
  },
  sumOfMagnitudes: {
    size: (_v, length) => [length, PART],
    piece: (kernels, first, count, [v]) => kernels.sumOfMagnitudes(v + 4 * first, count),
    result: "sum",
  },
  sumOfSquares: {
    size: (_v, length) => [length, PART],
    piece: (kernels, first, count, [v]) => kernels.sumOfSquares(v + 4 * first, count),
    result: "sum",
  },
  squaredDistance: {
    size: (_a, _b, length) => [length, PART],
    piece: (kernels, first, count, [a, b]) => kernels.squaredDistance(a + 4 * first, b + 4 * first, count),
    result: "sum",
  },
  sortPairs: {
    size: (_low, _high, length) => [length, ANY],
    piece: (kernels, first, count, [low, high]) =>
      kernels.sortPairs(low + 4 * first, high + 4 * first, count),
  },
  allFinite: {
    size: (_v, length) => [length, ANY],
    piece: (kernels, first, count, [v]) => kernels.allFinite(v + 4 * first, count),
    result: "every",
  },
  float16Squeeze: {
    size: (_v, length) => [length, ANY],
    piece: (kernels, first, count, [v, , payload]) =>
      kernels.float16Squeeze(v + 4 * first, count, payload + 2 * first),
  },
  float16AddTo: {
    size: (_out, length) => [length, ANY],
    piece: (kernels, first, count, [out, , payload, factor]) =>
      kernels.float16AddTo(out + 4 * first, count, payload + 2 * first, factor),
  },
  float16Finite: {
    size: (_payload, length) => [length, ANY],
    piece: (kernels, first, count, [payload]) => kernels.float16Finite(payload + 2 * first, count),
    result: "every",
  },
  signSqueeze: {
    size: (_v, length, block) => [length, block],
    piece: (kernels, first, count, [v, length, block, scales, bits]) =>
      kernels.signSqueeze(
        v + 4 * first,
        count,
        block,
        scales + 4 * blocksBefore(length, block, first),
        bits + codesBefore(length, block, first, 1),
      ),
  },
  signBits: {
    size: (_v, length) => [length, ANY],
    piece: (kernels, first, count, [v, , scale, bits]) =>
      kernels.signBits(v + 4 * first, count, scale, bits + first / 8),
  },
  signAddTo: {
    size: (_out, length, block) => [length, unitWithin(length, block)],
    piece: (kernels, first, count, [out, length, block, scales, bits, factor]) =>
      kernels.signAddTo(
        out + 4 * first,
        count,
        blockWithin(length, block, count),
        scales + 4 * blocksBefore(length, block, first),
        bits + codesBefore(length, block, first, 1),
        factor,
      ),
  },
  onebitSqueeze: {
    size: (_v, length, block) => [length, block],
    piece: (kernels, first, count, [v, length, block, scales, bits]) =>
      kernels.onebitSqueeze(
        v + 4 * first,
        count,
        block,
        scales + 8 * blocksBefore(length, block, first),
        bits + codesBefore(length, block, first, 1),
      ),
  },
  onebitAddTo: {
    size: (_out, length, block) => [length, unitWithin(length, block)],
    piece: (kernels, first, count, [out, length, block, scales, bits, factor]) =>
      kernels.onebitAddTo(
        out + 4 * first,
        count,
        blockWithin(length, block, count),
        scales + 8 * blocksBefore(length, block, first),
        bits + codesBefore(length, block, first, 1),
        factor,
      ),
  },
  minmaxSqueeze: {
    size: (_v, length, block) => [length, block],
    piece: (kernels, first, count, [v, length, block, bits, stochastic, index, low, high, headers, codes]) =>
      kernels.minmaxSqueeze(
        v + 4 * first,
        count,
        block,
        bits,
        stochastic,
        index + first,
        low,
        high,
        headers + 8 * blocksBefore(length, block, first),
        codes + codesBefore(length, block, first, bits),
      ),
  },
  minmaxAddTo: {
    size: (_out, length, block) => [length, unitWithin(length, block)],
    piece: (kernels, first, count, [out, length, block, bits, headers, codes, factor]) =>
      kernels.minmaxAddTo(
        out + 4 * first,
        count,
        blockWithin(length, block, count),
        bits,
        headers + 8 * blocksBefore(length, block, first),
        codes + codesBefore(length, block, first, bits),
        factor,
      ),
  },
  qsgdSqueeze: {
    size: (_v, length, block) => [length, block],
    piece: (
      kernels,
      first,
      count,
      [v, length, block, bits, levels, shrink, index, low, high, units, codes],
    ) =>
      kernels.qsgdSqueeze(
        v + 4 * first,
        count,
        block,
        bits,
        levels,
        shrink,
        index + first,
        low,
        high,
        units + 4 * blocksBefore(length, block, first),
        codes + codesBefore(length, block, first, bits),
      ),
  },
  qsgdAddTo: {
    size: (_out, length, block) => [length, unitWithin(length, block)],
    piece: (kernels, first, count, [out, length, block, bits, levels, units, codes, factor]) =>
      kernels.qsgdAddTo(
        out + 4 * first,
        count,
        blockWithin(length, block, count),
        bits,
        levels,
        units + 4 * blocksBefore(length, block, first),
        codes + codesBefore(length, block, first, bits),
        factor,
      ),
  },
  qsgdCheck: {
    size: (_codes, length, block) => [length, unitWithin(length, block)],
    piece: (kernels, first, count, [codes, length, block, bits, levels]) =>
      kernels.qsgdCheck(
        codes + codesBefore(length, block, first, bits),
        count,
        blockWithin(length, block, count),
        bits,
        levels,
      ),
    result: "every",
  },
  naturalSqueeze: {
    size: (_v, length, block) => [length, block],
    piece: (kernels, first, count, [v, length, block, index, low, high, bases, codes]) =>
      kernels.naturalSqueeze(
        v + 4 * first,
        count,
        block,
        index + first,
        low,
        high,
        bases + blocksBefore(length, block, first),
        codes + first,
      ),
  },
  naturalAddTo: {
    size: (_out, length, block) => [length, block],
    piece: (kernels, first, count, [out, length, block, bases, codes, factor]) =>
      kernels.naturalAddTo(
        out + 4 * first,
        count,
        block,
        bases + blocksBefore(length, block, first),
        codes + first,
        factor,
      ),
  },
  ditheringSqueeze: {
    size: (_v, length, block) => [length, block],
    piece: (kernels, first, count, [v, length, block, index, low, high, bases, codes]) =>
      kernels.ditheringSqueeze(
        v + 4 * first,
        count,
        block,
        index + first,
        low,
        high,
        bases + blocksBefore(length, block, first),
        codes + codesBefore(length, block, first, 4),
      ),
  },
  ditheringAddTo: {
    size: (_out, length, block) => [length, block],
    piece: (kernels, first, count, [out, length, block, bases, codes, factor]) =>
      kernels.ditheringAddTo(
        out + 4 * first,
        count,
        block,
        bases + blocksBefore(length, block, first),
        codes + codesBefore(length, block, first, 4),
        factor,
      ),
  },
  ternarySqueeze: {
    size: (_v, length, block) => [length, block],
    piece: (kernels, first, count, [v, length, block, share, scales, codes]) =>
      kernels.ternarySqueeze(
        v + 4 * first,
        count,
        block,
        share,
        scales + 4 * blocksBefore(length, block, first),
        codes + blocksBefore(length, block, first) * Math.ceil(block / 5),
      ),
  },
  ternaryAddTo: {
    size: (_out, length, block) => [length, block],
    piece: (kernels, first, count, [out, length, block, scales, codes, factor]) =>
      kernels.ternaryAddTo(
        out + 4 * first,
        count,
        block,
        scales + 4 * blocksBefore(length, block, first),
        codes + blocksBefore(length, block, first) * Math.ceil(block / 5),
        factor,
      ),
  },
  ternaryCheck: {
    size: (_codes, count) => [count, ANY],
    piece: (kernels, first, count, [codes]) => kernels.ternaryCheck(codes + first, count),
    result: "every",
  },
  raceKeys: {
    size: (_v, length) => [length, ANY],
    piece: (kernels, first, count, [v, , index, low, high, out]) =>
      kernels.raceKeys(v + 4 * first, count, index + first, low, high, out + 4 * first),
  },
  rotate: {
    size: (_v, length, n) => [length, n * Math.ceil(ANY / n)],
    piece: (kernels, first, count, [v, , n, matrix, before, after, out]) =>
      kernels.rotate(v + 4 * first, count, n, matrix, before, after, out + 4 * first),
  },
  sgd: elementwise("sgd", 2),
  momentum: elementwise("momentum", 3),
  adam: elementwise("adam", 4),
  amsgrad: elementwise("amsgrad", 5),
  adamax: elementwise("adamax", 4),
  rmsprop: elementwise("rmsprop", 5),
  adagrad: elementwise("adagrad", 3),
  adadelta: elementwise("adadelta", 4),
};

/** A kernel's calls as threads see them: from its number in this list, and the parameters as they come. */
export const divided = Object.entries(divisions).map(([name, division]) => ({
  name: name as keyof Kernels,
  division: division as unknown as Division<(...parameters: number[]) => number | undefined>,
}));
