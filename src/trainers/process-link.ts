/** The way to a trainer program: lines to it and from it, whichever of the two processes started the other. */
import type { Readable } from "node:stream";
import type { TrainerFailed } from "../foundation/errors.js";
import { MAX_LINE_CHARACTERS } from "./process-messages.js";

export interface Link {
  /** What errors call the program. */
  readonly name: string;
  write(line: string): void;
  /** No more lines follow. */
  end(): void;
  /** Ends the program at once, or the connection to one that this process does not own. */
  kill(): void;
  /** The last lines of its stderr, as a sentence's end. */
  lastWords(): string;
  /** Passes on what happens from now on. Called once. */
  listen(events: LinkEvents): void;
}

export interface LinkEvents {
  line(text: string): void;
  /** A line is longer than any may be. */
  tooLong(): void;
  /**
   * No more lines come.
   * @param how what happened
   * @param remedy what to do
   */
  ended(how: string, remedy: string): void;
  failed(error: TrainerFailed): void;
}

/** Passes on each line of a stream, until one is too long. */
export function readLines(stream: Readable, { line, tooLong }: Pick<LinkEvents, "line" | "tooLong">): void {
  let parts: string[] = [];
  let length = 0;
  stream.setEncoding("utf8").on("data", (text: string) => {
    const [first, ...lines] = text.split("\n");
    parts.push(first!);
    length += first!.length;
    if (length > MAX_LINE_CHARACTERS) {
      stream.destroy();
      tooLong();
      return;
    }
    if (lines.length === 0) return;
    line(parts.join(""));
    const rest = lines.pop()!;
    for (const each of lines) line(each);
    parts = [rest];
    length = rest.length;
  });
}

/** Characters of any text of a program that an error shows. */
const SHOWN_CHARACTERS = 300;

/** Text of a program in one line without control characters. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\s]+/gu, " ").trim();
}

/**
 * A text in quotes, cut to what an error shows of it.
 * @param isEnd whether its end is shown, instead of its begin
 */
export function quoted(text: string, isEnd = false): string {
  const line = oneLine(text);
  if (line.length <= SHOWN_CHARACTERS) return `"${line}"`;
  return isEnd ? `"…${line.slice(-SHOWN_CHARACTERS)}"` : `"${line.slice(0, SHOWN_CHARACTERS)}…"`;
}
