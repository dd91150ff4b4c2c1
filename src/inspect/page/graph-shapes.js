/**
 * @typedef {object} Shape
 * @property {[number, number][]} places of peers, in any unit
 * @property {(a: number, b: number) => readonly [number, number] | undefined} [wrapOf]
 *   the direction in which an edge leaves its first peer when it goes around the picture
 */

/** Longest rows or columns, in peers, of a torus that is drawn as a grid. */
const LONGEST_SIDE = 32;
/** Largest hypercube that is drawn as one. */
const MOST_DIMENSIONS = 5;

/**
 * Where peers of a known graph lie: a ring and whatever looks the same from every peer as a circle, a chain as a line, a torus
 * as a grid, a star around its hub, a hypercube as its shadow. The edges say which it is, so that the picture is right whatever
 * a file calls its graph.
 *
 * @param {number} count
 * @param {readonly (readonly [number, number])[]} edges
 * @returns {Shape | undefined} undefined for any other graph
 */
export function shapeOf(count, edges) {
  if (count < 3) return undefined;
  const own = new Set(edges.map(([a, b]) => keyOf(a, b)));
  const is = (/** @type {readonly (readonly [number, number])[]} */ pairs) => {
    const wanted = new Set(pairs.map(([a, b]) => keyOf(a, b)));
    return wanted.size === own.size && [...wanted].every((key) => own.has(key));
  };
  if (isCirculant(count, edges, own)) return { places: circle(count) };
  if (is(range(count - 1).map((k) => [k, k + 1]))) return { places: line(count) };
  if (is(range(count - 1).map((k) => [0, k + 1]))) return { places: [[0, 0], ...circle(count - 1)] };
  const dimensions = Math.log2(count);
  if (Number.isInteger(dimensions) && dimensions <= MOST_DIMENSIONS && is(cubeEdges(count, dimensions)))
    return { places: cube(count, dimensions) };
  for (let rows = 2; rows <= LONGEST_SIDE; rows++) {
    const columns = count / rows;
    if (columns < 2 || columns > LONGEST_SIDE || !Number.isInteger(columns)) continue;
    if (is(torusEdges(rows, columns))) return torus(rows, columns);
  }
  return undefined;
}

/** @param {number} a @param {number} b */
const keyOf = (a, b) => (a < b ? `${a} ${b}` : `${b} ${a}`);

/** @param {number} count */
const range = (count) => Array.from({ length: count }, (_, k) => k);

/**
 * Whether the graph stays the same when every peer takes the number after its own.
 *
 * @param {number} count
 * @param {readonly (readonly [number, number])[]} edges
 * @param {ReadonlySet<string>} own
 */
function isCirculant(count, edges, own) {
  return edges.length > 0 && edges.every(([a, b]) => own.has(keyOf((a + 1) % count, (b + 1) % count)));
}

/** Clockwise from the top. @param {number} count @returns {[number, number][]} */
function circle(count) {
  return range(count).map((k) => [Math.sin((2 * Math.PI * k) / count), -Math.cos((2 * Math.PI * k) / count)]);
}

/** Rows to and fro, as many as make the picture about square. @param {number} count @returns {[number, number][]} */
function line(count) {
  const columns = count <= 8 ? count : Math.ceil(Math.sqrt(count));
  return range(count).map((k) => {
    const row = Math.floor(k / columns);
    const column = k % columns;
    return [row % 2 === 0 ? column : columns - 1 - column, row];
  });
}

/**
 * @param {number} count
 * @param {number} dimensions
 */
function cubeEdges(count, dimensions) {
  return range(count).flatMap((k) =>
    range(dimensions).map((bit) => /** @type {const} */ ([k, k ^ (1 << bit)])),
  );
}

/**
 * Every bit moves a peer in a direction of its own.
 *
 * @param {number} count
 * @param {number} dimensions
 * @returns {[number, number][]}
 */
function cube(count, dimensions) {
  /** @type {readonly (readonly [number, number])[]} */
  const directions = [
    [1, 0],
    [0, 1],
    [0.42, -0.3],
    [0.95, 1.5],
    [1.85, 0.3],
  ];
  return range(count).map((k) => {
    const on = directions.slice(0, dimensions).filter((_, bit) => (k >> bit) & 1);
    return [on.reduce((sum, [x]) => sum + x, 0), on.reduce((sum, [, y]) => sum + y, 0)];
  });
}

/**
 * @param {number} rows
 * @param {number} columns
 */
function torusEdges(rows, columns) {
  return range(rows * columns).flatMap((peer) => {
    const row = Math.floor(peer / columns);
    const column = peer % columns;
    return [
      /** @type {const} */ ([peer, row * columns + ((column + 1) % columns)]),
      /** @type {const} */ ([peer, ((row + 1) % rows) * columns + column]),
    ];
  });
}

/**
 * @param {number} rows
 * @param {number} columns
 * @returns {Shape}
 */
function torus(rows, columns) {
  const step = columns / rows;
  return {
    places: range(rows * columns).map((peer) => [
      peer % columns,
      // Long grids are stretched to be readable.
      Math.floor(peer / columns) * Math.min(2, Math.max(1, step)),
    ]),
    wrapOf(a, b) {
      const [rowA, rowB] = [Math.floor(a / columns), Math.floor(b / columns)];
      const [columnA, columnB] = [a % columns, b % columns];
      if (rowA === rowB && Math.abs(columnA - columnB) > 1) return [Math.sign(columnA - columnB), 0];
      if (columnA === columnB && Math.abs(rowA - rowB) > 1) return [0, Math.sign(rowA - rowB)];
      return undefined;
    },
  };
}
