/** One page that shows a comparison: how good models are over bytes, time over bandwidth, and the table behind them. */
import { ACCURACY, type Metric } from "../evaluation.js";
import type { Comparison } from "../runs/comparison.js";
import { type CellResult, RATES } from "../runs/comparison-result.js";
import { type ComparisonRow, frontierOf, rowsOf } from "../runs/comparison-rows.js";
import { renderDocument } from "./document.js";

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
  /** One line per run without a result. */
  readonly problems: readonly string[];
}

/** In the order in which they need each other. */
const modules = [
  "../../foundation/format",
  "elements",
  "colours",
  "chart-lines",
  "axes",
  "marks",
  "marked-chart",
  "comparison-charts",
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
): ComparisonView {
  const rows = rowsOf(results, { target, stepMs, latencyMs });
  return {
    metric: rows[0]?.metric ?? ACCURACY,
    ...{ title, target: target ?? null, stepMs, latencyMs, rates: RATES },
    rows: rows.map((row) => ({ ...row, curve: thinned(row.curve) })),
    frontier: frontierOf(rows),
    problems: results.flatMap((result) =>
      "problem" in result ? [`${result.name}, seed ${result.seed}: ${result.problem}`] : [],
    ),
  };
}

/** Evenly spaced entries, the last one among them. */
function thinned<Entry>(entries: readonly Entry[]): Entry[] {
  const step = Math.ceil(entries.length / MAX_CURVE_POINTS);
  return entries.filter((_, k) => (entries.length - 1 - k) % step === 0);
}
