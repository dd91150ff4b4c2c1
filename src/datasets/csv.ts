import { z } from "zod";
import {
  type DatasetKind,
  type Examples,
  type FileNumbers,
  type Scaling,
  sizeOf,
  type Targets,
} from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { labelsOf, requireClasses, requireNamedTarget, type TargetTable, targetsOf } from "./csv-targets.js";
import { type Origin, readData } from "./files.js";
import { listed } from "./fit.js";
import { classList, holdOut, limited, partSettings, select, standardize, testShare } from "./parts.js";

const ORIGIN: Origin = { name: "csv", remedy: "check data.path" };

const column = z.union([z.string(), z.int()]);

const settings = z.strictObject({
  kind: z.literal("csv"),
  path: z.string().min(1).describe("table of numbers with columns of targets, gzip'd or not"),
  testPath: z
    .string()
    .min(1)
    .optional()
    .describe("file with the test examples; without it some are held out"),
  header: z.boolean().default(true).describe("whether the first line names the columns"),
  delimiter: z
    .string()
    .transform((text) => (text === "\\t" ? "\t" : text))
    .pipe(z.string().length(1))
    .default(",")
    .describe("character between two columns; \\t: a tab"),
  targets: z
    .enum(["classes", "numbers", "marks"])
    .default("classes")
    .describe(
      "what is predicted: a class; numbers (regression); marks, columns of 0 and 1 of which several may be 1 (multi-label)",
    ),
  label: z
    .union([column, z.array(column).min(1)])
    .default(-1)
    .describe(
      "column of the class, or columns of the numbers or marks: a name, or a number from 0; −1 is the last",
    ),
  classes: classList,
  shape: z
    .array(z.int().min(1))
    .min(1)
    .max(4)
    .optional()
    .describe("shape of one example, [height, width, channels] for images"),
  scale: z
    .enum(["none", "standard"])
    .default("standard")
    .describe("standard: every column gets mean 0 and variance 1 over the training examples"),
  targetScale: z
    .enum(["none", "standard"])
    .default("standard")
    .describe(
      "the same for targets that are numbers; errors and predictions are reported in the units of the file",
    ),
  testShare,
  ...partSettings,
});

/** A table of numbers with columns of targets; classes may be words. */
export const csv: DatasetKind<typeof settings> = {
  settings,
  unscaled: { scale: "none", targetScale: "none" },
  async readAll({ path, header, delimiter, label, targets: kind }, { inputShape, featureNames: ofModel }) {
    const lines = await parseLines(await readData(path, ORIGIN), { header, delimiter, source: path });
    requireColumnsOf(ofModel, lines.names, path);
    const columns = sizeOf(inputShape);
    const isLabelled = lines.width > columns;
    const table = readTable(lines, isLabelled ? labelColumns(label, lines, path) : [], path);
    if (table.columns !== columns) {
      throw new InvalidData(
        `csv: ${path} has ${table.columns} columns of numbers, and the model takes ${columns}: give it the columns of its training data, with the targets or without`,
        { code: "csv-columns-of-model", field: path },
      );
    }
    const { featureNames } = table;
    const about = { inputShape, ...(featureNames && { featureNames }) };
    if (!isLabelled) return { ...about, targets: { kind, count: 0 }, features: table.features };
    const targets = targetsOf(kind, [table]);
    return { ...about, targets, ...examplesOf(table, targets) };
  },
  async load({ path, testPath, header, delimiter, label, shape, scale, testShare: share, ...others }) {
    const { targets: kind, targetScale, classes, ...limits } = others;
    const read = async (file: string) => {
      const lines = await parseLines(await readData(file, ORIGIN), { header, delimiter, source: file });
      const table = readTable(lines, labelColumns(label, lines, file), file);
      if (kind === "classes") {
        requireClasses(table);
        requireNamedTarget(table);
      }
      return table;
    };
    const table = await read(path);
    const held = testPath === undefined ? undefined : await read(testPath);
    if (held) requireSameColumns(table, held, path, testPath!);
    const inputShape = shape ?? [table.columns];
    if (sizeOf(inputShape) !== table.columns) {
      throw new InvalidData(
        `csv: ${path} has ${table.columns} columns of numbers, and a shape of [${inputShape.join(", ")}] takes ${sizeOf(inputShape)}: change data.shape`,
        { code: "csv-shape", field: "data.shape" },
      );
    }
    const targets = targetsOf(kind, held ? [table, held] : [table], classes);
    const all = examplesOf(table, targets);
    const marks = held
      ? new Uint8Array(table.rows.length)
      : holdOut(kind === "classes" ? all.labels : new Int32Array(table.rows.length), share);
    const train = select(all, marks, 0);
    const test = held ? examplesOf(held, targets) : select(all, marks, 1);
    if (train.labels.length === 0 || test.labels.length === 0) {
      throw new InvalidData(
        `csv: ${path} has ${table.rows.length} rows, too few for a held-out part: add rows or set data.testPath`,
        { code: "csv-too-few-rows", field: path },
      );
    }
    const channels = shape ? inputShape.at(-1)! : table.columns;
    const scaling = scale === "standard" && standardize(train.features, test.features, channels);
    const ofTargets = targetScale === "standard" && scaleTargets(train, test, targets);
    const { featureNames } = table;
    const about = {
      ...{ name: "csv", inputShape },
      targets: { ...targets, ...(ofTargets && { scaling: ofTargets }) },
      ...(featureNames && { featureNames }),
    };
    return limited({ ...about, ...(scaling && { scaling }), train, test }, limits);
  },
};

