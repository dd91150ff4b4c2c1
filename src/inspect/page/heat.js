import { numberText } from "../../foundation/format.js";
import { rampColour } from "./colours.js";
import { create } from "./elements.js";

const STEPS_OF_KEY = 12;
/** Rows or columns that can be numbered beside a map. */
const MOST_NUMBERS = 16;
/** Digits and gaps that fit below the narrowest map. */
const MOST_CHARACTERS = 40;

/**
 * A heat map on a canvas: cells of equal size with numbers beside them, logarithmic colours, the cell under the cursor in words.
 *
 * @param {string} id
 * @param {string} title
 */
export function createHeatMap(id, title) {
  const card = create("section", undefined, "card heat");
  card.id = id;
  card.innerHTML = `<header><h2></h2><p class="hint"></p></header>
    <div class="cells"><div class="row-numbers" aria-hidden="true"></div><div class="map"><canvas role="img"></canvas></div>
    <div class="column-numbers" aria-hidden="true"></div></div>
    <p class="key"><span class="low"></span><span class="ramp"></span><span class="high"></span></p>
    <p class="cell"></p>`;
  const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (card.querySelector(selector));
  find("h2").textContent = title;
  const stops = Array.from({ length: STEPS_OF_KEY }, (_, k) => rampColour(k / (STEPS_OF_KEY - 1)));
  find(".ramp").style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  const canvas = /** @type {HTMLCanvasElement} */ (card.querySelector("canvas"));
  const AT_REST = "point at a cell for its value";
  find(".cell").textContent = AT_REST;
  /** @type {(column: number, row: number) => string} */
  let words = () => "";

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left) / box.width) * canvas.width);
    const row = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
    find(".cell").textContent = words(column, row);
  });
  canvas.addEventListener("pointerleave", () => {
    find(".cell").textContent = AT_REST;
  });

  return {
    card,
    find,
    canvas,
    /**
     * @param {object} cells
     * @param {readonly (string | number)[]} cells.columns their numbers
     * @param {readonly (string | number)[]} cells.rows
     * @param {(column: number, row: number) => number | null} cells.value
     * @param {readonly [number, number]} cells.range least and largest value that the colours tell apart, positive
     * @param {(column: number, row: number) => string} cells.describe
     * @param {string} cells.summary one sentence for those who do not see it
     */
    draw({ columns, rows, value, range: [low, high], describe, summary }) {
      words = describe;
      canvas.width = columns.length;
      canvas.height = rows.length;
      canvas.setAttribute("aria-label", summary);
      find(".row-numbers").replaceChildren(...numbersOf(rows, MOST_NUMBERS));
      find(".column-numbers").replaceChildren(...numbersOf(columns, mostBeside(columns)));
      const context = canvas.getContext("2d");
      if (!context) return;
      context.clearRect(0, 0, columns.length, rows.length);
      const spread = Math.log(high / low) || 1;
      let isBelow = false;
      for (const row of rows.keys()) {
        for (const column of columns.keys()) {
          const number = value(column, row);
          if (number === null) continue;
          isBelow ||= number < low;
          context.fillStyle = rampColour(number > 0 ? Math.log(number / low) / spread : 0);
          context.fillRect(column, row, 1, 1);
        }
      }
      find(".low").textContent = isBelow ? `≤ ${numberText(low)}` : numberText(low);
      find(".high").textContent = numberText(high);
    },
  };
}

/**
 * How many numbers fit beside each other below a map.
 *
 * @param {readonly (string | number)[]} numbers
 */
function mostBeside(numbers) {
  const widest = Math.max(...numbers.map((number) => String(number).length));
  return Math.min(MOST_NUMBERS, Math.floor(MOST_CHARACTERS / (widest + 1)));
}

/**
 * Numbers at the middle of their cells; of many cells, of every second, fifth, tenth and so on.
 *
 * @param {readonly (string | number)[]} numbers
 * @param {number} most
 */
function numbersOf(numbers, most) {
  const step = roundStep(numbers.length / most);
  return numbers.flatMap((number, k) => {
    if (k % step !== 0) return [];
    const shown = create("span", String(number));
    shown.style.setProperty("--place", `${(100 * (k + 0.5)) / numbers.length}%`);
    return [shown];
  });
}

/** The least of 1, 2, 5, 10, 20 … that is not below a number. @param {number} least */
function roundStep(least) {
  const power = 10 ** Math.max(0, Math.floor(Math.log10(least)));
  return ([1, 2, 5].find((factor) => factor * power >= least) ?? 10) * power;
}
