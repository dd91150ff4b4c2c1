import { bytesText, peerText, secondsText } from "../../foundation/format.js";
import { layOut, scaled } from "./graph-layout.js";
import { shapeOf } from "./graph-shapes.js";

/** @typedef {import("../view.js").RunView} RunView */

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 400;
/** Room around the peers; tori need more of it, for the edges that wrap around. */
const MARGIN = 22;
const WRAP_MARGIN = 46;
/** Length of each half of an edge that wraps around. */
const WRAP_LENGTH = 30;
/** Numbers are written on the peers of graphs up to this size. */
const LABELLED_PEERS = 72;

/** @typedef {{ places: [number, number][], wrapOf(a: number, b: number): readonly [number, number] | undefined }} Picture */

/** Pictures by the fingerprint of their run. @type {Map<string, Picture>} */
const pictures = new Map();

/**
 * A graph of a known shape in that shape, any other one so that distances in the picture are like those in the graph.
 *
 * @param {RunView["topology"]} topology
 * @returns {Picture}
 */
function pictureOf({ peers, edges }) {
  const shape = shapeOf(peers, edges);
  if (!shape) return { places: scaled(layOut(peers, edges), SIZE, MARGIN), wrapOf: () => undefined };
  const margin = shape.wrapOf ? WRAP_MARGIN : MARGIN;
  return { places: scaled(shape.places, SIZE, margin), wrapOf: shape.wrapOf ?? (() => undefined) };
}

/**
 * A straight line, or the two halves of one that leaves the picture on one side and comes back on the other.
 *
 * @param {readonly [number, number]} from
 * @param {readonly [number, number]} to
 * @param {readonly [number, number] | undefined} wrap the direction in which it leaves `from`
 */
function pathOf([x1, y1], [x2, y2], wrap) {
  const text = (/** @type {number[]} */ ...values) => values.map((value) => value.toFixed(2)).join(" ");
  if (!wrap) return `M${text(x1, y1)}L${text(x2, y2)}`;
  const [dx, dy] = [wrap[0] * WRAP_LENGTH, wrap[1] * WRAP_LENGTH];
  return `M${text(x1, y1)}l${text(dx, dy)}M${text(x2, y2)}l${text(-dx, -dy)}`;
}

/** The graph: lines as wide as their bytes, reddish where peers waited. */
export function createGraphCard() {
  const card = document.createElement("section");
  card.className = "card graph";
  card.id = "graph";
  card.innerHTML = `<header><h2>Graph</h2><p class="hint"></p></header>
    <svg viewBox="0 0 ${SIZE} ${SIZE}" role="img" aria-label="the graph of peers"></svg>
    <p class="key"><span><span class="line thin"></span>fewer bytes</span><span><span class="line thick"></span>more</span>
    <span><span class="line slow"></span>slow: waited for</span><span><span class="dot"></span>peer</span>
    <span><span class="dot hollow"></span>no log</span></p>`;
  const hint = /** @type {HTMLElement} */ (card.querySelector(".hint"));
  const svg = /** @type {SVGElement} */ (/** @type {unknown} */ (card.querySelector("svg")));

  return {
    card,
    /** @param {RunView} run */
    update({ topology, edges, peers, fingerprint }) {
      hint.textContent = `${topology.name}: ${topology.peers} peers, ${topology.edges.length} edges`;
      const picture = pictures.get(fingerprint) ?? pictureOf(topology);
      pictures.set(fingerprint, picture);
      const at = (/** @type {number} */ peer) => picture.places[peer] ?? [0, 0];
      svg.setAttribute(
        "aria-label",
        `Graph ${hint.textContent}. The table of peers has what each sent and waited.`,
      );
      const mostBytes = Math.max(1, ...edges.map(({ bytes }) => bytes));
      const waits = edges.map(({ waitMs }) => waitMs).sort((a, b) => a - b);
      const usualWait = waits[waits.length >> 1] ?? 0;
      const scale = topology.peers > 40 ? 0.6 : 1;

      const lines = edges.map(({ a, b, bytes, messages, waitMs, missed }) => {
        // Twice the usual wait begins to show, eight times is as slow as it gets.
        const slow =
          usualWait > 0 ? Math.min(1, Math.max(0, (Math.log2(waitMs / usualWait) - 0.5) / 2.5)) : 0;
        const line = element("path", {
          class: "edge",
          d: pathOf(at(a), at(b), picture.wrapOf(a, b)),
          "stroke-width": scale * (1 + (3 * bytes) / mostBytes),
        });
        line.style.setProperty("--wait", `${Math.round(100 * slow)}%`);
        line.dataset.edge = `${a}-${b}`;
        line.dataset.bytes = String(bytes);
        line.append(
          tooltip(
            `${a} – ${b}: ${bytesText(bytes)} in ${messages} messages, waited ${secondsText(waitMs / 1000)}${missed > 0 ? `, missed ${missed}` : ""}`,
          ),
        );
        return line;
      });
      const logged = new Map(peers.map((peer) => [peer.peer, peer]));
      const radius = topology.peers > 128 ? 4 : topology.peers > 24 ? 8 : 12;
      const nodes = Array.from({ length: topology.peers }, (_, peer) => {
        const [cx, cy] = at(peer);
        const log = logged.get(peer);
        const node = element("g", { class: log ? log.outcome : "missing" });
        node.append(element("circle", { cx, cy, r: radius }));
        if (topology.peers <= LABELLED_PEERS) {
          const text = element("text", { x: cx, y: cy, "font-size": radius });
          text.textContent = String(peer);
          node.append(text);
        }
        node.append(
          tooltip(
            log
              ? `peer ${peerText(peer, topology.names)}: ${log.rounds} rounds, ${log.outcome}, sent ${bytesText(log.bytesSent)}`
              : `peer ${peerText(peer, topology.names)}: no log`,
          ),
        );
        return node;
      });
      svg.replaceChildren(...lines, ...nodes);
    },
  };
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function element(name, attributes) {
  const created = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) {
    created.setAttribute(key, typeof value === "number" ? value.toFixed(2) : value);
  }
  return created;
}

/** @param {string} text */
function tooltip(text) {
  const title = document.createElementNS(SVG, "title");
  title.textContent = text;
  return title;
}
