/**
 * Who holds which examples. A partition gives every example to exactly one peer and leaves no peer empty;
 * it depends on labels, settings and seed only.
 */
import { z } from "zod";
import { InvalidExperiment } from "../foundation/errors.js";
import { normal, permutation, random } from "../foundation/random.js";

const iid = z.strictObject({ kind: z.literal("iid") });

const contiguous = z.strictObject({ kind: z.literal("contiguous") });

const shards = z.strictObject({
  kind: z.literal("shards"),
  classesPerPeer: z
    .union([z.literal("auto"), z.int().min(1)])
    .default("auto")
    .describe(
      "classes that each peer holds; auto: 2, or as many as few peers need to hold all; many peers hold runs of examples sorted by class",
    ),
});

const dirichlet = z.strictObject({
  kind: z.literal("dirichlet"),
  alpha: z
    .number()
    .min(1e-3)
    .max(1e6)
    .default(0.5)
    .describe("concentration: small gives each class to few peers, large gives everybody the same mix"),
  minimumExamples: z.int().min(1).default(10).describe("minimum examples per peer"),
});

const file = z.strictObject({
  kind: z.literal("file"),
  path: z
    .string()
    .min(1)
    .describe("file with the numbers of every peer's training examples, as murmur split --out writes it"),
});

const own = z.strictObject({
  kind: z.literal("own"),
  test: z
    .enum(["own", "common"])
    .default("own")
    .describe("own: each peer evaluates on test examples of its own; common: all have the same"),
});

/** How training data is split among peers, distinguished by `kind`; own: each peer has its own files, and trains on all of them. */
export const splitSettings = z.discriminatedUnion("kind", [iid, contiguous, shards, dirichlet, file, own]);

/** Classes of a peer where the peers are enough to hold all of them. */
const USUAL_CLASSES = 2;

/** How training examples are divided among the peers, or that every peer has its own. */
export type SplitSettings = z.output<typeof splitSettings>;
/** A split of one data set among all peers. */
export type CommonSplit = Exclude<SplitSettings, { kind: "own" }>;
/** A split that is made here; one of a file is read, and checked by {@link checkParts}. */
export type MadeSplit = Exclude<CommonSplit, { kind: "file" }>;

/** Splits that look at the class of each example; the others do for examples with several labels too. */
export const splitsByClass: readonly SplitSettings["kind"][] = ["shards", "dirichlet"];

/** What a partition is made for. */
export interface PartitionContext {
  readonly classes: number;
  readonly peers: number;
  readonly seed: number;
}

/**
 * Split examples among peers.
 *
 * - `iid`: examples are shuffled and dealt round the table; peers' counts differ by at most one.
 * - `contiguous`: each peer holds a run of examples that follow one another, as of a text; counts differ by at
 *   most one.
 * - `shards`: each peer holds exactly `classesPerPeer` classes. The classes, in random order, are dealt to the
 *   peers like cards from an endless deck, `classesPerPeer` in a row to each, so every class is held by
 *   ⌊slots / classes⌋ or one more peers; its holders share its examples evenly. Counts per peer may differ. `auto` is 2,
 *   or the least number with which every class has a holder; where a class has fewer examples than holders, the examples
 *   are sorted by class and each peer holds a run of them.
 * - `dirichlet`: for each class, proportions over peers are drawn from Dir(α, …, α) and the class is cut
 *   accordingly. A peer left with fewer than `minimumExamples` then takes examples, one by one, from whichever
 *   peer holds most.
 *
 * @param labels class of each example, 0 … classes − 1
 * @returns for each peer the indices of its examples, ascending
 * @throws InvalidExperiment more peers than examples, or settings that these peers and classes cannot meet
 * @see McMahan et al. 2017, “Communication-Efficient Learning of Deep Networks from Decentralized Data”, §3
 *   (sorted shards); Hsu et al. 2019, “Measuring the Effects of Non-Identical Data Distribution”, §2 (Dirichlet)
 */
export function partition(
  labels: ArrayLike<number>,
  settings: MadeSplit,
  context: PartitionContext,
): number[][] {
  const { peers } = context;
  if (labels.length < peers) {
    throw new InvalidExperiment(
      `${labels.length} training examples cannot be split among ${peers} peers: use fewer peers or more data`,
      { code: "too-few-examples" },
    );
  }
  const held =
    settings.kind === "iid"
      ? splitEvenly(labels, context)
      : settings.kind === "contiguous"
        ? splitInRuns(labels.length, peers)
        : settings.kind === "shards"
          ? splitInShards(labels, settings.classesPerPeer, context)
          : splitByDirichlet(labels, settings.alpha, settings.minimumExamples, context);
  for (const indices of held) indices.sort((a, b) => a - b);
  return held;
}

