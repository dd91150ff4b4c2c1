import { bytesText, percentText, secondsText } from "../../foundation/format.js";
import { cardHead, create } from "./elements.js";
import { createTable } from "./table.js";

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
  const rows = waits.byEnd.map(({ peer, lostMs, share, waits: count }) => {
    const bar = create("span", undefined, "bar");
    bar.style.setProperty("--share", `${100 * share}%`);
    return {
      head: String(peer),
      data: { peer: String(peer) },
      cells: [secondsText(lostMs / 1000), percentText(share), bar, String(count)],
    };
  });
  const columns = ["peer", "lost", "share"].map((title) => ({ title }));
  card.append(
    createTable({
      caption: "Waiting",
      columns: [...columns, { title: "", label: "", className: "lost" }, { title: "waits" }],
      rows,
    }),
  );
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
  const rows = peers.flatMap(({ peer }, place) =>
    counts.every(({ amounts }) => amounts[place] === 0)
      ? []
      : [
          {
            head: String(peer),
            data: { peer: String(peer) },
            cells: counts.map(({ unit, amounts }) => amountText(amounts[place] ?? 0, unit)),
          },
        ],
  );
  const columns = counts.map(({ name, help }) => ({ title: name, help }));
  card.append(createTable({ caption: "Counters", columns: [{ title: "peer" }, ...columns], rows }));
  return card;
}

/** @param {number} amount @param {"count" | "bytes" | "ms"} unit */
function amountText(amount, unit) {
  if (unit === "bytes") return bytesText(amount);
  return unit === "ms" ? secondsText(amount / 1000) : String(amount);
}
