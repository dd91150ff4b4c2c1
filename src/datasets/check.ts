/** What targets and features of any data set must be, checked once when it is loaded. */
import { type Dataset, type FileNumbers, sizeOf, type Targets, targetNames } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";

/**
 * @param what the labels are of, for messages
 * @param perExample labels of each example
 * @throws InvalidData a label that is no target of this kind
 */
export function requireTargets(
  what: string,
  labels: Int32Array | FileNumbers,
  { kind, count }: Targets,
  perExample: number,
): void {
  const isRight = {
    classes: (label: number) => Number.isInteger(label) && label >= 0 && label < count,
    marks: (label: number) => label === 0 || label === 1,
    numbers: Number.isFinite,
  }[kind];
  const wrong = labels.findIndex((label: number) => !isRight(label));
  if (wrong < 0) return;
  const found = `${what}: label ${wrong} (of example ${Math.floor(wrong / perExample)}) is ${labels[wrong]}`;
  if (kind === "classes") {
    throw new InvalidData(
      `${found}, not a class from 0 to ${count - 1}: number the classes from 0, or say that targets are numbers`,
      { code: "label-not-a-class", field: "data" },
    );
  }
  if (kind === "marks") {
    throw new InvalidData(`${found}, not a mark, which is 0 or 1: correct it`, {
      code: "label-not-a-mark",
      field: "data",
    });
  }
  throw new InvalidData(`${found}, not a finite number: correct it, or leave the example out`, {
    code: "label-not-finite",
    field: "data",
  });
}

/**
 * Holds a data set to what splits, models and losses rely on.
 * @throws InvalidData features or targets that are not finite or not of their kind
 */
export function checkDataset<Numbers extends FileNumbers>(dataset: Dataset<Numbers>): Dataset<Numbers> {
  const { name, inputShape, targets, train, test } = dataset;
  for (const [part, examples] of [
    ["training", train],
    ["test", test],
  ] as const) {
    const size = sizeOf(inputShape);
    const count = examples.features.length / size;
    const wrong = firstNotFinite(examples.features);
    if (wrong >= 0) {
      throw new InvalidData(
        `data ${name}: ${part} example ${Math.floor(wrong / size)} has a feature that is ${examples.features[wrong]}, not a finite number: correct it, or leave the example out`,
        { code: "feature-not-finite", field: "data" },
      );
    }
    const perExample = examples.labels.length / count;
    if (targets.kind !== "classes" && perExample !== targets.count) {
      throw new InvalidData(
        `data ${name}: ${part} examples have ${perExample} labels each, and targets are ${targets.count} ${targets.kind}: give each example as many`,
        { code: "target-count", field: "data" },
      );
    }
    requireTargets(`data ${name}: ${part} data`, examples.labels, targets, perExample);
  }
  return dataset;
}

/** Index of the first number that is not finite, or −1. A plain loop: there may be 10⁸ numbers. */
function firstNotFinite(numbers: FileNumbers): number {
  for (let i = 0; i < numbers.length; i++) if (!Number.isFinite(numbers[i]!)) return i;
  return -1;
}

/** Most names that a warning lists. */
const LISTED_NAMES = 8;

/** What is odd about a data set that all peers share, one line each. */
export function oddities({ name, inputShape, targets, featureNames, train, test }: Dataset): string[] {
  const count = train.features.length / sizeOf(inputShape);
  const remarks: string[] = [];
  if (targets.kind === "classes" && train.labels.length === count) {
    for (const [part, { labels }, remedy] of [
      ["training", train, "the model cannot learn them"],
      ["test", test, "accuracies say nothing about them"],
    ] as const) {
      const present = new Set<number>(labels);
      const missing = targetNames(targets).filter((_, label) => !present.has(label));
      if (missing.length === 0) continue;
      remarks.push(
        `data ${name}: ${missing.length} of ${targets.count} classes have no ${part} examples (${listed(missing)}): ${remedy}`,
      );
    }
  }
  // Pixels at the edges of images may well be constant; columns that somebody named are not meant to be.
  const columns = featureNames && featureNames.length === sizeOf(inputShape) ? featureNames : [];
  const constant = columns.filter((_, column) => isConstant(train.features, column, columns.length));
  if (constant.length > 0) {
    remarks.push(
      `data ${name}: the same number in all training examples is in ${constant.length} of ${columns.length} columns (${listed(constant)}): nothing is learned from them`,
    );
  }
  return remarks;
}

function listed(names: readonly string[]): string {
  const more = names.length > LISTED_NAMES ? ` and ${names.length - LISTED_NAMES} more` : "";
  return `${names.slice(0, LISTED_NAMES).join(", ")}${more}`;
}

function isConstant(numbers: Float32Array, column: number, columns: number): boolean {
  let i = column;
  while (i < numbers.length && numbers[i] === numbers[column]) i += columns;
  return i >= numbers.length;
}

/** @throws InvalidData targets of training examples that leave nothing to learn */
export function requireDifferences({ name, train: { labels }, targets }: Dataset): void {
  const { kind, count, names } = targets;
  if (kind === "classes" && labels.every((label: number) => label === labels[0])) {
    throw new InvalidData(
      `data ${name}: all training examples are of class ${JSON.stringify(names?.[labels[0]!] ?? String(labels[0]))}, so there is nothing to learn: check which column or folder holds the classes, or use more examples`,
      { code: "one-class", field: "data" },
    );
  }
  for (let column = 0; kind === "numbers" && column < count; column++) {
    let row = column;
    while (row < labels.length && labels[row] === labels[column]) row += count;
    if (row < labels.length) continue;
    throw new InvalidData(
      `data ${name}: target ${names?.[column] ?? column} is the same number in all training examples, so there is nothing to learn: choose another, or use more examples`,
      { code: "target-constant", field: "data" },
    );
  }
}
