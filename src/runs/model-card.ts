/** What files of a run's models say of the run, and what is read from them to use a model without it. */
import { z } from "zod";
import type { ExamplesDescription, Scaling } from "../dataset.js";
import { InvalidModel } from "../foundation/errors.js";
import type { Topology } from "../graphs/topology.js";
import type { Plan } from "../peer.js";
import type { ModelCard, ModelFile } from "../saved-model.js";
import { checked } from "../settings/check.js";
import type { Trainer } from "../trainers/trainer.js";
import { VERSION } from "../version.js";
import { type Experiment, parseExperiment } from "./experiment.js";

const side = z.int().positive();
const scalingSchema = z.object({ mean: z.array(z.number()), factor: z.array(z.number()) });
const examplesSchema = z.object({
  inputShape: z.array(side),
  targets: z.object({
    kind: z.enum(["classes", "marks", "numbers"]),
    count: side,
    names: z.array(z.string()).optional(),
    scaling: scalingSchema.optional(),
  }),
  featureNames: z.array(z.string()).optional(),
  scaling: scalingSchema.optional(),
});

/** The run that a model is of. */
export interface Run {
  readonly topology: Topology;
  readonly experiment: Experiment;
  readonly plan: Plan;
}

/**
 * Keys of the metadata: `murmuration` (version), `topology` (name, peers and the digest that peers compare), `experiment`
 * (all settings) and, where the model is of examples, `examples` (shape, targets, and how both are scaled) and `outputs`
 * (what the model's outputs mean, for people).
 */
export function cardOf(
  { topology: { name, mixing }, experiment, plan }: Run,
  { layout, stateShapes = {}, frozen, examples }: Trainer,
): ModelCard {
  const { topology: digest } = plan.fingerprint ?? {};
  return {
    tensors: layout.tensors.map(({ name, shape }) => ({ name, shape })),
    localShapes: stateShapes,
    frozenShapes: frozen?.shapes ?? {},
    about: {
      murmuration: VERSION,
      topology: JSON.stringify({ name, peers: mixing.peers, digest }),
      experiment: JSON.stringify(experiment),
      ...(examples && { examples: JSON.stringify(examples), outputs: outputsText(experiment, examples) }),
    },
  };
}

/** What the outputs of a model mean to a program that uses its file. */
function outputsText({ loss }: Experiment, { targets }: ExamplesDescription): string {
  const { kind, scaling } = targets;
  if (kind === "numbers") {
    return scaling
      ? "scaled numbers: in the units of the data they are output / factor + mean, with examples.targets.scaling"
      : "numbers in the units of the data";
  }
  if (kind === "marks") return "one logit per mark: its probability is 1 / (1 + exp(-logit))";
  return loss.kind === "binary-cross-entropy"
    ? "one logit: the probability of the second class is 1 / (1 + exp(-logit))"
    : "one logit per class: softmax(logits) are the probabilities";
}

/** What a model's file says of the run that it is from. */
export interface Origins {
  readonly experiment: Experiment;
  readonly examples: ExamplesDescription;
}

/** @throws InvalidModel metadata that are missing or that this version cannot read */
export function originsOf({ metadata, source }: ModelFile): Origins {
  const { experiment, examples } = metadata;
  if (experiment === undefined) {
    throw new InvalidModel(
      `${source} does not say what model it is of: its metadata have no "experiment"; use a file that murmur saved`,
      { code: "model-without-settings", field: source },
    );
  }
  if (examples === undefined) {
    throw new InvalidModel(
      `${source} does not say what its model takes and predicts: its metadata have no "examples"; use a model of trainer layers`,
      { code: "model-without-examples", field: source },
    );
  }
  const described = checked(
    examplesSchema,
    parsed(examples, "examples", source),
    { what: `${source}: examples` },
    InvalidModel,
  );
  const { inputShape, scaling, featureNames } = described;
  const { names, scaling: ofTargets, ...others } = described.targets;
  requireScaling(scaling, inputShape.at(-1)!, "channels", source);
  requireScaling(ofTargets, others.count, "targets", source);
  const targets = { ...others, ...(names && { names }), ...(ofTargets && { scaling: ofTargets }) };
  return {
    experiment: parseExperiment(parsed(experiment, "experiment", source), `${source}: experiment`),
    examples: { inputShape, targets, ...(featureNames && { featureNames }), ...(scaling && { scaling }) },
  };
}

/** @throws InvalidModel a scale of another count */
function requireScaling(scaling: Scaling | undefined, count: number, what: string, source: string): void {
  if (!scaling || (scaling.mean.length === count && scaling.factor.length === count)) return;
  throw new InvalidModel(
    `${source} scales ${scaling.mean.length} ${what}, of which there are ${count}: save or download it again`,
    { code: "model-scaling", field: source },
  );
}

function parsed(text: string, field: string, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidModel(`${source} has metadata "${field}" that are not JSON: save or download it again`, {
      code: "model-metadata-not-json",
      field: source,
      cause,
    });
  }
}
