import { bytesText, secondsText } from "../../foundation/format.js";
import { seriesColour } from "./colours.js";
import { create } from "./elements.js";

/**
 * @typedef {import("./chart-kinds.js").ChartKind} ChartKind
 * @typedef {import("./chart-lines.js").Line} Line
 * @typedef {import("./chart-lines.js").XAxis} XAxis
 */

/** Texts of what charts go by. @type {Readonly<Record<XAxis, (value: number | null | undefined) => string>>} */
export const xTexts = {
  round: (value) => String(Math.round(value ?? 0)),
  bytes: bytesText,
  seconds: secondsText,
};

/**
 * The value of a line at a point, or the latest before it.
 *
 * @param {Line} line
 * @param {number} index
 */
function valueAt({ values }, index) {
  for (let k = index; k >= 0; k--)
    if (values[k] !== null && values[k] !== undefined) return values[k] ?? null;
  return null;
}

/** The last point of a line's training rounds; −1 without one. @param {Line} line */
export function restOf({ values, rounds, learningRounds }) {
  return values.findLastIndex(
    (value, k) => value !== null && (rounds[k] ?? Number.POSITIVE_INFINITY) <= learningRounds,
  );
}

/**
 * Values under the cursor; without a cursor those of the last training round, since closing makes all peers equal.
 *
 * @param {ChartKind} kind
 * @param {import("./chart-options.js").Drawn} drawn
 * @param {number | null | undefined} index
 */
export function legendItems(kind, { lines, axis, x }, index) {
  const shown = lines.filter(({ hidden }) => !hidden);
  const isAtRest = index === null || index === undefined;
  const items = shown.map((line, k) => {
    const value = isAtRest ? (line.values[restOf(line)] ?? null) : valueAt(line, index);
    const item = create("div");
    const term = create("dt", line.label);
    term.style.setProperty("--mark", seriesColour(k));
    const number = create("dd", kind.text(value));
    number.dataset.value = value === null ? "" : String(value);
    item.append(term, number);
    return item;
  });
  const where = isAtRest ? restText(shown) : whereText(axis, x[index], shown, index);
  return { where, items };
}

/** @param {readonly Line[]} lines */
function restText(lines) {
  const isOneEnd = new Set(lines.map(({ learningRounds }) => learningRounds)).size === 1;
  const round = Math.max(...lines.map((line) => line.rounds[restOf(line)] ?? 0));
  return isOneEnd && round > 0 ? `round ${round}` : "last training round";
}

/**
 * @param {XAxis} axis
 * @param {number | undefined} x
 * @param {readonly Line[]} lines
 * @param {number} index
 */
function whereText(axis, x, lines, index) {
  const closing = (/** @type {number} */ round) =>
    lines.every(({ learningRounds }) => round > learningRounds) ? " (closing)" : "";
  if (axis === "round") return `round ${xTexts.round(x)}${closing(x ?? 0)}`;
  const rounds = new Set(lines.map(({ rounds: own }) => own[index]));
  const [round] = rounds;
  const own = rounds.size === 1 && round != null ? `round ${round}${closing(round)}, ` : "";
  return `${own}${xTexts[axis](x)}`;
}
