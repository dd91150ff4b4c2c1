import { cardHead, create } from "./elements.js";

/** Rows that a table shows at first. */
const FIRST_ROWS = 16;

/**
 * @typedef {object} Column
 * @property {string | Node} title
 * @property {string} [label] what names the cell where the table is stacked; the title where left out
 * @property {string} [group] a title above this column and its neighbours of the same group
 * @property {string} [help]
 * @property {string} [className] of its cells
 */

/**
 * @typedef {object} Row
 * @property {string | Node} head
 * @property {readonly (string | Node)[]} cells one for each column but the first
 * @property {Readonly<Record<string, string>>} [data] data attributes
 */

/** Captions of tables that were unfolded: a table that is made anew stays so. */
const unfolded = new Set();

/**
 * A table with a row's head in the first column. Where it is too wide, its rows are stacked: cells below each other, or two
 * beside each other, with their columns' titles. Long tables are folded to their first rows, with a button for the rest.
 *
 * @param {object} table
 * @param {string} table.caption for screen readers; the card's title is visible
 * @param {readonly Column[]} table.columns
 * @param {readonly Row[]} table.rows
 */
export function createTable({ caption, columns, rows }) {
  const table = /** @type {HTMLTableElement} */ (create("table"));
  table.setAttribute("role", "table");
  table.append(create("caption", caption, "unseen"), headOf(columns));
  const body = table.createTBody();
  body.setAttribute("role", "rowgroup");
  body.append(...rows.map((row) => rowOf(row, columns)));
  const holder = create("div", undefined, "table");
  holder.classList.toggle(
    "compact",
    columns.every(({ group }) => !group),
  );
  holder.append(createRuler(holder, table), table);
  if (rows.length > FIRST_ROWS + 1 && !unfolded.has(caption)) fold(holder, body, caption);
  return holder;
}

/**
 * A card as wide as the page with a table.
 *
 * @param {string} id
 * @param {string} title
 * @param {string} hint
 * @param {Omit<Parameters<typeof createTable>[0], "caption">} table
 */
export function createTableCard(id, title, hint, table) {
  const card = create("section", undefined, "card wide");
  card.id = id;
  card.append(cardHead(title, hint), createTable({ caption: title, ...table }));
  return card;
}

/**
 * @param {Row} row
 * @param {readonly Column[]} columns
 */
function rowOf({ head, cells, data = {} }, columns) {
  const line = create("tr");
  line.setAttribute("role", "row");
  Object.assign(line.dataset, data);
  for (const [k, content] of [head, ...cells].entries()) {
    const column = columns[k] ?? { title: "" };
    const cell = create(k === 0 ? "th" : "td", undefined, column.className ?? "");
    cell.setAttribute("role", k === 0 ? "rowheader" : "cell");
    if (k === 0) cell.setAttribute("scope", "row");
    else cell.dataset.label = labelOf(column);
    cell.append(content);
    line.append(cell);
  }
  return line;
}

/** @param {Column} column */
function labelOf({ title, label, group }) {
  const own = label ?? (typeof title === "string" ? title : (title.textContent ?? ""));
  return group ? `${own}, ${group}` : own;
}

/** @param {readonly Column[]} columns */
function headOf(columns) {
  const head = create("thead");
  head.setAttribute("role", "rowgroup");
  const hasGroups = columns.some(({ group }) => group);
  const above = create("tr");
  const titles = create("tr");
  for (const line of [above, titles]) line.setAttribute("role", "row");
  for (const [k, { title, group, help, className = "" }] of columns.entries()) {
    const cell = columnHead(title, "col");
    cell.className = className;
    if (help) cell.title = help;
    if (!hasGroups || group) titles.append(cell);
    else {
      cell.setAttribute("rowspan", "2");
      above.append(cell);
    }
    if (!group || columns[k - 1]?.group === group) continue;
    const wide = columnHead(group, "colgroup");
    wide.className = "group";
    wide.setAttribute("colspan", String(columns.filter((column) => column.group === group).length));
    above.append(wide);
  }
  head.append(...(hasGroups ? [above] : []), titles);
  return head;
}

/**
 * @param {string | Node} content
 * @param {"col" | "colgroup"} scope
 */
function columnHead(content, scope) {
  const cell = create("th");
  cell.setAttribute("scope", scope);
  cell.setAttribute("role", "columnheader");
  cell.append(content);
  return cell;
}

/**
 * An element without height, as wide as the table may be: when that changes, it stacks the table or lays it out again.
 *
 * @param {HTMLElement} holder
 * @param {HTMLTableElement} table
 */
function createRuler(holder, table) {
  const ruler = create("div", undefined, "ruler");
  new ResizeObserver(() => {
    holder.classList.remove("stacked");
    holder.classList.toggle("stacked", table.offsetWidth > ruler.offsetWidth);
  }).observe(ruler);
  return ruler;
}

/**
 * @param {HTMLElement} holder
 * @param {HTMLTableSectionElement} body
 * @param {string} caption
 */
function fold(holder, body, caption) {
  const rest = [...body.rows].slice(FIRST_ROWS);
  for (const row of rest) row.hidden = true;
  const button = create("button", `show all ${body.rows.length} rows`, "small");
  button.setAttribute("type", "button");
  button.addEventListener("click", () => {
    unfolded.add(caption);
    for (const row of rest) row.hidden = false;
    rest[0]?.scrollIntoView({ block: "nearest" });
    button.remove();
  });
  holder.append(button);
}
