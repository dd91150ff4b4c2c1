import { numberText } from "../../foundation/format.js";
import { create } from "./elements.js";
import { createHeatMap } from "./heat.js";

/** @typedef {import("../view.js").RunView} RunView */

/** Distances between every two peers, at the instant that the slider says. */
export function createPairsCard() {
  const map = createHeatMap("pairs", "Distance between peers");
  const slider = document.createElement("input");
  slider.type = "range";
  slider.min = "0";
  slider.setAttribute("aria-label", "round of the distances");
  const chosen = create("output", undefined, "chosen");
  const control = create("div", undefined, "slider");
  control.append(slider, chosen);
  map.find(".cells").after(control);
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
    const closing = round > shown.learningRounds ? " (closing)" : "";
    map.find(".hint").textContent = `‖xᵢ − xⱼ‖ after round ${round}${closing}${who}`;
    chosen.textContent = `round ${round}${closing}`;
    slider.setAttribute("aria-valuetext", chosen.textContent);
    const numbers = projectedPeers.slice(0, count);
    const [low, high] = [Math.min(...distances), Math.max(...distances)].map(numberText);
    map.draw({
      columns: numbers,
      rows: numbers,
      summary: `Distances between every two of ${count} peers after round ${round}: from ${low} to ${high}.`,
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
  return {
    card: map.card,
    /** @param {RunView} run */
    update({ drift, projectedPeers }) {
      const { rounds, distances } = drift;
      map.card.hidden = rounds.length < 2 || projectedPeers.length < 2;
      if (map.card.hidden) return;
      map.find(".hint").textContent = `‖xᵢ − x̄‖, a row per peer, a column per round with projections`;
      const at = (/** @type {number} */ column, /** @type {number} */ row) =>
        distances[row]?.[column] ?? null;
      map.draw({
        columns: rounds,
        rows: projectedPeers,
        summary: `Distance of each of ${projectedPeers.length} peers from the mean model, rounds ${rounds[0]} to ${rounds.at(-1)}.`,
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
function lastBeforeClosing({ pairs, learningRounds }) {
  return pairs.findLastIndex(({ round }) => round <= learningRounds);
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
