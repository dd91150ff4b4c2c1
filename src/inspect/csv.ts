/** One line per peer and round, for spreadsheets and data frames. */
import type { Metric } from "../evaluation.js";
import { FileProblem } from "../foundation/errors.js";
import { unwritten } from "../foundation/system-errors.js";
import { writeOutput } from "../sinks/whole-file.js";
import { peerColumnNames } from "./history.js";
import { metricOf, type Run } from "./read.js";

/** Lines written at once. */
const BATCH_LINES = 2048;

/** What columns and series of a metric are called in a run, for example “accuracyWorst” and “iterateAverageAccuracy”. */
export function metricColumn(name: string, { name: metric }: Metric): string {
  return name
    .replace(/^metric/, metric)
    .replace(/Metric$/, `${metric.slice(0, 1).toUpperCase()}${metric.slice(1)}`);
}

/**
 * Columns: the peer, then those of `peerColumnNames`, metrics by their own names; a round without a value has none. Rounds count
 * from 1.
 *
 * @throws FileProblem when the file cannot be written
 */
export async function writeCsv(run: Run, path: string): Promise<void> {
  try {
    await writeOutput(path, async (file) => {
      for (const text of linesOf(run)) await file.writeFile(text);
    });
  } catch (error) {
    throw new FileProblem(`cannot write ${path}: ${unwritten(error)}`, {
      code: "csv-not-written",
      field: path,
      cause: error,
    });
  }
}

/** The lines of the file, many at a time. */
function* linesOf(run: Run): Generator<string> {
  const metric = metricOf(run);
  yield `${["peer", ...peerColumnNames.map((name) => metricColumn(name, metric))].join(",")}\n`;
  for (const { peer, columns } of run.peers) {
    for (let start = 0; start < columns.round.length; start += BATCH_LINES) {
      let text = "";
      for (let row = start; row < Math.min(start + BATCH_LINES, columns.round.length); row++) {
        text += peer;
        for (const name of peerColumnNames) {
          const value = columns[name].at(row) + (name === "round" ? 1 : 0);
          text += Number.isNaN(value) ? "," : `,${value}`;
        }
        text += "\n";
      }
      yield text;
    }
  }
}
