/** A log that a run goes on with after a restart. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { FileProblem } from "../../foundation/errors.js";
import { unwritten } from "../../foundation/system-errors.js";
import type { Sink } from "../../observing/report.js";
import { createJsonLines } from "../../sinks/json-lines.js";
import { writeWhole } from "../../sinks/whole-file.js";

/**
 * Opens a log to go on with round `round`. What it says of this round and later ones, which are computed again, goes;
 * so does a torn last line. A missing log is created.
 *
 * @throws FileProblem the log cannot be read or written
 */
export async function resumeLog(path: string, round: number, header: unknown): Promise<Sink> {
  let isNew = true;
  try {
    await writeWhole(path, async (file) => {
      for await (const line of createInterface({ input: createReadStream(path, "utf8") })) {
        if (!isBefore(line, round)) continue;
        await file.writeFile(`${line}\n`);
        isNew = false;
      }
    });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") {
      throw new FileProblem(`cannot go on with ${path}: ${unwritten(cause)}`, {
        code: "log-not-resumed",
        field: path,
        cause,
      });
    }
  }
  const lines = createJsonLines(path, { append: true });
  if (isNew) lines.write(header);
  lines.write({ type: "resumed", round });
  return lines;
}

function isBefore(text: string, round: number): boolean {
  try {
    const line = JSON.parse(text) as { type?: string; round?: number };
    return line.type === "header" || (line.type !== "end" && (line.round ?? 0) < round);
  } catch {
    return false;
  }
}
