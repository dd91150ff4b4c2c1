import { colour } from "./colours.js";

/** What all axes look like, in the present scheme. */
export function axisStyle() {
  const grid = { stroke: colour("grid"), width: 1 };
  return { stroke: colour("muted"), grid, ticks: { show: false }, font: `11px ${colour("font")}` };
}

/** Of an axis with a logarithmic scale. */
export const logTicks = {
  splits: logSplits,
  filter: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks,
};

/**
 * Ticks of a logarithmic scale: powers of ten, with numbers between them where there are few.
 *
 * @param {unknown} _plot
 * @param {number} _axis
 * @param {number} low
 * @param {number} high
 */
function logSplits(_plot, _axis, low, high) {
  const decades = Math.log10(high / low);
  const within = decades < 1.2 ? [1, 2, 3, 5, 7] : decades < 2.5 ? [1, 3] : [1];
  const step = Math.max(1, Math.ceil(decades / 6));
  const splits = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    if (power % step !== 0) continue;
    for (const factor of within) splits.push(factor * 10 ** power);
  }
  return splits.filter((split) => split >= low && split <= high);
}
