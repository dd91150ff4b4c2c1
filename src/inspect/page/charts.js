import { colour, seriesColour } from "./colours.js";
import { bytesText, lastOf, numberText, percentText, secondsText } from "./format.js";

/**
 * @typedef {import("../view.js").RunView} RunView
 * @typedef {import("../view.js").SeriesName} SeriesName
 * @typedef {"round" | "bytes" | "seconds"} XAxis
 */

/**
 * What a chart shows: of one run all its lines, of several the first line that each of them has.
 *
 * @typedef {object} ChartKind
 * @property {string} id
 * @property {string} title
 * @property {string} hint
 * @property {(value: number | null | undefined) => string} text
 * @property {boolean} [log] logarithmic scale
 * @property {boolean} [fromZero] the scale begins at 0
 * @property {boolean} [hasSpikes] what is far above nearly all the rest leaves the chart at the top
 * @property {readonly (readonly [name: SeriesName, label: string])[]} lines
 * @property {readonly [high: SeriesName, low: SeriesName]} [band] drawn behind the first line
 */

/** @type {readonly ChartKind[]} */
export const chartKinds = [
  {
    id: "consensus",
    title: "Consensus distance",
    hint: "(1/n) Σ‖xᵢ − x̄‖²",
    text: numberText,
    log: true,
    lines: [
      ["consensusExact", "exact (simulator)"],
      ["consensusProjected", "from projections"],
      ["consensusOnline", "peers’ own estimate"],
    ],
  },
  {
    id: "loss",
    title: "Training loss",
    hint: "mean over peers",
    text: numberText,
    lines: [["loss", "loss"]],
    band: ["lossHigh", "lossLow"],
  },
  {
    id: "accuracy",
    title: "Accuracy",
    hint: "on held-out data",
    text: percentText,
    lines: [
      ["accuracyMean", "mean of peers"],
      ["accuracyMeanModel", "mean model"],
    ],
    band: ["accuracyBest", "accuracyWorst"],
  },
  {
    id: "bytes",
    title: "Bytes sent",
    hint: "per peer, as its transport counted",
    text: bytesText,
    fromZero: true,
    lines: [["bytes", "bytes per peer"]],
  },
  {
    id: "residual",
    title: "Residual",
    hint: "‖δ‖ / ‖x‖: what compression still owes",
    text: numberText,
    fromZero: true,
    lines: [
      ["residual", "mean of peers"],
      ["residualHigh", "largest"],
    ],
  },
  {
    id: "contraction",
    title: "Contraction",
    hint: "1 − ‖v − C(v)‖² / ‖v‖² as measured",
    text: numberText,
    lines: [
      ["contraction", "mean of peers"],
      ["contractionLow", "smallest"],
    ],
  },
  {
    id: "time",
    title: "Time per round",
    hint: "mean over peers",
    text: (value) => secondsText(value === null || value === undefined ? value : value / 1000),
    fromZero: true,
    hasSpikes: true,
    lines: [
      ["waitMs", "wait"],
      ["computeMs", "compute"],
      ["compressMs", "compress"],
      ["mixMs", "mix"],
    ],
  },
  {
    id: "rates",
    title: "Rates",
    hint: "learning γ and consensus η",
    text: numberText,
    log: true,
    lines: [
      ["consensusRate", "consensus rate η"],
      ["learningRate", "learning rate γ"],
    ],
  },
];

/** @type {Readonly<Record<XAxis, (value: number | null | undefined) => string>>} */
const xTexts = { round: (value) => String(Math.round(value ?? 0)), bytes: bytesText, seconds: secondsText };

const HEIGHT = 210;

/** One line of a drawn chart. @typedef {{ label: string, values: (number | null)[], hidden?: boolean }} Line */

/**
 * A card with a chart. The numbers under the title are those under the cursor, or the latest.
 *
 * @param {ChartKind} kind
 */
