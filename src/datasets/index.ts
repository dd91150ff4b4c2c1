/** Every data set there is. Adding one: a file here, and its name in this list. */
import type { z } from "zod";
import type { Dataset, DatasetKind } from "../dataset.js";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import { cifar } from "./cifar.js";
import { csv } from "./csv.js";
import { digits } from "./digits.js";
import { idx } from "./idx.js";
import { images } from "./images.js";
import { module } from "./module.js";
import { text } from "./text.js";

const kinds = [digits, idx, cifar, csv, text, images, module] as const;

/** Settings of any data set, told apart by `kind`. */
export const datasetSettings = settingsOfAny(kinds);
export type DatasetSettings = z.output<typeof datasetSettings>;

const loaded = new Map<string, Promise<Dataset>>();

/** The data set that these settings describe; all peers of a process share one copy. */
export function loadDataset(settings: DatasetSettings): Promise<Dataset> {
  const key = JSON.stringify(settings);
  const known = loaded.get(key);
  if (known) return known;

  const loading = (kindOf(kinds, settings) as DatasetKind).load(settings);
  loaded.set(key, loading);
  // A file that was missing may be there at the next attempt.
  loading.catch(() => loaded.delete(key));
  return loading;
}
