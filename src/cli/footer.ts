/** Lines at the foot of a terminal that change in place; whatever else the process writes goes above them. */

/** Columns of a terminal that does not say how many it has, and of tables in files. */
export const DEFAULT_COLUMNS = 80;

/** Columns at the right that stay free: a terminal shows Ctrl-C there as ^C, which must not begin a new line. */
const FREE_COLUMNS = 3;

export interface Footer {
  /** Draws the lines anew. */
  draw(): void;
  /** Leaves the lines as they are drawn last, and the cursor below them. Safe to call twice. */
  end(): void;
}

type Write = NodeJS.WriteStream["write"];

/**
 * Draws a footer on stderr. Until it ends, text that goes to this terminal through stdout or stderr, from here or from
 * a library, is written above it.
 *
 * @param render the lines for so many columns; none may be longer
 */
export function createFooter(render: (columns: number) => readonly string[]): Footer {
  const terminals = [process.stdout, process.stderr].filter(({ isTTY }) => isTTY);
  const writes = new Map<NodeJS.WriteStream, Write>();
  let drawn = 0;
  let isMidLine = false;
  let isOver = false;

  const write = (text: string) => writes.get(process.stderr)!.call(process.stderr, text);
  const erasure = () => (drawn === 0 ? "" : `\r${drawn > 1 ? `\x1b[${drawn - 1}A` : ""}\x1b[J`);
  const draw = () => {
    // Half a line is there, and its end is still to come.
    if (isMidLine || isOver) return;
    const lines = render((process.stderr.columns || DEFAULT_COLUMNS) - FREE_COLUMNS);
    write(erasure() + lines.join("\n"));
    drawn = lines.length;
  };
  const end = () => {
    if (isOver) return;
    if (isMidLine) write("\n");
    isMidLine = false;
    draw();
    write("\n");
    isOver = true;
    for (const [stream, original] of writes) stream.write = original;
    process.off("exit", end);
  };

  for (const stream of terminals) {
    const original = stream.write;
    writes.set(stream, original);
    stream.write = ((chunk: string | Uint8Array, ...others: []) => {
      write(erasure());
      drawn = 0;
      const isTaken = original.call(stream, chunk, ...others);
      if (chunk.length > 0) isMidLine = !endsLine(chunk);
      draw();
      return isTaken;
    }) as Write;
  }
  // A second Ctrl-C ends the process at once; the prompt still begins a line.
  process.on("exit", end);
  draw();
  return { draw, end };
}

function endsLine(chunk: string | Uint8Array): boolean {
  const last = chunk.at(-1);
  return last === "\n" || last === 10;
}
