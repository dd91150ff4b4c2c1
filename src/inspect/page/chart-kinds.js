import { bytesText, numberText, percentText, secondsText } from "./format.js";

/** @typedef {import("../view.js").SeriesName} SeriesName */

/**
 * What a chart shows: of one run all its lines, of several the first line that each of them has.
 *
 * @typedef {object} ChartKind
 * @property {string} id
 * @property {string} title
 * @property {string} hint
 * @property {(value: number | null | undefined) => string} text
 * @property {boolean} [log] logarithmic scale
 * @property {boolean} [fromZero] the scale begins at 0
 * @property {boolean} [hasSpikes] what is far above nearly all the rest leaves the chart at the top
 * @property {readonly (readonly [name: SeriesName, label: string])[]} lines
 * @property {readonly [high: SeriesName, low: SeriesName]} [band] drawn behind the first line
 */

/** @type {readonly ChartKind[]} */
export const chartKinds = [
  {
    id: "consensus",
    title: "Consensus distance",
    hint: "(1/n) Σ‖xᵢ − x̄‖²",
    text: numberText,
    log: true,
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
    text: numberText,
    lines: [["loss", "loss"]],
    band: ["lossHigh", "lossLow"],
  },
  {
    id: "accuracy",
    title: "Accuracy",
    hint: "on held-out data",
    text: percentText,
    lines: [
      ["accuracyMean", "mean of peers"],
      ["accuracyMeanModel", "mean model"],
    ],
    band: ["accuracyBest", "accuracyWorst"],
  },
  {
    id: "bytes",
    title: "Bytes sent",
    hint: "per peer, as its transport counted",
    text: bytesText,
    fromZero: true,
    lines: [["bytes", "bytes per peer"]],
  },
  {
    id: "residual",
    title: "Residual",
    hint: "‖δ‖ / ‖x‖: what compression has not sent yet",
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
    hint: "1 − ‖v − C(v)‖² / ‖v‖² as measured",
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
    text: numberText,
    log: true,
    lines: [
      ["consensusRate", "consensus rate η"],
      ["learningRate", "learning rate γ"],
    ],
  },
];
