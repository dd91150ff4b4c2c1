import { lastOf } from "../../foundation/format.js";
import { forRuns } from "./chart-kinds.js";
import { collect } from "./chart-lines.js";
import { CHART_HEIGHT, plotOptions } from "./chart-options.js";
import { colour, seriesColour } from "./colours.js";

/**
 * @typedef {import("../view.js").RunView} RunView
 * @typedef {import("./chart-kinds.js").ChartKind} ChartKind
 * @typedef {import("./chart-lines.js").Line} Line
 * @typedef {import("./chart-lines.js").XAxis} XAxis
 */

/**
 * A card with a chart. The numbers under the title are those under the cursor, or the latest.
 *
 * @param {ChartKind} ofAll
 */
export function createChart(ofAll) {
  const { card, title, hint, legend, place } = createChartCard(ofAll);
  let kind = ofAll;
  /** @type {any} */
  let plot;
  let shape = "";

  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (plot && width > 0) plot.setSize({ width, height: CHART_HEIGHT });
  }).observe(place);

  /** @type {import("./chart-options.js").Drawn} */
  let drawn = { x: [], lines: [], axis: "round" };
  /** @param {number | null | undefined} index the point under the cursor */
  const label = (index) => legend.replaceChildren(...legendItems(kind, drawn.lines, index));

  return {
    card,
    /**
     * @param {readonly RunView[]} all
     * @param {XAxis} axis
     */
    update(all, axis) {
      const filled = forRuns(ofAll, all);
      kind = filled.kind;
      title.textContent = kind.title;
      drawn = { ...collect(kind, filled.runs, axis), axis };
      const hasBand = drawn.lines.some(({ hidden }) => hidden);
      hint.textContent = hasBand ? `${kind.hint}; the band spans all peers` : kind.hint;
      const isEmpty = drawn.lines.every(({ values }) => values.every((value) => value === null));
      card.hidden = isEmpty;
      if (isEmpty) return;
      label(undefined);
      const data = [drawn.x, ...drawn.lines.map(({ values }) => values)];
      const wanted = JSON.stringify([
        kind.title,
        axis,
        drawn.lines.map(({ label: name }) => name),
        colour("grid"),
      ]);
      if (plot && wanted === shape) {
        plot.setData(data);
        return;
      }
      plot?.destroy();
      shape = wanted;
      plot = new uPlot(plotOptions(kind, drawn, place.clientWidth, label), data, place);
    },
  };
}

/** @param {ChartKind} kind */
function createChartCard(kind) {
  const card = document.createElement("section");
  card.className = "card chart";
  card.id = `chart-${kind.id}`;
  const head = document.createElement("header");
  const title = document.createElement("h2");
  title.textContent = kind.title;
  const hint = document.createElement("p");
  hint.className = "hint";
  const legend = document.createElement("dl");
  legend.className = "legend";
  head.append(title, hint);
  const place = document.createElement("div");
  place.className = "plot";
  card.append(head, legend, place);
  return { card, title, hint, legend, place };
}

/**
 * @param {ChartKind} kind
 * @param {readonly Line[]} lines
 * @param {number | null | undefined} index
 */
function legendItems(kind, lines, index) {
  const shown = lines.filter(({ hidden }) => !hidden);
  return shown.map(({ label, values }, k) => {
    const value = (index === null || index === undefined ? null : values[index]) ?? lastOf(values);
    const item = document.createElement("div");
    const term = document.createElement("dt");
    term.style.setProperty("--mark", seriesColour(k));
    term.textContent = label;
    const number = document.createElement("dd");
    number.dataset.value = value === null ? "" : String(value);
    number.textContent = kind.text(value);
    item.append(term, number);
    return item;
  });
}
