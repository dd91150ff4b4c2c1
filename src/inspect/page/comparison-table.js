import { bytesText, metricText, numberText, secondsText } from "../../foundation/format.js";
import { secondsAt } from "./comparison-charts.js";
import { cardHead, create } from "./elements.js";
import { createMark } from "./marks.js";
import { createTable } from "./table.js";

/**
 * @typedef {import("../comparison-page.js").ComparisonView} ComparisonView
 * @typedef {ComparisonView["rows"][number]} Row
 * @typedef {import("../../runs/comparison-rows.js").Spread} Spread
 */

/** @typedef {{ title: string, text: (row: Row) => string }} Column */

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
  const columns = groupsOf(view).flatMap(({ title, columns: own }) =>
    own.map((each) => ({ ...each, group: title })),
  );
  const lines = rows.map((row, k) => {
    const head = createLabel(k, row);
    if (onFrontier.has(row.name)) head.lastElementChild?.append(" ★");
    return { head, data: { row: row.name }, cells: columns.map(({ text }) => text(row)) };
  });
  const table = createTable({
    caption: "Rows",
    columns: [{ title: "row", className: "words" }, ...columns],
    rows: lines,
  });
  for (const [k, line] of table.querySelectorAll("tbody tr").entries()) {
    line.addEventListener("pointerenter", () => onFocus(k));
    line.addEventListener("pointerleave", () => onFocus(null));
  }
  card.append(table);
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
