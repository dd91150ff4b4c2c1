import { z } from "zod";
import { type Dataset, type DatasetKind, type Examples, sizeOf } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { importExport } from "./user-module.js";

const settings = z.strictObject({
  kind: z.literal("module"),
  path: z.string().min(1).describe("JavaScript module, from the working directory"),
  export: z.string().min(1).default("default").describe("the data set, or a function that loads it"),
  options: z.record(z.string(), z.unknown()).default({}).describe("argument of that function"),
});

/** What a module may export instead of the data set itself; the same data for every peer. */
export type DatasetFunction = (options: Readonly<Record<string, unknown>>) => Dataset | Promise<Dataset>;

/** A data set of the user's own: a module that exports a {@link Dataset} or a {@link DatasetFunction}. */
export const module: DatasetKind<typeof settings> = {
  settings,
  async load({ path, export: name, options }) {
    const exported = await importExport(path, name);
    const dataset = (
      typeof exported === "function" ? await (exported as DatasetFunction)(options) : exported
    ) as Partial<Dataset> | null | undefined;
    const { inputShape, classes, train, test } = dataset ?? {};
    const complain = (field: string, what: string) =>
      new InvalidData(`data of module ${path}: ${field} ${what}`, { code: "module-dataset", field });
    if (!Array.isArray(inputShape) || !inputShape.every((side) => Number.isInteger(side) && side > 0)) {
      throw complain("inputShape", "must be a list of whole numbers, such as [28, 28, 1]");
    }
    if (!Number.isInteger(classes) || classes! < 1) {
      throw complain("classes", "must be a whole number from 1 up");
    }
    for (const [part, examples] of [
      ["train", train],
      ["test", test],
    ] as const) {
      const problem = problemOf(examples, sizeOf(inputShape));
      if (problem) throw complain(`${part}.${problem.field}`, problem.what);
    }
    return { ...(dataset as Dataset), name: dataset?.name ?? path };
  },
};

interface Problem {
  readonly field: string;
  readonly what: string;
}

/** What the class tables, the splits and the trainer rely on; the trainer looks at the labels themselves. */
function problemOf(examples: Partial<Examples> | undefined, size: number): Problem | undefined {
  if (!(examples?.features instanceof Float32Array))
    return { field: "features", what: "must be a Float32Array" };
  const { features, labels } = examples;
  if (!(labels instanceof Int32Array || labels instanceof Float32Array)) {
    return { field: "labels", what: "must be an Int32Array of classes, or a Float32Array" };
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
