import { bytesText, metricText, numberText, secondsText } from "../../foundation/format.js";
import { logTicks } from "./axes.js";
import { colour } from "./colours.js";

/**
 * @typedef {import("../comparison-page.js").ComparisonView} ComparisonView
 * @typedef {import("./marked-chart.js").MarkedChart} MarkedChart
 */

/** Accuracies at which the axis of errors may have a tick. */
const ACCURACY_TICKS = [
  0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99,
  0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999,
];
/** A perfect model is drawn with this error, because the scale is logarithmic. */
const LEAST_ERROR = 1e-4;
/** Least distance of ticks, in CSS pixels. */
const TICK_DISTANCE = 22;
/** Marks of a line at most. */
const MARKS = 7;
/** Points of a line of times between two rates. */
const STEPS_BETWEEN_RATES = 8;

/**
 * What a value lacks to a perfect one: 1 less an accuracy or another metric whose best value is 1, and the value itself of an
 * error.
 *
 * @param {ComparisonView["metric"]} metric
 * @returns {(value: number) => number}
 */
function errorsOf({ better }) {
  return (value) => Math.max(LEAST_ERROR, better === "higher" ? 1 - value : value);
}

/**
 * Accuracy, or another metric, of the worst peer over bytes, one line per row. The scale is that of the error, 1 − accuracy.
 *
 * @param {ComparisonView} view
 * @returns {MarkedChart}
 */
export function frontierChart({ rows, frontier, target, metric }) {
  const errorOf = errorsOf(metric);
  const text = (/** @type {number} */ value) => metricText(metric, value);
  const title = metric.name === "accuracy" ? "Accuracy" : metric.name;
  const lines = rows.flatMap(({ name, curve, metric: own }, row) => {
    const points = curve.filter(({ bytes }) => bytes > 0);
    if (points.length === 0 || own.name !== metric.name) return [];
    return [
      {
        row,
        points: points.map(({ bytes, worst }) => /** @type {const} */ ([bytes, errorOf(worst)])),
        marked: evenlyMarked(points.length),
        describe: (/** @type {number} */ k) => {
          const { bytes = 0, worst = 0, rounds = 0 } = points[k] ?? {};
          return `${row + 1} ${name}: ${text(worst)} after ${bytesText(bytes)} and ${rounds} rounds`;
        },
      },
    ];
  });
  const best = frontier.at(-1);
  const summary = best
    ? `The best ${metric.name} is ${text(best.worst)}, of ${best.name} after ${bytesText(best.bytes)}. `
    : "";
  return {
    id: "frontier",
    title: `${title} of the worst peer over bytes sent`,
    hint: `every evaluation, the closing consensus too, mean over seeds, on the scale of the error; band: Pareto frontier${target === null ? "" : `; dashed: target, ${text(target)}`}`,
    description: `${title} of the worst peer over bytes sent per peer, one line for each of ${lines.length} rows. ${summary}The table below has the numbers.`,
    isUpsideDown: true,
    xAxis: {
      ...logTicks,
      label: "sent per peer",
      values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(bytesText),
    },
    yAxis: { ...errorAxis(metric), label: `${metric.name} of the worst peer` },
    lines,
    ...(target !== null && { guide: errorOf(target) }),
    drawBehind: (plot, ratio) => {
      drawFrontier(
        plot,
        frontier.map(({ bytes, worst }) => ({ bytes, error: errorOf(worst) })),
        ratio,
      );
      if (target !== null) drawTarget(plot, errorOf(target), ratio);
    },
  };
}

/**
 * Modelled time over the rate of the peers' uplinks, one line per row that reaches the target.
 *
 * @param {ComparisonView} view
 * @returns {MarkedChart}
 */
export function timeChart({ rows, target, metric, rates, stepMs, latencyMs }) {
  const named = Object.entries(rates);
  const drawn = ratesBetween(named.map(([, rate]) => rate));
  const lines = rows.flatMap(({ name, ...figures }, row) => {
    const time = target === null ? figures.time : figures.target?.time;
    if (!time || time.fixedSeconds + time.bits === 0) return [];
    return [
      {
        row,
        points: drawn.map((rate) => /** @type {const} */ ([rate, secondsAt(time, rate)])),
        marked: named.map((_, k) => k * STEPS_BETWEEN_RATES),
        describe: (/** @type {number} */ k) => {
          const rate = drawn[k] ?? 0;
          return `${row + 1} ${name}: ${secondsText(secondsAt(time, rate))} at ${rateText(rate)}`;
        },
      },
    ];
  });
  const missing = rows.flatMap((row, k) => (target === null || row.target ? [] : [k + 1]));
  const goal = target === null ? "of the whole run" : `to ${metricText(metric, target)}`;
  return {
    id: "modelled-time",
    title: `Modelled time ${goal} over bandwidth`,
    hint: `synchronous rounds: ${numberText(stepMs)} ms a step, what the busiest peer sends, ${numberText(latencyMs)} ms of latency${
      missing.length > 0 ? `; not drawn, because they do not reach the target: ${missing.join(", ")}` : ""
    }`,
    description: `Modelled time ${goal} at bandwidths of ${named.map(([name]) => name).join(", ")}, one line for each of ${lines.length} rows. The table below has the numbers.`,
    xAxis: {
      splits: () => named.map(([, rate]) => rate),
      filter: logTicks.filter,
      label: "uplink of every peer",
      values: () => named.map(([name]) => name),
    },
    yAxis: {
      ...logTicks,
      label: "modelled time",
      values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(secondsText),
    },
    lines,
  };
}

