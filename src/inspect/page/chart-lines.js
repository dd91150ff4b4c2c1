/**
 * @typedef {import("../view.js").RunView} RunView
 * @typedef {import("../view.js").SeriesName} SeriesName
 * @typedef {import("./chart-kinds.js").ChartKind} ChartKind
 * @typedef {import("../report.js").PageAxis} XAxis
 */

/**
 * One line of a drawn chart.
 *
 * @typedef {object} Line
 * @property {string} label
 * @property {(number | null)[]} values by point of the chart
 * @property {(number | null)[]} rounds of the line's run, by point of the chart
 * @property {number} learningRounds the last training round of its run
 * @property {boolean} [hidden] an edge of the band
 */

/**
 * The lines of a chart over common x.
 *
 * @param {ChartKind} kind
 * @param {readonly RunView[]} runs
 * @param {XAxis} axis
 * @returns {{ x: number[], lines: Line[] }}
 */
export function collect(kind, runs, axis) {
  const clean = (/** @type {number | null | undefined} */ value) =>
    value === undefined || value === null || (kind.isLog && value <= 0) ? null : value;
  const wanted = runs.length === 1 && runs[0] ? linesOfOne(kind, runs[0]) : linesOfSeveral(kind, runs);
  const tables = wanted.flatMap(({ run: { series }, name }) => {
    const points = series[axis].flatMap((x, k) => (x === null ? [] : [{ x, k }]));
    points.sort((a, b) => a.x - b.x);
    const xs = points.map(({ x }) => x);
    return [
      [xs, points.map(({ k }) => clean(series[name][k]))],
      [xs, points.map(({ k }) => series.round[k] ?? null)],
    ];
  });
  const [x = [], ...columns] = tables.length === 0 ? [] : join(tables);
  return {
    x: /** @type {number[]} */ (x),
    lines: wanted.map(({ run: { learningRounds }, name: _, ...line }, k) => ({
      ...line,
      learningRounds,
      values: columns[2 * k] ?? [],
      rounds: columns[2 * k + 1] ?? [],
    })),
  };
}

/** @typedef {Pick<Line, "label" | "hidden"> & { run: RunView, name: SeriesName }} Wanted */

/** @param {RunView} run @param {SeriesName} name */
const has = ({ series }, name) => series[name].some((value) => value !== null);

/**
 * @param {ChartKind} kind
 * @param {RunView} run
 * @returns {Wanted[]}
 */
function linesOfOne(kind, run) {
  const band = kind.band ?? [];
  return [
    ...kind.lines.filter(([name]) => has(run, name)).map(([name, label]) => ({ run, label, name })),
    ...band.map((name, k) => ({ run, label: k === 0 ? "upper end" : "lower end", name, hidden: true })),
  ];
}

/**
 * The first line that each run has.
 *
 * @param {ChartKind} kind
 * @param {readonly RunView[]} runs
 * @returns {Wanted[]}
 */
function linesOfSeveral(kind, runs) {
  return runs.flatMap((run) => {
    const line = kind.lines.find(([name]) => has(run, name));
    return line ? [{ run, name: line[0], label: run.name }] : [];
  });
}

/**
 * Lays tables of x and y over one x.
 *
 * @param {(number | null)[][][]} tables
 * @returns {(number | null)[][]}
 */
export function join(tables) {
  const x = [...new Set(tables.flatMap(([own]) => own ?? []))].sort((a, b) => Number(a) - Number(b));
  const rows = new Map(x.map((value, row) => [value, row]));
  return [
    x,
    ...tables.map(([own = [], values = []]) => {
      /** @type {(number | null)[]} */
      const column = new Array(x.length).fill(null);
      for (const [k, value] of own.entries()) column[rows.get(value) ?? 0] = values[k] ?? null;
      return column;
    }),
  ];
}
