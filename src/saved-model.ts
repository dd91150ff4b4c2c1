/** A trained model apart from its run: its tensors, and what it takes to use them. */
import { digest, modelDigest } from "./exchange/fingerprint.js";
import { InvalidModel } from "./foundation/errors.js";
import { rangesText } from "./foundation/ranges-text.js";
import { createLayout, type Layout } from "./vectors/layout.js";
import { decodeSafetensors, encodeSafetensors, type NamedTensor } from "./vectors/safetensors.js";
import type { NamedValues } from "./vectors/state.js";
import { pooledStatistics } from "./vectors/statistics.js";

/** What a run knows of its models before their numbers. */
export interface ModelCard {
  /** Of the model vector, in its order. */
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Of what each peer keeps for itself and its file has, such as running statistics; what is left out it has not. */
  readonly localShapes: Readonly<Record<string, readonly number[]>>;
  /** Of the tensors that a run leaves as they are. */
  readonly frozenShapes: Readonly<Record<string, readonly number[]>>;
  /** Metadata of the file: model, data and run, by key. */
  readonly about: Readonly<Record<string, string>>;
}

/** One peer's model with its description, as in a `model.safetensors` file. */
export interface SavedModel {
  readonly card: ModelCard;
  readonly peer: number;
  /** Rounds that were over. */
  readonly round: number;
  readonly model: Float32Array;
  /** What the peer keeps for itself. */
  readonly local: NamedValues;
  /** The tensors that the run leaves as they are. */
  readonly frozen: NamedValues;
}

/** A model as its file has it. */
export interface ModelFile {
  readonly source: string;
  readonly tensors: readonly NamedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * A saved model as its file has it. Beside the card its metadata name the peer, the round, the tensors that gossip in the
 * order of the model vector (`vector`, JSON) and the SHA-256 of that vector (`digest`), which runs print too.
 */
export function fileOf(saved: SavedModel, source = "the model"): ModelFile {
  const { card, peer, round, model } = saved;
  return {
    source,
    tensors: tensorsOf(saved),
    metadata: {
      ...card.about,
      peer: String(peer),
      round: String(round),
      vector: JSON.stringify(createLayout(card.tensors).tensors.map(({ name }) => name)),
      digest: modelDigest(model),
    },
  };
}

/** The parts of a safetensors file, to be written one after another. */
export function encodeModel({ tensors, metadata }: ModelFile): Uint8Array[] {
  return encodeSafetensors({ tensors, metadata });
}

/** Views of a model's tensors, those that gossip first. */
function tensorsOf({ card, model, local, frozen }: SavedModel): NamedTensor[] {
  const { tensors } = createLayout(card.tensors);
  const shapes = { ...card.localShapes, ...card.frozenShapes };
  return [
    ...tensors.map(({ name, shape, offset, length }) => {
      return { name, shape, values: model.subarray(offset, offset + length) };
    }),
    ...Object.entries({ ...local, ...frozen }).flatMap(([name, values]) =>
      Object.hasOwn(shapes, name) ? [{ name, shape: shapes[name]!, values }] : [],
    ),
  ];
}

/**
 * A model from the bytes of any safetensors file.
 * @throws InvalidModel a damaged file, or numbers other than those that its digest is of
 */
export function decodeModel(bytes: Uint8Array, source: string): ModelFile {
  const { tensors, metadata } = decodeSafetensors(bytes, source);
  const { digest } = metadata;
  if (digest !== undefined && digest !== digestOf(tensors, metadata)) {
    throw new InvalidModel(
      `the numbers of ${source} are not those that its metadata have the SHA-256 of: save or download it again; where another program has changed them, remove "digest" from its metadata`,
      { code: "model-digest", field: source },
    );
  }
  return { source, metadata, tensors };
}

/** SHA-256 of the vector that the metadata describe; undefined where the file has no such tensors. */
function digestOf(
  tensors: readonly NamedTensor[],
  { vector = "" }: ModelFile["metadata"],
): string | undefined {
  const byName = new Map(tensors.map(({ name, values }) => [name, values]));
  const parts = namesIn(vector)?.map((name) => byName.get(name));
  if (!parts?.every((values) => values !== undefined)) return undefined;
  const model = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const values of parts) {
    model.set(values, at);
    at += values.length;
  }
  return modelDigest(model);
}

function namesIn(text: string): string[] | undefined {
  const list = parsed(text);
  return Array.isArray(list) && list.every((each) => typeof each === "string") ? list : undefined;
}

/** What JSON text says; undefined where it is not JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whose running statistics a mean model has, in its metadata. */
const POOLED = "pooled: of all peers' examples together";

/**
 * The mean of models of one run and round, with sums in float64 and the running statistics of all peers' examples together.
 * Its metadata are the first model's, with `peers` in place of `peer`, and `statistics` where it has some.
 * @throws InvalidModel models with other tensors, or of other rounds
 */
