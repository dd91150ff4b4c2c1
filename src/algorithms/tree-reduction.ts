/**
 * What all peers hold, brought together at every one of them, the same to the bit: numbers are merged from the leaves of a
 * spanning tree to its root, and the result comes back down. Each edge of the tree carries them once each way, so a
 * neighbour sees what its whole branch holds together.
 */
import type { Settled } from "../exchange/settlement.js";
import { MalformedPayload, Unreachable } from "../foundation/errors.js";
import type { Neighbour } from "../graphs/mixing.js";
import type { Branch } from "../graphs/spanning-tree.js";
import type { Bytes } from "../vectors/vector.js";

/** One exchange of a reduction, on some of the tree's edges. */
export interface Pass {
  readonly edges: readonly Neighbour[];
  readonly step: number;
  readonly outgoing: Bytes;
}

/** Yields its exchanges; each resumes with what has settled. */
export type Passes = Generator<Pass, void, readonly Settled[]>;

/** Exchanges of an edge of the tree: up and down. */
export const REDUCTION_STEPS = 2;

export interface TreeReductionOptions {
  readonly id: number;
  /** This peer's edges. */
  readonly edges: readonly Neighbour[];
  readonly branch: Branch;
  /** How many float64 numbers are brought together. */
  readonly length: number;
  /** Number of the first of its two steps; of several reductions in one round each has steps of its own. */
  readonly firstStep: number;
  /** Adds another branch's numbers to those of this one. */
  merge(into: Float64Array, other: Float64Array): void;
  /** What is wrong with a branch's numbers; undefined where they can be used. */
  problemOf(numbers: Float64Array): string | undefined;
}

export interface TreeReduction {
  /** Bytes of its largest payload. */
  readonly payloadBytes: number;
  /** Turns what this peer holds into what all hold together, in place. */
  reduce(numbers: Float64Array): Passes;
  /** The root's numbers replace those of all others. */
  spread(numbers: Float64Array): Passes;
  /** Whether a frame of this step is one of its exchanges. */
  has(step: number): boolean;
  /** @throws MalformedPayload */
  check(payload: Bytes, step: number, from: number): void;
}

export function createTreeReduction(options: TreeReductionOptions): TreeReduction {
  const { id, edges, branch, length, firstStep: up, merge, problemOf } = options;
  const down = up + 1;
  const below = edges.filter(({ peer }) => branch.children.includes(peer));
  const above = edges.filter(({ peer }) => peer === branch.parent);
  const payloadBytes = length * Float64Array.BYTES_PER_ELEMENT;

  /** @throws Unreachable an exchange that does not count at this end */
  const taken = (pass: Pass, settled: readonly Settled[]): Float64Array[] => {
    const lost = pass.edges.find(
      ({ peer }) => !settled.some(({ edge, isVoid }) => edge.peer === peer && !isVoid),
    );
    if (!lost) return settled.map(({ theirs }) => numbersOf(theirs));
    throw new Unreachable(
      `peer ${id} gets no sums of its neighbour ${lost.peer}: start the run again without it`,
      { code: "no-sums", peer: id, neighbour: lost.peer },
    );
  };
  function* exchange(pass: Pass): Generator<Pass, Float64Array[], readonly Settled[]> {
    return pass.edges.length === 0 ? [] : taken(pass, yield pass);
  }
  function* spread(numbers: Float64Array): Passes {
    const [total] = yield* exchange({ edges: above, step: down, outgoing: nothing });
    if (total) numbers.set(total);
    yield* exchange({ edges: below, step: down, outgoing: bytesOf(numbers) });
  }

  return {
    payloadBytes,
    spread,
    *reduce(numbers) {
      const branches = yield* exchange({ edges: below, step: up, outgoing: nothing });
      for (const each of branches) merge(numbers, each);
      yield* exchange({ edges: above, step: up, outgoing: bytesOf(numbers) });
      yield* spread(numbers);
    },
    has: (step) => step === up || step === down,
    check(payload, step, from) {
      const isDue = from === branch.parent ? step === down : step === up && branch.children.includes(from);
      const due = isDue ? payloadBytes : 0;
      if (payload.length !== due) {
        throw new MalformedPayload(`has ${payload.length} bytes of sums, and ${due} are due`, {
          code: "sums-length",
          peer: id,
          neighbour: from,
        });
      }
      const problem = isDue ? problemOf(numbersOf(payload)) : undefined;
      if (problem === undefined) return;
      throw new MalformedPayload(`has sums that cannot be used: ${problem}`, {
        code: "sums-not-valid",
        peer: id,
        neighbour: from,
      });
    },
  };
}

const nothing: Bytes = new Uint8Array(0);

/** Little-endian float64, whatever this machine has. */
function bytesOf(numbers: Float64Array): Bytes {
  const bytes = new Uint8Array(numbers.byteLength);
  const view = new DataView(bytes.buffer);
  numbers.forEach((number, k) => {
    view.setFloat64(k * Float64Array.BYTES_PER_ELEMENT, number, true);
  });
  return bytes;
}

function numbersOf(bytes: Bytes): Float64Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.byteLength / Float64Array.BYTES_PER_ELEMENT;
  return Float64Array.from({ length: count }, (_, k) =>
    view.getFloat64(k * Float64Array.BYTES_PER_ELEMENT, true),
  );
}
