/** Numbers as people read them. */

/** @param {number | null | undefined} value */
export function numberText(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  return size >= 0.001 && size < 1e5 ? String(Number(value.toPrecision(3))) : value.toExponential(1);
}

/** @param {number | null | undefined} share */
export function percentText(share) {
  return share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)} %`;
}

/**
 * The value of a metric: accuracies in percent, others as numbers.
 *
 * @param {{ name: string }} metric
 * @param {number | null | undefined} value
 */
export function metricText({ name }, value) {
  return name === "accuracy" ? percentText(value) : numberText(value);
}

/** @param {number | null | undefined} bytes */
export function bytesText(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const units = ["B", "kB", "MB", "GB", "TB"];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${Number((bytes / 1000 ** unit).toPrecision(3))} ${units[unit]}`;
}

/** @param {number | null | undefined} seconds */
export function secondsText(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds === 0) return "0";
  if (seconds < 1e-3) return `${Number((1e6 * seconds).toPrecision(2))} µs`;
  if (seconds < 1) return `${Number((1000 * seconds).toPrecision(3))} ms`;
  if (seconds < 120) return `${Number(seconds.toPrecision(3))} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Number((seconds / 3600).toPrecision(3))} h`;
}

/** The last value that is there. @param {readonly (number | null)[]} series */
export function lastOf(series) {
  return series.findLast((value) => value !== null) ?? null;
}

/**
 * A peer's number and, if it has one, its name.
 *
 * @param {number} peer
 * @param {readonly string[] | undefined} names
 */
export function peerText(peer, names) {
  const name = names?.[peer];
  return name === undefined || name === String(peer) ? String(peer) : `${peer} ${name}`;
}