/**
 * Hold parts that were made elsewhere to what a partition is.
 *
 * @param parts for each peer the indices of its examples, in any order
 * @param source how error messages call them, for example the file's name
 * @returns the parts with indices ascending
 * @throws InvalidExperiment parts for another number of peers, a peer without examples, or an example that does
 *   not exist, has two holders or has none
 */
export function checkParts(
  parts: readonly (readonly number[])[],
  { examples, peers }: { readonly examples: number; readonly peers: number },
  source: string,
): number[][] {
  const remake = "regenerate it with `murmur split --out`, or use the topology and data that it was made for";
  if (parts.length !== peers) {
    throw new InvalidExperiment(`${source} is for ${parts.length} peers, not ${peers}: ${remake}`, {
      code: "split-file-peer-count",
    });
  }
  const holders = new Int32Array(examples).fill(-1);
  for (const [peer, indices] of parts.entries()) {
    if (indices.length === 0)
      throw new InvalidExperiment(`${source} assigns no examples to peer ${peer}: ${remake}`, {
        code: "split-file-empty-peer",
        peer,
      });
    for (const index of indices) {
      const holder = holders[index];
      if (holder === undefined) {
        throw new InvalidExperiment(
          `${source} assigns example ${index} to peer ${peer}, but the training examples are 0 to ${examples - 1}: ${remake}`,
          { code: "split-file-unknown-example", peer },
        );
      }
      if (holder >= 0) {
        const others = holder === peer ? `peer ${peer}` : `peers ${holder} and ${peer}`;
        throw new InvalidExperiment(`${source} assigns example ${index} twice, to ${others}: ${remake}`, {
          code: "split-file-repeated-example",
          peer,
        });
      }
      holders[index] = peer;
    }
  }
  const free = holders.indexOf(-1);
  if (free >= 0) {
    throw new InvalidExperiment(
      `${source} assigns example ${free} of the ${examples} training examples to no peer: ${remake}`,
      { code: "split-file-missing-example" },
    );
  }
  return parts.map((indices) => [...indices].sort((a, b) => a - b));
}

/** Examples of each class held by each peer: `table[peer][class]`. */
export function classTable(
  labels: ArrayLike<number>,
  parts: readonly (readonly number[])[],
  classes: number,
): number[][] {
  return parts.map((indices) => {
    const row = new Array<number>(classes).fill(0);
    for (const index of indices) row[labels[index]!]! += 1;
    return row;
  });
}

function splitEvenly(labels: ArrayLike<number>, { peers, seed }: PartitionContext): number[][] {
  const held = emptyParts(peers);
  permutation(labels.length, random(seed, "split")).forEach((example, i) => {
    held[i % peers]!.push(example);
  });
  return held;
}

function splitInRuns(count: number, peers: number): number[][] {
  const start = (peer: number) => Math.floor((peer * count) / peers);
  return Array.from({ length: peers }, (_, peer) =>
    Array.from({ length: start(peer + 1) - start(peer) }, (_, i) => start(peer) + i),
  );
}

function splitInShards(
  labels: ArrayLike<number>,
  classesPerPeer: number | "auto",
  context: PartitionContext,
): number[][] {
  if (classesPerPeer !== "auto") return splitByClass(labels, classesPerPeer, context);
  const { classes, peers, seed } = context;
  const held = Math.min(classes, Math.max(USUAL_CLASSES, Math.ceil(classes / peers)));
  const byClass = shuffledClasses(labels, classes, seed);
  const holders = Math.ceil((peers * held) / classes);
  if (byClass.every((examples) => examples.length >= holders)) return splitByClass(labels, held, context);
  const sorted = byClass.flat();
  return splitInRuns(sorted.length, peers).map((run) => run.map((place) => sorted[place]!));
}

