import { bytesText, metricText, numberText, percentText, secondsText } from "../../foundation/format.js";

/** @typedef {import("../view.js").SeriesName} SeriesName */

/**
 * What a chart shows: of one run all its lines, of several the first line that each of them has.
 *
 * @typedef {object} ChartKind
 * @property {string} id
 * @property {string} title
 * @property {string} hint
 * @property {string} [y] title of the y axis; the chart's title where left out
 * @property {(value: number | null | undefined) => string} text
 * @property {boolean} [isLog] logarithmic scale at first; left out where that makes no sense
 * @property {"one" | "several"} [runCount] how many runs it is for; any number where left out
 * @property {boolean} [fromZero] the scale begins at 0
 * @property {boolean} [hasSpikes] what is far above nearly all the rest leaves the chart at the top
 * @property {readonly (readonly [name: SeriesName, label: string])[]} lines
 * @property {readonly [high: SeriesName, low: SeriesName]} [band] drawn behind the first line
 */

/** The chart of what models are judged by. */
const METRIC = "metric";

/**
 * A kind of chart as some runs fill it. That of the metric has its name, and leaves out runs that are judged by another one
 * than the first. A kind for another number of runs has none.
 *
 * @param {ChartKind} kind
 * @param {readonly import("../view.js").RunView[]} runs
 * @returns {{ kind: ChartKind, runs: readonly import("../view.js").RunView[] }}
 */
export function forRuns(kind, runs) {
  if (kind.runCount && kind.runCount !== (runs.length > 1 ? "several" : "one")) return { kind, runs: [] };
  const metric = runs[0]?.metric;
  if (kind.id !== METRIC || !metric) return { kind, runs };
  const { name, better } = metric;
  return {
    kind: {
      ...kind,
      ...(name !== "accuracy" && { title: name, hint: `on held-out data; ${better} is better` }),
      text: (value) => metricText(metric, value),
      ...(better === "lower" && { band: ["metricWorst", "metricBest"] }),
    },
    runs: runs.filter((run) => run.metric.name === name),
  };
}

/** @type {readonly [SeriesName, string]} */
const CONSENSUS_RATE = ["consensusRate", "consensus rate η"];
/** @type {readonly [SeriesName, string]} */
const LEARNING_RATE = ["learningRate", "learning rate γ"];

/** @type {readonly ChartKind[]} */
export const chartKinds = [
  {
    id: "consensus",
    title: "Consensus distance",
    hint: "(1/n) Σ‖xᵢ − x̄‖²",
    y: "squared distance",
    text: numberText,
    isLog: true,
    lines: [
      ["consensusExact", "exact (simulator)"],
      ["consensusProjected", "from projections"],
      ["consensusOnline", "peers’ own estimate"],
    ],
  },
  {
    id: "loss",
    title: "Training loss",
    hint: "mean over peers",
    isLog: false,
    text: numberText,
    lines: [["loss", "training loss"]],
    band: ["lossHigh", "lossLow"],
  },
  {
    id: METRIC,
    title: "Accuracy",
    hint: "on held-out data",
    text: percentText,
    lines: [
      ["metricMean", "mean of peers"],
      ["metricMeanModel", "mean model"],
    ],
    band: ["metricBest", "metricWorst"],
  },
  {
    id: "bytes",
    title: "Bytes sent",
    hint: "per peer, as its transport counted",
    y: "sent per peer",
    text: bytesText,
    fromZero: true,
    lines: [["bytes", "bytes per peer"]],
  },
  {
    id: "residual",
    title: "Residual",
    hint: "what compression has not sent yet",
    y: "‖δ‖ / ‖x‖",
    isLog: false,
    text: numberText,
    fromZero: true,
    lines: [
      ["residual", "mean of peers"],
      ["residualHigh", "largest"],
    ],
  },
  {
    id: "contraction",
    title: "Contraction",
    hint: "of compression; 1 is lossless",
    y: "1 − ‖v − C(v)‖² / ‖v‖²",
    text: numberText,
    lines: [
      ["contraction", "mean of peers"],
      ["contractionLow", "smallest"],
    ],
  },
  {
    id: "time",
    title: "Time per round",
    hint: "mean over peers",
    isLog: false,
    text: (value) => secondsText(value === null || value === undefined ? value : value / 1000),
    fromZero: true,
    hasSpikes: true,
    lines: [
      ["waitMs", "wait"],
      ["computeMs", "compute"],
      ["compressMs", "compress"],
      ["mixMs", "mix"],
    ],
  },
  {
    id: "rates",
    title: "Rates",
    hint: "learning γ and consensus η",
    y: "η, γ",
    text: numberText,
    isLog: true,
    runCount: "one",
    lines: [CONSENSUS_RATE, LEARNING_RATE],
  },
  {
    id: "consensus-rate",
    title: "Consensus rate",
    hint: "η",
    text: numberText,
    isLog: true,
    runCount: "several",
    lines: [CONSENSUS_RATE],
  },
  {
    id: "learning-rate",
    title: "Learning rate",
    hint: "γ",
    text: numberText,
    isLog: true,
    runCount: "several",
    lines: [LEARNING_RATE],
  },
];
