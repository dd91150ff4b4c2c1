/** The tables of several runs beside each other: figures, settings that differ, and means over seeds. */
import { compareRuns, type DifferingSetting, type Estimate, type RunGroup } from "../inspect/groups.js";
import type { RunView } from "../inspect/view.js";
import { bytesText, metricTitle, numberText, qualityText, table, valueText } from "./console.js";

/** Values of a setting that take more characters are cut. */
const VALUE_WIDTH = 32;

/** Every table there is something for, with an empty line in between. */
export function runsTables(views: readonly RunView[]): string {
  const { settings, groups } = compareRuns(views);
  const tables = [
    figuresTable(views),
    ...(groups.length > 0 ? [`mean ± standard deviation over seeds\n\n${groupsTable(groups)}`] : []),
    ...(settings.length > 0
      ? [
          differencesTable(
            views.map(({ name }) => name),
            settings,
          ),
        ]
      : []),
  ];
  return tables.join("\n\n");
}

/** The settings that are not the same in every run, with a column for each run, or for each setting where that takes fewer. */
export function differencesTable(names: readonly string[], settings: readonly DifferingSetting[]): string {
  if (names.length > settings.length) {
    return table(
      ["settings of", ...settings.map(({ name }) => name)],
      names.map((name, k) => [cut(name), ...settings.map(({ values }) => cut(values[k]!))]),
    );
  }
  return table(
    ["setting", ...names.map(cut)],
    settings.map(({ name, values }) => [name, ...values.map(cut)]),
  );
}

/** Values of one metric need no name. */
const isMixed = (entries: readonly Pick<RunView, "metric">[]): boolean =>
  entries.some(({ metric }) => metric.name !== entries[0]!.metric.name);

/** Figures of the training rounds; those after closing say so. */
function figuresTable(views: readonly RunView[]): string {
  const mixed = isMixed(views);
  const last = (values: readonly (number | null)[]) => values.findLast((value) => value !== null) ?? null;
  const title = (words: string) => (mixed ? words : metricTitle(words, views[0]!.metric));
  const quality = ({ metric }: RunView, value: number | null | undefined) =>
    mixed && value != null ? qualityText({ metric, value }) : valueText(metric, value);
  const hasClosed = views.some(({ standing }) => standing.closed);
  return table(
    [
      ...["run", "algorithm", "graph", "rounds", "training loss", title("worst"), "consensus"],
      ...(hasClosed ? [title("closed worst"), "closed consensus"] : []),
      ...["sent/peer", "seconds"],
    ],
    views.map((view) => {
      const { name, experiment, topology, series, standing } = view;
      const { learned, closed } = standing;
      return [
        ...[name, experiment.algorithm, topology.name, last(series.round) ?? 0, numberText(standing.loss)],
        ...[quality(view, learned.worst), numberText(learned.consensus)],
        ...(hasClosed ? [quality(view, closed?.worst), numberText(closed?.consensus)] : []),
        ...[bytesText(last(series.bytes) ?? 0), numberText(last(series.seconds))],
      ];
    }),
  );
}

function groupsTable(groups: readonly RunGroup[]): string {
  const mixed = isMixed(groups);
  const title = (words: string) => (mixed ? words : metricTitle(words, groups[0]!.metric));
  return table(
    ["runs with", "n", "training loss", title("worst"), "consensus", title("closed worst"), "sent/peer"],
    groups.map(({ name, seeds, metric, figures }) => {
      const quality = (value: number) => (mixed ? qualityText({ metric, value }) : valueText(metric, value));
      return [
        ...[inLines(name), seeds.length, estimateText(figures.loss, numberText)],
        ...[estimateText(figures.worst, quality), estimateText(figures.consensus, numberText)],
        ...[estimateText(figures.closedWorst, quality), estimateText(figures.bytes, bytesText)],
      ];
    }),
  );
}

function estimateText(estimate: Estimate | null, text: (value: number) => string): string {
  if (!estimate) return "–";
  const { mean, deviation } = estimate;
  return !deviation ? text(mean) : `${text(mean)} ± ${text(deviation)}`;
}

/** A setting on each line. */
const inLines = (name: string): string => name.split(", ").map(cut).join("\n");

const cut = (value: string): string =>
  value.length > VALUE_WIDTH ? `${value.slice(0, VALUE_WIDTH - 1)}…` : value;
