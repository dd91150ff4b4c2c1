/** One line per peer and round, for spreadsheets and data frames. */
import { closeSync, openSync, writeSync } from "node:fs";
import { FileProblem } from "../foundation/errors.js";
import { peerColumnNames } from "./history.js";
import type { Run } from "./read.js";

/** Lines written at once. */
const BATCH_LINES = 2048;

/**
 * Columns: the peer, then those of `peerColumnNames`; a round without a value has none. Rounds count from 0, as in
 * the logs.
 *
 * @throws FileProblem when the file cannot be written
 */
export function writeCsv(run: Run, path: string): void {
  try {
    const file = openSync(path, "w");
    try {
      writeSync(file, `${["peer", ...peerColumnNames].join(",")}\n`);
      for (const { peer, columns } of run.peers) {
        for (let start = 0; start < columns.round.length; start += BATCH_LINES) {
          let text = "";
          for (let row = start; row < Math.min(start + BATCH_LINES, columns.round.length); row++) {
            text += peer;
            for (const name of peerColumnNames) {
              const value = columns[name].at(row);
              text += Number.isNaN(value) ? "," : `,${value}`;
            }
            text += "\n";
          }
          writeSync(file, text);
        }
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new FileProblem(`cannot write ${path}: ${(error as Error).message}`, {
      code: "csv-not-written",
      field: path,
      cause: error,
    });
  }
}
