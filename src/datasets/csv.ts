import { z } from "zod";
import { type DatasetKind, type Examples, sizeOf } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { type Origin, readData } from "./files.js";
import { classList, holdOut, limited, partSettings, select, standardize, testShare } from "./parts.js";

const ORIGIN: Origin = { name: "csv", remedy: "check data.path" };

/** More classes than this in a column mean that it holds no classes. */
const MAX_CLASSES = 10_000;

const settings = z.strictObject({
  kind: z.literal("csv"),
  path: z.string().min(1).describe("file of numbers and one column of classes, gzip'd or not"),
  testPath: z
    .string()
    .min(1)
    .optional()
    .describe("file with the test examples; without it some are held out"),
  header: z.boolean().default(true).describe("whether the first line names the columns"),
  delimiter: z.string().length(1).default(",").describe("character between two columns"),
  label: z
    .union([z.string(), z.int()])
    .default(-1)
    .describe("column of the class: its name, or its number from 0; −1 is the last"),
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
  testShare,
  ...partSettings,
});

/** A table of numbers with one column of classes, which may be words. */
export const csv: DatasetKind<typeof settings> = {
  settings,
  unscaled: "none",
  async readAll({ path, header, delimiter, label }, inputShape) {
    const lines = await parseLines(await readData(path, ORIGIN), { header, delimiter, source: path });
    const columns = sizeOf(inputShape);
    const isLabelled = lines.width !== columns;
    const table = readTable(lines, isLabelled ? labelColumn(label, lines, path) : undefined, path);
    if (table.columns !== columns) {
      throw new InvalidData(
        `csv: ${path} has ${table.columns} columns of numbers, and the model takes ${columns}: give it the columns of its training data, with the class or without`,
        { code: "csv-columns-of-model", field: path },
      );
    }
    const classNames = isLabelled ? namesOf(table.words, path) : [];
    return {
      inputShape,
      classes: classNames.length,
      classNames,
      ...(isLabelled ? examplesOf(table, classNames) : { features: table.features }),
    };
  },
  async load({
    path,
    testPath,
    header,
    delimiter,
    label,
    classes,
    shape,
    scale,
    testShare: share,
    ...limits
  }) {
    const read = async (file: string) => {
      const lines = await parseLines(await readData(file, ORIGIN), { header, delimiter, source: file });
      const column = labelColumn(label, lines, file);
      return { ...readTable(lines, column, file), names: lines.names?.toSpliced(column, 1) };
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
    const classNames = classes ?? namesOf([...table.words, ...(held?.words ?? [])], path);
    for (const part of [table, ...(held ? [held] : [])])
      requireKnown(part, classNames, part === held ? testPath! : path);
    const all = examplesOf(table, classNames);
    const marks = held ? new Uint8Array(all.labels.length) : holdOut(all.labels, share);
    const train = select(all, marks, 0);
    const test = held ? examplesOf(held, classNames) : select(all, marks, 1);
    if (train.labels.length === 0 || test.labels.length === 0) {
      throw new InvalidData(
        `csv: ${path} has ${all.labels.length} rows, too few for a held-out part: add rows or set data.testPath`,
        { code: "csv-too-few-rows", field: path },
      );
    }
    const channels = shape ? inputShape.at(-1)! : table.columns;
    const scaling = scale === "standard" && standardize(train, test, channels);
    const featureNames = table.names;
    const about = {
      ...{ name: "csv", inputShape, classes: classNames.length, classNames },
      ...(featureNames && { featureNames }),
    };
    return limited({ ...about, ...(scaling && { scaling }), train, test }, limits);
  },
};

interface Lines {
  readonly names: readonly string[] | undefined;
  readonly rows: readonly { readonly record: readonly string[]; readonly info: { readonly lines: number } }[];
  /** Count of columns, the label's included. */
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
    rows = parse(new TextDecoder().decode(bytes), {
      delimiter,
      bom: true,
      info: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as typeof rows;
  } catch (cause) {
    const [reason] = (cause as Error).message.split("\n");
    throw new InvalidData(`csv: ${source} is not a table: ${reason}`, {
      code: "csv-not-a-table",
      field: source,
      cause,
    });
  }
  const names = header ? rows.shift()?.record : undefined;
  if (rows.length === 0)
    throw new InvalidData(`csv: ${source} has no rows: check data.path and data.header`, {
      code: "csv-empty",
      field: source,
    });
  return { names, rows, width: rows[0]!.record.length };
}

interface Table {
  /** Row by row. */
  readonly features: Float32Array;
  /** Count of columns, the label's apart. */
  readonly columns: number;
  /** The label of each row, as written; empty where there is no column of labels. */
  readonly words: readonly string[];
  /** Line of the file that each row ends on. */
  readonly lines: readonly number[];
}

/** @throws InvalidData the test file has other columns, or the same in another order */
function requireSameColumns(
  train: Table & { readonly names: readonly string[] | undefined },
  test: Table & { readonly names: readonly string[] | undefined },
  path: string,
  testPath: string,
): void {
  if (train.columns !== test.columns) {
    throw new InvalidData(
      `csv: ${path} has ${train.columns} columns of numbers and ${testPath} ${test.columns}: use the same columns in both`,
      { code: "csv-columns-differ", field: testPath },
    );
  }
  const k = train.names?.findIndex((name, column) => name !== test.names?.[column]) ?? -1;
  if (k < 0) return;
  throw new InvalidData(
    `csv: column ${k + 1} beside the class is ${JSON.stringify(train.names![k])} in ${path} and ${JSON.stringify(test.names![k])} in ${testPath}: put the columns of both in one order`,
    { code: "csv-column-names-differ", field: testPath },
  );
}

/** @throws InvalidData a row of a class that `data.classes` does not name */
function requireKnown({ words, lines }: Table, classNames: readonly string[], source: string): void {
  const known = new Set(classNames);
  const row = words.findIndex((word) => !known.has(word));
  if (row < 0) return;
  throw new InvalidData(
    `csv: line ${lines[row]} of ${source} is of class ${JSON.stringify(words[row])}, which data.classes does not name: add it there, or fix the row`,
    { code: "csv-unknown-class", field: `${source}:${lines[row]}` },
  );
}

/** @throws InvalidData says which line of the file is wrong and how */
function readTable({ names, rows, width }: Lines, labelColumn: number | undefined, source: string): Table {
  const columns = labelColumn === undefined ? width : width - 1;
  if (columns === 0)
    throw new InvalidData(`csv: ${source} has one column: add columns of numbers beside the class`, {
      code: "csv-one-column",
      field: source,
    });

  const features = new Float32Array(rows.length * columns);
  rows.forEach(({ record, info }, row) => {
    let to = row * columns;
    record.forEach((field, column) => {
      if (column === labelColumn) return;
      const value = field === "" ? Number.NaN : Number(field);
      if (!Number.isFinite(value)) {
        throw new InvalidData(
          `csv: line ${info.lines} of ${source}: column ${names?.[column] ?? column} is ${JSON.stringify(field.slice(0, 20))}, not a number: fix it, or remove the column`,
          { code: "csv-not-a-number", field: `${source}:${info.lines}` },
        );
      }
      features[to++] = value;
    });
  });
  const words = labelColumn === undefined ? [] : rows.map(({ record }) => record[labelColumn]!);
  return { features, columns, words, lines: rows.map(({ info }) => info.lines) };
}

function labelColumn(label: string | number, { names, width }: Lines, source: string): number {
  const column = typeof label === "string" ? (names ?? []).indexOf(label) : label < 0 ? width + label : label;
  if (column >= 0 && column < width) return column;
  const known = names ? `its columns are ${names.join(", ")}` : `it has ${width} columns`;
  throw new InvalidData(`csv: ${source} has no column ${JSON.stringify(label)}: ${known}`, {
    code: "csv-label-column",
    field: "data.label",
  });
}

/** Classes in order: of numbers by value, of words by code unit. */
function namesOf(words: readonly string[], source: string): string[] {
  const names = [...new Set(words)];
  if (names.length > MAX_CLASSES) {
    throw new InvalidData(
      `csv: the label column of ${source} has more than ${MAX_CLASSES} different values: choose another with data.label`,
      { code: "csv-too-many-classes", field: "data.label" },
    );
  }
  const areNumbers = names.every((name) => name !== "" && Number.isFinite(Number(name)));
  return names.sort((a, b) => (areNumbers ? Number(a) - Number(b) : a < b ? -1 : 1));
}

function examplesOf({ features, words }: Table, classNames: readonly string[]): Examples {
  const numbers = new Map(classNames.map((name, number) => [name, number]));
  return { features, labels: Int32Array.from(words, (word) => numbers.get(word)!) };
}
