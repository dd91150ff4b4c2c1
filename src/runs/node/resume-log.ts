/** A log that a run goes on with after a restart. */
import { createReadStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { FileProblem } from "../../foundation/errors.js";
import type { Sink } from "../../observing/report.js";
import { createJsonLines } from "../../sinks/json-lines.js";

/**
 * Opens a log to go on with round `round`. What it says of this round and later ones, which are computed again, goes;
 * so does a torn last line. A log that is missing begins anew.
 *
 * @throws FileProblem the log cannot be read or written
 */
export async function resumeLog(path: string, round: number, header: unknown): Promise<Sink> {
  const draft = `${path}.resuming`;
  let isNew = true;
  try {
    const file = await open(draft, "w");
    try {
      for await (const line of createInterface({ input: createReadStream(path, "utf8") })) {
        if (!isBefore(line, round)) continue;
        await file.write(`${line}\n`);
        isNew = false;
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") {
      throw new FileProblem(`cannot go on with ${path}: ${(cause as Error).message}`, {
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
