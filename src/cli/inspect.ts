import { Command } from "commander";
import plot from "simple-ascii-chart";
import { type RunLog, readRun } from "../inspect/read.js";
import type { PeerRound } from "../log.js";
import { bytesText, note, numberText, percentText, print, table } from "./console.js";

/** Rows of the table at most; long runs show evenly spaced rounds. */
const TABLE_ROWS = 20;
/** Size of the plots, in characters. */
const PLOT_COLUMNS = 72;
const PLOT_LINES = 12;

/** One round over all peers that logged it. */
interface MergedRound {
  readonly round: number;
  readonly kind: "exchange" | "closing";
  readonly peers: number;
  readonly loss?: number;
  readonly worstAccuracy?: number;
  readonly bestAccuracy?: number;
  readonly meanModelAccuracy?: number;
  readonly consensusDistance?: number;
  readonly residual?: number;
  readonly bytesSentPerPeer: number;
}

export function inspectCommand(): Command {
  return new Command("inspect")
    .description("read the logs of a run: table and plots of loss, accuracy and consensus distance")
    .argument("<folder>", "the folder given to --out")
    .option("--json", "print every round as JSON lines instead")
    .action(async (folder: string, options) => {
      const run = await readRun(folder);
      for (const remark of run.remarks) note(`note: ${remark}`);
      const rounds = mergeRounds(run);
      if (options.json) {
        for (const round of rounds) print(JSON.stringify(round));
        return;
      }
      const { experiment, topology } = run.header;
      print(
        `${experiment.name}: ${experiment.algorithm} on ${topology.name}, seed ${experiment.seed}, ${run.peers.length} of ${topology.peers} peers, ${rounds.length} rounds\n`,
      );
      print(roundsTable(rounds));
      for (const { peer, end } of run.peers) {
        if (end?.outcome === "stopped") note(`peer ${peer} stopped: ${end.reason}`);
        else if (!end) note(`peer ${peer}: its log ends early`);
      }
      printPlot("consensus distance (log₁₀)", rounds, (round) => log10(round.consensusDistance));
      printPlot("mean training loss", rounds, (round) => round.loss);
    });
}

function mergeRounds({ peers, graph }: RunLog): MergedRound[] {
  const byRound = new Map<number, PeerRound[]>();
  for (const { rounds } of peers) {
    for (const round of rounds) {
      const reports = byRound.get(round.round);
      if (reports) reports.push(round);
      else byRound.set(round.round, [round]);
    }
  }
  const seen = new Map(graph.map((round) => [round.round, round]));
  return [...byRound.entries()]
    .sort(([a], [b]) => a - b)
    .map(([round, reports]) => {
      const outside = seen.get(round);
      const losses = reports.flatMap(({ loss }) => loss ?? []);
      const accuracies = reports.flatMap(({ evaluation }) => evaluation?.accuracy ?? []);
      const residuals = reports.flatMap(({ residual }) => residual ?? []);
      return {
        round,
        kind: reports[0]!.kind,
        peers: reports.length,
        ...(losses.length > 0 && { loss: average(losses) }),
        ...(accuracies.length > 0 && {
          worstAccuracy: Math.min(...accuracies),
          bestAccuracy: Math.max(...accuracies),
        }),
        ...(outside?.meanEvaluation?.accuracy !== undefined && {
          meanModelAccuracy: outside.meanEvaluation.accuracy,
        }),
        ...(outside && { consensusDistance: outside.consensusDistance }),
        ...(residuals.length > 0 && { residual: average(residuals) }),
        bytesSentPerPeer: average(
          reports.map(({ traffic }) => traffic.reduce((sum, edge) => sum + edge.bytesSent, 0)),
        ),
      };
    });
}

function roundsTable(rounds: readonly MergedRound[]): string {
  // Rounds with accuracies say most; when there are too many, or none, evenly spaced ones.
  const evaluated = rounds.filter(({ worstAccuracy }) => worstAccuracy !== undefined);
  const candidates = evaluated.length > 1 ? evaluated : rounds;
  const step = Math.max(1, Math.ceil(candidates.length / TABLE_ROWS));
  const shown = candidates.filter((_, k) => (candidates.length - 1 - k) % step === 0);
  const number = (value: number | undefined) => (value === undefined ? "–" : numberText(value));
  return table(
    [
      "round",
      "",
      "loss",
      "worst peer %",
      "best peer %",
      "mean model %",
      "consensus distance",
      "‖δ‖/‖x‖",
      "sent per peer",
    ],
    shown.map((round) => [
      round.round + 1,
      round.kind === "closing" ? "closing" : "",
      number(round.loss),
      percentText(round.worstAccuracy),
      percentText(round.bestAccuracy),
      percentText(round.meanModelAccuracy),
      number(round.consensusDistance),
      number(round.residual),
      bytesText(Math.round(round.bytesSentPerPeer)),
    ]),
  );
}

function printPlot(
  title: string,
  rounds: readonly MergedRound[],
  value: (round: MergedRound) => number | undefined,
): void {
  const points = rounds.flatMap((round): [number, number][] => {
    const y = value(round);
    return y === undefined || !Number.isFinite(y) ? [] : [[round.round + 1, y]];
  });
  if (points.length < 2) return;
  const step = Math.ceil(points.length / PLOT_COLUMNS);
  const shown = points.filter((_, k) => k % step === 0);
  print(plot(shown, { title, width: PLOT_COLUMNS, height: PLOT_LINES, xLabel: "round" }));
}

const log10 = (value: number | undefined) => (value === undefined ? undefined : Math.log10(value));

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
