/** A trainer program as a child process: requests as JSON lines to its stdin, replies from its stdout. */
import type { z } from "zod";
import { InvalidExperiment, TrainerFailed } from "../foundation/errors.js";
import { isNode } from "../foundation/platform.js";
import { killGroup, quoted, readLines, tailOf } from "./process-child.js";
import {
  type Deadlines,
  hello,
  MAX_LINE_CHARACTERS,
  PROTOCOL,
  PROTOCOL_VERSION,
  type Request,
} from "./process-messages.js";

export interface ProgramOptions {
  /** Program and arguments, without a shell. */
  readonly command: readonly string[];
  readonly peer: number;
  readonly deadlines: Deadlines;
  /** Releases what the program uses. Called when it is closed or has failed, and when this process exits before. */
  readonly release: () => void;
}

export interface Program {
  /**
   * Sends a request and waits for its reply. One request at a time.
   * @throws TrainerFailed the program has ended, is late, or replies with an error or something else; it is killed then,
   *   unless it replied
   */
  ask<Reply extends z.ZodType>(request: Request, fields: object, reply: Reply): Promise<z.output<Reply>>;
  /** @throws TrainerFailed the program has failed, or is closed */
  check(): void;
  /** Kills the program for what it did. @returns the error that is made with its name */
  refuse(make: (name: string) => TrainerFailed): TrainerFailed;
  /** Asks the program to end, and kills it when it does not. */
  close(): void;
}

interface Pending {
  readonly request: Request | "start";
  readonly id: number;
  resolve(reply: unknown): void;
  reject(error: TrainerFailed): void;
}

/** Programs that run, each as the function that ends it: none outlives this process. */
const running = new Set<() => void>();
const endAll = () => {
  for (const end of running) end();
};

/**
 * Starts a program. Resolves when it has stated its version.
 * @throws InvalidExperiment outside Node
 * @throws TrainerFailed the program does not start, or is of another version
 */
export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { command, peer, deadlines } = options;
  if (!isNode()) {
    throw new InvalidExperiment(
      "trainer process needs Node, which starts programs: use another trainer in a browser",
      { code: "trainer-needs-node", field: "trainer.kind" },
    );
  }
  const { spawn } = await import("node:child_process");
  const [file, ...args] = command as [string, ...string[]];
  // In a group of its own: Ctrl-C stops the run after a round, and a shell's children are killed with it.
  const child = spawn(file, args, { stdio: "pipe", detached: true });
  // What is not waited for does not keep this process alive.
  for (const each of [child, child.stdin, child.stdout, child.stderr]) (each as typeof child).unref();

  const name = `the trainer program of peer ${peer}`;
  const stderr = tailOf(child);
  let pending: Pending | undefined;
  let failure: TrainerFailed | undefined;
  let requests = 0;
  let hasEnded = false;

  const kill = () => {
    // Its number may be another program's after that.
    if (!hasEnded) killGroup(child);
  };
  const end = () => {
    kill();
    running.delete(end);
    options.release();
  };
  if (!process.listeners("exit").includes(endAll)) process.on("exit", endAll);
  running.add(end);

  const fail = (error: TrainerFailed): TrainerFailed => {
    failure ??= error;
    end();
    pending?.reject(failure);
    return failure;
  };
  const stray = (line: string) =>
    fail(
      new TrainerFailed(
        `${name} wrote ${quoted(line)} to stdout, which is ${pending ? `not a reply to ${pending.request}` : "not asked for"}${stderr()}: write replies alone to stdout, and everything else to stderr`,
        { code: "trainer-garbage", peer },
      ),
    );

  const receive = (line: string) => {
    if (failure) return;
    const reply = parsed(line);
    if (!pending || !reply || (pending.request !== "start" && reply.id !== pending.id)) {
      stray(line);
      return;
    }
    const { request, resolve, reject } = pending;
    pending = undefined;
    if (request === "start" || reply.error === undefined) {
      resolve(reply);
      return;
    }
    reject(
      new TrainerFailed(
        `${name} reports in ${request}: ${quoted(String(reply.error))}${stderr()}; correct the program`,
        { code: "trainer-reports", peer },
      ),
    );
  };
  readLines(child, receive, () =>
    fail(
      new TrainerFailed(
        `${name} wrote more than ${MAX_LINE_CHARACTERS} characters without the end of a line: write one JSON object per line to stdout`,
        { code: "trainer-line-too-long", peer },
      ),
    ),
  );

  child.once("error", (cause) => {
    hasEnded = true;
    fail(
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
  child.once("close", (code, signal) => {
    const how = signal ? `was killed (${signal})` : `ended with exit code ${code}`;
    fail(
      new TrainerFailed(
        `${name} ${how}${pending ? ` in ${pending.request}` : ""}${stderr()}: run ${quoted(command.join(" "))} alone to see why`,
        { code: "trainer-ended", peer },
      ),
    );
  });
  // It has ended then, which is reported.
  child.stdin.on("error", () => {});

  /** Waits for the next reply. */
  async function wait(request: Pending["request"]): Promise<unknown> {
    if (failure) throw failure;
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      return await new Promise((resolve, reject) => {
        pending = { request, id: requests, resolve, reject };
        timer = setTimeout(
          () =>
            fail(
              new TrainerFailed(
                `${name} took more than ${deadlines[request]} s for ${request}${stderr()}: raise trainer.deadlines.${request}, or see what it waits for`,
                { code: "trainer-timeout", peer },
              ),
            ),
          1000 * deadlines[request],
        );
      });
    } finally {
      clearTimeout(timer);
      pending = undefined;
    }
  }
  const send = (request: Request, fields: object = {}) => {
    requests++;
    child.stdin.write(`${JSON.stringify({ id: requests, request, ...fields })}\n`);
  };

  const first = await wait("start");
  const stated = hello.safeParse(first);
  if (!stated.success) {
    throw fail(
      new TrainerFailed(
        `${name} began with ${quoted(JSON.stringify(first))}${stderr()}: begin with {"protocol":"${PROTOCOL}","version":${PROTOCOL_VERSION}}`,
        { code: "trainer-no-version", peer },
      ),
    );
  }
  if (stated.data.version !== PROTOCOL_VERSION) {
    throw fail(
      new TrainerFailed(
        `${name} speaks version ${stated.data.version} of the protocol, and this murmuration version ${PROTOCOL_VERSION}: install clients and murmuration of one release`,
        { code: "trainer-version", peer },
      ),
    );
  }

  return {
    async ask(request, fields, schema) {
      send(request, fields);
      const reply = await wait(request);
      const result = schema.safeParse(reply);
      if (result.success) return result.data;
      const { path, message } = result.error.issues[0]!;
      const what = [...path.map(String), message].join(": ");
      throw fail(
        new TrainerFailed(`${name} replied to ${request} with ${quoted(JSON.stringify(reply))}: ${what}`, {
          code: "trainer-reply",
          peer,
        }),
      );
    },
    check() {
      if (failure) throw failure;
    },
    refuse: (make) => fail(make(name)),
    close() {
      if (failure || hasEnded || pending) return end();
      failure = new TrainerFailed(`${name} was closed: create another one`, { code: "trainer-closed", peer });
      send("close");
      child.stdin.end();
      options.release();
      const timer = setTimeout(end, 1000 * deadlines.close);
      child.once("close", () => {
        clearTimeout(timer);
        end();
      });
    },
  };
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
