/**
 * @typedef {import("../view.js").RunView} RunView
 * @typedef {import("../view.js").SeriesName} SeriesName
 * @typedef {import("./chart-kinds.js").ChartKind} ChartKind
 * @typedef {"round" | "bytes" | "seconds"} XAxis
 */

/** One line of a drawn chart. @typedef {{ label: string, values: (number | null)[], hidden?: boolean }} Line */

/**
 * The lines of a chart over common x.
 *
 * @param {ChartKind} kind
 * @param {readonly RunView[]} runs
 * @param {XAxis} axis
 * @returns {{ x: number[], lines: Line[] }}
 */
export function collect(kind, runs, axis) {
  const clean = (/** @type {readonly (number | null)[]} */ values) =>
    kind.log ? values.map((value) => (value !== null && value > 0 ? value : null)) : [...values];
  const has = (/** @type {RunView} */ { series }, /** @type {SeriesName} */ name) =>
    series[name].some((value) => value !== null);

  /** @type {{ run: RunView, label: string, name: SeriesName, hidden?: boolean }[]} */
  let wanted;
  const [run] = runs;
  if (runs.length === 1 && run) {
    wanted = kind.lines.filter(([name]) => has(run, name)).map(([name, label]) => ({ run, label, name }));
    if (kind.band) wanted.push(...kind.band.map((name) => ({ run, label: "", name, hidden: true })));
  } else {
    wanted = runs.flatMap((each) => {
      const line = kind.lines.find(([name]) => has(each, name));
      return line ? [{ run: each, label: each.name, name: line[0] }] : [];
    });
  }

  const tables = wanted.map(({ run: each, name }) => {
    const values = clean(each.series[name]);
    const points = each.series[axis].flatMap((x, k) =>
      x === null ? [] : [/** @type {[number, number | null]} */ ([x, values[k] ?? null])],
    );
    points.sort(([a], [b]) => a - b);
    return [points.map(([x]) => x), points.map(([, y]) => y)];
  });
  const [x = [], ...columns] = tables.length === 0 ? [] : join(tables);
  return {
    x: /** @type {number[]} */ (x),
    lines: wanted.map(({ label, hidden }, k) => ({
      label,
      values: columns[k] ?? [],
      ...(hidden && { hidden }),
    })),
  };
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
