/**
 * What peers know of each other's examples: how many there are, and what trainers ask for, such as the means and variances
 * of features. It is brought together before the first round; newcomers take it from those that have it.
 */
import { createTreeReduction, type Passes, type TreeReduction } from "./algorithms/tree-reduction.js";
import { InvalidExperiment } from "./foundation/errors.js";
import type { Neighbour } from "./graphs/mixing.js";
import type { Branch } from "./graphs/spanning-tree.js";
import type { Epoch } from "./membership/membership.js";
import type { Trainer } from "./trainers/trainer.js";
import type { State } from "./vectors/state.js";
import type { Bytes, VectorSpace } from "./vectors/vector.js";

/** How much the update of each peer counts: alike, or in proportion to its training examples. */
export const peerWeights = ["equal", "examples"] as const;
export type PeerWeights = (typeof peerWeights)[number];

/** Numbers before those of the trainers: peers, and training examples. */
const COUNTS = 2;
/** Steps of its exchanges. */
const FIRST_STEP = 0;

export interface Pooling {
  /** Bytes of its largest payload; 0 where there is nothing to bring together. */
  readonly payloadBytes: number;
  readonly state: State;
  /** Exchanges before the first round of an epoch; undefined where none are needed. */
  passes(): Passes | undefined;
  /** The trainer takes what a checkpoint has. */
  restored(): void;
  /** n_i / n̄: examples of this peer in those of the mean one; 1 where all count alike. */
  share(): number;
  has(step: number): boolean;
  /** @throws MalformedPayload */
  check(payload: Bytes, step: number, from: number): void;
}

export interface PoolingOptions {
  readonly id: number;
  readonly edges: readonly Neighbour[];
  /** This peer's place in the tree of all; needed where there is something to bring together. */
  readonly branch: Branch | undefined;
  readonly trainer: Pick<Trainer, "pooling">;
  readonly plan: { readonly peerWeights?: PeerWeights };
  /** The run's first where left out. */
  readonly epoch: Pick<Epoch, "number" | "newcomers"> | undefined;
  readonly space: VectorSpace;
}

/** Float32 numbers in the peer's memory that hold what is pooled. */
export function pooledLength({ trainer, plan }: Pick<PoolingOptions, "trainer" | "plan">): number {
  const { pooling } = trainer;
  const isNeeded = (pooling?.own.length ?? 0) > 0 || plan.peerWeights === "examples";
  return isNeeded ? 2 * (COUNTS + (pooling?.own.length ?? 0)) : 0;
}

/** @throws InvalidExperiment weights by examples with a trainer that does not count them, or peers without a tree */
export function createPooling(options: PoolingOptions): Pooling {
  const length = pooledLength(options);
  if (length === 0) return noPooling;
  const { id, edges, branch, plan, trainer, epoch, space } = options;
  const pooling = trainer.pooling ?? refuse(id);
  if (!branch) {
    throw new InvalidExperiment(
      `peer ${id} adds up what all peers hold and has no place in a tree of them: give createPeer its branch of spanningTree`,
      { code: "pooling-without-tree", peer: id },
    );
  }
  const memory = space.vector(length);
  const numbers = new Float64Array(memory.buffer, memory.byteOffset, length / 2);
  const ofTrainers = numbers.subarray(COUNTS);
  const reduction = createTreeReduction({
    ...{ id, edges, branch, length: numbers.length, firstStep: FIRST_STEP },
    merge(into, other) {
      for (let k = 0; k < COUNTS; k++) into[k]! += other[k]!;
      pooling.merge(into.subarray(COUNTS), other.subarray(COUNTS));
    },
    problemOf: (theirs) => problemWithCounts(theirs) ?? pooling.problemOf(theirs.subarray(COUNTS)),
  });
  const { number = 0, newcomers = [] } = epoch ?? {};
  const take = () => pooling.take(ofTrainers);

  function* passes(reduction: TreeReduction): Passes {
    if (number === 0) {
      numbers.set([1, pooling.examples, ...pooling.own]);
      yield* reduction.reduce(numbers);
      take();
    } else {
      yield* reduction.spread(numbers);
      if (newcomers.includes(id)) take();
    }
  }
  return {
    payloadBytes: reduction.payloadBytes,
    state: { vectors: { numbers: memory }, scalars: {} },
    passes: () => (number === 0 || newcomers.length > 0 ? passes(reduction) : undefined),
    restored() {
      if (numbers[0]! > 0) take();
    },
    share() {
      const [peers, examples] = numbers;
      return plan.peerWeights === "examples" ? (pooling.examples * peers!) / examples! : 1;
    },
    has: reduction.has,
    check: reduction.check,
  };
}

const noPooling: Pooling = {
  payloadBytes: 0,
  state: { vectors: {}, scalars: {} },
  passes: () => undefined,
  restored() {},
  share: () => 1,
  has: () => false,
  check() {},
};

function problemWithCounts([peers, examples]: Float64Array): string | undefined {
  const isCount = (number: number | undefined) => Number.isSafeInteger(number) && number! > 0;
  return isCount(peers) && isCount(examples) ? undefined : `${examples} examples of ${peers} peers`;
}

function refuse(id: number): NonNullable<Trainer["pooling"]> {
  throw new InvalidExperiment(
    `peer ${id} cannot count by its examples: its trainer does not say how many it has; set peerWeights to "equal"`,
    { code: "trainer-without-examples", peer: id, field: "peerWeights" },
  );
}
