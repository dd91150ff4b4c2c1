/** Target columns of a table, and the labels that they become. */
import type { Targets } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";

/** More classes than this in a column mean that it holds no classes. */
const MAX_CLASSES = 10_000;

/** More different numbers than this share of the rows, and than a few, are measurements and no classes. */
const MOST_NUMBERED_SHARE = 0.5;
const FEW_CLASSES = 20;

/** What a table has in its target columns. */
export interface TargetTable {
  /** File that messages name. */
  readonly source: string;
  /** Names of the target columns; undefined in a table without names. */
  readonly names: readonly string[] | undefined;
  /** What stands in the target columns, row by row, and the line of the file where it does. */
  readonly rows: readonly { readonly words: readonly string[]; readonly line: number }[];
}

/**
 * What the target columns of tables with equal columns hold.
 *
 * @param known names of all classes; those of the tables where left out
 * @throws InvalidData columns that cannot be targets of this kind, or a class that `known` lacks
 */
export function targetsOf(
  kind: Targets["kind"],
  tables: readonly TargetTable[],
  known?: readonly string[],
): Targets {
  const [{ source, names, rows }] = tables as [TargetTable];
  const count = rows[0]!.words.length;
  if (kind !== "classes") {
    if (known) {
      throw new InvalidData(
        `csv: data.classes names classes, and data.targets are ${kind}: remove data.classes, or set data.targets to classes`,
        { code: "csv-classes-of-no-targets", field: "data.classes" },
      );
    }
    return { kind, count, ...(names && { names }) };
  }
  if (count !== 1) {
    throw new InvalidData(
      `csv: classes are in one column, and data.label names ${count}: name one, or set data.targets to marks or numbers`,
      { code: "csv-one-class-column", field: "data.label" },
    );
  }
  if (known) {
    for (const table of tables) requireKnown(table, known);
    return { kind, count: known.length, names: known };
  }
  const classes = classNames(
    tables.flatMap(({ rows }) => rows.map(({ words }) => words[0]!)),
    source,
  );
  return { kind, count: classes.length, names: classes };
}

/** @throws InvalidData a row without a class */
export function requireClasses({ rows, source }: TargetTable): void {
  const empty = rows.find(({ words }) => words[0] === "");
  if (!empty) return;
  throw new InvalidData(
    `csv: line ${empty.line} of ${source} has no class: add it, remove the line, or choose another column with data.label`,
    { code: "csv-class-missing", field: `${source}:${empty.line}` },
  );
}

/** @throws InvalidData the name of the target column is a class, so that the first line is a row */
export function requireNamedTarget({ rows, names, source }: TargetTable): void {
  const [name] = names ?? [];
  if (name === undefined || !rows.some(({ words }) => classOf(words[0]!) === classOf(name))) return;
  throw new InvalidData(
    `csv: the first line of ${source} names the column of the classes ${JSON.stringify(name)}, which is one of them: set data.header to false, or add a line of names`,
    { code: "csv-header-with-class", field: "data.header" },
  );
}

/** @throws InvalidData a row of a class that `data.classes` does not name */
function requireKnown({ rows, source }: TargetTable, known: readonly string[]): void {
  const classes = new Set(known.map(classOf));
  const unknown = rows.find(({ words }) => !classes.has(classOf(words[0]!)));
  if (!unknown) return;
  throw new InvalidData(
    `csv: line ${unknown.line} of ${source} is of class ${JSON.stringify(unknown.words[0])}, which data.classes does not name: add it there, or fix the row`,
    { code: "csv-unknown-class", field: `${source}:${unknown.line}` },
  );
}

/** The class that a word stands for: whole numbers are written with a decimal point, too. */
const classOf = (word: string) => (/^[-+]?\d+\.0*$/.test(word) ? word.slice(0, word.indexOf(".")) : word);

/** Classes in order: of numbers by value, of words by code unit. */
function classNames(words: readonly string[], source: string): string[] {
  const names = [...new Set(words.map(classOf))];
  const areNumbers = names.every((name) => name !== "" && Number.isFinite(Number(name)));
  const fraction = areNumbers && names.find((name) => !Number.isInteger(Number(name)));
  if (fraction) {
    throw new InvalidData(
      `csv: the label column of ${source} holds numbers such as ${fraction}, which are no classes: set data.targets to numbers for a regression, or choose another column with data.label`,
      { code: "csv-numbers-as-classes", field: "data.targets" },
    );
  }
  if (areNumbers && names.length > MOST_NUMBERED_SHARE * words.length && names.length > FEW_CLASSES) {
    throw new InvalidData(
      `csv: the label column of ${source} has ${names.length} different numbers in ${words.length} rows, which are hardly classes: set data.targets to numbers for a regression, or choose another column with data.label`,
      { code: "csv-measurements-as-classes", field: "data.targets" },
    );
  }
  if (names.length > MAX_CLASSES) {
    throw new InvalidData(
      `csv: the label column of ${source} has more than ${MAX_CLASSES} different values: choose another with data.label, or set data.targets to numbers for a regression`,
      { code: "csv-too-many-classes", field: "data.label" },
    );
  }
  return names.sort((a, b) => (areNumbers ? Number(a) - Number(b) : a < b ? -1 : 1));
}

/**
 * The labels of a table: numbers of classes, marks, or numbers as they are written.
 *
 * @throws InvalidData says which line of the file is wrong and how
 */
export function labelsOf({ rows, names, source }: TargetTable, targets: Targets): Int32Array | Float64Array {
  if (targets.kind === "classes") {
    const numbers = new Map(targets.names!.map((name, number) => [classOf(name), number]));
    return Int32Array.from(rows, ({ words }) => numbers.get(classOf(words[0]!))!);
  }
  const wanted = targets.kind === "marks" ? "0 or 1" : "a finite number";
  const Labels = targets.kind === "marks" ? Int32Array : Float64Array;
  const labels = new Labels(rows.length * targets.count);
  for (const [row, { words, line }] of rows.entries()) {
    for (const [k, word] of words.entries()) {
      const value = word === "" ? Number.NaN : Number(word);
      const isRight =
        targets.kind === "marks" ? value === 0 || value === 1 : Number.isFinite(Math.fround(value));
      if (!isRight) {
        throw new InvalidData(
          `csv: line ${line} of ${source}: target ${names?.[k] ?? k} is ${JSON.stringify(word.slice(0, 20))}, not ${wanted}: fix it, remove the line, or change data.targets`,
          { code: "csv-target", field: `${source}:${line}` },
        );
      }
      labels[row * targets.count + k] = value;
    }
  }
  return labels;
}
