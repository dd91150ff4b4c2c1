/** What a data set is, wherever its files lie: what peers of a run compare before they exchange anything. */
import {
  type Dataset,
  type Examples,
  type ExamplesDescription,
  type FileNumbers,
  sizeOf,
  targetNames,
} from "../dataset.js";
import { digest, type Fingerprint, listed } from "../exchange/fingerprint.js";
import { digestOfNumbers } from "./digest-of-numbers.js";

/** Value of `data` at a peer whose neighbours may train on another data set. */
const ANY_DATA = "any";

const digests = new WeakMap<Dataset, Promise<string>>();

/**
 * - `classes`, `marks` or `numbers`: names of the targets in their order; one without a name goes by its number.
 * - `exampleShape`: of one example.
 * - `data`: digest of all training and held-out examples, computed once per data set.
 */
export async function datasetFingerprint(dataset: Dataset): Promise<Fingerprint> {
  let examples = digests.get(dataset);
  if (!examples) {
    examples = describeExamples(dataset);
    digests.set(dataset, examples);
  }
  return { ...formOf(dataset), data: await examples };
}

/**
 * Where each peer has files of its own: what their examples have in common.
 *
 * - `classes`, `marks` or `numbers`, and `exampleShape`: as of a common data set.
 * - `features`: names of an example's numbers, where the files name them.
 * - `data`: that the test examples are the peer's own, or the digest of those that all have.
 */
export async function ownFilesFingerprint(
  dataset: Dataset<FileNumbers>,
  test: "own" | "common",
): Promise<Fingerprint> {
  const { featureNames } = dataset;
  return {
    ...formOf(dataset),
    ...(featureNames && { features: listed(featureNames) }),
    data: test === "own" ? "each peer's own" : `each peer's own, ${await describeTest(dataset)}`,
  };
}

function formOf({ targets, inputShape }: ExamplesDescription): Fingerprint {
  return {
    [targets.kind]: listed(targetNames(targets)),
    exampleShape: inputShape.join(" × "),
  };
}

async function describeTest({ test, inputShape }: Dataset<FileNumbers>): Promise<string> {
  const parts = [await digestOfNumbers(test.features), await digestOfNumbers(test.labels)];
  return `${test.features.length / sizeOf(inputShape)} test examples of SHA-256 ${digest(parts)}`;
}

/** `splitParts`: which examples each peer holds, where a file says so; other splits follow from data and settings. */
export function partsFingerprint(parts: readonly (readonly number[])[]): Fingerprint {
  return {
    splitParts: listed(parts.map((indices) => `${indices.length} examples, ${digest(indices).slice(0, 12)}`)),
  };
}

/**
 * The fingerprint of a peer that accepts neighbours with other examples. Targets, shape and everything else still
 * count, and a neighbour must accept as much, so that no peer mixes with other data unknowingly.
 */
export function allowDifferentData(fingerprint: Fingerprint): Fingerprint {
  const { splitParts: _, ...others } = fingerprint;
  return { ...others, data: ANY_DATA };
}

async function describeExamples({ train, test, inputShape }: Dataset): Promise<string> {
  const count = ({ features }: Examples) => features.length / sizeOf(inputShape);
  const parts = [];
  for (const numbers of [train.features, train.labels, test.features, test.labels]) {
    parts.push(await digestOfNumbers(numbers));
  }
  return `${count(train)} training and ${count(test)} test examples, SHA-256 ${digest(parts)}`;
}
