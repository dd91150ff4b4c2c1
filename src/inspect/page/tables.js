import {
  bytesText,
  metricText,
  numberText,
  peerText,
  percentText,
  secondsText,
} from "../../foundation/format.js";
import { cardHead, create } from "./elements.js";
import { createTable } from "./table.js";

/** @typedef {import("../view.js").RunView} RunView */
/** @typedef {import("../view.js").PeerView} PeerView */

/** What a peer's time went to, in the order of its bar. */
const times = /** @type {const} */ (["compute", "compress", "mix", "wait"]);

/** What every peer reached and sent, and where its time went. @param {RunView} run */
export function createPeersCard({ peers, metric, topology }) {
  const card = create("section", undefined, "card wide");
  card.id = "peers";
  card.append(cardHead("Peers", "where each peer’s time went, and what it sent"));
  const longest = Math.max(1e-9, ...peers.map(total));
  /** @type {(import("./table.js").Column & { cell(peer: PeerView): string | Node })[]} */
  const columns = [
    { title: "rounds", cell: (peer) => String(peer.rounds) },
    { title: "state", className: "state-of", cell: ({ outcome }) => create("span", outcome, outcome) },
    { title: "training loss", cell: (peer) => numberText(peer.loss) },
    ...(peers.some((peer) => peer.metric !== null)
      ? [{ title: metric.name, cell: (/** @type {PeerView} */ peer) => metricText(metric, peer.metric) }]
      : []),
    { title: "sent", cell: (peer) => bytesText(peer.bytesSent) },
    { title: "received", cell: (peer) => bytesText(peer.bytesReceived) },
    ...(peers.some(({ goodput }) => goodput !== null)
      ? [{ title: "goodput", cell: (/** @type {PeerView} */ { goodput }) => percentText(goodput) }]
      : []),
    {
      title: createBarsKey(),
      label: "time",
      className: "bars",
      cell: (peer) => createBars(peer, longest),
    },
  ];
  const rows = peers.map((peer) => ({
    head: peerText(peer.peer, topology.names),
    data: { peer: String(peer.peer) },
    cells: columns.map(({ cell }) => cell(peer)),
  }));
  card.append(createTable({ caption: "Peers", columns: [{ title: "peer" }, ...columns], rows }));
  return card;
}

function createBarsKey() {
  const key = create("span", undefined, "bars-key");
  for (const name of times) key.append(create("span", name, `${name}Ms`));
  return key;
}

/**
 * @param {PeerView} peer
 * @param {number} longest
 */
function createBars(peer, longest) {
  const cell = create("div");
  const bar = create("div");
  for (const name of times) {
    const value = peer[`${name}Ms`];
    const part = create("span", undefined, `${name}Ms`);
    part.style.width = `${(100 * value) / longest}%`;
    part.title = `${name} ${secondsText(value / 1000)}`;
    bar.append(part);
  }
  bar.setAttribute("role", "img");
  bar.setAttribute(
    "aria-label",
    times.map((name) => `${name} ${secondsText(peer[`${name}Ms`] / 1000)}`).join(", "),
  );
  cell.append(bar, create("span", secondsText(total(peer) / 1000)));
  return cell;
}

/** Layers that are listed at most, the largest shares. */
const LAYERS = 12;

/** The layers' shares of the consensus distance. @param {RunView} run */
export function createLayersCard({ layers, tensors }) {
  const card = create("section", undefined, "card");
  card.id = "layers";
  card.hidden = layers.length < 2;
  card.append(cardHead("Layers", "share of the consensus distance before closing"));
  const shared = layers.map((layer, t) => ({ ...layer, shape: (tensors[t]?.shape ?? []).join("×") }));
  const most = shared.toSorted((a, b) => b.share - a.share).slice(0, LAYERS);
  const rest = shared.length - most.length;
  const list = create("dl", undefined, "shares");
  for (const { name, share, shape } of shared.filter((layer) => most.includes(layer))) {
    const row = create("div");
    const value = create("dd", percentText(share));
    value.dataset.layer = name;
    value.dataset.value = String(share);
    const bar = create("span", undefined, "bar");
    bar.style.setProperty("--share", `${100 * share}%`);
    row.append(create("dt", `${name} ${shape}`), bar, value);
    list.append(row);
  }
  if (rest > 0) list.append(create("p", `and ${rest} with smaller shares`, "hint"));
  card.append(list);
  return card;
}

/** @param {{ computeMs: number, compressMs: number, mixMs: number, waitMs: number }} peer */
function total({ computeMs, compressMs, mixMs, waitMs }) {
  return computeMs + compressMs + mixMs + waitMs;
}
