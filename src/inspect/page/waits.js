import { bytesText, percentText, secondsText } from "../../foundation/format.js";
import { cardHead, create } from "./elements.js";

/** @typedef {import("../view.js").RunView} RunView */
/** @typedef {import("../waits.js").Wait} Wait */

/** Who held the others up, as a bar each. @param {RunView} run */
export function createWaitsCard({ waits }) {
  const card = create("section", undefined, "card");
  card.id = "waits";
  card.hidden = !waits;
  if (!waits) return card;
  const total = secondsText(waits.lostMs / 1000);
  card.append(cardHead("Waiting", `${total} lost, by the peer at the end of the chain`));
  const table = /** @type {HTMLTableElement} */ (create("table"));
  const head = table.createTHead().insertRow();
  for (const title of ["peer", "lost", "share", "", "waits"]) head.append(create("th", title));
  const body = table.createTBody();
  for (const { peer, lostMs, share, waits: count } of waits.byEnd) {
    const row = body.insertRow();
    row.dataset.peer = String(peer);
    const bar = create("span", undefined, "bar");
    bar.style.setProperty("--share", `${100 * share}%`);
    const cell = create("td", undefined, "lost");
    cell.append(bar);
    row.append(
      create("th", String(peer)),
      create("td", secondsText(lostMs / 1000)),
      create("td", percentText(share)),
      cell,
      create("td", String(count)),
    );
  }
  const scroller = create("div", undefined, "scroll tall");
  scroller.append(table);
  card.append(scroller);
  const list = create("ul", undefined, "longest");
  for (const wait of waits.longest) list.append(create("li", longText(wait)));
  card.append(create("h3", "Longest waits"), list);
  return card;
}

/** `round 12: peer 2 waited 4.1 s for 5, which waited for 7` @param {Wait} wait */
function longText({ round, waitMs, chain }) {
  const [first, ...others] = chain;
  const whom = others.join(", which waited for ");
  return `round ${round + 1}: peer ${first} waited ${secondsText(waitMs / 1000)} for ${whom}`;
}

/** What the peers counted, of those that counted something. @param {RunView} run */
export function createCountsCard({ counts, peers }) {
  const card = create("section", undefined, "card");
  card.id = "counts";
  card.hidden = counts.length === 0;
  card.append(cardHead("Counters", "what peers counted beside their rounds"));
  const table = /** @type {HTMLTableElement} */ (create("table"));
  const head = table.createTHead().insertRow();
  head.append(create("th", "peer"));
  for (const { name, help } of counts) {
    const title = create("th", name);
    title.title = help;
    head.append(title);
  }
  const body = table.createTBody();
  for (const [place, { peer }] of peers.entries()) {
    if (counts.every(({ amounts }) => amounts[place] === 0)) continue;
    const row = body.insertRow();
    row.dataset.peer = String(peer);
    row.append(create("th", String(peer)));
    for (const { unit, amounts } of counts) row.append(create("td", amountText(amounts[place] ?? 0, unit)));
  }
  const scroller = create("div", undefined, "scroll tall");
  scroller.append(table);
  card.append(scroller);
  return card;
}

/** @param {number} amount @param {"count" | "bytes" | "ms"} unit */
function amountText(amount, unit) {
  if (unit === "bytes") return bytesText(amount);
  return unit === "ms" ? secondsText(amount / 1000) : String(amount);
}
