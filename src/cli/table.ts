/** Tables of results, as wide as the terminal at most. */
import Table from "cli-table3";
import pc from "picocolors";
import { DEFAULT_COLUMNS } from "./footer.js";

type Row = readonly (string | number)[];

/** Columns between two columns of the table. */
const GAP = 2;

/**
 * Rows under a bold head, columns apart by two spaces; numbers are right-aligned. Where the terminal is too narrow,
 * titles take several lines; where that is not enough, the columns go on below, with the first one repeated.
 *
 * @param width columns to fill at most: those of the terminal, and 80 elsewhere
 */
export function table(
  head: readonly string[],
  rows: readonly Row[],
  width: number = process.stdout.columns || DEFAULT_COLUMNS,
): string {
  const cells = rows.map((row) => row.map(String));
  const contents = head.map((_, column) => Math.max(0, ...cells.map((row) => widthOf(row[column]!))));
  const sumOf = (titles: readonly string[]) =>
    titles.reduce((sum, title, column) => sum + Math.max(widthOf(title), contents[column]!) + GAP, -GAP);
  const mostWords = Math.max(...head.map((title) => title.split(" ").length));
  let titles = head;
  for (let lines = 2; lines <= mostWords && sumOf(titles) > width; lines++) {
    titles = head.map((title, column) => inLines(title, lines, contents[column]!));
  }
  const widths = titles.map((title, column) => Math.max(widthOf(title), contents[column]!));
  return panels(widths, width)
    .map((columns) => {
      const of = (row: readonly string[]) => columns.map((column) => row[column]!);
      return drawn(of(titles), cells.map(of));
    })
    .join("\n\n");
}

/** The columns that fit beside each other; the first column begins every panel. */
function panels(widths: readonly number[], width: number): number[][] {
  const result: number[][] = [[0]];
  let used = widths[0]!;
  for (let column = 1; column < widths.length; column++) {
    const wide = GAP + widths[column]!;
    if (used + wide > width && result.at(-1)!.length > 1) {
      result.push([0]);
      used = widths[0]!;
    }
    result.at(-1)!.push(column);
    used += wide;
  }
  return result;
}

function drawn(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const isNumeric = titles.map((_, column) => isMostlyNumbers(rows.map((row) => row[column]!.trim())));
  const chars = Object.fromEntries(
    BORDERS.map((border) => [border, border === "middle" ? " ".repeat(GAP) : ""]),
  );
  const result = new Table({
    head: titles.map((title) => title.split("\n").map(pc.bold).join("\n")),
    colAligns: isNumeric.map((numeric) => (numeric ? "right" : "left")),
    chars,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  result.push(...rows.map((row) => [...row]));
  return result
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** A word among numbers, such as "diverged", is aligned as they are; – stands for either. */
function isMostlyNumbers(cells: readonly string[]): boolean {
  const filled = cells.filter((cell) => !/^[-–—]?$/.test(cell));
  const numbers = filled.filter((cell) => /^[-+]?[\d.,]/.test(cell));
  return filled.length === 0 || 2 * numbers.length > filled.length;
}

const BORDERS = [
  ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
  ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
] as const;

const widthOf = (text: string) => Math.max(...text.split("\n").map((line) => line.length));

const longestWord = (title: string) => Math.max(...title.split(" ").map((word) => word.length));

/** A title on so many lines at most, as narrow as they allow; it need not be narrower than what is below it. */
function inLines(title: string, lines: number, content: number): string {
  let columns = Math.max(content, longestWord(title));
  while (wrapped(title, columns).split("\n").length > lines) columns++;
  return wrapped(title, columns);
}

/** On lines of so many columns, broken between words. */
function wrapped(text: string, columns: number): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}
