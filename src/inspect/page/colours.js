/** Colours that stay apart for every kind of colour vision (Okabe and Ito's set), from the page's style sheet. */

/** What the style sheet says for the present scheme. @param {string} name */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The colour of a series or run. @param {number} k */
export function seriesColour(k) {
  return colour(`series-${k % 6}`);
}

/** Dark blue to yellow, even in lightness (viridis). */
const ramp = [
  [68, 1, 84],
  [65, 68, 135],
  [42, 120, 142],
  [34, 168, 132],
  [122, 209, 81],
  [253, 231, 37],
];

/** A colour of the ramp. @param {number} share from 0 to 1 */
export function rampColour(share) {
  const place = Math.min(1, Math.max(0, share)) * (ramp.length - 1);
  const k = Math.min(ramp.length - 2, Math.floor(place));
  const from = ramp[k] ?? [];
  const to = ramp[k + 1] ?? [];
  const mixed = from.map((value, channel) => Math.round(value + (place - k) * ((to[channel] ?? 0) - value)));
  return `rgb(${mixed.join(" ")})`;
}
