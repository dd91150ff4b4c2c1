/** The only console output: results on stdout, progress and remarks on stderr. */
import pc from "picocolors";
import { ACCURACY, type Metric } from "../evaluation.js";
import { numberText } from "../foundation/format.js";
import type { Readiness } from "../runs/node/record-simulation.js";

/** Numbers read the same in the terminal as on the page. */
export { bytesText, numberText, secondsText } from "../foundation/format.js";
export { type Progress, progress } from "./progress.js";
export { table } from "./table.js";

/** Writes a result. */
export function print(text = ""): void {
  process.stdout.write(text + "\n");
}

/** Writes a remark that is no result. */
export function note(text: string): void {
  process.stderr.write(text + "\n");
}

/** Says what was found before the first round: η, and whether peers or kernels have more threads than one. */
export function noteReadiness({ threads, workers = 1, foundRate }: Readiness): void {
  if (workers > 1) note(`peers: spread over ${workers} worker threads`);
  if (threads > 1) note(`kernels: WebAssembly with SIMD, ${threads} threads`);
  if (foundRate !== undefined) note(`consensus rate η ${foundRate} (auto)`);
}

export function warn(text: string): void {
  note(`${pc.yellow("warning:")} ${text}`);
}

export function fail(text: string): void {
  note(`${pc.red("error:")} ${text}`);
}

/** A class's name in a table; line ends and the like are escaped. */
export function classText(name: string): string {
  return `“${JSON.stringify(name).slice(1, -1)}”`;
}

/** A metric's value without its name: accuracies in percent, others as numbers; or – when there is none. */
export function valueText({ name }: Pick<Metric, "name"> = ACCURACY, value?: number | null): string {
  return name === ACCURACY.name ? percentText(value ?? undefined) : numberText(value);
}

/** “accuracy 93.1 %”, “r2 0.984” */
export function qualityText(quality: { metric: Pick<Metric, "name">; value: number } | undefined): string {
  if (!quality) return "";
  const { metric, value } = quality;
  return `${metric.name} ${valueText(metric, value)}${metric.name === ACCURACY.name ? " %" : ""}`;
}

/** What heads a column of values: “accuracy %”, “r2”. */
export function valueTitle({ name }: Pick<Metric, "name">): string {
  return name === ACCURACY.name ? `${name} %` : name;
}

/** What heads a column of some of the values: “worst %” of accuracies, “worst r2” of another metric. */
export function metricTitle(words: string, { name }: Pick<Metric, "name"> = ACCURACY): string {
  return `${words} ${name === ACCURACY.name ? "%" : name}`;
}

/** A share in percent with one decimal, or – when there is none. */
export function percentText(share: number | undefined): string {
  return share === undefined ? "–" : (100 * share).toFixed(1);
}