interface Lines {
  readonly names: readonly string[] | undefined;
  readonly rows: readonly { readonly record: readonly string[]; readonly info: { readonly lines: number } }[];
  /** Count of columns, those of the targets included. */
  readonly width: number;
}

/** @throws InvalidData no table, or one without rows */
async function parseLines(
  bytes: Uint8Array,
  { header, delimiter, source }: { header: boolean; delimiter: string; source: string },
): Promise<Lines> {
  const { parse } = await import("csv-parse/sync");
  let rows: { record: string[]; info: { lines: number } }[];
  try {
    rows = parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes), {
      delimiter,
      bom: true,
      info: true,
      skip_empty_lines: true,
      trim: true,
      // Checked below, in words of ours.
      relax_column_count: true,
    }) as unknown as typeof rows;
  } catch (cause) {
    if (cause instanceof TypeError) {
      throw new InvalidData(`csv: ${source} is not UTF-8: convert it first`, {
        code: "csv-encoding",
        field: source,
        cause,
      });
    }
    const [reason] = (cause as Error).message.split("\n");
    throw new InvalidData(`csv: ${source} is not a table: ${reason}`, {
      code: "csv-not-a-table",
      field: source,
      cause,
    });
  }
  requireEqualLengths(rows, source);
  if (header && rows[0]) requireNames(rows[0].record, source);
  const names = header ? rows.shift()?.record : undefined;
  if (rows.length === 0)
    throw new InvalidData(`csv: ${source} has no rows: check data.path and data.header`, {
      code: "csv-empty",
      field: source,
    });
  return { names, rows, width: rows[0]!.record.length };
}

/** @throws InvalidData a row with more or fewer fields than the first */
function requireEqualLengths(rows: Lines["rows"], source: string): void {
  const width = rows[0]?.record.length;
  const other = rows.find(({ record }) => record.length !== width);
  if (other === undefined) return;
  const { record, info } = other;
  throw new InvalidData(
    `csv: line ${info.lines} of ${source} has ${record.length} ${record.length === 1 ? "column" : "columns"}, and the lines before it ${width}: give every line the same columns`,
    { code: "csv-row-length", field: `${source}:${info.lines}` },
  );
}

/** @throws InvalidData a first line that names nothing */
function requireNames(record: readonly string[], source: string): void {
  // Years and the like name columns too, and differ from each other.
  const isNumber = (field: string) => field !== "" && Number.isFinite(Number(field));
  const isRow = record.every(isNumber) && (new Set(record).size < record.length || !record.every(isWhole));
  if (!isRow) return;
  throw new InvalidData(
    `csv: the first line of ${source} has numbers and no names of columns: set data.header to false, or add a line of names`,
    { code: "csv-header-of-numbers", field: "data.header" },
  );
}

const isWhole = (field: string): boolean => Number.isInteger(Number(field));

/** Characters that stand between columns in other tables. */
const DELIMITERS = [";", "\t", "|", ","];

interface Table extends TargetTable {
  /** Row by row. */
  readonly features: Float64Array;
  /** Count of columns, those of the targets apart. */
  readonly columns: number;
  readonly featureNames: readonly string[] | undefined;
}

/** @throws InvalidData columns that the model was trained on are not among those of the file */
function requireColumnsOf(
  ofModel: readonly string[] | undefined,
  names: readonly string[] | undefined,
  path: string,
): void {
  const missing = names ? (ofModel?.filter((name) => !names.includes(name)) ?? []) : [];
  if (missing.length === 0) return;
  const what = `${missing.length === 1 ? "column" : "columns"} ${listed(missing)}`;
  throw new InvalidData(
    `csv: ${path} lacks ${what}, which the model was trained on: add what is missing, or correct its name in the first line`,
    { code: "csv-columns-missing", field: path },
  );
}

