import { frontierChart, timeChart } from "./comparison-charts.js";
import { createComparisonTable, createLabel } from "./comparison-table.js";
import { createDifferencesCard } from "./differences.js";
import { create, createNotes } from "./elements.js";
import { createMarkedChart } from "./marked-chart.js";

/** @type {import("../comparison-page.js").ComparisonView} */
const view = JSON.parse(document.getElementById("data")?.textContent ?? "");
const { rows, problems, target } = view;

/** @param {number | null} row */
const focus = (row) => {
  for (const chart of charts) chart.focus(row);
};
const charts = [frontierChart(view), timeChart(view)]
  .filter(({ lines }) => lines.length > 0)
  .map((chart) => createMarkedChart(chart, focus));

/** What shows and hides rows in both charts. */
function createKey() {
  const key = create("div", undefined, "rows-key");
  key.setAttribute("role", "group");
  key.setAttribute("aria-label", "Rows shown in the charts");
  for (const [k, row] of rows.entries()) {
    const button = create("button");
    button.setAttribute("type", "button");
    button.setAttribute("aria-pressed", "true");
    button.append(createLabel(k, row));
    button.addEventListener("click", () => {
      const isShown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(isShown));
      for (const chart of charts) chart.show(k, isShown);
    });
    for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => focus(k));
    for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => focus(null));
    key.append(button);
  }
  return key;
}

function remarks() {
  if (rows.length === 0) return ["no run has a result"];
  const hasCurve = rows.some(({ curve }) => curve.length > 0);
  return [
    ...(hasCurve ? [] : ["no evaluation has a metric beside its loss: there is nothing to draw over bytes"]),
    ...(hasCurve && target !== null && !rows.some((row) => row.target)
      ? ["no row reaches the target with all its seeds: there are no times to it to draw"]
      : []),
  ];
}

const page = /** @type {HTMLElement} */ (document.getElementById("page"));
const banner = create("div", undefined, "banner");
const count = `${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
banner.append(create("h1", view.title), create("p", `comparison of ${count}`, "subtitle"));
const cards = create("div", undefined, "cards");
cards.append(...charts.map(({ card }) => card));
page.replaceChildren(banner, createNotes(problems, remarks()));
if (rows.length > 0)
  page.append(...(charts.length > 0 ? [createKey()] : []), cards, createComparisonTable(view, focus));
if (view.differences.length > 0) {
  const names = rows.map(({ name }) => name);
  page.append(createDifferencesCard(names, view.differences));
}

const drawAll = () => {
  for (const chart of charts) chart.draw();
};
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
