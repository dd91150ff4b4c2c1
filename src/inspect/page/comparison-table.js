import { cardHead, create } from "./elements.js";
import { bytesText, numberText, percentText, secondsText } from "./format.js";
import { createMark } from "./marks.js";

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
  card.append(
    cardHead("Rows", "mean over seeds, ± half of what lies between them; ★: has a point on the frontier"),
  );
  const table = /** @type {HTMLTableElement} */ (create("table"));
  const groups = groupsOf(view);
  table.append(headOf(groups));
  const body = table.createTBody();
  for (const [k, row] of rows.entries()) {
    const line = body.insertRow();
    line.dataset.row = row.name;
    const head = create("th");
    head.setAttribute("scope", "row");
    const name = create("span", onFrontier.has(row.name) ? `${nameOf(row)} ★` : nameOf(row));
    head.append(createMark(k), create("b", String(k + 1)), " ", name);
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
export function nameOf({ name, failed, seeds }) {
  return failed === 0 ? name : `${name} (${seeds.length} of ${seeds.length + failed} seeds)`;
}

/**
 * @param {ComparisonView} view
 * @returns {{ title: string, columns: Column[] }[]}
 */
function groupsOf({ target, rates }) {
  const times = (/** @type {(row: Row) => Row["time"] | undefined} */ read) =>
    Object.entries(rates).map(([title, rate]) => ({
      title,
      text: (/** @type {Row} */ row) => {
        const time = read(row);
        return time ? secondsText(time.fixedSeconds + time.bits / rate) : "–";
      },
    }));
  return [
    {
      title: "before closing",
      columns: [
        { title: "worst peer", text: ({ learned }) => spreadText(learned?.worst) },
        { title: "mean of peers", text: ({ learned }) => spreadText(learned?.mean) },
        { title: "mean model", text: ({ learned }) => spreadText(learned?.meanModel) },
        { title: "consensus distance", text: ({ learned }) => numberText(learned?.consensusDistance.mean) },
      ],
    },
    {
      title: "after closing",
      columns: [
        { title: "worst peer", text: ({ closed }) => spreadText(closed?.worst) },
        { title: "consensus distance", text: ({ closed }) => numberText(closed?.consensusDistance.mean) },
      ],
    },
    {
      title: "whole run",
      columns: [
        { title: "sent per peer", text: ({ bytes }) => bytesText(bytes) },
        { title: "bits/parameter/step", text: (row) => numberText(row.bitsPerParameterAndStep) },
        ...(target === null ? times(({ time }) => time) : []),
      ],
    },
    ...(target === null
      ? []
      : [
          {
            title: `to ${percentText(target)} in every peer`,
            columns: [
              { title: "sent per peer", text: targetText },
              { title: "round", text: (/** @type {Row} */ row) => String(row.target?.rounds ?? "–") },
              ...times((row) => row.target?.time),
            ],
          },
        ]),
  ];
}

/** @param {Row} row */
function targetText({ target, reached, seeds }) {
  if (target) return bytesText(target.bytes);
  return seeds.length > 1 && reached > 0 ? `${reached} of ${seeds.length} seeds` : "not reached";
}

/** @param {readonly { title: string, columns: readonly Column[] }[]} groups */
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
      const column = create("th", name);
      column.setAttribute("scope", "col");
      below.append(column);
    }
  }
  head.append(above, below);
  return head;
}

/** @param {Spread | undefined} spread */
function spreadText(spread) {
  if (!spread) return "–";
  const half = (spread.high - spread.low) / 2;
  return half > 0
    ? `${percentText(spread.mean).replace(" %", "")} ± ${percentText(half)}`
    : percentText(spread.mean);
}
