/** What one peer learns from and is evaluated on: its part of a common data set, or files of its own. */
import type { Dataset, Examples, ExamplesDescription, FileNumbers, Scaling, Targets } from "../dataset.js";
import { descriptionOf, sizeOf } from "../dataset.js";
import { oddities, requireDifferences } from "../datasets/check.js";
import { datasetFingerprint, ownFilesFingerprint, partsFingerprint } from "../datasets/content.js";
import { loadDataset, loadUnscaled, type Standardised, standardised } from "../datasets/index.js";
import { type CommonSplit, type MadeSplit, partition, splitsByClass } from "../datasets/partition.js";
import { mergeMoments, momentsOf, problemWithMoments, scale, scalingOf } from "../datasets/parts.js";
import { inFloat32 } from "../datasets/rounding.js";
import { readSplit } from "../datasets/split-file.js";
import type { Fingerprint } from "../exchange/fingerprint.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { Mutable } from "../foundation/mutable.js";
import { lastOf } from "./last-of.js";
import type { Task } from "./task.js";
import type { TrainerContext, TrainerPooling } from "./trainer.js";

export interface PeerData {
  readonly train: Examples;
  readonly test: Examples;
  /** With the scaling that all peers' examples have, once they agree on it. */
  readonly description: ExamplesDescription;
  readonly pooling: TrainerPooling;
  /** What the user should know of it before the run, one line each. */
  readonly warnings: readonly string[];
  /** What peers of a run compare of it. */
  fingerprint(): Promise<Fingerprint>;
}

/** @throws InvalidData or InvalidExperiment files, or a split of them, that cannot be used */
export async function loadPeerData(
  { data, split }: Pick<Task, "data" | "split">,
  { peer, peers, seed }: TrainerContext,
): Promise<PeerData> {
  if (split.kind === "own") {
    const dataset = await loadUnscaled(data);
    const fingerprint = () => ownFilesFingerprint(dataset, split.test);
    const scaled = standardised(data);
    if (scaled.features || scaled.targets) return standardisedTogether(dataset, scaled, fingerprint);
    const { train, test } = inFloat32(dataset);
    return {
      train,
      test,
      description: descriptionOf(dataset),
      pooling: counting(dataset),
      warnings: [],
      fingerprint,
    };
  }
  const dataset = await loadDataset(data);
  const parts = await splitOf(dataset, split, peers, seed);
  const train = selectExamples(dataset.train, parts[peer]!, sizeOf(dataset.inputShape));
  return {
    train,
    test: dataset.test,
    description: descriptionOf(dataset),
    pooling: counting({ ...dataset, train }),
    warnings: odditiesOf(dataset),
    fingerprint: async () => ({
      ...(await datasetFingerprint(dataset)),
      ...(split.kind === "file" && partsFingerprint(parts)),
    }),
  };
}

/** What `make` makes of a data set, once for all peers of a process. */
function perDataset<Value>(make: (dataset: Dataset) => Value): (dataset: Dataset) => Value {
  const made = new WeakMap<Dataset, Value>();
  return (dataset) => {
    if (!made.has(dataset)) made.set(dataset, make(dataset));
    return made.get(dataset)!;
  };
}

const odditiesOf = perDataset(oddities);
const lastPartsOf = perDataset(() => lastOf<Parts>());

/** A trainer's pooling that asks nothing of the others. */
const counting = (dataset: Pick<Dataset<FileNumbers>, "train" | "inputShape">): TrainerPooling => ({
  examples: examplesOf(dataset),
  own: new Float64Array(0),
  merge() {},
  problemOf: () => undefined,
  take() {},
});

/** What is scaled together of all peers' examples: features or targets. */
interface ScaledNumbers {
  readonly channels: number;
  in<Numbers extends FileNumbers>(examples: Examples<Numbers>): Numbers;
  /** Says in the description how they are scaled. */
  note(scaling: Scaling): void;
}

