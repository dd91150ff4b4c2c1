/** One run of a comparison, in a process of its own, told what to do over the IPC channel. */
import { MurmurationError } from "../../foundation/errors.js";
import { parseTopology } from "../../graphs/topology.js";
import type { Cell, CellResult, Standing } from "../comparison.js";
import { parseExperiment } from "../experiment.js";
import type { SimulationRound } from "../round.js";
import { simulate } from "../simulate.js";
import { average, bytesSent } from "./totals.js";

export interface CellTask {
  readonly cell: Cell;
  /** What the topology file holds. */
  readonly topology: unknown;
  readonly target: number | undefined;
}

/** Runs a cell. A run that cannot be, or that diverges, is a result too. */
export async function runCell({ cell, topology, target }: CellTask): Promise<CellResult> {
  const { name, seed, key, settings } = cell;
  try {
    return { name, seed, key, ...(await measure(settings, parseTopology(topology, cell.topology), target)) };
  } catch (error) {
    if (!(error instanceof MurmurationError)) throw error;
    return { name, seed, key, problem: error.message };
  }
}

async function measure(
  settings: Cell["settings"],
  topology: ReturnType<typeof parseTopology>,
  target: number | undefined,
): Promise<Partial<CellResult>> {
  const experiment = parseExperiment({ projectEvery: 0, ...settings });
  const started = performance.now();
  const simulation = await simulate(topology, experiment);
  let learned: Standing | undefined;
  let last: SimulationRound | undefined;
  let reached: CellResult["target"];
  try {
    for await (const round of simulation.run()) {
      last = round;
      const now = standingOf(round);
      if (round.round === experiment.rounds - 1) learned = now;
      const bytes = average(round.reports.map(bytesSent));
      if (target !== undefined && now && now.worst >= target) reached ??= { round: round.round + 1, bytes };
    }
  } finally {
    simulation.dispose();
  }
  const closed = last!.kind === "closing" ? standingOf(last!) : undefined;
  const bytes = average(last!.reports.map(bytesSent));
  const steps = experiment.rounds * experiment.localSteps;
  return {
    ...(learned && { learned }),
    ...(closed && { closed }),
    ...{ rounds: experiment.rounds, steps, bytes },
    bitsPerParameterAndStep: (8 * bytes) / simulation.layout.length / steps,
    ...(reached && { target: reached }),
    seconds: (performance.now() - started) / 1000,
  };
}

/** Undefined where the round did not evaluate, or the data have no classes. */
function standingOf({ reports, meanEvaluation, consensusDistance }: SimulationRound): Standing | undefined {
  const accuracies = reports.flatMap(({ evaluation }) => evaluation?.accuracy ?? []);
  if (accuracies.length < reports.length || meanEvaluation?.accuracy === undefined) return undefined;
  return {
    worst: Math.min(...accuracies),
    mean: average(accuracies),
    meanModel: meanEvaluation.accuracy,
    consensusDistance,
  };
}

if (process.send) {
  process.once("message", async (task: CellTask) => {
    const result = await runCell(task);
    process.send!(result, () => process.disconnect());
  });
}
