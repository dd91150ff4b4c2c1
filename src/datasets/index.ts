/** Every data set there is. Adding one: a file here, and its name in this list. */
import type { z } from "zod";
import type { Dataset, DatasetKind, Examples, FileNumbers, ModelInputs, Rows } from "../dataset.js";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import { checkDataset } from "./check.js";
import { cifar } from "./cifar.js";
import { csv } from "./csv.js";
import { digits } from "./digits.js";
import { idx } from "./idx.js";
import { images } from "./images.js";
import { module } from "./module.js";
import { emptyLike } from "./parts.js";
import { inFloat32 } from "./rounding.js";
import { text } from "./text.js";

const kinds = [digits, idx, cifar, csv, text, images, module] as const;

/** Settings of any data set, distinguished by `kind`. */
export const datasetSettings = settingsOfAny(kinds);
/** Settings of one of the data sets. */
export type DatasetSettings = z.output<typeof datasetSettings>;

/** What users write as `kind`. */
export const datasetKinds: readonly string[] = kinds.map(({ settings }) => settings.shape.kind.value);

/** Kinds whose examples lie in files. */
export const kindsOfFiles: readonly string[] = kinds
  .filter(({ settings }) => "path" in settings.shape)
  .map(({ settings }) => settings.shape.kind.value);

/** The data set that these settings describe; all peers of a process share one copy. */
export const loadDataset: (settings: DatasetSettings) => Promise<Dataset> = once(async (settings) =>
  inFloat32(await load(settings)),
);

/** The same as its files have it: not scaled, and without loss of digits. */
export const loadUnscaled: (settings: DatasetSettings) => Promise<Dataset<FileNumbers>> = once((settings) =>
  load(unscaled(settings)),
);

async function load(settings: DatasetSettings): Promise<Dataset<FileNumbers>> {
  return checkDataset(await (kindOf(kinds, settings) as DatasetKind).load(settings));
}

/** Keeps what was loaded, by settings. */
function once<Loaded>(load: (settings: DatasetSettings) => Promise<Loaded>) {
  const loaded = new Map<string, Promise<Loaded>>();
  return (settings: DatasetSettings): Promise<Loaded> => {
    const key = JSON.stringify(settings);
    const known = loaded.get(key);
    if (known) return known;

    const loading = load(settings);
    loaded.set(key, loading);
    // A file that was missing may be there at the next attempt.
    loading.catch(() => loaded.delete(key));
    return loading;
  };
}

/** What is brought to mean 0 and variance 1 over the training examples. */
export interface Standardised {
  readonly features: boolean;
  /** Targets that are numbers. */
  readonly targets: boolean;
}

export function standardised(settings: DatasetSettings): Standardised {
  const { scale, targetScale }: Readonly<Record<string, string>> = unscaledOf(settings);
  return {
    features: "scale" in settings && settings.scale !== scale,
    targets:
      "targetScale" in settings && settings.targets === "numbers" && settings.targetScale !== targetScale,
  };
}

/** These settings with features and targets as the files have them. */
function unscaled(settings: DatasetSettings): DatasetSettings {
  return { ...settings, ...unscaledOf(settings) } as DatasetSettings;
}

const unscaledOf = (settings: DatasetSettings) => (kindOf(kinds, settings) as DatasetKind).unscaled ?? {};

/** Which examples of a data set a model is used on. */
export const dataParts = ["test", "train", "all"] as const;
export type DataPart = (typeof dataParts)[number];

/**
 * Examples of a data set as its files have them, for a model to be used on.
 * @param inputs of the model
 */
export async function loadRows(
  settings: DatasetSettings,
  part: DataPart,
  inputs: ModelInputs,
): Promise<Rows> {
  const kind = kindOf(kinds, settings) as DatasetKind;
  if (part === "all" && kind.readAll) return kind.readAll(unscaled(settings), inputs);
  const { train, test, ...about } = await loadUnscaled(settings);
  if (part !== "all") return { ...about, ...(part === "test" ? test : train) };
  return { ...about, ...joined(train, test) };
}

function joined(a: Examples<FileNumbers>, b: Examples<FileNumbers>): Examples<FileNumbers> {
  const features = emptyLike(a.features, a.features.length + b.features.length);
  features.set(a.features);
  features.set(b.features, a.features.length);
  const labels = emptyLike(a.labels, a.labels.length + b.labels.length);
  labels.set(a.labels);
  labels.set(b.labels, a.labels.length);
  return { features, labels };
}
