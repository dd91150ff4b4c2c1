import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";

const root = new URL("../..", import.meta.url).pathname;
const command = join(root, "dist/cli/main.js");
const env = () => ({ ...process.env, NO_COLOR: "1" });

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command as a user would. */
export function murmur(...args: string[]): Finished {
  return murmurIn(process.cwd(), ...args);
}

/** The same from another folder. */
export function murmurIn(cwd: string, ...args: string[]): Finished {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, ...args], {
    encoding: "utf8",
    env: env(),
    cwd,
  });
  return { status, stdout, stderr };
}

/** A command that goes on while the test does. */
export interface Running {
  readonly process: ChildProcessWithoutNullStreams;
  /** Resolves when what it has written to stderr so far matches, with the match; rejects when it ends before. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  readonly finished: Promise<Finished>;
}

const running = new Set<ChildProcessWithoutNullStreams>();

export function startMurmur(...args: string[]): Running {
  return startNode(command, ...args);
}

export function startNode(...args: string[]): Running {
  return start(process.execPath, ...args);
}

/** Starts any program. */
export function start(file: string, ...args: string[]): Running {
  const child = spawn(file, args, { env: env() });
  running.add(child);
  let stdout = "";
  let stderr = "";
  const checks = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    for (const check of checks) check();
  });
  const finished = new Promise<Finished>((resolve) => {
    child.once("close", (status) => {
      running.delete(child);
      resolve({ status, stdout, stderr });
    });
  });
  return {
    process: child,
    finished,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const check = () => {
          const match = pattern.exec(stderr);
          if (!match) return;
          checks.delete(check);
          resolve(match);
        };
        checks.add(check);
        check();
        void finished.then(() => reject(new Error(`it ended without saying ${pattern}: ${stderr}`)));
      }),
  };
}

/** For afterEach: nothing outlives a test that failed. */
export function endAll(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Resolves when no process has this number. */
export async function ended(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise(setImmediate);
  }
}