export function meanOf(files: readonly ModelFile[]): ModelFile {
  const [first] = files as [ModelFile];
  const { peer: _, ...common } = first.metadata;
  const unlike = files.find((file) => !isAlike(file, first));
  if (unlike) {
    throw new InvalidModel(
      `${unlike.source} and ${first.source} have no mean: they are models of different runs or rounds; choose one of them`,
      { code: "models-without-mean", field: unlike.source },
    );
  }
  const gossiped = namesIn(first.metadata.vector ?? "");
  const statistics = pooledStatistics(
    files.map(({ tensors }) =>
      Object.fromEntries(
        tensors.flatMap(({ name, values }) => (gossiped?.includes(name) === false ? [[name, values]] : [])),
      ),
    ),
  );
  const tensors = first.tensors.map(({ name, shape, values }, k) => {
    if (statistics[name]) return { name, shape, values: statistics[name] };
    const sums = new Float64Array(values.length);
    for (const file of files) {
      const own = file.tensors[k]!.values;
      for (let i = 0; i < sums.length; i++) sums[i]! += own[i]!;
    }
    return { name, shape, values: Float32Array.from(sums, (sum) => sum / files.length) };
  });
  const all = files.flatMap(peersOf);
  const peers = JSON.stringify(all);
  const hasStatistics = Object.keys(statistics).length > 0;
  const metadata = { ...common, peers, ...(hasStatistics && { statistics: POOLED }) };
  const own = digestOf(tensors, metadata);
  return {
    source: `the mean of peers ${rangesText(all)}`,
    tensors,
    metadata: { ...metadata, ...(own !== undefined && { digest: own }) },
  };
}

/** Whose model a file has: several where it is their mean, none where the file does not say. */
export function peersOf({ metadata: { peer, peers } }: ModelFile): number[] {
  const numbers = peer === undefined ? parsed(peers ?? "[]") : [Number(peer)];
  return Array.isArray(numbers) ? numbers.filter(Number.isInteger) : [];
}

/** Whether two models differ in their peers and numbers alone. */
function isAlike(a: ModelFile, b: ModelFile): boolean {
  const about = ({ tensors, metadata: { peer: _, digest: _digest, ...others } }: ModelFile) =>
    digest([tensors.map(({ name, shape }) => [name, shape]), others]);
  return about(a) === about(b);
}

/** The numbers of a file, for a model of this layout. */
export interface ModelNumbers {
  readonly model: Float32Array;
  /** What its peer kept for itself; only what the file has. */
  readonly local: NamedValues;
  readonly frozen: NamedValues;
}

/**
 * @param local shapes of what a peer keeps for itself, by name
 * @param frozen shapes of the tensors that are in no model vector, by name
 * @throws InvalidModel a tensor that is missing, of another shape or of another model, or with numbers that are not finite
 */
export function numbersFor(
  { tensors, source }: ModelFile,
  layout: Layout,
  local: Readonly<Record<string, readonly number[]>> = {},
  frozen: Readonly<Record<string, readonly number[]>> = {},
): ModelNumbers {
  const unlike = (what: string, field: string) =>
    new InvalidModel(
      `${source} does not fit the model: ${what}; use the model's settings that it was saved with, or another file`,
      { code: "model-does-not-fit", field },
    );
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const shapes = new Map(Object.entries(local));
  const required = Object.entries(frozen).map(([name, shape]) => ({ name, shape }));
  for (const { name, shape } of [...layout.tensors, ...required]) {
    if (!byName.has(name)) throw unlike(`it has no tensor ${name}`, name);
    shapes.set(name, shape);
  }
  for (const { name, shape, values } of tensors) {
    const own = shapes.get(name);
    if (!own) throw unlike(`the model has no tensor ${JSON.stringify(name.slice(0, 80))}`, name);
    if (own.join() !== shape.join()) {
      throw unlike(`${name} has shape [${shape.join(", ")}] there and [${own.join(", ")}] here`, name);
    }
    if (!values.every(Number.isFinite)) {
      throw new InvalidModel(
        `${source} has numbers in tensor ${name} that are not finite: its training diverged; use another file`,
        { code: "model-not-finite", field: name },
      );
    }
  }
  const model = new Float32Array(layout.length);
  for (const { name, offset } of layout.tensors) model.set(byName.get(name)!.values, offset);
  const valuesOf = (shapes: object) => {
    const names = Object.keys(shapes).filter((name) => byName.has(name));
    return Object.fromEntries(names.map((name) => [name, byName.get(name)!.values]));
  };
  return { model, local: valuesOf(local), frozen: valuesOf(frozen) };
}

/** How far two equal models may be apart, in units of a tensor's largest magnitude. */
export const EQUAL_WITHIN = 2 ** -16;

/**
 * Whether two peers' models are one but for the rounding that a closing consensus leaves: no number of a tensor differs by
 * more than {@link EQUAL_WITHIN} times the tensor's largest, and their files say the same of run, classes and scale.
 */
export function areEqual(a: ModelFile, b: ModelFile): boolean {
  return isAlike(a, b) && a.tensors.every(({ values }, k) => isNear(values, b.tensors[k]!.values));
}

function isNear(a: Float32Array, b: Float32Array): boolean {
  let largest = 0;
  let difference = 0;
  for (let k = 0; k < a.length; k++) {
    largest = Math.max(largest, Math.abs(a[k]!), Math.abs(b[k]!));
    difference = Math.max(difference, Math.abs(a[k]! - b[k]!));
  }
  return difference <= EQUAL_WITHIN * largest;
}
