import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { FileProblem } from "../errors.js";
import type { Sink } from "../report.js";

/** Lines are gathered up to this many characters before they are written, whole lines only. */
const BATCH_CHARACTERS = 1 << 16;

/**
 * A file of one JSON value per line. Lines reach the file in whole, so that a run that is killed leaves at most
 * its last line torn.
 *
 * @throws FileProblem when the file exists already or cannot be created
 */
export function createJsonLines(path: string): Sink {
  let file: number;
  try {
    file = openSync(path, "wx");
  } catch (error) {
    throw new FileProblem(`cannot create ${path}: ${(error as Error).message}`, { cause: error });
  }
  let batch = "";
  const flush = () => {
    if (batch) writeSync(file, batch);
    batch = "";
  };
  return {
    write(entry) {
      batch += JSON.stringify(entry) + "\n";
      if (batch.length >= BATCH_CHARACTERS) flush();
    },
    async close() {
      flush();
      fsyncSync(file);
      closeSync(file);
    },
  };
}