/** Features, targets or both are those of the files, scaled once the moments of all peers' training examples are known. */
function standardisedTogether(
  dataset: Dataset<FileNumbers>,
  { features, targets: areTargets }: Standardised,
  fingerprint: PeerData["fingerprint"],
): PeerData {
  const parts = [dataset.train, dataset.test].map((part) => ({
    ofFiles: part,
    scaled: {
      features: new Float32Array(part.features),
      labels: part.labels instanceof Int32Array ? part.labels : new Float32Array(part.labels),
    },
  }));
  const targets: Mutable<Targets> = { ...dataset.targets };
  const description: Mutable<ExamplesDescription> = { ...descriptionOf(dataset), targets };
  const ofFeatures: ScaledNumbers = {
    channels: dataset.inputShape.at(-1)!,
    in: (part) => part.features,
    note(scaling) {
      description.scaling = scaling;
    },
  };
  const ofTargets: ScaledNumbers = {
    channels: targets.count,
    in: (part) => part.labels as Exclude<typeof part.labels, Int32Array>,
    note(scaling) {
      targets.scaling = scaling;
    },
  };
  const scaled = [...(features ? [ofFeatures] : []), ...(areTargets ? [ofTargets] : [])];
  const own = scaled.map((numbers) => momentsOf(numbers.in(dataset.train), numbers.channels));
  const starts = own.map((_, k) => own.slice(0, k).reduce((sum, { length }) => sum + length, 0));
  /** The moments of each that is scaled, as views. */
  const partsOf = (moments: Float64Array) =>
    own.map(({ length }, k) => moments.subarray(starts[k], starts[k]! + length));
  const pooling: TrainerPooling = {
    ...counting(dataset),
    own: Float64Array.from(own.flatMap((moments) => [...moments])),
    merge(into, other) {
      const others = partsOf(other);
      for (const [k, moments] of partsOf(into).entries()) mergeMoments(moments, others[k]!);
    },
    problemOf: (moments) =>
      partsOf(moments)
        .map(problemWithMoments)
        .find((problem) => problem !== undefined),
    take(moments) {
      const totals = partsOf(moments).map(scalingOf);
      for (const [k, numbers] of scaled.entries()) {
        numbers.note(totals[k]!);
        for (const part of parts)
          scale(numbers.in(part.ofFiles), totals[k]!, numbers.in<Float32Array>(part.scaled));
      }
    },
  };
  const [train, test] = parts.map((part) => part.scaled) as [Examples, Examples];
  return { train, test, description, pooling, warnings: [], fingerprint };
}

/** By peer, indices of training examples. */
type Parts = readonly (readonly number[])[];

/**
 * Which training examples of a data set each peer holds. What was split last is kept, except what a file says, as it may
 * change.
 *
 * @throws InvalidExperiment a split by class of examples that have several labels, or one that does not fit
 * @throws InvalidData a split file that cannot be read, or targets that are all alike
 */
export async function splitOf(
  dataset: Dataset,
  split: CommonSplit,
  peers: number,
  seed: number,
): Promise<Parts> {
  if (split.kind !== "file") {
    return lastPartsOf(dataset)([split, peers, seed], () => divide(dataset, split, peers, seed));
  }
  requireDifferences(dataset);
  return readSplit(split.path, { examples: examplesOf(dataset), peers });
}

function divide(dataset: Dataset, split: MadeSplit, peers: number, seed: number): Parts {
  const { targets, train } = dataset;
  requireDifferences(dataset);
  const count = examplesOf(dataset);
  const hasOneLabel = targets.kind === "classes" && train.labels.length === count;
  if (!hasOneLabel && splitsByClass.includes(split.kind)) {
    throw new InvalidExperiment(
      `split ${split.kind} needs one class per example, and ${dataset.name} has ${targets.kind === "classes" ? "several" : targets.kind}: use contiguous or iid`,
      { code: "split-needs-classes", field: "split.kind" },
    );
  }
  const labels = hasOneLabel ? train.labels : new Int32Array(count);
  return partition(labels, split, { classes: targets.count, peers, seed });
}

/** How many examples to learn from. */
const examplesOf = ({ train, inputShape }: Pick<Dataset<FileNumbers>, "train" | "inputShape">): number =>
  train.features.length / sizeOf(inputShape);

/** A copy of the examples with these indices, each of `size` features. */
function selectExamples(examples: Examples, indices: readonly number[], size: number): Examples {
  const perExample = examples.labels.length / (examples.features.length / size);
  const features = new Float32Array(indices.length * size);
  const labels = examples.labels.slice(0, indices.length * perExample);
  indices.forEach((index, i) => {
    features.set(examples.features.subarray(index * size, (index + 1) * size), i * size);
    for (let k = 0; k < perExample; k++)
      labels[i * perExample + k] = examples.labels[index * perExample + k]!;
  });
  return { features, labels };
}
