import { numberText } from "../../foundation/format.js";
import { rampColour } from "./colours.js";

/** @typedef {import("../view.js").RunView} RunView */

const STEPS_OF_KEY = 12;

/**
 * A heat map on a canvas: cells of equal size, logarithmic colours, the cell under the cursor in words.
 *
 * @param {string} id
 * @param {string} title
 */
function createHeatMap(id, title) {
  const card = document.createElement("section");
  card.className = "card heat";
  card.id = id;
  card.innerHTML = `<header><h2></h2><p class="hint"></p></header><div class="cells"><canvas></canvas></div>
    <p class="key"><span class="low"></span><span class="ramp"></span><span class="high"></span></p>
    <p class="cell" aria-live="polite"></p>`;
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (card.querySelector(selector));
  find("h2").textContent = title;
  const stops = Array.from({ length: STEPS_OF_KEY }, (_, k) => rampColour(k / (STEPS_OF_KEY - 1)));
  find(".ramp").style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  const canvas = /** @type {HTMLCanvasElement} */ (card.querySelector("canvas"));
  /** @type {(column: number, row: number) => string} */
  let words = () => "";

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * canvas.width);
    const row = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
    find(".cell").textContent = words(column, row);
  });
  canvas.addEventListener("pointerleave", () => {
    find(".cell").textContent = "";
  });

  return {
    card,
    find,
    canvas,
    /**
     * @param {object} cells
     * @param {number} cells.columns
     * @param {number} cells.rows
     * @param {(column: number, row: number) => number | null} cells.value
     * @param {readonly [number, number]} cells.range least and largest positive value
     * @param {(column: number, row: number) => string} cells.describe
     */
    draw({ columns, rows, value, range: [low, high], describe }) {
      words = describe;
      canvas.width = columns;
      canvas.height = rows;
      const context = canvas.getContext("2d");
      if (!context) return;
      context.clearRect(0, 0, columns, rows);
      const spread = Math.log(high / low) || 1;
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const number = value(column, row);
          if (number === null) continue;
          context.fillStyle = rampColour(number > 0 ? Math.log(number / low) / spread : 0);
          context.fillRect(column, row, 1, 1);
        }
      }
      find(".low").textContent = numberText(low);
      find(".high").textContent = numberText(high);
    },
  };
}

/** Distances between every two peers, at the instant that the slider says. */
export function createPairsCard() {
  const map = createHeatMap("pairs", "Distance between peers");
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = "0";
  slider.setAttribute("aria-label", "round");
  map.canvas.parentElement?.after(slider);
  /** @type {RunView | undefined} */
  let shown;
  let follows = true;

  function draw() {
    if (!shown) return;
    const { pairs, projectedPeers } = shown;
    const instant = pairs[Number(slider.value)];
    if (!instant) return;
    const { round, distances } = instant;
    // As many peers as have pairs: count (count − 1) / 2 = the pairs there are.
    const count = Math.round((1 + Math.sqrt(1 + 8 * distances.length)) / 2);
    const of = (/** @type {number} */ a, /** @type {number} */ b) => {
      const [i, j] = a < b ? [a, b] : [b, a];
      return i === j ? null : (distances[i * count - (i * (i + 1)) / 2 + j - i - 1] ?? null);
    };
    const who = count < projectedPeers.length ? `, the first ${count} of ${projectedPeers.length} peers` : "";
    map.find(".hint").textContent = `‖xᵢ − xⱼ‖ after round ${round}${who}`;
    map.draw({
      columns: count,
      rows: count,
      value: of,
      range: rangeOf(pairs.flatMap((each) => each.distances)),
      describe: (column, row) =>
        column === row
          ? ""
          : `peers ${projectedPeers[row]} and ${projectedPeers[column]}: ${numberText(of(column, row))}`,
    });
    map.card.dataset.round = String(round);
    map.card.dataset.largest = String(Math.max(...distances));
  }

  slider.addEventListener("input", () => {
    follows = Number(slider.value) === Number(slider.max);
    draw();
  });

  return {
    card: map.card,
    /** @param {RunView} run */
    update(run) {
      shown = run;
      map.card.hidden = run.pairs.length === 0 || run.projectedPeers.length < 2;
      slider.max = String(Math.max(0, run.pairs.length - 1));
      if (follows) slider.value = String(Math.max(0, lastBeforeClosing(run)));
      if (!map.card.hidden) draw();
    },
  };
}

/** Every peer's distance to the mean model, over the rounds. */
export function createDriftCard() {
  const map = createHeatMap("drift", "Distance of each peer from the mean");
  map.card.classList.add("wide");
  return {
    card: map.card,
    /** @param {RunView} run */
    update({ drift, projectedPeers }) {
      const { rounds, distances } = drift;
      map.card.hidden = rounds.length < 2 || projectedPeers.length < 2;
      if (map.card.hidden) return;
      map.find(".hint").textContent =
        `‖xᵢ − x̄‖, a row per peer (0 on top), rounds ${rounds[0]} to ${rounds.at(-1)} from left to right`;
      const at = (/** @type {number} */ column, /** @type {number} */ row) =>
        distances[row]?.[column] ?? null;
      map.draw({
        columns: rounds.length,
        rows: projectedPeers.length,
        value: at,
        range: rangeOf(distances.flat()),
        describe: (column, row) =>
          `peer ${projectedPeers[row]}, round ${rounds[column]}: ${numberText(at(column, row))}`,
      });
    },
  };
}

/**
 * The instant to show first: after learning, since closing makes all peers equal.
 *
 * @param {RunView} run
 */
function lastBeforeClosing({ pairs, experiment }) {
  return pairs.findLastIndex(({ round }) => round <= experiment.rounds);
}

/**
 * Where the colours begin and end: the largest, and the least, but no further down than what closing leaves.
 *
 * @param {readonly (number | null)[]} values
 * @returns {[number, number]}
 */
function rangeOf(values) {
  let high = 0;
  for (const value of values) high = Math.max(high, value ?? 0);
  let low = high;
  for (const value of values) if (value !== null && value > high * 1e-3) low = Math.min(low, value);
  return high > 0 ? [low === high ? high / 10 : low, high] : [0.1, 1];
}
