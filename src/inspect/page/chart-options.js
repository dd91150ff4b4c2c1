import { axisStyle, logTicks } from "./axes.js";
import { colour, seriesColour } from "./colours.js";
import { xTexts } from "./legend.js";

/**
 * @typedef {import("./chart-kinds.js").ChartKind} ChartKind
 * @typedef {import("./chart-lines.js").Line} Line
 * @typedef {import("./chart-lines.js").XAxis} XAxis
 * @typedef {{ x: number[], lines: Line[], axis: XAxis }} Drawn
 */

/** Titles of the x axis. @type {Readonly<Record<XAxis, string>>} */
export const xTitles = { round: "round", bytes: "sent per peer, in bytes", seconds: "time since the start" };

/** Charts with this key share their cursor and their zoom. */
const SYNC_KEY = "charts";
/** Room for the title of an axis, in CSS pixels. */
const TITLE_SIZE = 18;

/** At least, in CSS pixels. */
export const CHART_HEIGHT = 220;

/**
 * What uPlot is to draw.
 *
 * @param {ChartKind} kind
 * @param {Drawn} drawn
 * @param {{ width: number, height: number }} size
 * @param {{ onCursor(index: number | null | undefined): void, onScale(low: number, high: number): void }} listener
 */
export function plotOptions(kind, drawn, { width, height }, { onCursor, onScale }) {
  const shown = drawn.lines.filter(({ hidden }) => !hidden).length;
  return {
    width: Math.max(160, width),
    height: Math.max(CHART_HEIGHT, height),
    legend: { show: false },
    cursor: {
      points: { size: 7 },
      drag: { x: true, y: false },
      sync: { key: SYNC_KEY, setSeries: false, scales: ["x", null] },
    },
    scales: {
      x: { time: false },
      y: kind.isLog ? { distr: 3, range: logRange } : { range: linearRange(kind, drawn.lines) },
    },
    axes: axesOf(kind, drawn.axis),
    series: [{}, ...drawn.lines.map((line, k) => seriesOf(line, k, drawn.x.length))],
    bands: drawn.lines.length > shown ? [{ series: [shown + 1, shown + 2], fill: colour("band") }] : [],
    hooks: {
      setCursor: [(/** @type {{ cursor: { idx?: number | null } }} */ { cursor }) => onCursor(cursor.idx)],
      setScale: [
        (/** @type {any} */ plot, /** @type {string} */ key) => {
          if (key === "x") onScale(plot.scales.x.min, plot.scales.x.max);
        },
      ],
    },
  };
}

/**
 * @param {ChartKind} kind
 * @param {XAxis} xAxis
 */
function axesOf(kind, xAxis) {
  const axis = axisStyle();
  const title = { labelFont: axis.font, labelSize: TITLE_SIZE, labelGap: 0 };
  return [
    {
      ...axis,
      ...title,
      label: xTitles[xAxis],
      space: 50,
      size: 26,
      values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(xTexts[xAxis]),
    },
    {
      ...axis,
      ...title,
      label: kind.y ?? kind.title,
      size: 56,
      ...(kind.isLog && logTicks),
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
 * @param {readonly Pick<Line, "values">[]} lines
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
  const lines = data.slice(1).map((values) => ({ values }));
  const bottom = Math.max(low ?? 1, quantile(lines, 0.05) / 10);
  return high > bottom ? [bottom / 1.2, high * 1.2] : [bottom / 2, bottom * 2];
}
