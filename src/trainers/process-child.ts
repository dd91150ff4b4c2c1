/** What a trainer program writes and how it is killed, apart from the protocol. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { MAX_LINE_CHARACTERS } from "./process-messages.js";

/** Characters of stderr that are kept, lines of it that an error repeats, and characters of any text in an error. */
const KEPT_CHARACTERS = 4096;
const SHOWN_LINES = 3;
const SHOWN_CHARACTERS = 300;

/** Kills a program and its descendants. */
export function killGroup(child: ChildProcessWithoutNullStreams): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // No process is left in the group, or the system has no groups.
    child.kill("SIGKILL");
  }
}

/** Passes on each line of stdout, until one is too long. */
export function readLines(
  child: ChildProcessWithoutNullStreams,
  receive: (line: string) => void,
  tooLong: () => void,
): void {
  let parts: string[] = [];
  let length = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const [first, ...lines] = text.split("\n");
    parts.push(first!);
    length += first!.length;
    if (length > MAX_LINE_CHARACTERS) {
      child.stdout.destroy();
      tooLong();
      return;
    }
    if (lines.length === 0) return;
    receive(parts.join(""));
    const rest = lines.pop()!;
    for (const line of lines) receive(line);
    parts = [rest];
    length = rest.length;
  });
}

/** The last lines of a program's stderr, as a sentence's end. */
export function tailOf(child: ChildProcessWithoutNullStreams): () => string {
  let kept = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    kept = (kept + text).slice(-KEPT_CHARACTERS);
  });
  return () => {
    const lines = kept
      .split("\n")
      .map((line) => line.trim())
      .filter(Boolean);
    return lines.length === 0
      ? ""
      : `; its stderr ends with ${quoted(lines.slice(-SHOWN_LINES).join(" | "), true)}`;
  };
}

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
