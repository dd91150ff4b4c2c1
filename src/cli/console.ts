/** The only console output: results on stdout, progress and remarks on stderr. */
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import pc from "picocolors";
import { ACCURACY, type Metric } from "../evaluation.js";
import { numberText } from "../inspect/page/format.js";

/** Numbers read the same in the terminal as on the page. */
export { bytesText, numberText, secondsText } from "../inspect/page/format.js";

/** Writes a result. */
export function print(text = ""): void {
  process.stdout.write(text + "\n");
}

/** Writes a remark that is no result. */
export function note(text: string): void {
  process.stderr.write(text + "\n");
}

/** Says that a peer's kernels have more threads than one. */
export function noteThreads(threads: number): void {
  if (threads > 1) note(`kernels: WebAssembly with SIMD, ${threads} threads`);
}

export function warn(text: string): void {
  note(`${pc.yellow("warning:")} ${text}`);
}

export function fail(text: string): void {
  note(`${pc.red("error:")} ${text}`);
}

/** Rows under a bold head, columns apart by two spaces; numbers are right-aligned. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const isNumeric = head.map((_, column) =>
    rows.every((row) => /^[-–—]?$|^[-+]?[\d.,]/.test(String(row[column]).trim())),
  );
  const drawn = new Table({
    head: head.map((title) => pc.bold(title)),
    colAligns: isNumeric.map((numeric) => (numeric ? "right" : "left")),
    chars: {
      top: "",
      "top-mid": "",
      "top-left": "",
      "top-right": "",
      bottom: "",
      "bottom-mid": "",
      "bottom-left": "",
      "bottom-right": "",
      left: "",
      "left-mid": "",
      mid: "",
      "mid-mid": "",
      right: "",
      "right-mid": "",
      middle: "  ",
    },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  drawn.push(...rows.map((row) => row.map(String)));
  return drawn.toString();
}

/** A class's name in a table; line ends and the like are escaped. */
export function classText(name: string): string {
  return `“${JSON.stringify(name).slice(1, -1)}”`;
}

export interface Progress {
  /** Moves to `value` of the total, with a few words on how it goes. */
  update(value: number, remark: string): void;
  /** Shows other words, where stderr is a terminal. */
  remark(remark: string): void;
  stop(): void;
}

/** A progress bar on stderr; a line every tenth of the way where stderr is no terminal. */
export function progress(label: string, total: number): Progress {
  const bar = new SingleBar({
    format: `${label} ${pc.cyan("{bar}")} {value}/{total} {remark}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    stopOnComplete: false,
    clearOnComplete: false,
  });
  if (!process.stderr.isTTY) {
    let tenths = 0;
    return {
      update(value, remark) {
        const reached = Math.floor((10 * value) / total);
        if (reached > tenths) note(`${label} ${value}/${total} ${remark}`);
        tenths = Math.max(tenths, reached);
      },
      remark() {},
      stop() {},
    };
  }
  bar.start(total, 0, { remark: "" });
  return {
    update: (value, remark) => bar.update(value, { remark }),
    remark: (remark) => bar.update({ remark }),
    stop: () => bar.stop(),
  };
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
