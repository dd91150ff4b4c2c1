/** A trainer program that this process starts: requests go to its stdin, replies come from its stdout. */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { TrainerFailed } from "../foundation/errors.js";
import { type Link, quoted, readLines } from "./process-link.js";

/** Characters of stderr that are kept, and lines of it that an error repeats. */
const KEPT_CHARACTERS = 4096;
const SHOWN_LINES = 3;

/** Starts a program, without a shell. That it does not start is reported to the listener. */
export async function startChild(command: readonly string[], peer: number): Promise<Link> {
  const { spawn } = await import("node:child_process");
  const [file, ...args] = command as [string, ...string[]];
  // In a group of its own: Ctrl-C stops the run after a round, and a shell's children are killed with it.
  const child = spawn(file, args, { stdio: "pipe", detached: true });
  // What is not waited for does not keep this process alive.
  for (const each of [child, child.stdin, child.stdout, child.stderr]) (each as typeof child).unref();
  const name = `the trainer program of peer ${peer}`;
  let hasEnded = false;
  const kill = () => {
    // Its number may be another program's after that.
    if (!hasEnded) killGroup(child);
  };
  return {
    name,
    write: (line) => child.stdin.write(`${line}\n`),
    end: () => child.stdin.end(),
    kill,
    lastWords: tailOf(child),
    listen(events) {
      readLines(child.stdout, events);
      child.once("error", (cause) => {
        hasEnded = true;
        events.failed(
          new TrainerFailed(
            `${name} does not start: ${cause.message}; correct trainer.command, which is ${quoted(command.join(" "))}`,
            { code: "trainer-not-started", peer, cause },
          ),
        );
      });
      // Descendants that hold the pipes end with it, so that its last lines are all here when they close.
      child.once("exit", () => {
        kill();
        hasEnded = true;
      });
      child.once("close", (code, signal) =>
        events.ended(
          signal ? `was killed (${signal})` : `ended with exit code ${code}`,
          `run ${quoted(command.join(" "))} alone to see why`,
        ),
      );
      // It has ended then, which is reported.
      child.stdin.on("error", () => {});
    },
  };
}

/** Kills a program and its descendants. */
function killGroup(child: ChildProcessWithoutNullStreams): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // No process is left in the group, or the system has no groups.
    child.kill("SIGKILL");
  }
}

/** The last lines of a program's stderr, as a sentence's end. */
function tailOf(child: ChildProcessWithoutNullStreams): () => string {
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
