/** Examples from elsewhere, brought to what a trained model takes. */
import {
  type ExamplesDescription,
  type FileNumbers,
  type Rows,
  type Targets,
  targetNames,
} from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { scale } from "./parts.js";

/** Most classes or targets that a message lists. */
const LISTED_NAMES = 20;

/**
 * Features as the model's training data had them.
 * @param source what messages call the rows
 * @throws InvalidData examples of another shape, or with classes among their features that the model does not know
 */
export function fitFeatures(rows: Rows, model: ExamplesDescription, source: string): Float32Array {
  if (rows.inputShape.join() !== model.inputShape.join()) {
    throw new InvalidData(
      `${source} has examples of shape [${rows.inputShape.join(", ")}], and the model takes [${model.inputShape.join(", ")}]: use data like those that it was trained on`,
      { code: "rows-of-another-shape", field: "data" },
    );
  }
  requireColumns(rows, model, source);
  if (rows.featuresAreClasses) return Float32Array.from(classesIn(rows.features, rows, model, source));
  if (!model.scaling) return Float32Array.from(rows.features);
  const features = new Float32Array(rows.features.length);
  scale(rows.features, model.scaling, features);
  return features;
}

/** @throws InvalidData the columns of both have names, and they differ */
function requireColumns(rows: Rows, model: ExamplesDescription, source: string): void {
  const [theirs, ours] = [rows.featureNames, model.featureNames];
  const k = theirs && ours ? ours.findIndex((name, column) => name !== theirs[column]) : -1;
  if (k < 0) return;
  throw new InvalidData(
    `column ${k + 1} beside the targets is ${JSON.stringify(theirs![k])} in ${source}, and ${JSON.stringify(ours![k])} in what the model was trained on: give it the same columns in the same order`,
    { code: "rows-of-other-columns", field: "data" },
  );
}

/**
 * Labels as the model's training data had them: numbers of its classes, marks, or numbers as it scales them.
 * @throws InvalidData no labels, labels of other targets, or a class that the model does not know
 */
export function fitLabels(rows: Rows, model: ExamplesDescription, source: string): Int32Array | Float32Array {
  const { kind, scaling } = model.targets;
  if (!rows.labels) {
    throw new InvalidData(
      `${source} has no ${kind} to compare predictions with: add them, or use murmur predict`,
      { code: "rows-without-labels", field: "data" },
    );
  }
  if (rows.targets.kind === "classes" && kind === "classes")
    return classesIn(rows.labels, rows, model, source);
  if (!areSame(rows.targets, model.targets)) {
    throw new InvalidData(
      `the targets of ${source} are ${textOf(rows.targets)}, and the model predicts ${textOf(model.targets)}: use data like those that it was trained on`,
      { code: "rows-of-other-targets", field: "data" },
    );
  }
  if (!scaling) return rows.labels instanceof Int32Array ? rows.labels : Float32Array.from(rows.labels);
  const labels = new Float32Array(rows.labels.length);
  scale(rows.labels, scaling, labels);
  return labels;
}

/** Whether targets are of one kind and count, and in one order where both have names. */
function areSame(a: Targets, b: Targets): boolean {
  const { names } = b;
  const areNamedAlike = !names || (a.names?.every((name, k) => name === names[k]) ?? true);
  return a.kind === b.kind && a.count === b.count && areNamedAlike;
}

const textOf = ({ kind, count, names }: Targets) =>
  `${count} ${kind}${names ? ` (${names.slice(0, LISTED_NAMES).join(", ")})` : ""}`;

/** Numbers of the rows' classes as numbers of the model's, by name. */
function classesIn(
  numbers: Int32Array | FileNumbers,
  rows: ExamplesDescription,
  model: ExamplesDescription,
  source: string,
): Int32Array {
  const known = new Map(targetNames(model.targets).map((name, label) => [name, label]));
  const names = targetNames(rows.targets);
  const translated = names.map((name) => known.get(name));
  return Int32Array.from(numbers, (number: number) => {
    const label = translated[number];
    if (label !== undefined) return label;
    throw new InvalidData(
      `${source} has class ${JSON.stringify(names[number] ?? String(number))}, which the model does not know: its classes are ${listed(targetNames(model.targets))}; remove the class, or train with it`,
      { code: "class-unknown-to-model", field: "data" },
    );
  });
}

/** Names in a message: the first, and how many more there are. */
export function listed(names: readonly string[]): string {
  const more = names.length > LISTED_NAMES ? ` and ${names.length - LISTED_NAMES} more` : "";
  return `${names.slice(0, LISTED_NAMES).join(", ")}${more}`;
}
