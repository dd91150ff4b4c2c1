/** Differences between two peers' fingerprints in words, and what to do about them. */
import { printable } from "../foundation/printable.js";
import { type Difference, readListed } from "./fingerprint.js";

/** Longest value that is shown, in characters. */
const SHOWN_CHARACTERS = 128;

/** A digest; twelve of its digits are shown. */
const DIGEST = /\b([0-9a-f]{12})[0-9a-f]{52}\b/g;

/** How entries of a list are called, by their number from 0, and all of them. */
const lists: Readonly<Record<string, { readonly entry: (k: number) => string; readonly all: string }>> = {
  features: { entry: (k) => `column ${k + 1} of the examples`, all: "columns of the examples" },
  classes: { entry: (k) => `class ${k}`, all: "classes" },
  marks: { entry: (k) => `mark ${k}`, all: "marks" },
  numbers: { entry: (k) => `number ${k}`, all: "numbers" },
  modelLayers: { entry: (k) => `layer ${k + 1} of the model`, all: "layers of the model" },
  splitParts: { entry: (k) => `the part of peer ${k}`, all: "parts of the split" },
};

/** Fields that differ of themselves when one of others does. */
const consequences: Readonly<Record<string, readonly string[]>> = {
  data: ["classes", "marks", "numbers", "exampleShape", "featureScale", "targetScale"],
  modelLayers: ["exampleShape", "model", "trainable"],
  frozenWeights: ["exampleShape", "model", "modelLayers", "trainable", "seed"],
  layout: ["exampleShape", "model", "modelLayers", "trainable"],
  initialModel: ["exampleShape", "model", "modelLayers", "trainable", "layout", "seed"],
};

/** The differences that do not follow from others of them. */
export function causesAmong(differences: readonly Difference[]): Difference[] {
  const fields = differences.map(({ field }) => field);
  const follows = (field: string) =>
    Object.hasOwn(consequences, field) && consequences[field]!.some((cause) => fields.includes(cause));
  return differences.filter(({ field }) => !follows(field));
}

/** One clause per field; of a list the first entry that differs. */
export function describeDifferences(differences: readonly Difference[], neighbour: number): string {
  return differences.map((difference) => describe(difference, neighbour)).join(", ");
}

/** What to do about these differences. */
export function remedyFor(differences: readonly Difference[]): string {
  // Peers with targets of different kinds differ in two of these.
  const [targets, ...others] = differences.filter(({ field }) =>
    ["classes", "marks", "numbers"].includes(field),
  );
  const isOneSided = targets && (targets.ours === undefined) !== (targets.theirs === undefined);
  const isSilent = isOneSided && others.length === 0;
  if (isSilent) return "your own trainer describes its data with fingerprint()";
  const data = differences.find(({ field }) => field === "data");
  const isDataAlone = differences.every(({ field }) => field === "data" || field === "splitParts");
  if (!data || !isDataAlone) return "start both from the same files and settings";
  return [data.ours, data.theirs].includes("any")
    ? "start both with --allow-different-data, or neither"
    : "give both the same data, or start both with --allow-different-data";
}

function describe({ field, ours, theirs }: Difference, neighbour: number): string {
  const names = Object.hasOwn(lists, field) ? lists[field] : undefined;
  const [here, there] = [ours, theirs].map((value) => (value === undefined ? undefined : readListed(value)));
  if (!names || !here || !there) {
    return `"${printable(field)}" is ${quoted(ours)} here and ${quoted(theirs)} at peer ${neighbour}`;
  }
  if (here.entries && there.entries) {
    const length = Math.max(here.count, there.count);
    for (let k = 0; k < length; k++) {
      const [a, b] = [here.entries[k], there.entries[k]];
      if (a !== b) return `${names.entry(k)} is ${quoted(a)} here and ${quoted(b)} at peer ${neighbour}`;
    }
  }
  return here.count === there.count
    ? `the ${here.count} ${names.all} here and at peer ${neighbour} differ`
    : `there are ${here.count} ${names.all} here and ${there.count} at peer ${neighbour}`;
}

function quoted(value: string | undefined): string {
  if (value === undefined) return "absent";
  // Whole digests would bury what can be read.
  const short = value.replace(DIGEST, "$1…");
  const isLong = short.length > SHOWN_CHARACTERS;
  return printable(JSON.stringify(isLong ? `${short.slice(0, SHOWN_CHARACTERS)}…` : short));
}
