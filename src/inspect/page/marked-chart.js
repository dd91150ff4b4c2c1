import { axisStyle } from "./axes.js";
import { join } from "./chart-lines.js";
import { colour, seriesColour } from "./colours.js";
import { cardHead, create } from "./elements.js";
import { addMark, isHollow } from "./marks.js";

/**
 * A line with the mark and the number of its row. Points ascend in x.
 *
 * @typedef {object} MarkedLine
 * @property {number} row its place among the rows, from 0
 * @property {readonly (readonly [x: number, y: number])[]} points
 * @property {readonly number[]} marked which points carry the mark
 * @property {(point: number) => string} describe
 */

/**
 * Both scales are logarithmic.
 *
 * @typedef {object} MarkedChart
 * @property {string} id
 * @property {string} title
 * @property {string} hint
 * @property {string} description for those who do not see it
 * @property {boolean} [isUpsideDown] the smallest y is on top
 * @property {object} xAxis what uPlot is to know of it
 * @property {object} yAxis
 * @property {readonly MarkedLine[]} lines
 * @property {number} [guide] a y that is in the picture, too
 * @property {(plot: any, ratio: number) => void} [drawBehind] draws on the plot's canvas, before the lines
 */

const MARKED_HEIGHT = 380;
const AT_REST_READOUT = "point at a line for its numbers";
const MARK_RADIUS = 4;
/** How near a point is to the cursor at most to be shown, in CSS pixels. */
const REACH = 40;
/** Least distance of row numbers, in CSS pixels. */
const NUMBER_DISTANCE = 12;
/** Numbers nearer than this stand beside each other, in CSS pixels. */
const NUMBER_WIDTH = 18;

/**
 * A card with a chart.
 *
 * @param {MarkedChart} chart
 * @param {(row: number | null) => void} onFocus the row under the cursor
 */
export function createMarkedChart(chart, onFocus) {
  const card = create("section", undefined, "card chart wide");
  card.id = `chart-${chart.id}`;
  const place = create("div", undefined, "plot marked");
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", chart.description);
  const readout = create("p", AT_REST_READOUT, "readout");
  const spot = create("div", undefined, "spot");
  card.append(cardHead(chart.title, chart.hint), place, readout);

  /** @type {any} */
  let plot;
  const hidden = new Set();
  /** @type {number | null} */
  let focused = null;

  /** @param {any} shown */
  const follow = (shown) => {
    const near = nearest(
      shown,
      chart.lines.filter(({ row }) => !hidden.has(row)),
    );
    spot.hidden = near === undefined;
    readout.textContent = near ? near.line.describe(near.point) : AT_REST_READOUT;
    if (near) spot.style.translate = `${near.left}px ${near.top}px`;
    const row = near ? near.line.row : null;
    if (row !== focused) onFocus(row);
  };

  const draw = () => {
    plot?.destroy();
    const width = Math.max(240, place.clientWidth);
    plot = new uPlot(optionsOf(chart, width, follow), join(tablesOf(chart.lines)), place);
    plot.over.append(spot);
    spot.hidden = true;
    for (const [k, { row }] of chart.lines.entries()) plot.setSeries(k + 1, { show: !hidden.has(row) });
  };
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (plot && width > 0) plot.setSize({ width, height: MARKED_HEIGHT });
  }).observe(place);

  return {
    card,
    /** Draws it, in the present scheme. */
    draw,
    /** Dims the other rows; none where it is null. @param {number | null} row */
    focus(row) {
      focused = row;
      const k = chart.lines.findIndex((line) => line.row === row);
      plot?.setSeries(k < 0 ? null : k + 1, { focus: true }, false);
    },
    /**
     * @param {number} row
     * @param {boolean} isShown
     */
    show(row, isShown) {
      if (isShown) hidden.delete(row);
      else hidden.add(row);
      const k = chart.lines.findIndex((line) => line.row === row);
      if (k >= 0) plot?.setSeries(k + 1, { show: isShown });
    },
  };
}

/**
 * @param {readonly MarkedLine[]} lines
 * @returns {(number | null)[][][]}
 */
function tablesOf(lines) {
  return lines.map(({ points }) => [points.map(([x]) => x), points.map(([, y]) => y)]);
}

/**
 * @param {MarkedChart} chart
 * @param {number} width
 * @param {(plot: any) => void} onCursor
 */
function optionsOf(chart, width, onCursor) {
  const xs = chart.lines.flatMap(({ points }) => points.map(([x]) => x));
  const ys = chart.lines.flatMap(({ points }) => points.map(([, y]) => y));
  if (chart.guide !== undefined) ys.push(chart.guide);
  const style = axisStyle();
  const axis = { ...style, labelSize: 20, labelGap: 0, labelFont: style.font };
  return {
    width,
    height: MARKED_HEIGHT,
    padding: [10, 26, 0, 0],
    legend: { show: false },
    focus: { alpha: 0.15 },
    cursor: { x: false, y: false, points: { show: false }, drag: { setScale: false, x: false, y: false } },
    scales: {
      x: { time: false, distr: 3, range: paddedRange(xs, 1.15) },
      y: { distr: 3, range: paddedRange(ys, 1.08), dir: chart.isUpsideDown ? -1 : 1 },
    },
    axes: [
      { ...axis, space: 50, size: 24, ...chart.xAxis },
      { ...axis, size: 56, ...chart.yAxis },
    ],
    series: [{}, ...chart.lines.map(markedSeries)],
    hooks: {
      drawAxes: [(/** @type {any} */ plot) => chart.drawBehind?.(plot, devicePixelRatio)],
      draw: [(/** @type {any} */ plot) => drawNumbers(plot, chart.lines, devicePixelRatio)],
      setCursor: [onCursor],
    },
  };
}

