/** One run of a comparison, and what is measured of it. */
import { type Metric, qualityOf, rangeOf } from "../../evaluation.js";
import { MurmurationError } from "../../foundation/errors.js";
import { parseTopology } from "../../graphs/topology.js";
import type { RoundReport } from "../../observing/report.js";
import type { Cell } from "../comparison.js";
import type { CellResult, Cost, Measured, Point, Standing } from "../comparison-result.js";
import { parseExperiment } from "../experiment.js";
import type { SimulationRound } from "../round.js";
import { simulate } from "../simulate.js";
import { createVerdictWatch } from "../verdict-watch.js";
import { average, bytesSent } from "./totals.js";

/** Runs a cell. A run that is refused, or that diverges, is a result too. */
export async function runCell(cell: Cell): Promise<CellResult> {
  const { name, seed, key } = cell;
  try {
    return { name, seed, key, ...(await measure(cell)) };
  } catch (error) {
    if (!(error instanceof MurmurationError)) throw error;
    return { name, seed, key, problem: error.message };
  }
}

async function measure({ settings, topology }: Cell): Promise<Omit<Measured, "name" | "seed" | "key">> {
  const experiment = parseExperiment({ projectEvery: 0, ...settings });
  const started = performance.now();
  const simulation = await simulate(parseTopology(topology.content, topology.file), experiment);
  const points: Point[] = [];
  const cost = createCost(experiment.localSteps);
  const parameters = simulation.layout.length;
  const watch = createVerdictWatch({ experiment, parameters, isTimed: false });
  let metric: Metric | undefined;
  try {
    for await (const round of simulation.run()) {
      cost.add(round);
      watch.add(round);
      const standing = standingOf(round);
      if (!standing) continue;
      metric = standing.metric;
      points.push({ ...cost.total(), ...standing.values, isClosing: round.kind === "closing" });
    }
  } finally {
    simulation.dispose();
  }
  const verdict = watch.conclude();
  return {
    parameters,
    ...(metric && { metric }),
    ...{ points, total: cost.total() },
    seconds: (performance.now() - started) / 1000,
    ...(verdict && { verdict }),
  };
}

/** Adds up what rounds cost. */
function createCost(localSteps: number) {
  let total: Cost = { rounds: 0, steps: 0, bytes: 0, busiestBytes: 0, messages: 0 };
  let before: readonly RoundReport[] = [];
  return {
    add({ kind, reports }: SimulationRound): void {
      const sent = reports.map(bytesSent);
      let busiest = 0;
      let messages = 0;
      for (const [peer, { traffic }] of reports.entries()) {
        const earlier = before[peer];
        busiest = Math.max(busiest, sent[peer]! - (earlier ? bytesSent(earlier) : 0));
        for (const [k, { messagesSent }] of traffic.entries()) {
          messages = Math.max(messages, messagesSent - (earlier?.traffic[k]?.messagesSent ?? 0));
        }
      }
      total = {
        rounds: total.rounds + 1,
        steps: total.steps + (kind === "closing" ? 0 : localSteps),
        bytes: average(sent),
        busiestBytes: total.busiestBytes + busiest,
        messages: total.messages + messages,
      };
      before = reports;
    },
    total: () => total,
  };
}

/** Undefined where the round did not evaluate, or the loss alone says how good models are. */
function standingOf(
  round: SimulationRound,
): { readonly metric: Metric; readonly values: Standing } | undefined {
  const { reports, meanEvaluation, consensusDistance } = round;
  const peers = reports.flatMap(({ evaluation }) => (evaluation && qualityOf(evaluation)) ?? []);
  const ofMean = meanEvaluation && qualityOf(meanEvaluation);
  if (peers.length < reports.length || !ofMean) return undefined;
  const { metric } = ofMean;
  const values = peers.map(({ value }) => value);
  return {
    metric,
    values: {
      worst: rangeOf(metric, values).worst,
      mean: average(values),
      meanModel: ofMean.value,
      worstLoss: Math.max(...reports.map(({ evaluation }) => evaluation!.loss)),
      meanModelLoss: meanEvaluation.loss,
      consensusDistance,
    },
  };
}
