import { percentText } from "../../foundation/format.js";
import { cardHead, create } from "./elements.js";

/** @typedef {import("../view.js").RunView} RunView */
/** @typedef {import("../by-class.js").ModelByClass} ModelByClass */

/** Cells of more classes than this have no numbers in them. */
const MAX_NUMBERED = 20;
/** Cards of more classes than this are as wide as the page. */
const MAX_NARROW = 12;

/**
 * A table of a row per peer and a column per class, shaded.
 *
 * @param {readonly string[]} titles of the columns before the classes
 * @param {readonly string[]} classes
 */
function createClassTable(titles, classes) {
  const table = /** @type {HTMLTableElement} */ (create("table", undefined, "by-class"));
  table.classList.toggle("narrow", classes.length > MAX_NUMBERED);
  const head = table.createTHead().insertRow();
  for (const title of titles) head.append(create("th", title));
  for (const name of classes) {
    const cell = create("th", undefined, "class");
    cell.append(create("span", name));
    cell.title = name;
    head.append(cell);
  }
  for (const cell of head.cells) cell.scope = "col";
  const body = table.createTBody();
  const scroller = create("div", undefined, "scroll tall");
  scroller.tabIndex = 0;
  scroller.append(table);
  return {
    scroller,
    /** @param {string} name @param {readonly string[]} figures */
    addRow(name, figures) {
      const row = body.insertRow();
      const title = /** @type {HTMLTableCellElement} */ (create("th", name));
      title.scope = "row";
      row.append(title, ...figures.map((figure) => create("td", figure)));
      return {
        row,
        /** @param {string} text @param {number} shade from 0 to 1 @param {string} words */
        addClass(text, shade, words) {
          const cell = create("td", classes.length > MAX_NUMBERED ? "" : text, "class");
          cell.style.setProperty("--shade", `${Math.round(100 * shade)}%`);
          cell.title = words;
          row.append(cell);
        },
      };
    },
  };
}

/** How many examples each peer has, and of which classes. @param {RunView} run */
export function createExamplesCard({ data, topology }) {
  const card = create("section", undefined, "card");
  card.id = "examples";
  card.hidden = !data;
  if (!data) return card;
  const { classes, peers } = data;
  card.classList.toggle("wide", classes.length > MAX_NARROW);
  card.append(cardHead("Data by peer", classes.length > 0 ? "training labels of each class" : "examples"));
  const { scroller, addRow } = createClassTable(["peer", "train", "test"], classes);
  const most = Math.max(1, ...peers.flatMap((peer) => peer.classes?.train ?? []));
  for (const { peer, train, test, classes: counted } of peers) {
    const { row, addClass } = addRow(nameOf(peer, topology.names), [String(train), String(test)]);
    row.dataset.peer = String(peer);
    for (const [k, name] of classes.entries()) {
      const count = counted?.train[k] ?? 0;
      const words = `peer ${peer}, class ${name}: ${count} to train on, ${counted?.test[k] ?? 0} to test`;
      addClass(count === 0 ? "" : String(count), count / most, words);
    }
  }
  card.append(scroller);
  return card;
}

/** The share of each class's test labels that each model predicts. @param {RunView} run */
export function createByClassCard({ byClass, topology }) {
  const card = create("section", undefined, "card");
  card.id = "by-class";
  card.hidden = !byClass;
  if (!byClass) return card;
  const { round, classes, mean, peers, worst } = byClass;
  card.classList.toggle("wide", classes.length > MAX_NARROW);
  card.append(
    cardHead("Accuracy by class", `% of each class’s test labels after round ${round}; low ones have colour`),
  );
  const { scroller, addRow } = createClassTable(["model", "all"], classes);
  /** @param {string} name @param {ModelByClass} model */
  const add = (name, { correct, count }) => {
    const { row, addClass } = addRow(name, [whole(sum(correct) / sum(count))]);
    for (const [k, title] of classes.entries()) {
      const [right, labels] = [correct[k] ?? 0, count[k] ?? 0];
      if (labels === 0) {
        addClass("–", 0, `${name}, class ${title}: no test labels`);
        continue;
      }
      const words = `${name}, class ${title}: ${right} of ${labels}, ${percentText(right / labels)}`;
      addClass(whole(right / labels), 1 - right / labels, words);
    }
    return row;
  };
  if (mean) add("mean", mean).className = "mean";
  for (const model of peers) {
    const peer = model.peer ?? 0;
    const name = nameOf(peer, topology.names);
    const row = add(peer === worst && peers.length > 1 ? `${name} (worst)` : name, model);
    row.dataset.peer = String(peer);
  }
  card.append(scroller);
  return card;
}

/** @param {number} share */
function whole(share) {
  return Number.isFinite(share) ? String(Math.round(100 * share)) : "–";
}

/** @param {readonly number[]} counts */
function sum(counts) {
  return counts.reduce((total, count) => total + count, 0);
}

/** @param {number} peer @param {readonly string[] | undefined} names */
function nameOf(peer, names) {
  return names?.[peer] ?? String(peer);
}
