/** The marks of rows: they differ in shape and filling, so that colour is not needed. */

/** Outlines of about radius 1 around the origin, as SVG paths. */
const outlines = [
  "M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z",
  "M-.9-.9H.9V.9H-.9Z",
  "M0-1.25L1.25 0L0 1.25L-1.25 0Z",
  "M0-1.2L1.15.85H-1.15Z",
  "M0 1.2L1.15-.85H-1.15Z",
  "M-.42-1.15H.42V-.42H1.15V.42H.42V1.15H-.42V.42H-1.15V-.42H-.42Z",
  "M0-.6L.6-1.2L1.2-.6L.6 0L1.2.6L.6 1.2L0 .6L-.6 1.2L-1.2.6L-.6 0L-1.2-.6L-.6-1.2Z",
  "M0-1.3L.4-.4L1.3-.4L.6.2L.85 1.15L0 .6L-.85 1.15L-.6.2L-1.3-.4L-.4-.4Z",
];

/** @param {number} k the row */
const outlineOf = (k) => /** @type {string} */ (outlines[k % outlines.length]);

/** Every other time that the outlines repeat, their marks are hollow. @param {number} k the row */
export const isHollow = (k) => Math.floor(k / outlines.length) % 2 === 1;

/**
 * Adds a row's mark to a path.
 *
 * @param {Path2D} path
 * @param {number} k the row
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 */
export function addMark(path, k, x, y, radius) {
  path.addPath(new Path2D(outlineOf(k)), new DOMMatrix([radius, 0, 0, radius, x, y]));
}

/** A row's mark, for text. @param {number} k the row */
export function createMark(k) {
  const holder = document.createElement("span");
  holder.className = "mark";
  holder.style.setProperty("--mark", `var(--series-${k % 6})`);
  holder.innerHTML = `<svg viewBox="-1.7 -1.7 3.4 3.4" aria-hidden="true"><path d="${outlineOf(k)}"${isHollow(k) ? ' class="hollow"' : ""}/></svg>`;
  return holder;
}
