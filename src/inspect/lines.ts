/** Reads a growing file of lines in chunks, whole lines only, without keeping the file open. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { InvalidLog } from "../foundation/errors.js";
import { unread } from "../foundation/system-errors.js";

/** Bytes read at once. */
const CHUNK_BYTES = 1 << 18;
/** Longest line that is taken: a projection of the largest size, or the header of a very large graph, fits. */
export const MAX_LINE_BYTES = 1 << 25;

const NEWLINE = 0x0a;

export interface LineFile {
  /** Bytes handled so far, those of an unfinished line included. */
  readonly position: number;
  /** The whole lines of the next chunk; undefined when nothing more is there for now. */
  next(): string[] | undefined;
  /** The unfinished line at the end; empty when the file ends as it should. */
  rest(): string;
}

/** @throws InvalidLog when the file cannot be read */
export function createLineFile(path: string): LineFile {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  /** The parts of a line that has not ended, and their bytes in all. */
  let unfinished: Buffer[] = [];
  let unfinishedBytes = 0;
  let position = 0;
  let isTooLong = false;

  function restart(): void {
    unfinished = [];
    unfinishedBytes = 0;
    isTooLong = false;
  }

  function read(): number {
    try {
      const file = openSync(path, "r");
      try {
        // A file that shrank was rewritten: its peer started over.
        if (fstatSync(file).size < position) {
          position = 0;
          restart();
        }
        return readSync(file, chunk, 0, CHUNK_BYTES, position);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      throw new InvalidLog(`cannot read ${path}: ${unread(error)}`, {
        code: "log-unreadable",
        field: path,
        cause: error,
      });
    }
  }

  return {
    get position() {
      return position;
    },
    next() {
      const length = read();
      if (length === 0) return undefined;
      position += length;
      const bytes = chunk.subarray(0, length);
      const lines: string[] = [];
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        const last = bytes.subarray(start, end);
        const line = unfinished.length > 0 ? Buffer.concat([...unfinished, last]) : last;
        // A line over the limit is handed on empty, and so counts as damaged.
        lines.push(isTooLong ? "" : line.toString("utf8"));
        restart();
        start = end + 1;
      }
      unfinishedBytes += length - start;
      isTooLong ||= unfinishedBytes > MAX_LINE_BYTES;
      if (isTooLong) unfinished = [];
      else if (start < length) unfinished.push(Buffer.from(bytes.subarray(start)));
      return lines;
    },
    rest: () => Buffer.concat(unfinished).toString("utf8"),
  };
}
