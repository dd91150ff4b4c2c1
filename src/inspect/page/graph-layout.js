const LAYOUT_STEPS = 120;

/**
 * Places peers so that distances in the picture are like those in the graph: stress majorisation from a circle
 * (Gansner, Koren, North 2004).
 *
 * @param {number} count
 * @param {readonly (readonly [number, number])[]} edges
 * @returns {[number, number][]}
 */
export function layOut(count, edges) {
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
  return places;
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
 * Scales places into a square picture, without distortion.
 *
 * @param {readonly (readonly [number, number])[]} places
 * @param {number} size
 * @param {number} margin
 * @returns {[number, number][]}
 */
export function scaled(places, size, margin) {
  const xs = places.map(([x]) => x);
  const ys = places.map(([, y]) => y);
  const left = Math.min(...xs);
  const top = Math.min(...ys);
  const width = Math.max(...xs) - left;
  const height = Math.max(...ys) - top;
  const scale = (size - 2 * margin) / Math.max(width, height, 1e-9);
  return places.map(([x, y]) => [
    size / 2 + (x - left - width / 2) * scale,
    size / 2 + (y - top - height / 2) * scale,
  ]);
}