/**
 * @param {import("../../runs/comparison-result.js").ModelledTime} time
 * @param {number} rate bits per second
 */
export function secondsAt({ fixedSeconds, bits }, rate) {
  return fixedSeconds + bits / rate;
}

/** @param {readonly number[]} rates ascending */
function ratesBetween(rates) {
  return rates.flatMap((rate, k) => {
    const next = rates[k + 1];
    if (next === undefined) return [rate];
    return Array.from(
      { length: STEPS_BETWEEN_RATES },
      (_, i) => rate * (next / rate) ** (i / STEPS_BETWEEN_RATES),
    );
  });
}

/** @param {number} rate bits per second */
function rateText(rate) {
  return bytesText(rate).replace("B", "bit/s");
}

/** The last of this many points, and some before it. @param {number} count */
function evenlyMarked(count) {
  const step = Math.max(1, Math.ceil(count / MARKS));
  return Array.from({ length: count }, (_, k) => k).filter((k) => (count - 1 - k) % step === 0);
}

/**
 * An axis of errors, with the values that they are of.
 *
 * @param {ComparisonView["metric"]} metric
 */
function errorAxis({ name, better }) {
  if (better === "lower") {
    return {
      ...logTicks,
      values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(numberText),
    };
  }
  const text = (/** @type {number} */ error) =>
    name === "accuracy" ? `${numberText(100 * (1 - error))} %` : numberText(1 - error);
  return {
    splits: accuracySplits,
    filter: logTicks.filter,
    values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(text),
  };
}

/**
 * Ticks of an axis of errors, at round accuracies that lie apart.
 *
 * @param {any} plot
 * @param {number} _axis
 * @param {number} low
 * @param {number} high
 */
function accuracySplits(plot, _axis, low, high) {
  /** @type {number[]} */
  const splits = [];
  let before = Number.POSITIVE_INFINITY;
  for (const accuracy of ACCURACY_TICKS) {
    const error = 1 - accuracy;
    if (error < low || error > high) continue;
    const top = plot.valToPos(error, "y");
    if (before - top < TICK_DISTANCE) continue;
    splits.push(error);
    before = top;
  }
  return splits.reverse();
}

/**
 * A step up at every evaluation that nothing before beats, and on to the right end.
 *
 * @param {any} plot
 * @param {readonly { bytes: number, error: number }[]} frontier
 * @param {number} ratio
 */
function drawFrontier({ ctx, bbox, valToPos }, frontier, ratio) {
  const points = frontier.filter(({ bytes }) => bytes > 0);
  ctx.save();
  ctx.strokeStyle = colour("frontier");
  ctx.lineWidth = 9 * ratio;
  ctx.lineJoin = "round";
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.beginPath();
  for (const [k, { bytes, error }] of points.entries()) {
    const left = valToPos(bytes, "x", true);
    const top = valToPos(error, "y", true);
    if (k === 0) ctx.moveTo(left, top);
    else {
      ctx.lineTo(left, valToPos(points[k - 1]?.error ?? error, "y", true));
      ctx.lineTo(left, top);
    }
    if (k === points.length - 1) ctx.lineTo(bbox.left + bbox.width, top);
  }
  ctx.stroke();
  ctx.restore();
}

/**
 * @param {any} plot
 * @param {number} error
 * @param {number} ratio
 */
function drawTarget({ ctx, bbox, valToPos }, error, ratio) {
  const top = valToPos(error, "y", true);
  ctx.save();
  ctx.strokeStyle = colour("text");
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([6 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, top);
  ctx.lineTo(bbox.left + bbox.width, top);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.font = `${11 * ratio}px ${colour("font")}`;
  ctx.fillStyle = colour("text");
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  ctx.fillText("target", bbox.left + 6 * ratio, top - 3 * ratio);
  ctx.restore();
}
