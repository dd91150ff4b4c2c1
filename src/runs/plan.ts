/** From an experiment and a graph to what every peer does, and to what peers must agree on. */
import type { AlgorithmKind } from "../algorithm.js";
import { withOptions } from "../algorithm-options/index.js";
import { algorithms } from "../algorithms/index.js";
import { createCompressor } from "../compressors/index.js";
import { standardised } from "../datasets/index.js";
import type { EarlyStopping } from "../early-stopping.js";
import { digest, type Fingerprint } from "../exchange/fingerprint.js";
import { participation, shareOf } from "../exchange/participation.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { closingOf } from "../graphs/closing-rates.js";
import type { Mixing, MixingSequence } from "../graphs/mixing.js";
import { edgesIn } from "../graphs/sequence-mixing.js";
import { isRobust, requireMixing, requireNeighbours } from "../mixing-rules/index.js";
import { isPlainDescent } from "../optimizers/index.js";
import type { Plan } from "../peer.js";
import { requirePatience } from "../peer-parts.js";
import { createSchedule } from "../settings/schedule.js";
import type { Trainer } from "../trainers/trainer.js";
import type { Layout } from "../vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../vectors/vector.js";
import { VERSION } from "../version.js";
import { defaultKinds, type Experiment, withoutLocations } from "./experiment.js";
import { planRate, rateText } from "./planned-rate.js";
import { trialLayout } from "./trial-setting.js";

/** Longest value that a fingerprint shows in words; longer ones become digests. */
const MAX_SHOWN_CHARACTERS = 100;

/** A plan, and what the user should know about it before it runs. */
export interface Prepared {
  readonly plan: Plan;
  /** η in words where it was found, not set; absent where the algorithm does not use it. */
  readonly foundRate?: string;
  /** One line each. */
  readonly warnings: readonly string[];
}

/**
 * What all peers of this experiment do on this graph.
 *
 * @param trainer of any peer: they share the layout and the initial model
 * @param plain an algorithm of your own, without the experiment's options; the experiment's where left out
 * @throws InvalidExperiment an algorithm that cannot work on this graph or with these settings
 */
