import { bytesText, peerText, secondsText } from "../../foundation/format.js";

/** @typedef {import("../view.js").RunView} RunView */

const SVG = "http://www.w3.org/2000/svg";
const SIZE = 400;
const LAYOUT_STEPS = 120;
/** Numbers are written on the peers of graphs up to this size. */
const LABELLED_PEERS = 72;

/** Layouts by the edges they are of. @type {Map<string, [number, number][]>} */
const layouts = new Map();

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
      let places = layouts.get(fingerprint);
      if (!places) {
        places = layOut(topology.peers, topology.edges);
        layouts.set(fingerprint, places);
      }
      const at = (/** @type {number} */ peer) => places?.[peer] ?? [0, 0];
      const mostBytes = Math.max(1, ...edges.map(({ bytes }) => bytes));
      const waits = edges.map(({ waitMs }) => waitMs).sort((a, b) => a - b);
      const usualWait = waits[waits.length >> 1] ?? 0;
      const scale = topology.peers > 40 ? 0.6 : 1;

      const lines = edges.map(({ a, b, bytes, messages, waitMs, missed }) => {
        // Twice the usual wait begins to show, eight times is as slow as it gets.
        const slow =
          usualWait > 0 ? Math.min(1, Math.max(0, (Math.log2(waitMs / usualWait) - 0.5) / 2.5)) : 0;
        const [x1, y1] = at(a);
        const [x2, y2] = at(b);
        const line = element("line", {
          x1,
          y1,
          x2,
          y2,
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
 * Places peers so that distances in the picture are like those in the graph: stress majorisation from a circle
 * (Gansner, Koren, North 2004), scaled into the picture.
 *
 * @param {number} count
 * @param {readonly (readonly [number, number])[]} edges
 * @returns {[number, number][]}
 */
function layOut(count, edges) {
  const hops = hopDistances(count, edges);
  /** @type {[number, number][]} */
  let places = Array.from({ length: count }, (_, k) => [
    Math.cos((2 * Math.PI * k) / count - Math.PI / 2) * (1 + 0.001 * (k % 7)),
    Math.sin((2 * Math.PI * k) / count - Math.PI / 2) * (1 + 0.001 * (k % 5)),
  ]);
  const steps = count > 300 ? 20 : LAYOUT_STEPS;
  for (let step = 0; step < steps; step++) {
    places = places.map(([x, y], i) => {
      let sumX = 0;
      let sumY = 0;
      let weights = 0;
      for (const [j, [otherX, otherY]] of places.entries()) {
        if (j === i) continue;
        const wanted = hops[i * count + j] ?? 1;
        const weight = 1 / (wanted * wanted);
        const apart = Math.hypot(x - otherX, y - otherY) || 1e-9;
        sumX += weight * (otherX + (wanted * (x - otherX)) / apart);
        sumY += weight * (otherY + (wanted * (y - otherY)) / apart);
        weights += weight;
      }
      return weights === 0 ? [x, y] : [sumX / weights, sumY / weights];
    });
  }
  const xs = places.map(([x]) => x);
  const ys = places.map(([, y]) => y);
  const left = Math.min(...xs);
  const top = Math.min(...ys);
  const width = Math.max(...xs) - left;
  const height = Math.max(...ys) - top;
  const margin = 22;
  const scale = (SIZE - 2 * margin) / Math.max(width, height, 1e-9);
  return places.map(([x, y]) => [
    SIZE / 2 + (x - left - width / 2) * scale,
    SIZE / 2 + (y - top - height / 2) * scale,
  ]);
}

/**
 * Hops between every two peers.
 *
 * @param {number} count
 * @param {readonly (readonly [number, number])[]} edges
 */
function hopDistances(count, edges) {
  /** @type {number[][]} */
  const neighbours = Array.from({ length: count }, () => []);
  for (const [a, b] of edges) {
    neighbours[a]?.push(b);
    neighbours[b]?.push(a);
  }
  const hops = new Uint16Array(count * count).fill(count);
  for (let start = 0; start < count; start++) {
    hops[start * count + start] = 0;
    const queue = [start];
    for (const peer of queue) {
      const next = (hops[start * count + peer] ?? 0) + 1;
      for (const neighbour of neighbours[peer] ?? []) {
        if ((hops[start * count + neighbour] ?? 0) <= next) continue;
        hops[start * count + neighbour] = next;
        queue.push(neighbour);
      }
    }
  }
  return hops;
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
