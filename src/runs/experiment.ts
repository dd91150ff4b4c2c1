/**
 * One experiment's settings: what every peer of a run must agree on, checked once at the door. The rest of the
 * code sees only valid values.
 */
import { z } from "zod";
import { algorithmOptionSettings } from "../algorithm-options/index.js";
import { type AlgorithmName, algorithms, defaultAlgorithm } from "../algorithms/index.js";
import { compressorSettings } from "../compressors/index.js";
import { kindsOfFiles, standardised } from "../datasets/index.js";
import { keptModels } from "../early-stopping.js";
import { MAX_ROUND } from "../exchange/frame.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { mixingRuleSettings } from "../mixing-rules/index.js";
import { DEFAULT_PROJECTION_SIZE } from "../observing/projection.js";
import { optimizerSettings } from "../optimizers/index.js";
import { peerWeights } from "../pooling.js";
import { checked } from "../settings/check.js";
import { scheduleSettings } from "../settings/schedule.js";
import { trainerSettings } from "../trainers/index.js";
import { taskSettings } from "../trainers/task.js";

/** Most numbers in a logged projection. */
export const MAX_PROJECTION_SIZE = 2 ** 18;

/** Most local steps per round. */
const MAX_LOCAL_STEPS = 1 << 20;

/** Longest patience, in seconds. */
const MAX_PATIENCE_SECONDS = 86_400;
const seconds = z.number().gt(0).max(MAX_PATIENCE_SECONDS);

const algorithmNames = Object.keys(algorithms) as [AlgorithmName, ...AlgorithmName[]];

/** Fields of the form { kind, … }, with the kind that is meant where none is named. */
export const defaultKinds = {
  compressor: "sign",
  mixing: "mean",
  trainer: "layers",
  model: "mlp",
  data: "digits",
  split: "shards",
  loss: "auto",
  optimizer: "sgd",
} as const;

const share = z.number().gt(0).max(1);

export const experimentSettings = z.strictObject({
  $schema: z.string().optional(),
  name: z.string().default("experiment").describe("name of the run in tables and logs"),
  algorithm: z.enum(algorithmNames).default(defaultAlgorithm).describe("gossip algorithm"),
  ...algorithmOptionSettings,
  compressor: compressorSettings
    .prefault({ kind: defaultKinds.compressor })
    .describe("how models are compressed on the wire"),
  mixing: mixingRuleSettings
    .prefault({ kind: defaultKinds.mixing })
    .describe(
      "how a model is moved towards its neighbours'; clip and trimmed limit what a hostile one can do",
    ),
  consensusRate: z
    .union([z.literal("auto"), scheduleSettings])
    .default("auto")
    .describe(
      "η: how far an exchange moves a model towards its neighbours; auto: the largest rate at which trials of the algorithm and compressor on the graph remain stable",
    ),
  participation: z
    .union([share, z.strictObject({ peers: share.describe("share of the peers that exchange in a round") })])
    .default(1)
    .describe(
      "share of the edges that work in a round; the others are skipped at both ends. With peers: share of the peers that exchange; the others train alone",
    ),
  patience: z
    .union([
      z.literal("barrier"),
      seconds,
      z.strictObject({
        most: seconds.describe("bound of every wait, in seconds"),
        factor: z.number().gt(0).default(6).describe("k of median + k · MAD of an edge's last waits"),
        staleness: z
          .int()
          .min(0)
          .optional()
          .describe(
            "most rounds between the two halves of an exchange that still moves models; any when absent",
          ),
      }),
    ])
    .default("barrier")
    .describe(
      "how long a round waits for late edges before it goes on without them, in seconds; barrier: for all of them; { most, factor }: as long as each edge usually takes, and some more",
    ),
  learningRate: scheduleSettings.default(0.1).describe("γ: a number, or a schedule"),
  rounds: z.int().min(1).max(MAX_ROUND).default(500).describe("training rounds"),
  closingRounds: z
    .union([z.literal("auto"), z.int().min(0)])
    .default("auto")
    .describe(
      "exact exchanges after the last round, so that all models are equal to float32 precision; auto: none with mixing clip and trimmed",
    ),
  evaluateEvery: z.int().min(0).default(50).describe("rounds between evaluations; 0: only at the end"),
  earlyStopping: z
    .union([
      z.literal("off"),
      z.strictObject({
        patience: z
          .int()
          .min(1)
          .default(5)
          .describe("evaluations in a row that do not improve the mean held-out loss of all peers"),
        minimumImprovement: z.number().min(0).default(0).describe("least decrease of that loss that counts"),
        keep: z
          .enum(keptModels)
          .default("best")
          .describe("models that the run ends with; best: those of the evaluation with the least mean loss"),
      }),
    ])
    .default("off")
    .describe("when all peers stop learning before the last round"),
  projectEvery: z
    .int()
    .min(0)
    .default(20)
    .describe("rounds between logged projections of the model, for murmur inspect; 0: none"),
  projectionSize: z
    .int()
    .min(1)
    .max(MAX_PROJECTION_SIZE)
    .default(DEFAULT_PROJECTION_SIZE)
    .describe("projection size; larger is more accurate"),
  seed: z.int().default(1).describe("every random choice of the run follows from it"),
  trainer: trainerSettings.prefault({ kind: defaultKinds.trainer }).describe("how a peer learns locally"),
  ...taskSettings.shape,
  peerWeights: z
    .enum(peerWeights)
    .default("equal")
    .describe(
      "how much each peer's updates count; examples: in proportion to its training examples, so that all examples count alike",
    ),
  optimizer: optimizerSettings
    .prefault({ kind: defaultKinds.optimizer })
    .describe("what turns gradients into steps"),
  localSteps: z.int().min(1).max(MAX_LOCAL_STEPS).default(1).describe("H: local steps per round"),
});

