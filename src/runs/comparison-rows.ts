/** The rows of a comparison: each a name, over all of its seeds. */
import { ACCURACY, isBetter, type Metric } from "../evaluation.js";
import {
  type CellResult,
  type Figures,
  figuresOf,
  type Measured,
  type ModelledTime,
  modelledTime,
  RATES,
  type Standing,
  secondsAt,
  type TimeModel,
} from "./comparison-result.js";

/** Of the runs of a row: their mean, least and largest value. */
export interface Spread {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** An evaluation: mean over seeds. */
export interface CurvePoint {
  readonly rounds: number;
  /** Sent per peer. */
  readonly bytes: number;
  /** Of the worst peer, in the metric of the row. */
  readonly worst: number;
}

type Summary = { readonly [K in keyof Standing]: Spread };

export interface ComparisonRow {
  readonly name: string;
  readonly seeds: readonly number[];
  /** Runs without a result: figures leave them out, and they do not reach the target. */
  readonly failed: number;
  /** What its models are judged by. */
  readonly metric: Metric;
  /** Before closing; absent where the loss alone says how good models are. */
  readonly learned?: Summary;
  /** After closing; absent where the row does not close. */
  readonly closed?: Summary;
  /** Sent per peer, closing included. */
  readonly bytes: number;
  readonly bitsPerParameterAndStep: number;
  readonly time: ModelledTime;
  /** How many seeds reached the target. */
  readonly reached: number;
  /** What it takes to reach the target; absent unless all seeds do. */
  readonly target?: { readonly bytes: number; readonly rounds: number; readonly time: ModelledTime };
  readonly curve: readonly CurvePoint[];
}

/** What rows take from a comparison. */
export interface RowSettings extends TimeModel {
  readonly target?: number | undefined;
}

/** Rows with a result: the fewest bytes to the target first, then the best models, then the fewest bytes. */
export function rowsOf(results: readonly CellResult[], settings: RowSettings): ComparisonRow[] {
  const groups = new Map<string, CellResult[]>();
  for (const result of results) groups.set(result.name, [...(groups.get(result.name) ?? []), result]);
  const rows: ComparisonRow[] = [];
  for (const [name, group] of groups) {
    const runs = group.filter((result): result is Measured => !("problem" in result));
    if (runs.length > 0) rows.push(rowOf(name, runs, group.length - runs.length, settings));
  }
  const toTarget = ({ target }: ComparisonRow) => target?.bytes ?? Number.POSITIVE_INFINITY;
  const goodness = ({ closed, learned, metric }: ComparisonRow) => {
    const value = (closed ?? learned)?.worst.mean;
    return value === undefined ? Number.NEGATIVE_INFINITY : metric.better === "higher" ? value : -value;
  };
  return rows.sort((a, b) => {
    if (toTarget(a) !== toTarget(b)) return toTarget(a) - toTarget(b);
    return goodness(a) === goodness(b) ? a.bytes - b.bytes : goodness(b) - goodness(a);
  });
}

function rowOf(
  name: string,
  runs: readonly Measured[],
  failed: number,
  settings: RowSettings,
): ComparisonRow {
  const figures = runs.map((run) => figuresOf(run, settings.target));
  const targets = figures.flatMap(({ target }) => target ?? []);
  const learned = summaryOf(figures, "learned");
  const closed = summaryOf(figures, "closed");
  return {
    ...{ name, seeds: runs.map(({ seed }) => seed), failed, metric: runs[0]!.metric ?? ACCURACY },
    ...(learned && { learned }),
    ...(closed && { closed }),
    bytes: meanOf(runs, ({ total }) => total.bytes),
    bitsPerParameterAndStep: meanOf(figures, (each) => each.bitsPerParameterAndStep),
    time: meanTime(
      runs.map(({ total }) => total),
      settings,
    ),
    reached: targets.length,
    ...(targets.length === runs.length + failed && {
      target: {
        bytes: meanOf(targets, ({ bytes }) => bytes),
        rounds: Math.round(meanOf(targets, ({ rounds }) => rounds)),
        time: meanTime(targets, settings),
      },
    }),
    curve: curveOf(runs),
  };
}

const meanOf = <Entry>(entries: readonly Entry[], read: (entry: Entry) => number): number =>
  entries.reduce((sum, entry) => sum + read(entry), 0) / entries.length;

function meanTime(costs: readonly Parameters<typeof modelledTime>[0][], model: TimeModel): ModelledTime {
  const times = costs.map((cost) => modelledTime(cost, model));
  return {
    fixedSeconds: meanOf(times, ({ fixedSeconds }) => fixedSeconds),
    bits: meanOf(times, ({ bits }) => bits),
  };
}

function summaryOf(figures: readonly Figures[], phase: "learned" | "closed"): Summary | undefined {
  const standings = figures.flatMap((each) => each[phase] ?? []);
  if (standings.length === 0) return undefined;
  const spread = (field: keyof Standing): Spread => {
    const values = standings.map((standing) => standing[field]);
    return { mean: meanOf(values, Number), low: Math.min(...values), high: Math.max(...values) };
  };
  return {
    worst: spread("worst"),
    mean: spread("mean"),
    meanModel: spread("meanModel"),
    worstLoss: spread("worstLoss"),
    meanModelLoss: spread("meanModelLoss"),
    consensusDistance: spread("consensusDistance"),
  };
}

/** Seeds of a row evaluate in the same rounds. */
function curveOf(runs: readonly Measured[]): CurvePoint[] {
  return runs[0]!.points.map((_, k) => {
    const points = runs.flatMap((run) => run.points[k] ?? []);
    return {
      rounds: points[0]!.rounds,
      bytes: meanOf(points, ({ bytes }) => bytes),
      worst: meanOf(points, ({ worst }) => worst),
    };
  });
}

/**
 * The evaluations of rows that no other one beats in both metric and bytes, by ascending bytes; of all rows that are judged as
 * the first is.
 */
export function frontierOf(
  rows: readonly Pick<ComparisonRow, "name" | "curve" | "metric">[],
): (CurvePoint & { readonly name: string })[] {
  const metric = rows[0]?.metric ?? ACCURACY;
  const points = rows
    .filter((row) => row.metric.name === metric.name)
    .flatMap(({ name, curve }) => curve.map((point) => ({ ...point, name })));
  let best: number | undefined;
  return points
    .sort((a, b) => a.bytes - b.bytes || (isBetter(metric, a.worst, b.worst) ? -1 : 1))
    .filter(({ worst }) => {
      if (best !== undefined && !isBetter(metric, worst, best)) return false;
      best = worst;
      return true;
    });
}

/** By the names of the rates. */
export function secondsAtRates(time: ModelledTime): Record<keyof typeof RATES, number> {
  const entries = Object.entries(RATES).map(([name, rate]) => [name, secondsAt(time, rate)]);
  return Object.fromEntries(entries);
}
