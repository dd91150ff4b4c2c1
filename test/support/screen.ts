/** What a terminal shows after some bytes: the few things that our command makes one do, and nothing else. */

export interface Screen {
  /** @throws Error an escape sequence that this terminal does not know */
  write(text: string): void;
  /** All lines from the first that was ever shown to the last, without spaces at their ends. */
  lines(): string[];
}

/** ESC [ parameters letter, or one character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with one
const TOKEN = /\u001b\[(?<parameters>[?\d;]*)(?<letter>[A-Za-z])|[\s\S]/gu;

/** A terminal whose lines scroll up and stay; the cursor cannot go above the last `height` of them. */
export function createScreen(width: number, height: number): Screen {
  const rows: string[][] = [[]];
  let row = 0;
  let column = 0;
  const newLine = () => {
    row++;
    rows[row] ??= [];
  };
  const commands: Record<string, (count: number) => void> = {
    A: (count) => {
      row = Math.max(row - (count || 1), rows.length - height, 0);
    },
    /** Erases from the cursor to the end of the screen; K, to the end of the line. */
    J: () => {
      rows[row]!.splice(column);
      rows.splice(row + 1);
    },
    K: () => rows[row]!.splice(column),
    /** Colours. */
    m: () => {},
  };
  const put = (character: string) => {
    // A full line goes on in the next one with the next character only.
    if (column === width) {
      newLine();
      column = 0;
    }
    const cells = rows[row]!;
    while (cells.length < column) cells.push(" ");
    cells[column++] = character;
  };
  return {
    write(text) {
      for (const { 0: token, groups } of text.matchAll(TOKEN)) {
        if (groups?.letter !== undefined) {
          const command = commands[groups.letter];
          if (!command) throw new Error(`this screen does not know ${JSON.stringify(token)}`);
          command(Number(groups.parameters!.split(";")[0]));
        } else if (token === "\r") column = 0;
        else if (token === "\n") newLine();
        else if (token >= " ") put(token);
        else throw new Error(`this screen does not know ${JSON.stringify(token)}`);
      }
    },
    lines: () => rows.map((cells) => cells.join("").trimEnd()),
  };
}
