import { forRuns } from "./chart-kinds.js";
import { collect } from "./chart-lines.js";
import { CHART_HEIGHT, plotOptions, xTitles } from "./chart-options.js";
import { colour } from "./colours.js";
import { create } from "./elements.js";
import { legendItems, restOf, xTexts } from "./legend.js";
import { saveCsv, savePng } from "./save.js";

/**
 * @typedef {import("../view.js").RunView} RunView
 * @typedef {import("./chart-kinds.js").ChartKind} ChartKind
 * @typedef {import("./chart-lines.js").XAxis} XAxis
 */

/**
 * A card with a chart. The numbers under the title are those under the cursor, or of the last training round.
 *
 * @param {ChartKind} ofAll
 * @param {(isZoomed: boolean) => void} onZoom
 */
export function createChart(ofAll, onZoom) {
  const { card, title, hint, legend, where, place, actions } = createChartCard(ofAll);
  let kind = ofAll;
  let isLog = ofAll.isLog === true;
  /** @type {any} */
  let plot;
  let shape = "";
  let isZoomed = false;
  /** @type {readonly RunView[]} */
  let runs = [];
  /** @type {import("./chart-options.js").Drawn} */
  let drawn = { x: [], lines: [], axis: "round" };

  new ResizeObserver(([entry]) => {
    const { width = 0, height = 0 } = entry?.contentRect ?? {};
    if (plot && width > 0) plot.setSize({ width: Math.floor(width), height: Math.floor(height) });
  }).observe(place);

  const listener = {
    /** @param {number | null | undefined} index the point under the cursor */
    onCursor(index) {
      const shown = legendItems(kind, drawn, index);
      where.textContent = shown.where;
      legend.replaceChildren(...shown.items);
    },
    /** @param {number} low @param {number} high */
    onScale(low, high) {
      isZoomed = low > (drawn.x[0] ?? low) || high < (drawn.x.at(-1) ?? high);
      onZoom(isZoomed);
    },
  };
  moveByKeys(place, () => plot);

  function draw() {
    const filled = forRuns(ofAll, runs);
    kind = { ...filled.kind, isLog };
    title.textContent = kind.title;
    drawn = { ...collect(kind, filled.runs, drawn.axis), axis: drawn.axis };
    hint.textContent = hintOf(kind, drawn, filled.runs.length);
    const isEmpty = drawn.lines.every(({ values }) => values.every((value) => value === null));
    card.hidden = isEmpty;
    if (isEmpty) return;
    listener.onCursor(undefined);
    place.setAttribute("aria-label", describe(kind, drawn));
    const data = [drawn.x, ...drawn.lines.map(({ values }) => values)];
    const wanted = JSON.stringify([
      ...[kind.title, drawn.axis, isLog, colour("grid")],
      drawn.lines.map(({ label }) => label),
    ]);
    if (plot && wanted === shape) {
      plot.setData(data, !isZoomed);
      if (isZoomed) plot.redraw();
      return;
    }
    plot?.destroy();
    shape = wanted;
    const size = { width: place.clientWidth, height: place.clientHeight };
    plot = new uPlot(plotOptions(kind, drawn, size, listener), data, place);
  }

  const name = () => `${runs.length === 1 ? runs[0]?.name : "runs"}-${ofAll.id}`;
  if (ofAll.isLog !== undefined) {
    const button = createAction("log", "logarithmic scale");
    button.setAttribute("aria-pressed", String(isLog));
    button.addEventListener("click", () => {
      isLog = !isLog;
      button.setAttribute("aria-pressed", String(isLog));
      draw();
    });
    actions.append(button);
  }
  const png = createAction("PNG", "save the chart as a picture");
  png.addEventListener("click", () => {
    const items = [...legend.children].map((item) =>
      [...item.children].map((part) => part.textContent).join(" "),
    );
    savePng(name(), plot, kind.title, [where.textContent, ...items].join(" · "));
  });
  const csv = createAction("CSV", "save the chart’s numbers");
  csv.addEventListener("click", () => saveCsv(name(), drawn));
  actions.append(png, csv);

  return {
    card,
    /**
     * @param {readonly RunView[]} all
     * @param {XAxis} axis
     */
    update(all, axis) {
      if (axis !== drawn.axis) isZoomed = false;
      runs = all;
      drawn = { ...drawn, axis };
      draw();
    },
    /** Shows all points again. */
    resetZoom() {
      plot?.setScale("x", { min: drawn.x[0], max: drawn.x.at(-1) });
    },
  };
}

/**
 * @param {ChartKind} kind
 * @param {import("./chart-options.js").Drawn} drawn
 * @param {number} runCount
 */
function hintOf({ hint, lines }, drawn, runCount) {
  if (runCount > 1) return lines.length > 1 ? `${hint}: ${lines[0]?.[1]}` : hint;
  return drawn.lines.some(({ hidden }) => hidden) ? `${hint}; the band spans all peers` : hint;
}

/**
 * One sentence for those who do not see it.
 *
 * @param {ChartKind} kind
 * @param {import("./chart-options.js").Drawn} drawn
 */
function describe(kind, { x, lines, axis }) {
  const shown = lines.filter(({ hidden }) => !hidden);
  const parts = shown.map((line) => {
    const first = line.values.find((value) => value !== null);
    return `${line.label} from ${kind.text(first)} to ${kind.text(line.values[restOf(line)])}`;
  });
  const range = `${xTexts[axis](x[0])} to ${xTexts[axis](x.at(-1))}`;
  return `${kind.title} by ${xTitles[axis]}, ${range}: ${parts.join("; ")}. Arrow keys move the cursor.`;
}

/**
 * Arrow keys move the cursor from point to point, Home and End to the ends; Escape takes it away.
 *
 * @param {HTMLElement} place
 * @param {() => any} plotOf
 */
function moveByKeys(place, plotOf) {
  place.addEventListener("keydown", (event) => {
    const plot = plotOf();
    const count = plot?.data[0].length ?? 0;
    const at = plot?.cursor.idx;
    const targets = new Map([
      ["ArrowLeft", at == null ? count - 1 : Math.max(0, at - 1)],
      ["ArrowRight", at == null ? 0 : Math.min(count - 1, at + 1)],
      ["Home", 0],
      ["End", count - 1],
    ]);
    const target = targets.get(event.key);
    if (target === undefined && event.key !== "Escape") return;
    event.preventDefault();
    const left = target === undefined ? -10 : plot.valToPos(plot.data[0][target], "x");
    plot.setCursor({ left, top: target === undefined ? -10 : 0 }, true, true);
  });
}

/**
 * @param {string} text
 * @param {string} title
 */
function createAction(text, title) {
  const button = create("button", text, "small");
  button.setAttribute("type", "button");
  button.title = title;
  return button;
}

/** @param {ChartKind} kind */
function createChartCard(kind) {
  const card = create("section", undefined, "card chart");
  card.id = `chart-${kind.id}`;
  const head = create("header");
  const title = create("h2", kind.title);
  const hint = create("p", undefined, "hint");
  const actions = create("div", undefined, "actions");
  head.append(title, actions, hint);
  const where = create("p", undefined, "where");
  const legend = create("dl", undefined, "legend");
  const readings = create("div", undefined, "readings");
  readings.append(where, legend);
  const place = create("div", undefined, "plot");
  place.style.minHeight = `${CHART_HEIGHT}px`;
  place.tabIndex = 0;
  place.setAttribute("role", "img");
  card.append(head, readings, place);
  return { card, title, hint, legend, where, place, actions };
}