export function createPlan(
  experiment: Experiment,
  mixing: Mixing,
  trainer: Pick<Trainer, "layout" | "initialize" | "localUpdate" | "evaluates">,
  plain: AlgorithmKind = algorithms[experiment.algorithm],
): Prepared {
  const algorithm = withOptions(plain, experiment);
  const { rounds, seed, compressor, patience, participation: share } = experiment;
  const { evaluateEvery, projectEvery, projectionSize } = experiment;
  requireFit(algorithm, experiment, mixing);
  requireOptimizerInUse(experiment, trainer);
  const waiting = patience === "barrier" ? undefined : patienceOf(patience);
  if (waiting) requirePatience(algorithm, waiting);

  const stopping = earlyStoppingOf(experiment, trainer);
  const { consensusRate, warnings: ofRate } = planRate(experiment, mixing, trainer, plain);
  const warnings = [...ofRate];
  const uncontracting = algorithm.needs.contraction && nameWithoutContraction(experiment, trainer.layout);
  if (uncontracting) {
    warnings.push(
      `compressor ${uncontracting} has no proven contraction, which the error feedback of ${algorithm.name} needs: the residual may grow without bound; use its scaled form or another compressor`,
    );
  }

  if (!algorithm.compresses && ![defaultKinds.compressor, "identity"].includes(compressor.kind)) {
    warnings.push(`algorithm ${algorithm.name} does not compress: compressor ${compressor.kind} is not used`);
  }

  if (isRobust(experiment.mixing) && experiment.closingRounds !== "auto" && experiment.closingRounds > 0) {
    warnings.push(
      `the closing consensus is a mean, which takes every model as it is: with mixing ${experiment.mixing.kind} set closingRounds to 0 or "auto"`,
    );
  }

  if (stopping && stopping.patience * evaluateEvery >= rounds) {
    warnings.push(
      `early stopping waits for ${stopping.patience} evaluations without improvement, ${evaluateEvery} rounds apart, and there are ${rounds} rounds: it cannot stop before the last; lower earlyStopping.patience or evaluateEvery`,
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
      peerWeights: experiment.peerWeights,
      ...(stopping && { stopping }),
      consensusRate: createSchedule(consensusRate, rounds),
      ...(shareOf(share) < 1 && { edges: participation(seed, share) }),
      closingRates: rates,
      ...(mixing.sequence && { edgesIn: edgesIn(mixing, mixing.sequence, { rounds, closingRates: rates }) }),
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
    ...(experiment.consensusRate === "auto" && algorithm.usesRate && { foundRate: rateText(consensusRate) }),
    warnings,
  };
}

/** @throws InvalidExperiment rounds that are not evaluated, or that peers reach at different times */
function earlyStoppingOf(
  { earlyStopping, evaluateEvery, patience }: Experiment,
  { evaluates }: Pick<Trainer, "evaluates">,
): EarlyStopping | undefined {
  if (earlyStopping === "off") return undefined;
  if (evaluates === false) {
    throw new InvalidExperiment(
      "early stopping looks at evaluations, and the trainer evaluates nothing: have it evaluate, or remove earlyStopping",
      { code: "stopping-without-evaluation", field: "earlyStopping" },
    );
  }
  if (evaluateEvery === 0) {
    throw new InvalidExperiment(
      "early stopping looks at evaluations, and evaluateEvery is 0: set it to rounds between two evaluations",
      { code: "stopping-without-evaluations", field: "evaluateEvery" },
    );
  }
  if (patience !== "barrier") {
    throw new InvalidExperiment(
      "early stopping ends all peers in one round, and with patience they are in different ones: remove one of them",
      { code: "stopping-with-patience", field: "earlyStopping" },
    );
  }
  return earlyStopping;
}

function patienceOf(patience: Exclude<Experiment["patience"], "barrier">): NonNullable<Plan["patience"]> {
  if (typeof patience === "number") return { patienceMs: 1000 * patience };
  const { most, factor, staleness } = patience;
  return {
    ...{ patienceMs: 1000 * most, patienceFactor: factor },
    ...(staleness !== undefined && { staleness }),
  };
}

/** What the graph and this version of the package contribute to a fingerprint. Addresses are not part of it. */
export function graphFingerprint({ neighbours, sequence, peers }: Mixing): Fingerprint {
  return {
    murmuration: VERSION,
    topology: digest(
      neighbours.map((edges) =>
        edges.map(({ peer, weight, direction }) => [peer, weight, direction ?? "both"]),
      ),
    ),
    ...(sequence && {
      graphSequence: digest(
        Array.from({ length: sequence.rounds }, (_, t) =>
          Array.from({ length: peers }, (_, peer) =>
            sequence.neighbours(peer, t).map(({ peer, weight }) => [peer, weight]),
          ),
        ),
      ),
    }),
  };
}

function requireFit(
  algorithm: AlgorithmKind,
  { participation, mixing }: Experiment,
  { isDirected, neighbours, sequence }: Mixing,
): void {
  const { name, needs } = algorithm;
  requireMixing(algorithm, mixing);
  for (const [peer, { length }] of neighbours.entries()) {
    requireNeighbours(peer, sequence ? mostNeighbours(sequence, peer) : length, mixing);
  }
  if (sequence && needs.everyEdge) {
    throw new InvalidExperiment(
      `algorithm ${name} needs the same weights in every round, and this graph changes from round to round: use another algorithm, or a graph with one set of edges`,
      { code: "algorithm-needs-static-weights", field: "algorithm" },
    );
  }
  if (isDirected && needs.graph !== "directed") {
    const others = Object.values<AlgorithmKind>(algorithms)
      .filter(({ needs, sends }) => needs.graph === "directed" && sends !== "nothing")
      .map((kind) => kind.name);
    throw new InvalidExperiment(
      `algorithm ${name} needs edges that work both ways, and this graph is directed: use ${others.join(" or ")}, or an undirected graph`,
      { code: "algorithm-needs-undirected-graph", field: "algorithm" },
    );
  }
  if (needs.graph === "complete" && !isComplete(neighbours)) {
    throw new InvalidExperiment(
      `algorithm ${name} needs every peer's payload at every other, and this graph is not complete: use a graph of kind "complete", or another algorithm`,
      { code: "algorithm-needs-complete-graph", field: "algorithm" },
    );
  }
  if (shareOf(participation) < 1 && needs.everyEdge) {
    throw new InvalidExperiment(
      `algorithm ${name} needs every edge in every round, and participation is ${shareOf(participation)}: set it to 1, or use another algorithm`,
      { code: "algorithm-needs-every-edge", field: "participation" },
    );
  }
}

/** @throws InvalidExperiment an optimiser for a trainer that has its own */
function requireOptimizerInUse(
  { optimizer }: Experiment,
  { localUpdate }: Pick<Trainer, "localUpdate">,
): void {
  if (!localUpdate || isPlainDescent(optimizer)) return;
  throw new InvalidExperiment(
    `the trainer steps with its own optimizer, so optimizer ${optimizer.kind} has no effect: remove it, or have the trainer return gradients`,
    { code: "optimizer-not-used", field: "optimizer" },
  );
}

/** Whether every two peers have an edge, those that have left a running graph apart. */
function isComplete(neighbours: Mixing["neighbours"]): boolean {
  const degrees = neighbours.map(({ length }) => length).filter((degree) => degree > 0);
  return degrees.every((degree) => degree === degrees.length - 1);
}

/** Most neighbours that a peer has in one round. */
function mostNeighbours({ rounds, neighbours }: MixingSequence, peer: number): number {
  let most = 0;
  for (let t = 0; t < rounds; t++) most = Math.max(most, neighbours(peer, t).length);
  return most;
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
  return closingOf(mixing, closingRounds === "auto" ? undefined : closingRounds).rates;
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
  const { earlyStopping, evaluateEvery } = experiment;
  return {
    // Who stops early by evaluations makes them in the same rounds.
    ...(earlyStopping !== "off" && { evaluateEvery: String(evaluateEvery) }),
    ...Object.fromEntries(Object.entries(shared).map(([field, value]) => [field, shown(value)])),
    featureScale: "scale" in data ? data.scale : "none",
    targetScale: standardised(data).targets ? "standard" : "none",
  };
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length <= MAX_SHOWN_CHARACTERS ? text : digest(value);
}
