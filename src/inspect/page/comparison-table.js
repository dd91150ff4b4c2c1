import { bytesText, metricText, numberText, secondsText } from "../../foundation/format.js";
import { secondsAt } from "./comparison-charts.js";
import { cardHead, create } from "./elements.js";
import { createMark } from "./marks.js";

/**
 * @typedef {import("../comparison-page.js").ComparisonView} ComparisonView
 * @typedef {ComparisonView["rows"][number]} Row
 * @typedef {import("../../runs/comparison-rows.js").Spread} Spread
 */

/** @typedef {{ title: string, text: (row: Row) => string }} Column */

/** Longer names take several lines. */
const LONG_NAME = 24;

/**
 * All figures of all rows.
 *
 * @param {ComparisonView} view
 * @param {(row: number | null) => void} onFocus the row under the pointer
 */
export function createComparisonTable(view, onFocus) {
  const { rows, frontier } = view;
  const card = create("section", undefined, "card wide");
  card.id = "rows";
  const onFrontier = new Set(frontier.map(({ name }) => name));
  const star = frontier.length > 0 ? "; ★: on the Pareto frontier" : "";
  card.append(cardHead("Rows", `mean over seeds ± half their range${star}`));
  const table = /** @type {HTMLTableElement} */ (create("table"));
  const groups = groupsOf(view);
  table.append(headOf(groups));
  const body = table.createTBody();
  for (const [k, row] of rows.entries()) {
    const line = body.insertRow();
    line.dataset.row = row.name;
    const head = create("th");
    head.setAttribute("scope", "row");
    head.classList.toggle("long", nameOf(row).length > LONG_NAME);
    head.append(createLabel(k, row));
    if (onFrontier.has(row.name)) head.firstElementChild?.lastElementChild?.append(" ★");
    line.append(head);
    for (const { columns } of groups) line.append(...columns.map(({ text }) => create("td", text(row))));
    line.addEventListener("pointerenter", () => onFocus(k));
    line.addEventListener("pointerleave", () => onFocus(null));
  }
  const scroller = create("div", undefined, "scroll");
  scroller.tabIndex = 0;
  scroller.setAttribute("role", "region");
  scroller.setAttribute("aria-label", "Table of all rows");
  scroller.append(table);
  card.append(scroller);
  return card;
}

/** The row's name, and how many of its seeds have a result where some have none. @param {Row} row */
function nameOf({ name, failed, seeds }) {
  return failed === 0 ? name : `${name} (${seeds.length} of ${seeds.length + failed} seeds)`;
}

/**
 * Mark, number and name.
 *
 * @param {number} k
 * @param {Row} row
 */
export function createLabel(k, row) {
  const label = create("span", undefined, "row-label");
  label.append(createMark(k), create("b", String(k + 1)), create("span", nameOf(row)));
  return label;
}

/** @typedef {{ title: string, columns: Column[] }} Group */

/**
 * Groups of columns; those without a figure in any row are left out.
 *
 * @param {ComparisonView} view
 */
function groupsOf({ rows, target, metric, rates }) {
  const hasClosed = rows.some(({ closed }) => closed);
  /** @type {Group[]} */
  const groups = [];
  if (rows.some(({ learned }) => learned)) {
    const columns = [
      ...(rows.every((row) => row.metric.name === "accuracy")
        ? []
        : [column("metric", (row) => row.metric.name)]),
      column("worst peer", (row) => spreadText(row, row.learned?.worst)),
      column("mean of peers", (row) => spreadText(row, row.learned?.mean)),
      column("mean model", (row) => spreadText(row, row.learned?.meanModel)),
      column("consensus distance", ({ learned }) => numberText(learned?.consensusDistance.mean)),
    ];
    groups.push({ title: hasClosed ? "before closing" : "after the last round", columns });
  }
  if (hasClosed) {
    const columns = [
      column("worst peer", (row) => spreadText(row, row.closed?.worst)),
      column("consensus distance", ({ closed }) => numberText(closed?.consensusDistance.mean)),
    ];
    groups.push({ title: "after closing", columns });
  }
  const cost = [
    column("sent per peer", ({ bytes }) => bytesText(bytes)),
    column("bits per parameter and step", (row) => numberText(row.bitsPerParameterAndStep)),
  ];
  if (target === null) {
    groups.push({ title: "whole run", columns: [...cost, ...timeColumns(rates, ({ time }) => time)] });
    return groups;
  }
  groups.push({ title: "whole run", columns: cost });
  const toTarget = [
    column("sent per peer", targetText),
    column("round", (row) => String(row.target?.rounds ?? "–")),
    ...timeColumns(rates, (row) => row.target?.time),
  ];
  groups.push({ title: `to ${metricText(metric, target)} in every peer`, columns: toTarget });
  return groups;
}

/**
 * @param {string} title
 * @param {(row: Row) => string} text
 * @returns {Column}
 */
const column = (title, text) => ({ title, text });

/**
 * @param {ComparisonView["rates"]} rates
 * @param {(row: Row) => Row["time"] | undefined} read
 */
function timeColumns(rates, read) {
  return Object.entries(rates).map(([title, rate]) =>
    column(title, (row) => {
      const time = read(row);
      return time ? secondsText(secondsAt(time, rate)) : "–";
    }),
  );
}

/** @param {Row} row */
function targetText({ target, reached, seeds, failed }) {
  if (target) return bytesText(target.bytes);
  return reached > 0 ? `${reached} of ${seeds.length + failed} seeds` : "not reached";
}

/** @param {readonly Group[]} groups */
function headOf(groups) {
  const head = create("thead");
  const above = create("tr");
  const below = create("tr");
  const corner = create("th", "row");
  corner.setAttribute("scope", "col");
  corner.setAttribute("rowspan", "2");
  above.append(corner);
  for (const { title, columns } of groups) {
    const cell = create("th", title, "group");
    cell.setAttribute("scope", "colgroup");
    cell.setAttribute("colspan", String(columns.length));
    above.append(cell);
    for (const { title: name } of columns) {
      const own = create("th", name);
      own.setAttribute("scope", "col");
      below.append(own);
    }
  }
  head.append(above, below);
  return head;
}

/**
 * @param {Row} row
 * @param {Spread | undefined} spread
 */
function spreadText({ metric }, spread) {
  if (!spread) return "–";
  const half = (spread.high - spread.low) / 2;
  const mean = metricText(metric, spread.mean);
  return half > 0 ? `${mean.replace(" %", "")} ± ${metricText(metric, half)}` : mean;
}
