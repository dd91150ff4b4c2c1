import { dirname, join } from "node:path";
import { payloadsOf } from "../algorithms/index.js";
import type { ModelledTimes } from "../runs/modelled-times.js";
import type { RunSummary, Standing } from "../runs/node/record-simulation.js";
import type { Stopping } from "../runs/stopping.js";
import { bytesText, metricTitle, numberText, percentText, table, valueText } from "./console.js";

/**
 * One row per run. Worst, best and mean model are before the closing consensus. Bytes are what a peer sent, closing consensus
 * included; the ratio is to the first run that sends full models, where there is one.
 */
export function summaryTable(runs: readonly RunSummary[]): string {
  const reference = runs.find(({ algorithm }) => payloadsOf(algorithm) === "exact")?.bytesSentPerPeer;
  const withRatio = reference !== undefined && runs.length > 1;
  const metric = runs.find(({ final }) => final.metric)?.final.metric;
  const head = [
    "run",
    ...(metric
      ? ["worst", "best", "mean model"].map((words) => metricTitle(words, metric))
      : ["held-out loss of mean model"]),
    "consensus",
    metric ? metricTitle("closed", metric) : "closed to",
    "sent/peer",
    ...(withRatio ? ["fewer bytes"] : []),
    "seconds",
  ];
  const rows = runs.map(({ name, final, beforeClosing, bytesSentPerPeer, seconds }) => {
    const isClosed = final.round !== beforeClosing.round;
    return [
      name,
      ...(metric
        ? [beforeClosing.worst, beforeClosing.best, beforeClosing.meanModel].map((value) =>
            valueText(metric, value),
          )
        : [numberText(beforeClosing.meanModelLoss)]),
      numberText(beforeClosing.consensusDistance),
      isClosed ? closedText(final) : "–",
      bytesText(bytesSentPerPeer),
      ...(withRatio ? [bytesSentPerPeer === 0 ? "–" : `${(reference / bytesSentPerPeer).toFixed(1)}×`] : []),
      seconds.toFixed(1),
    ];
  });
  const isPooled = runs.some(({ beforeClosing }) => beforeClosing.hasPooledStatistics);
  const footnote = "the mean model has the running statistics of all peers' examples together";
  return isPooled ? `${table(head, rows)}\n${footnote}` : table(head, rows);
}

/** Where the trained models are, and how several become one. */
export function modelsText(files: readonly string[]): string {
  if (files.length === 1) return `model: ${files[0]}`;
  const folder = dirname(files[0]!);
  const mean = `murmur export ${folder} --mean --to ${join(folder, "mean.safetensors")}`;
  return `models:\n${files.join("\n")}\ntheir mean: ${mean}`;
}

/** When all peers stopped learning, and which models the run ends with. */
export function stoppingText(rounds: number, stopping: Stopping): string {
  const { lastRound, bestRound, keptBest } = stopping;
  const end =
    lastRound < rounds
      ? `learning stopped after round ${lastRound} of ${rounds}`
      : `learning took all ${rounds} rounds`;
  const kept =
    bestRound === lastRound
      ? "the last models are the best"
      : keptBest
        ? "those models were kept"
        : "the last models were kept";
  return `${end}: the mean held-out loss was least after round ${bestRound}; ${kept}`;
}

/** What the closing consensus led to: how good the peers' models are, or else their consensus distance. */
function closedText({ metric, consensusDistance, ...values }: Standing): string {
  if (!metric) return numberText(consensusDistance);
  const [worst, best] = [valueText(metric, values.worst), valueText(metric, values.best)];
  return worst === best ? worst : `${worst} – ${best}`;
}

/** How long a run takes on the simulated network, and when the peers' accuracy reached which mark. */
export function modelledText({ seconds, toAccuracy }: ModelledTimes): string {
  const text = (value: number | undefined) => (value === undefined ? "–" : value.toFixed(1));
  const lines = [`modelled time: ${text(seconds)} s`];
  if (toAccuracy.length === 0) return lines[0]!;
  const rows = toAccuracy.map(({ accuracy, mean, worst }) => [
    percentText(accuracy),
    text(mean),
    text(worst),
  ]);
  return [...lines, table(["accuracy %", "mean of peers, s", "worst peer, s"], rows)].join("\n");
}

/** The mean of every figure over runs of one experiment with different seeds. */
export function averageSummaries(summaries: readonly RunSummary[]): RunSummary {
  return averageOf(summaries.map(({ verdict: _, ...figures }) => figures)) as RunSummary;
}

function averageOf(values: readonly unknown[]): unknown {
  const [first] = values;
  if (typeof first === "number")
    return (values as number[]).reduce((sum, value) => sum + value, 0) / values.length;
  if (typeof first !== "object" || first === null) return first;
  return Object.fromEntries(
    Object.keys(first).map((key) => [
      key,
      averageOf(values.map((value) => (value as Record<string, unknown>)[key])),
    ]),
  );
}
