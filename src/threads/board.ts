/**
 * What threads share: one block of memory with the call at hand. Its pieces are taken by whichever thread is
 * free, so that the caller never waits for a thread that did not wake up, only for pieces that are being worked on.
 *
 * The call is open while SEQUENCE is odd. A thread counts itself in ACTIVE before it looks, and the caller closes the
 * call and then waits until no thread is active, so the call is never written while a thread may read it.
 */
import { divided } from "../kernels/division.js";
import type { Kernels } from "../kernels/kernels.js";
import { MAX_SPACE_BYTES } from "../kernels/kernels.js";
import { PART } from "../kernels/reference/vector.js";

/** Numbers of a piece, about: little enough to share the work evenly, and enough that taking one costs nothing. */
export const PIECE_LENGTH = 1 << 16;
/** Looks at a value that is about to change, before the thread goes to sleep over it. */
const SPINS = 2000;

// Places in the block, as int32.
const SEQUENCE = 0;
const NEXT = 1;
const ACTIVE = 2;
const FAILED = 3;
const PASSED = 4;
const SPACE = 5;
const KERNEL = 6;
// Places in the block, as float64, after these.
const LENGTH = 8;
const STEP = 9;
const COUNT = 10;
const PARAMETERS = 11;
/** Most parameters that a kernel may have. */
export const MAX_PARAMETERS = 16;
const PARTIALS = PARAMETERS + MAX_PARAMETERS;
/** Parts of the longest vector that fits a memory. */
const MAX_PARTIALS = MAX_SPACE_BYTES / 4 / PART;

/** A block of memory for the threads that share it. */
export function createBlock(): SharedArrayBuffer {
  return new SharedArrayBuffer(8 * (PARTIALS + MAX_PARTIALS));
}

/** A thread's view of a block. */
export interface Board {
  /**
   * Makes a call and returns when all of its pieces are done; the caller's side.
   *
   * @param space which memory it is about, as the threads number them
   * @param kernel index into `divided`
   */
  call(kernels: Kernels, space: number, kernel: number, parameters: readonly number[]): number | undefined;
  /**
   * Worker loop; never returns.
   *
   * @param kernelsOf the kernels on a memory
   */
  help(kernelsOf: (space: number) => Kernels): never;
}

/** @param pieceLength numbers of a piece, about, in the calls that this thread makes */
export function openBoard(block: SharedArrayBuffer, pieceLength = PIECE_LENGTH): Board {
  const words = new Int32Array(block);
  const numbers = new Float64Array(block);
  const parameters: number[] = [];

  /** Does pieces of the open call until all are taken. */
  function work(kernels: Kernels): void {
    const { division } = divided[words[KERNEL]!]!;
    const length = numbers[LENGTH]!;
    const step = numbers[STEP]!;
    parameters.length = numbers[COUNT]!;
    for (let k = 0; k < parameters.length; k++) parameters[k] = numbers[PARAMETERS + k]!;
    for (;;) {
      const piece = Atomics.add(words, NEXT, 1);
      const first = piece * step;
      if (first >= length) return;
      const result = division.piece(kernels, first, Math.min(step, length - first), parameters);
      if (division.result === "sum") numbers[PARTIALS + piece] = result!;
      else if (division.result === "every" && !result) Atomics.store(words, PASSED, 0);
    }
  }

  /** Sleeps while the word has this value. */
  function whileIs(word: number, value: number): void {
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(words, word) !== value) return;
    Atomics.wait(words, word, value);
  }

  return {
    call(kernels, space, kernel, given) {
      const { division } = divided[kernel]!;
      const [length, unit] = division.size(...given);
      const step = division.result === "sum" ? unit : Math.max(1, Math.round(pieceLength / unit)) * unit;
      words[SPACE] = space;
      words[KERNEL] = kernel;
      words[NEXT] = 0;
      words[PASSED] = 1;
      words[FAILED] = 0;
      numbers[LENGTH] = length;
      numbers[STEP] = step;
      numbers[COUNT] = given.length;
      numbers.set(given, PARAMETERS);

      Atomics.add(words, SEQUENCE, 1);
      Atomics.notify(words, SEQUENCE);
      try {
        work(kernels);
      } finally {
        Atomics.add(words, SEQUENCE, 1);
        for (let active = 1; active !== 0; ) {
          active = Atomics.load(words, ACTIVE);
          if (active !== 0) whileIs(ACTIVE, active);
        }
      }
      if (words[FAILED]) throw new Error(`${divided[kernel]!.name} failed in a worker thread`);
      if (division.result === "every") return words[PASSED];
      if (division.result !== "sum") return undefined;
      let sum = 0;
      for (let first = 0, piece = 0; first < length; first += step, piece++)
        sum += numbers[PARTIALS + piece]!;
      return sum;
    },
    help(kernelsOf) {
      for (;;) {
        const sequence = Atomics.load(words, SEQUENCE);
        if (sequence & 1) {
          Atomics.add(words, ACTIVE, 1);
          try {
            if (Atomics.load(words, SEQUENCE) === sequence) work(kernelsOf(words[SPACE]!));
          } catch {
            Atomics.store(words, FAILED, 1);
          }
          if (Atomics.sub(words, ACTIVE, 1) === 1) Atomics.notify(words, ACTIVE);
        }
        whileIs(SEQUENCE, sequence);
      }
    },
  };
}