export function createChart(kind) {
  const card = document.createElement("section");
  card.className = "card chart";
  card.id = `chart-${kind.id}`;
  const head = document.createElement("header");
  const title = document.createElement("h2");
  title.textContent = kind.title;
  const hint = document.createElement("p");
  hint.className = "hint";
  const legend = document.createElement("dl");
  legend.className = "legend";
  head.append(title, hint);
  const place = document.createElement("div");
  place.className = "plot";
  card.append(head, legend, place);

  /** @type {any} */
  let plot;
  let shape = "";
  /** @type {{ x: number[], lines: Line[], axis: XAxis }} */
  let drawn = { x: [], lines: [], axis: "round" };

  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry?.contentRect.width ?? 0);
    if (plot && width > 0) plot.setSize({ width, height: HEIGHT });
  }).observe(place);

  /** @param {number | null | undefined} index the point under the cursor */
  function label(index) {
    const shown = drawn.lines.filter(({ hidden }) => !hidden);
    legend.replaceChildren(
      ...shown.map(({ label: name, values }, k) => {
        const value = (index === null || index === undefined ? null : values[index]) ?? lastOf(values);
        const item = document.createElement("div");
        const term = document.createElement("dt");
        term.style.setProperty("--mark", seriesColour(k));
        term.textContent = name;
        const number = document.createElement("dd");
        number.dataset.value = value === null ? "" : String(value);
        number.textContent = kind.text(value);
        item.append(term, number);
        return item;
      }),
    );
  }

  function options() {
    const grid = { stroke: colour("grid"), width: 1 };
    const axis = { stroke: colour("muted"), grid, ticks: { show: false }, font: `11px ${colour("font")}` };
    const shown = drawn.lines.filter(({ hidden }) => !hidden).length;
    return {
      width: Math.max(160, place.clientWidth),
      height: HEIGHT,
      legend: { show: false },
      cursor: { points: { size: 7 }, drag: { x: true, y: false } },
      scales: {
        x: { time: false },
        y: kind.log
          ? { distr: 3, range: logRange }
          : {
              range: (/** @type {unknown} */ _, /** @type {number} */ low, /** @type {number} */ high) => {
                const bottom = kind.fromZero ? Math.min(0, low) : low;
                const top = kind.hasSpikes ? Math.min(high, 1.5 * quantile(drawn.lines, 0.98)) : high;
                const room = (top - bottom || Math.abs(top) || 1) * 0.06;
                return [kind.fromZero ? bottom : bottom - room, top + room];
              },
            },
      },
      axes: [
        {
          ...axis,
          space: 70,
          size: 30,
          values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(xTexts[drawn.axis]),
        },
        {
          ...axis,
          size: 62,
          ...(kind.log && {
            splits: logSplits,
            filter: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks,
          }),
          values: (/** @type {unknown} */ _, /** @type {(number | null)[]} */ ticks) =>
            ticks.map((tick) => (tick === null ? "" : kind.text(tick))),
        },
      ],
      series: [
        {},
        ...drawn.lines.map(({ hidden }, k) =>
          hidden
            ? { stroke: "transparent", width: 0, points: { show: false }, spanGaps: true }
            : {
                stroke: seriesColour(k),
                width: k === 0 ? 2 : 1.5,
                spanGaps: true,
                points: { show: drawn.x.length < 2, size: 5 },
              },
        ),
      ],
      bands: drawn.lines.length > shown ? [{ series: [shown + 1, shown + 2], fill: colour("band") }] : [],
      hooks: {
        setCursor: [(/** @type {{ cursor: { idx?: number | null } }} */ { cursor }) => label(cursor.idx)],
      },
    };
  }

  return {
    card,
    /**
     * @param {readonly RunView[]} runs
     * @param {XAxis} axis
     */
    update(runs, axis) {
      drawn = { ...collect(kind, runs, axis), axis };
      const hasBand = drawn.lines.some(({ hidden }) => hidden);
      hint.textContent = hasBand ? `${kind.hint}; the band spans all peers` : kind.hint;
      const isEmpty = drawn.lines.every(({ values }) => values.every((value) => value === null));
      card.hidden = isEmpty;
      if (isEmpty) return;
      label(undefined);
      const data = [drawn.x, ...drawn.lines.map(({ values }) => values)];
      const wanted = JSON.stringify([axis, drawn.lines.map(({ label: name }) => name), colour("grid")]);
      if (plot && wanted === shape) {
        plot.setData(data);
        return;
      }
      plot?.destroy();
      shape = wanted;
      plot = new uPlot(options(), data, place);
    },
  };
}

/**
 * The value below which a share of all values lies.
 *
 * @param {readonly Line[]} lines
 * @param {number} share
 */
function quantile(lines, share) {
  const values = lines
    .flatMap(({ values: all }) => all)
    .filter((value) => value !== null)
    .sort((a, b) => a - b);
  return values[Math.floor(share * (values.length - 1))] ?? 1;
}

/**
 * Where a logarithmic scale begins and ends: closing makes all peers equal and would press everything else flat, so
 * that what falls far below nearly all the rest leaves the chart at the bottom.
 *
 * @param {{ data: (number | null)[][] }} plot
 * @param {number} low
 * @param {number} high
 * @returns {[number, number]}
 */
function logRange({ data }, low, high) {
  const lines = data.slice(1).map((values) => ({ label: "", values }));
  const bottom = Math.max(low ?? 1, quantile(lines, 0.05) / 10);
  return high > bottom ? [bottom / 1.2, high * 1.2] : [bottom / 2, bottom * 2];
}

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

/**
 * The lines of a chart over common x.
 *
 * @param {ChartKind} kind
 * @param {readonly RunView[]} runs
 * @param {XAxis} axis
 * @returns {{ x: number[], lines: Line[] }}
 */
function collect(kind, runs, axis) {
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
function join(tables) {
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