/** The settings of a run, with every default filled in. */
export type Experiment = z.output<typeof experimentSettings>;

/**
 * An experiment from the content of a file, or from settings in a program; every field has a default.
 *
 * @param source how error messages call it, for example the file's name
 * @throws InvalidExperiment one line that names the field and says what to change
 */
export function parseExperiment(input: unknown, source = "experiment"): Experiment {
  return checked(experimentSettings, withOwnFiles(expandKinds(input)), { what: source }, InvalidExperiment);
}

/** Stands for the path of data where each peer names its own; no file is called that. */
export const OWN_FILES = "(each peer's own)";

function withOwnFiles(input: unknown): unknown {
  const { split, data } = (input ?? {}) as { split?: { kind?: unknown }; data?: { kind?: unknown } };
  const isOwn = split?.kind === "own" && kindsOfFiles.includes(String(data?.kind));
  return isOwn ? { ...(input as object), data: { path: OWN_FILES, ...data } } : input;
}

/** Settings under which a peer finds files on its own machine. */
const LOCATIONS = ["path", "testPath", "export", "command", "paths", "deadlines"];

/**
 * The experiment without the places of its files and programs: peers may keep the same ones under different names, and give
 * a program the time that it takes on their machine.
 */
export function withoutLocations(experiment: Experiment): Partial<Record<keyof Experiment, unknown>> {
  const strip = (settings: object) =>
    Object.fromEntries(Object.entries(settings).filter(([field]) => !LOCATIONS.includes(field)));
  const { weights: _weights, ...others } = experiment;
  const { split, model, trainer } = experiment;
  // How peers read files of their own is their business; what is in them, they compare.
  const data =
    split.kind === "own" ? { standardised: standardised(experiment.data) } : strip(experiment.data);
  return { ...others, data, split: strip(split), model: strip(model), trainer: strip(trainer) };
}

/** `"compressor": "sign"` stands for `"compressor": { "kind": "sign" }`, and `{ "bits": 4 }` for the default kind. */
function expandKinds(input: unknown): unknown {
  if (typeof input !== "object" || input === null || Array.isArray(input)) return input;
  const expanded: Record<string, unknown> = { ...input };
  for (const [field, kind] of Object.entries(defaultKinds)) {
    const value = expanded[field];
    if (typeof value === "string") expanded[field] = { kind: value };
    else if (value === undefined) expanded[field] = { kind };
    else if (typeof value === "object" && !Array.isArray(value)) expanded[field] = { kind, ...value };
  }
  return expanded;
}

/** What JSON Schema says of a field of the form { kind, … }. */
interface KindsSchema {
  readonly description?: string;
  readonly default?: unknown;
  readonly oneOf: readonly { readonly properties: { readonly kind: { readonly const: string } } }[];
}

/** JSON Schema of experiment files, for editors. */
export function experimentJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(experimentSettings, { io: "input" }) as {
    properties: Record<string, object>;
  };
  for (const field of Object.keys(defaultKinds)) {
    schema.properties[field] = orNameAlone(schema.properties[field] as KindsSchema);
  }
  return schema;
}

/** The schema with a kind's name as the short form; editors and `--help` read the outer level only. */
function orNameAlone({ oneOf, ...about }: KindsSchema): object {
  const names = oneOf.map(({ properties }) => properties.kind.const);
  return { ...about, anyOf: [{ type: "string", enum: names }, { oneOf }] };
}
