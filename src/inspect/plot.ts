/**
 * Line plots in a terminal, drawn with braille dots: two columns and four rows of dots per character. Where there are
 * several lines, letters on them say which is which, so that no colour is needed.
 */
import pc from "picocolors";

/** Size of the drawing without its axes, in characters. */
const COLUMNS = 66;
const LINES = 12;
const DOT_ROWS = 4 * LINES;
const DOT_COLUMNS = 2 * COLUMNS;

/** Dots of a character, by column and row, as bits of U+2800 …. */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

/** Characters from one letter of a line to its next. */
const LETTER_PERIOD = 16;

const colours = [pc.cyan, pc.yellow, pc.magenta, pc.green, pc.blue, pc.red];

export interface Line {
  readonly name: string;
  /** Points by ascending x; those with y = null or NaN are left out. */
  readonly points: readonly (readonly [x: number, y: number | null])[];
}

export interface PlotOptions {
  readonly title: string;
  /** What x counts. */
  readonly x: string;
  /** Logarithmic y; numbers that are not positive are left out. */
  readonly log?: boolean;
  /** How numbers of the axes are written. */
  readonly text: (value: number) => string;
  readonly xText?: (value: number) => string;
}

/** The plot, or undefined when there are fewer than two points to draw. */
export function plot(lines: readonly Line[], options: PlotOptions): string | undefined {
  const { log = false, text, xText = text } = options;
  const scaled = lines.map(({ points }) =>
    points.flatMap(([x, y]): [number, number][] =>
      y === null || !Number.isFinite(y) || (log && y <= 0) ? [] : [[x, log ? Math.log10(y) : y]],
    ),
  );
  const all = scaled.flat();
  if (all.length < 2) return undefined;
  const [left, right] = rangeOf(all.map(([x]) => x));
  const [low, high] = rangeOf(all.map(([, y]) => y));

  const cells = emptyCells();
  const place = ([x, y]: readonly [number, number]): Dot => [
    Math.round(((x - left) / (right - left)) * (DOT_COLUMNS - 1)),
    Math.round(((high - y) / (high - low)) * (DOT_ROWS - 1)),
  ];
  for (const [line, points] of scaled.entries()) drawLine(cells, points.map(place), line);
  if (lines.length > 1) {
    for (const [line, points] of scaled.entries()) markLine(cells, points.map(place), line, lines.length);
  }

  const labels = new Map(
    [0, 1 / 3, 2 / 3, 1].map((way) => {
      const value = high - way * (high - low);
      return [Math.round(way * (LINES - 1)), text(log ? 10 ** value : value)];
    }),
  );
  const margin = Math.max(...[...labels.values()].map((label) => label.length));
  const drawn = cells.map((row, line) => {
    const label = (labels.get(line) ?? "").padStart(margin);
    const marks = row.map(({ dots, line: which, letter }) =>
      dots === 0 ? " " : colourOf(which)(letter ?? String.fromCharCode(0x2800 + dots)),
    );
    return `${pc.dim(label)} ${pc.dim(labels.has(line) ? "┤" : "│")}${marks.join("")}`;
  });
  const start = xText(left);
  const end = `${xText(right)} ${options.x}`;
  const legend =
    lines.length < 2 ? [] : [lines.map(({ name }, k) => colourOf(k)(`━${letterOf(k)}━ ${name}`)).join("   ")];
  return [
    `${pc.bold(options.title)}${log ? pc.dim("  (log scale)") : ""}`,
    ...legend,
    ...drawn,
    `${" ".repeat(margin + 1)}${pc.dim(`└${"─".repeat(COLUMNS)}`)}`,
    `${" ".repeat(margin + 2)}${pc.dim(start + " ".repeat(Math.max(1, COLUMNS - start.length - end.length)) + end)}`,
  ].join("\n");
}

type Dot = readonly [column: number, row: number];

interface Cell {
  dots: number;
  /** The line that was drawn here last. */
  line: number;
  letter?: string;
}

const emptyCells = (): Cell[][] =>
  Array.from({ length: LINES }, () => Array.from({ length: COLUMNS }, () => ({ dots: 0, line: 0 })));

const colourOf = (line: number) => colours[line % colours.length]!;

/** a, b, …; more lines than letters begin again. */
const letterOf = (line: number) => String.fromCharCode(97 + (line % 26));

function drawLine(cells: Cell[][], points: readonly Dot[], line: number): void {
  for (const [column, row] of dotsOf(points)) {
    const cell = cells[row >> 2]![column >> 1]!;
    cell.dots |= DOTS[column & 1]![row & 3]!;
    cell.line = line;
  }
}

/** Puts the line's letter on it now and then, at other columns than those of other lines. */
function markLine(cells: Cell[][], points: readonly Dot[], line: number, lines: number): void {
  const rows = new Map<number, number>();
  for (const [column, row] of dotsOf(points)) rows.set(column >> 1, row >> 2);
  const period = Math.max(LETTER_PERIOD, 2 * lines);
  const offset = Math.floor((period * (line + 0.5)) / lines);
  const chosen = [...rows.keys()].filter((column) => column % period === offset);
  for (const column of chosen.length > 0 ? chosen : [...rows.keys()].slice(-1)) {
    Object.assign(cells[rows.get(column)!]![column]!, { line, letter: letterOf(line) });
  }
}

/** All dots between the points. */
function* dotsOf(points: readonly Dot[]): Generator<Dot> {
  let before = points[0];
  for (const [column, row] of points) {
    const [fromColumn, fromRow] = before!;
    const steps = Math.max(1, Math.abs(column - fromColumn), Math.abs(row - fromRow));
    for (let step = 0; step <= steps; step++) {
      const way = step / steps;
      yield [
        Math.round(fromColumn + way * (column - fromColumn)),
        Math.round(fromRow + way * (row - fromRow)),
      ];
    }
    before = [column, row];
  }
}

/** Least and largest, apart even when all values are the same. */
function rangeOf(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low < high ? [low, high] : [low - 0.5, high + 0.5];
}
