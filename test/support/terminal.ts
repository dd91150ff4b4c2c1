/** Commands in a pseudo-terminal, from `script` of util-linux, which every Debian has. */
import { spawnSync } from "node:child_process";

/** Why there is no pseudo-terminal here, or undefined. */
export const noTerminal: string | undefined =
  spawnSync("script", ["-qec", "stty size", "/dev/null"], { stdio: ["ignore", "pipe", "ignore"] }).status ===
  0
    ? undefined
    : "no pseudo-terminal: install util-linux's script";

export interface TerminalRun {
  readonly status: number | null;
  /** All that went to the terminal, stdout and stderr as they came. */
  readonly bytes: string;
}

/** Runs Node in a terminal of so many columns and 24 lines. */
export function nodeInTerminal(columns: number, ...args: string[]): TerminalRun {
  const quoted = [process.execPath, ...args].map((arg) => `'${arg.replaceAll("'", "'\\''")}'`);
  const command = `stty cols ${columns} rows 24; ${quoted.join(" ")}`;
  const { NO_COLOR: _, ...env } = process.env;
  const { status, stdout } = spawnSync("script", ["-qec", command, "/dev/null"], {
    encoding: "utf8",
    env: { ...env, FORCE_COLOR: "1", TERM: "xterm" },
    stdio: ["ignore", "pipe", "ignore"],
  });
  return { status, bytes: stdout };
}
