import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
import { FileProblem } from "../foundation/errors.js";
import { unwritten } from "../foundation/system-errors.js";
import type { Sink } from "../observing/report.js";

export interface JsonLinesOptions {
  /** Go on with a file that may exist, after a restart; by default it must be new. */
  readonly append?: boolean;
}

/**
 * A file of one JSON value per line. A line is handed to the system in whole before `write` returns: a process
 * that is killed leaves every earlier line and at most one torn one, and what is there can be read while it runs.
 *
 * @throws FileProblem when the file cannot be created, exists already, or cannot be written any more
 */
export function createJsonLines(path: string, { append = false }: JsonLinesOptions = {}): Sink {
  const problem = (what: string, error: unknown) =>
    new FileProblem(`cannot ${what} ${path}: ${unwritten(error)}`, {
      code: "log-not-written",
      field: path,
      cause: error,
    });
  let file: number;
  try {
    file = openSync(path, append ? "a+" : "wx");
  } catch (error) {
    throw problem("create", error);
  }

  const write = (text: string) => {
    const bytes = Buffer.from(text);
    try {
      for (let start = 0; start < bytes.length; ) start += writeSync(file, bytes, start);
    } catch (error) {
      throw problem("write", error);
    }
  };
  if (append && endsTorn(file)) write("\n");

  return {
    write: (entry) => write(JSON.stringify(entry) + "\n"),
    async close() {
      fsyncSync(file);
      closeSync(file);
    },
  };
}

/** Whether the last line was not finished. */
function endsTorn(file: number): boolean {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
}