function splitByClass(
  labels: ArrayLike<number>,
  classesPerPeer: number,
  { classes, peers, seed }: PartitionContext,
): number[][] {
  if (classesPerPeer > classes) {
    throw new InvalidExperiment(
      `split: classesPerPeer is ${classesPerPeer}, but there are ${classes} classes: lower it`,
      { code: "too-many-classes-per-peer", field: "split.classesPerPeer" },
    );
  }
  if (peers * classesPerPeer < classes) {
    throw new InvalidExperiment(
      `split: ${peers} peers with ${classesPerPeer} classes each cannot hold all ${classes} classes: set classesPerPeer to at least ${Math.ceil(classes / peers)}`,
      { code: "too-few-classes-per-peer", field: "split.classesPerPeer" },
    );
  }
  const deck = permutation(classes, random(seed, "split", "classes"));
  const holders = emptyParts(classes);
  for (let slot = 0; slot < peers * classesPerPeer; slot++) {
    holders[deck[slot % classes]!]!.push(Math.floor(slot / classesPerPeer));
  }
  const held = emptyParts(peers);
  shuffledClasses(labels, classes, seed).forEach((examples, label) => {
    const sharing = holders[label]!;
    if (examples.length < sharing.length) {
      throw new InvalidExperiment(
        `split: class ${label} has ${examples.length} examples for the ${sharing.length} peers that share it: lower classesPerPeer or use fewer peers`,
        { code: "class-too-small", field: "split.classesPerPeer" },
      );
    }
    examples.forEach((example, i) => {
      held[sharing[i % sharing.length]!]!.push(example);
    });
  });
  return held;
}

function splitByDirichlet(
  labels: ArrayLike<number>,
  alpha: number,
  minimumExamples: number,
  { classes, peers, seed }: PartitionContext,
): number[][] {
  if (peers * minimumExamples > labels.length) {
    throw new InvalidExperiment(
      `split: ${labels.length} training examples cannot give each of ${peers} peers ${minimumExamples}: lower minimumExamples or use fewer peers`,
      { code: "too-few-examples-per-peer", field: "split.minimumExamples" },
    );
  }
  const held = emptyParts(peers);
  shuffledClasses(labels, classes, seed).forEach((examples, label) => {
    const proportions = dirichletProportions(alpha, peers, seed, label);
    let cumulated = 0;
    let start = 0;
    proportions.forEach((share, peer) => {
      cumulated += share;
      const end = peer === peers - 1 ? examples.length : Math.round(cumulated * examples.length);
      for (let i = start; i < end; i++) held[peer]!.push(examples[i]!);
      start = Math.max(start, end);
    });
  });

  for (const poor of held) {
    while (poor.length < minimumExamples) {
      const rich = held.reduce((most, candidate) => (candidate.length > most.length ? candidate : most));
      poor.push(rich.pop()!);
    }
  }
  return held;
}

/** One draw from the symmetric Dirichlet distribution: gamma draws divided by their sum. */
function dirichletProportions(alpha: number, peers: number, seed: number, label: number): number[] {
  const logs = Array.from({ length: peers }, (_, peer) => logGamma(alpha, seed, label, peer));
  // With small α all draws may underflow, so the largest is made 1 before the logarithms are undone.
  const largest = Math.max(...logs);
  const draws = logs.map((log) => Math.exp(log - largest));
  const sum = draws.reduce((total, draw) => total + draw, 0);
  return draws.map((draw) => draw / sum);
}

/**
 * Logarithm of a Gamma(shape, 1) draw. A shape below 1 is raised by one and corrected: Gamma(a) equals
 * Gamma(a + 1) · U^(1/a) in distribution.
 *
 * @see Marsaglia and Tsang 2000, “A Simple Method for Generating Gamma Variables”
 */
function logGamma(shape: number, seed: number, label: number, peer: number): number {
  const normals = random(seed, "split", "normal", label, peer);
  const uniforms = random(seed, "split", "uniform", label, peer);
  const raised = shape < 1 ? shape + 1 : shape;
  const d = raised - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (let attempt = 0; ; attempt++) {
    const x = normal(normals, attempt);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    if (Math.log(1 - uniforms.uniform(attempt + 1)) < 0.5 * x * x + d - d * v + d * Math.log(v)) {
      const correction = shape < 1 ? Math.log(1 - uniforms.uniform(0)) / shape : 0;
      return Math.log(d * v) + correction;
    }
  }
}

/** Indices of each class, each class in an order of its own. */
function shuffledClasses(labels: ArrayLike<number>, classes: number, seed: number): number[][] {
  const byClass = emptyParts(classes);
  for (let i = 0; i < labels.length; i++) byClass[labels[i]!]!.push(i);
  return byClass.map((indices, label) =>
    permutation(indices.length, random(seed, "split", "class", label)).map((i) => indices[i]!),
  );
}

function emptyParts(count: number): number[][] {
  return Array.from({ length: count }, () => []);
}
