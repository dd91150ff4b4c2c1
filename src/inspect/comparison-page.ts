/** One page that shows a comparison: how good models are over bytes, time over bandwidth, and the table behind them. */
import { ACCURACY, type Metric } from "../evaluation.js";
import type { Cell, Comparison } from "../runs/comparison.js";
import { type CellResult, RATES } from "../runs/comparison-result.js";
import { type ComparisonRow, frontierOf, rowsOf } from "../runs/comparison-rows.js";
import { renderDocument } from "./document.js";
import { type DifferingSetting, differencesOf } from "./groups.js";

/** Evaluations of a row that the page draws at most. */
export const MAX_CURVE_POINTS = 200;

/** What the page is given. */
export interface ComparisonView {
  readonly title: string;
  /** What the rows that the frontier is of are judged by; the other rows are in the table alone. */
  readonly metric: Metric;
  readonly target: number | null;
  readonly stepMs: number;
  readonly latencyMs: number;
  /** In bits per second, by the names they are shown by. */
  readonly rates: typeof RATES;
  readonly rows: readonly ComparisonRow[];
  readonly frontier: ReturnType<typeof frontierOf>;
  /** In which the rows differ, in their order. */
  readonly differences: readonly DifferingSetting[];
  /** One line per run without a result. */
  readonly problems: readonly string[];
}

/** In the order in which they need each other. */
const modules = [
  "../../foundation/format",
  "elements",
  "colours",
  "table",
  "chart-lines",
  "axes",
  "marks",
  "marked-chart",
  "comparison-charts",
  "differences",
  "comparison-table",
  "comparison",
] as const;

/** The page as one HTML document. */
export function comparisonPage(view: ComparisonView): string {
  return renderDocument({ title: view.title, data: view, modules });
}

export function viewComparison(
  results: readonly CellResult[],
  { target, stepMs, latencyMs }: Pick<Comparison, "target" | "stepMs" | "latencyMs">,
  title: string,
  cells: readonly Cell[] = [],
): ComparisonView {
  const rows = rowsOf(results, { target, stepMs, latencyMs });
  return {
    metric: rows[0]?.metric ?? ACCURACY,
    ...{ title, target: target ?? null, stepMs, latencyMs, rates: RATES },
    rows: rows.map((row) => ({ ...row, curve: thinned(row.curve) })),
    frontier: frontierOf(rows),
    differences: rowDifferences(rows, cells),
    problems: results.flatMap((result) =>
      "problem" in result ? [`${result.name}, seed ${result.seed}: ${result.problem}`] : [],
    ),
  };
}

/** The settings in which the rows of a comparison differ, as their files give them; a row's seeds share all others. */
export function rowDifferences(
  rows: readonly Pick<ComparisonRow, "name">[],
  cells: readonly Cell[],
): DifferingSetting[] {
  const own = rows.flatMap(({ name }) => cells.find((cell) => cell.name === name) ?? []);
  if (own.length < rows.length) return [];
  return differencesOf(
    own.map(({ settings: { seed: _, ...settings }, topology }) => ({ ...settings, topology: topology.file })),
  );
}

/** Evenly spaced entries, the last one among them. */
function thinned<Entry>(entries: readonly Entry[]): Entry[] {
  const step = Math.ceil(entries.length / MAX_CURVE_POINTS);
  return entries.filter((_, k) => (entries.length - 1 - k) % step === 0);
}
