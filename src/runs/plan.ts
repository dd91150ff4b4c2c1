/** From an experiment and a graph to what every peer does, and to what peers must agree on. */
import type { AlgorithmKind } from "../algorithm.js";
import { algorithms } from "../algorithms/index.js";
import { createCompressor } from "../compressors/index.js";
import { digest, type Fingerprint } from "../exchange/fingerprint.js";
import { participation } from "../exchange/participation.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { closingRates } from "../graphs/closing-rates.js";
import type { Mixing } from "../graphs/mixing.js";
import { spectrum } from "../graphs/spectrum.js";
import { isRobust, requireMixing, requireNeighbours } from "../mixing-rules/index.js";
import type { Plan } from "../peer.js";
import { requirePatience } from "../peer-parts.js";
import { createSchedule } from "../settings/schedule.js";
import type { Trainer } from "../trainers/trainer.js";
import type { Layout } from "../vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../vectors/vector.js";
import { VERSION } from "../version.js";
import { type Experiment, withoutLocations } from "./experiment.js";
import { planRate, rateText } from "./planned-rate.js";
import { trialLayout } from "./trial-setting.js";

/** Longest value that a fingerprint shows in words; longer ones become digests. */
const MAX_SHOWN_CHARACTERS = 100;

/** A plan, and what the user should know about it before it runs. */
export interface Prepared {
  readonly plan: Plan;
  /** One line each. */
  readonly warnings: readonly string[];
}

/**
 * What all peers of this experiment do on this graph.
 *
 * @param trainer of any peer: they share the layout and the initial model
 * @param algorithm one of your own; the experiment's where left out
 * @throws InvalidExperiment an algorithm that cannot work on this graph or with these settings
 */
export function createPlan(
  experiment: Experiment,
  mixing: Mixing,
  trainer: Pick<Trainer, "layout" | "initialize">,
  algorithm: AlgorithmKind = algorithms[experiment.algorithm],
): Prepared {
  const { rounds, seed, compressor, patience, participation: share } = experiment;
  const { evaluateEvery, projectEvery, projectionSize } = experiment;
  requireFit(algorithm, experiment, mixing);
  const waiting = patience === "barrier" ? undefined : patienceOf(patience);
  if (waiting) requirePatience(algorithm, waiting);

  const { consensusRate, warnings: ofRate } = planRate(experiment, mixing, trainer, algorithm);
  const warnings = [...ofRate];
  const uncontracting = algorithm.needs.contraction && nameWithoutContraction(experiment, trainer.layout);
  if (uncontracting) {
    warnings.push(
      `compressor ${uncontracting} has no proven contraction, which the error feedback of ${algorithm.name} needs: the residual may grow without bound; use its scaled form or another compressor`,
    );
  }

  if (isRobust(experiment.mixing) && experiment.closingRounds !== "auto" && experiment.closingRounds > 0) {
    warnings.push(
      `the closing consensus is a mean, which takes every model as it is: with mixing ${experiment.mixing.kind} set closingRounds to 0 or "auto"`,
    );
  }

  const rates = closingRatesOf(algorithm, experiment, mixing);
  return {
    plan: {
      seed,
      algorithm,
      compressor,
      mixing: experiment.mixing,
      rounds,
      learningRate: createSchedule(experiment.learningRate, rounds),
      optimizer: experiment.optimizer,
      localSteps: experiment.localSteps,
      consensusRate: createSchedule(consensusRate, rounds),
      edges: participation(seed, share),
      closingRates: rates,
      ...(waiting && { patience: waiting }),
      evaluateEvery,
      ...(projectEvery > 0 && { projection: { every: projectEvery, size: projectionSize } }),
      fingerprint: {
        ...settingsFingerprint(experiment),
        algorithm: algorithm.name,
        ...graphFingerprint(mixing),
        consensusRate: shown(
          experiment.consensusRate === "auto" ? `auto: ${rateText(consensusRate)}` : experiment.consensusRate,
        ),
        closingRates: shown(rates),
      },
    },
    warnings,
  };
}

function patienceOf(patience: Exclude<Experiment["patience"], "barrier">): NonNullable<Plan["patience"]> {
  if (typeof patience === "number") return { patienceMs: 1000 * patience };
  return { patienceMs: 1000 * patience.most, patienceFactor: patience.factor };
}

/** What the graph and this version of the package contribute to a fingerprint. Addresses are not part of it. */
export function graphFingerprint({ neighbours }: Mixing): Fingerprint {
  return {
    murmuration: VERSION,
    topology: digest(
      neighbours.map((edges) =>
        edges.map(({ peer, weight, direction }) => [peer, weight, direction ?? "both"]),
      ),
    ),
  };
}

function requireFit(
  algorithm: AlgorithmKind,
  { participation, mixing }: Experiment,
  { isDirected, neighbours }: Mixing,
): void {
  const { name, needs } = algorithm;
  requireMixing(algorithm, mixing);
  for (const [peer, edges] of neighbours.entries()) requireNeighbours(peer, edges.length, mixing);
  if (isDirected && needs.graph !== "directed") {
    const others = Object.values<AlgorithmKind>(algorithms)
      .filter(({ needs, sends }) => needs.graph === "directed" && sends !== "nothing")
      .map((kind) => kind.name);
    throw new InvalidExperiment(
      `algorithm ${name} needs edges that work both ways, and this graph is directed: use ${others.join(" or ")}, or an undirected graph`,
      { code: "algorithm-needs-undirected-graph", field: "algorithm" },
    );
  }
  if (participation < 1 && needs.everyEdge) {
    throw new InvalidExperiment(
      `algorithm ${name} needs every edge in every round, and participation is ${participation}: set it to 1, or use another algorithm`,
      { code: "algorithm-needs-every-edge", field: "participation" },
    );
  }
}

/** The compressor's name where its contraction is not proven; undefined where it is. */
function nameWithoutContraction({ compressor }: Experiment, layout: Layout): string | undefined {
  const small = trialLayout(layout);
  const space = createVectorSpace(spaceBytes(4, small.length, 1 << 20));
  const { contraction, name } = createCompressor(compressor, { layout: small, space });
  return contraction > 0 ? undefined : name;
}

function closingRatesOf(
  { sends }: AlgorithmKind,
  { closingRounds, mixing: rule }: Experiment,
  mixing: Mixing,
): readonly number[] {
  // A closing consensus needs a symmetric W.
  if (sends === "nothing" || mixing.isDirected || closingRounds === 0) return [];
  if (closingRounds === "auto" && isRobust(rule)) return [];
  return closingRates(spectrum(mixing), closingRounds === "auto" ? undefined : closingRounds).rates;
}

/**
 * Every setting but those that each peer may choose for itself, and those of the data: the trainer describes the
 * examples themselves. Their scale counts even where the examples may differ.
 */
function settingsFingerprint(experiment: Experiment): Fingerprint {
  const {
    $schema: _schema,
    name: _name,
    evaluateEvery: _evaluateEvery,
    closingRounds: _closing,
    data: _data,
    ...shared
  } = withoutLocations(experiment);
  const { data } = experiment;
  return {
    ...Object.fromEntries(Object.entries(shared).map(([field, value]) => [field, shown(value)])),
    featureScale: "scale" in data ? data.scale : "none",
  };
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= MAX_SHOWN_CHARACTERS ? text : digest(value);
}