/**
 * @param {readonly number[]} values
 * @param {number} room a factor
 * @returns {[number, number]}
 */
function paddedRange(values, room) {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), 0);
  return low < high ? [low / room, high * room] : [low / 2, low * 2];
}

/** @param {MarkedLine} line */
function markedSeries({ row, points, marked }) {
  const stroke = seriesColour(row);
  const places = new Set(marked.map((point) => points[point]?.[0]));
  return {
    stroke,
    width: 1.5,
    spanGaps: true,
    points: {
      show: true,
      stroke,
      fill: isHollow(row) ? colour("card") : stroke,
      width: 1.5,
      filter: (/** @type {any} */ plot) =>
        plot.data[0].flatMap((/** @type {number} */ x, /** @type {number} */ k) =>
          places.has(x) ? [k] : [],
        ),
      paths: markPaths(row),
    },
  };
}

/** @param {number} row */
function markPaths(row) {
  return (
    /** @type {any} */ plot,
    /** @type {number} */ series,
    /** @type {number} */ _first,
    /** @type {number} */ _last,
    /** @type {number[]} */ indices,
  ) => {
    const path = new Path2D();
    for (const index of indices) {
      const y = plot.data[series][index];
      if (y === null) continue;
      const left = plot.valToPos(plot.data[0][index], "x", true);
      addMark(path, row, left, plot.valToPos(y, "y", true), MARK_RADIUS * devicePixelRatio);
    }
    return { stroke: path, fill: path };
  };
}

/**
 * The rows' numbers, right of where their lines end.
 *
 * @param {any} plot
 * @param {readonly MarkedLine[]} lines
 * @param {number} ratio canvas pixels in a CSS pixel
 */
function drawNumbers(plot, lines, ratio) {
  const { ctx, bbox, series } = plot;
  const ends = lines.flatMap(({ row, points }, k) => {
    const last = points.at(-1);
    if (!last || !series[k + 1].show) return [];
    const [left, top] = [plot.valToPos(last[0], "x", true), plot.valToPos(last[1], "y", true)];
    return [{ row, alpha: series[k + 1].alpha ?? 1, left, top }];
  });
  moveApart(ends, ratio, bbox.top + bbox.height);
  ctx.save();
  ctx.font = `600 ${11 * ratio}px ${colour("font")}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  ctx.lineWidth = 3 * ratio;
  ctx.lineJoin = "round";
  ctx.strokeStyle = colour("card");
  for (const { row, alpha, left, top } of ends) {
    ctx.globalAlpha = alpha;
    ctx.fillStyle = seriesColour(row);
    ctx.strokeText(String(row + 1), left + 8 * ratio, top);
    ctx.fillText(String(row + 1), left + 8 * ratio, top);
  }
  ctx.restore();
}

/**
 * Moves numbers that stand beside each other down, and back up from the bottom.
 *
 * @param {{ left: number, top: number }[]} numbers
 * @param {number} ratio
 * @param {number} bottom
 */
function moveApart(numbers, ratio, bottom) {
  const distance = NUMBER_DISTANCE * ratio;
  numbers.sort((a, b) => a.top - b.top);
  for (const [k, number] of numbers.entries()) {
    for (const other of numbers.slice(0, k)) {
      if (isBeside(number, other, ratio)) number.top = Math.max(number.top, other.top + distance);
    }
  }
  numbers.sort((a, b) => b.top - a.top);
  for (const [k, number] of numbers.entries()) {
    number.top = Math.min(number.top, bottom);
    for (const other of numbers.slice(0, k)) {
      if (isBeside(number, other, ratio)) number.top = Math.min(number.top, other.top - distance);
    }
  }
}

/**
 * @param {{ left: number }} a
 * @param {{ left: number }} b
 * @param {number} ratio
 */
const isBeside = (a, b, ratio) => Math.abs(a.left - b.left) < NUMBER_WIDTH * ratio;

/**
 * The point nearest to the cursor.
 *
 * @param {any} plot
 * @param {readonly MarkedLine[]} lines
 */
function nearest(plot, lines) {
  const { left, top } = plot.cursor;
  /** @type {{ line: MarkedLine, point: number, left: number, top: number } | undefined} */
  let found;
  let least = REACH ** 2;
  if (left === undefined || left < 0) return undefined;
  for (const line of lines) {
    for (const [point, [x, y]] of line.points.entries()) {
      const at = { left: plot.valToPos(x, "x"), top: plot.valToPos(y, "y") };
      const distance = (at.left - left) ** 2 + (at.top - top) ** 2;
      if (distance >= least) continue;
      least = distance;
      found = { line, point, ...at };
    }
  }
  return found;
}
