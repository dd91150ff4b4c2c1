import { bytesText, secondsText } from "../../foundation/format.js";
import { axisStyle, logTicks } from "./axes.js";
import { colour, seriesColour } from "./colours.js";

/**
 * @typedef {import("./chart-kinds.js").ChartKind} ChartKind
 * @typedef {import("./chart-lines.js").Line} Line
 * @typedef {import("./chart-lines.js").XAxis} XAxis
 * @typedef {{ x: number[], lines: Line[], axis: XAxis }} Drawn
 */

/** @type {Readonly<Record<XAxis, (value: number | null | undefined) => string>>} */
const xTexts = { round: (value) => String(Math.round(value ?? 0)), bytes: bytesText, seconds: secondsText };

export const CHART_HEIGHT = 210;

/**
 * What uPlot is to draw.
 *
 * @param {ChartKind} kind
 * @param {Drawn} drawn
 * @param {number} width
 * @param {(index: number | null | undefined) => void} onCursor
 */
export function plotOptions(kind, drawn, width, onCursor) {
  const shown = drawn.lines.filter(({ hidden }) => !hidden).length;
  return {
    width: Math.max(160, width),
    height: CHART_HEIGHT,
    legend: { show: false },
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    scales: {
      x: { time: false },
      y: kind.log ? { distr: 3, range: logRange } : { range: linearRange(kind, drawn.lines) },
    },
    axes: axesOf(kind, drawn.axis),
    series: [{}, ...drawn.lines.map((line, k) => seriesOf(line, k, drawn.x.length))],
    bands: drawn.lines.length > shown ? [{ series: [shown + 1, shown + 2], fill: colour("band") }] : [],
    hooks: {
      setCursor: [(/** @type {{ cursor: { idx?: number | null } }} */ { cursor }) => onCursor(cursor.idx)],
    },
  };
}

/**
 * @param {ChartKind} kind
 * @param {XAxis} xAxis
 */
function axesOf(kind, xAxis) {
  const axis = axisStyle();
  return [
    {
      ...axis,
      space: 70,
      size: 30,
      values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(xTexts[xAxis]),
    },
    {
      ...axis,
      size: 62,
      ...(kind.log && logTicks),
      values: (/** @type {unknown} */ _, /** @type {(number | null)[]} */ ticks) =>
        ticks.map((tick) => (tick === null ? "" : kind.text(tick))),
    },
  ];
}

/**
 * @param {Line} line
 * @param {number} k its place among the lines
 * @param {number} points
 */
function seriesOf({ hidden }, k, points) {
  if (hidden) return { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true };
  return {
    stroke: seriesColour(k),
    width: k === 0 ? 2 : 1.5,
    spanGaps: true,
    points: { show: points < 2, size: 5 },
  };
}

/**
 * @param {ChartKind} kind
 * @param {readonly Line[]} lines
 */
function linearRange(kind, lines) {
  return (/** @type {unknown} */ _, /** @type {number} */ low, /** @type {number} */ high) => {
    const bottom = kind.fromZero ? Math.min(0, low) : low;
    const top = kind.hasSpikes ? Math.min(high, 1.5 * quantile(lines, 0.98)) : high;
    const room = (top - bottom || Math.abs(top) || 1) * 0.06;
    return [kind.fromZero ? bottom : bottom - room, top + room];
  };
}

/**
 * The value below which a share of all values lies.
 *
 * @param {readonly Line[]} lines
 * @param {number} share
 */
function quantile(lines, share) {
  const values = lines
    .flatMap(({ values: all }) => all)
    .filter((value) => value !== null)
    .sort((a, b) => a - b);
  return values[Math.floor(share * (values.length - 1))] ?? 1;
}

/**
 * Where a logarithmic scale begins and ends: closing makes all peers equal and would press everything else flat, so
 * that what falls far below nearly all the rest leaves the chart at the bottom.
 *
 * @param {{ data: (number | null)[][] }} plot
 * @param {number} low
 * @param {number} high
 * @returns {[number, number]}
 */
function logRange({ data }, low, high) {
  const lines = data.slice(1).map((values) => ({ label: "", values }));
  const bottom = Math.max(low ?? 1, quantile(lines, 0.05) / 10);
  return high > bottom ? [bottom / 1.2, high * 1.2] : [bottom / 2, bottom * 2];
}