/** @throws InvalidData the test file has other columns, or the same in another order */
function requireSameColumns(train: Table, test: Table, path: string, testPath: string): void {
  if (train.columns !== test.columns) {
    throw new InvalidData(
      `csv: ${path} has ${train.columns} columns of numbers and ${testPath} ${test.columns}: use the same columns in both`,
      { code: "csv-columns-differ", field: testPath },
    );
  }
  const [ours, theirs] = [train, test].map(({ featureNames }) => featureNames);
  const k = ours?.findIndex((name, column) => name !== theirs?.[column]) ?? -1;
  if (k < 0) return;
  throw new InvalidData(
    `csv: column ${k + 1} beside the targets is ${JSON.stringify(ours![k])} in ${path} and ${JSON.stringify(theirs![k])} in ${testPath}: put the columns of both in one order`,
    { code: "csv-column-names-differ", field: testPath },
  );
}

function noColumns(first: string, source: string): InvalidData {
  const found = DELIMITERS.find((each) => first.includes(each));
  if (found === undefined) {
    return new InvalidData(
      `csv: ${source} has no column but its targets: add columns of numbers beside them`,
      { code: "csv-one-column", field: source },
    );
  }
  return new InvalidData(
    `csv: ${source} is one column with ${JSON.stringify(found)} in it: set data.delimiter to ${JSON.stringify(found)}`,
    { code: "csv-other-delimiter", field: "data.delimiter" },
  );
}

/** @throws InvalidData says which line of the file is wrong and how */
function readTable({ names, rows, width }: Lines, labels: readonly number[], source: string): Table {
  const columns = width - labels.length;
  if (columns === 0) throw noColumns(rows[0]!.record[0] ?? "", source);

  const features = new Float64Array(rows.length * columns);
  rows.forEach(({ record, info }, row) => {
    let to = row * columns;
    record.forEach((field, column) => {
      if (labels.includes(column)) return;
      const value = field === "" ? Number.NaN : Number(field);
      if (!Number.isFinite(Math.fround(value))) {
        throw new InvalidData(
          `csv: line ${info.lines} of ${source}: column ${names?.[column] ?? column} is ${JSON.stringify(field.slice(0, 20))}, not a finite float32 number: fix it, or remove the column`,
          { code: "csv-not-a-number", field: `${source}:${info.lines}` },
        );
      }
      features[to++] = value;
    });
  });
  return {
    ...{ features, columns, source },
    names: names && labels.map((column) => names[column]!),
    featureNames: names?.filter((_, column) => !labels.includes(column)),
    rows: rows.map(({ record, info }) => ({
      words: labels.map((column) => record[column]!),
      line: info.lines,
    })),
  };
}

/** Places of the target columns, in the order in which the setting names them. */
function labelColumns(
  label: z.output<typeof settings>["label"],
  lines: Lines,
  source: string,
): readonly number[] {
  const places = (Array.isArray(label) ? label : [label]).map((each) => placeOf(each, lines, source));
  const repeated = places.find((place, k) => places.indexOf(place) < k);
  if (repeated === undefined) return places;
  throw new InvalidData(
    `csv: data.label names column ${lines.names?.[repeated] ?? repeated} of ${source} twice: name each column once`,
    { code: "csv-label-repeated", field: "data.label" },
  );
}

function placeOf(label: string | number, { names, width }: Lines, source: string): number {
  const named = (names ?? []).indexOf(String(label));
  // A number beyond the columns may be what one is called, such as a year.
  const place = typeof label === "string" ? named : label < 0 ? width + label : label;
  const column = place >= width ? named : place;
  if (column >= 0 && column < width) return column;
  const known = names ? `its columns are ${names.join(", ")}` : `it has ${width} columns`;
  throw new InvalidData(`csv: ${source} has no column ${JSON.stringify(label)}: ${known}`, {
    code: "csv-label-column",
    field: "data.label",
  });
}

function examplesOf(table: Table, targets: Targets): Examples<Float64Array> {
  return { features: table.features, labels: labelsOf(table, targets) };
}

/** Brings numbers to mean 0 and variance 1; classes and marks stay as they are. */
function scaleTargets(
  train: Examples<FileNumbers>,
  test: Examples<FileNumbers>,
  { kind, count }: Targets,
): Scaling | undefined {
  if (kind !== "numbers") return undefined;
  return standardize(train.labels as FileNumbers, test.labels as FileNumbers, count);
}
