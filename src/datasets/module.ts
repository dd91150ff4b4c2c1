import { z } from "zod";
import { type Dataset, type DatasetKind, type Examples, sizeOf, type Targets } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { callExport, importExport } from "./user-module.js";

const settings = z.strictObject({
  kind: z.literal("module"),
  path: z.string().min(1).describe("JavaScript module, from the working directory"),
  export: z.string().min(1).default("default").describe("the data set, or a function that loads it"),
  options: z.record(z.string(), z.unknown()).default({}).describe("argument of that function"),
});

/** A data set, whose name is the module's path where it has none. */
export type ModuleDataset = Omit<Dataset, "name" | "targets"> & { readonly name?: string } & (
    | { readonly targets: Targets }
    /** Short for targets that are classes. */
    | { readonly classes: number; readonly classNames?: readonly string[] }
  );

/** What a module may export instead of the data set itself; the same data for every peer. */
export type DatasetFunction = (
  options: Readonly<Record<string, unknown>>,
) => ModuleDataset | Promise<ModuleDataset>;

/** A data set of the user's own: a module that exports a {@link ModuleDataset} or a {@link DatasetFunction}. */
export const module: DatasetKind<typeof settings> = {
  settings,
  async load({ path, export: name, options }) {
    const exported = await importExport(path, name);
    const dataset = (
      typeof exported === "function"
        ? await callExport(path, name, () => (exported as DatasetFunction)(options))
        : exported
    ) as Partial<Described> | null | undefined;
    const { inputShape, train, test, classes, classNames, name: ownName, ...others } = dataset ?? {};
    const complain = (field: string, what: string) =>
      new InvalidData(`data of module ${path}: ${field} ${what}`, { code: "module-dataset", field });
    if (!Array.isArray(inputShape) || !inputShape.every((side) => Number.isInteger(side) && side > 0)) {
      throw complain("inputShape", "must be a list of whole numbers, such as [28, 28, 1]");
    }
    const targets =
      others.targets ??
      ({ kind: "classes", count: classes!, ...(classNames && { names: classNames }) } as const);
    const wrong = problemOfTargets(targets);
    if (wrong) throw complain(others.targets ? `targets.${wrong.field}` : "classes", wrong.what);
    for (const [part, examples] of [
      ["train", train],
      ["test", test],
    ] as const) {
      const problem = problemOf(examples, sizeOf(inputShape));
      if (problem) throw complain(`${part}.${problem.field}`, problem.what);
    }
    return { ...others, inputShape, train: train!, test: test!, targets, name: ownName ?? path };
  },
};

/** Every field that a {@link ModuleDataset} may have. */
type Described = Dataset & { readonly classes: number; readonly classNames?: readonly string[] };

interface Problem {
  readonly field: string;
  readonly what: string;
}

function problemOfTargets({ kind, count, names, scaling }: Partial<Targets>): Problem | undefined {
  if (!["classes", "marks", "numbers"].includes(kind!)) {
    return { field: "kind", what: 'must be "classes", "marks" or "numbers"' };
  }
  if (!Number.isInteger(count) || count! < 1) {
    return { field: "count", what: "must be a whole number from 1 up" };
  }
  if (names && names.length !== count) return { field: "names", what: `must be ${count} names` };
  if (!scaling) return undefined;
  const isScale = (values: unknown, isRight: (value: number) => boolean) =>
    Array.isArray(values) && values.length === count && values.every(isRight);
  const isRight =
    kind === "numbers" &&
    isScale(scaling.mean, Number.isFinite) &&
    isScale(scaling.factor, (factor) => Number.isFinite(factor) && factor > 0);
  return isRight
    ? undefined
    : {
        field: "scaling",
        what: `must have ${count} means and positive factors, of targets that are numbers`,
      };
}

/** What the class tables, the splits and the trainer rely on, apart from the labels themselves. */
function problemOf(examples: Partial<Examples> | undefined, size: number): Problem | undefined {
  if (!(examples?.features instanceof Float32Array))
    return { field: "features", what: "must be a Float32Array" };
  const { features, labels } = examples;
  if (!(labels instanceof Int32Array || labels instanceof Float32Array)) {
    return { field: "labels", what: "must be an Int32Array or a Float32Array" };
  }
  const count = features.length / size;
  if (count === 0 || !Number.isInteger(count)) {
    return {
      field: "features",
      what: `has ${features.length} numbers, not a whole number of examples of ${size}`,
    };
  }
  if (labels.length === 0 || labels.length % count !== 0) {
    return { field: "labels", what: `has ${labels.length} numbers for ${count} examples` };
  }
  return undefined;
}
