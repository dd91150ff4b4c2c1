import { bytesText, lastOf, metricText, numberText, secondsText } from "../../foundation/format.js";
import { payloadsText } from "./settings.js";
import { createTableCard } from "./table.js";

/**
 * @typedef {import("../view.js").RunView} RunView
 * @typedef {import("../groups.js").RunGroup} RunGroup
 * @typedef {import("../groups.js").Estimate} Estimate
 */

const BEFORE = "before closing";
const AFTER = "after closing";

/** Values of one metric need no name. @param {readonly Pick<RunView, "metric">[]} entries */
const isMixed = (entries) => entries.some(({ metric }) => metric.name !== entries[0]?.metric.name);

/** @param {readonly Pick<RunView, "metric">[]} entries */
const worstTitle = (entries) => (isMixed(entries) ? "worst peer" : `worst ${entries[0]?.metric.name}`);

/** One row per run, where several are compared. @param {readonly RunView[]} runs */
export function createRunsCard(runs) {
  const mixed = isMixed(runs);
  const quality = (/** @type {RunView} */ { metric }, /** @type {number | null | undefined} */ value) =>
    mixed && value != null ? `${metric.name} ${metricText(metric, value)}` : metricText(metric, value);
  const hasClosed = runs.some(({ standing }) => standing.closed);
  /** @type {(import("./table.js").Column & { cell(run: RunView): string })[]} */
  const columns = [
    { title: "algorithm", cell: ({ experiment }) => experiment.algorithm },
    { title: "compressor", className: "words", cell: payloadsText },
    { title: "graph", cell: ({ topology }) => topology.name },
    { title: "rounds", cell: ({ series }) => String(lastOf(series.round) ?? "–") },
    { title: "training loss", group: BEFORE, cell: ({ standing }) => numberText(standing.loss) },
    { title: worstTitle(runs), group: BEFORE, cell: (run) => quality(run, run.standing.learned.worst) },
    {
      title: "consensus distance",
      group: BEFORE,
      cell: ({ standing }) => numberText(standing.learned.consensus),
    },
    { title: worstTitle(runs), group: AFTER, cell: (run) => quality(run, run.standing.closed?.worst) },
    {
      title: "consensus distance",
      group: AFTER,
      cell: ({ standing }) => numberText(standing.closed?.consensus),
    },
    { title: "sent per peer", cell: ({ series }) => bytesText(lastOf(series.bytes)) },
    { title: "time", cell: ({ series }) => secondsText(lastOf(series.seconds)) },
  ];
  const shown = columns.filter(({ group }) => group !== AFTER || hasClosed);
  return createTableCard("runs", "Runs", "sent per peer and time include closing", {
    columns: [{ title: "run", className: "words" }, ...shown],
    rows: runs.map((run) => ({
      head: run.name,
      data: { run: run.name },
      cells: shown.map(({ cell }) => cell(run)),
    })),
  });
}

/** Runs that differ in their seed alone. @param {readonly RunGroup[]} groups */
export function createGroupsCard(groups) {
  const mixed = isMixed(groups);
  const quality =
    (/** @type {RunGroup} */ { metric }) =>
    (/** @type {number} */ value) =>
      mixed ? `${metric.name} ${metricText(metric, value)}` : metricText(metric, value);
  /** @type {(import("./table.js").Column & { cell(group: RunGroup): string })[]} */
  const columns = [
    { title: "n", label: "runs", cell: ({ seeds }) => String(seeds.length) },
    { title: "seeds", cell: ({ seeds }) => seeds.join(", ") },
    { title: "training loss", group: BEFORE, cell: ({ figures }) => estimateText(figures.loss, numberText) },
    {
      title: worstTitle(groups),
      group: BEFORE,
      cell: (group) => estimateText(group.figures.worst, quality(group)),
    },
    {
      title: "consensus distance",
      group: BEFORE,
      cell: ({ figures }) => estimateText(figures.consensus, numberText),
    },
    {
      title: worstTitle(groups),
      group: AFTER,
      cell: (group) => estimateText(group.figures.closedWorst, quality(group)),
    },
    { title: "sent per peer", cell: ({ figures }) => estimateText(figures.bytes, bytesText) },
  ];
  return createTableCard(
    "groups",
    "Over seeds",
    "mean ± standard deviation of runs that differ in their seed alone",
    {
      columns: [{ title: "runs with", className: "words" }, ...columns],
      rows: groups.map((group) => ({
        head: group.name,
        data: { group: group.name },
        cells: columns.map(({ cell }) => cell(group)),
      })),
    },
  );
}

/**
 * @param {Estimate | null} estimate
 * @param {(value: number) => string} text
 */
function estimateText(estimate, text) {
  if (!estimate) return "–";
  const { mean, deviation } = estimate;
  return !deviation ? text(mean) : `${text(mean)} ± ${text(deviation)}`;
}
