/** A trainer program: requests to it as JSON lines, and its replies. */
import type { z } from "zod";
import { InvalidExperiment, TrainerFailed } from "../foundation/errors.js";
import { isNode } from "../foundation/platform.js";
import { startChild } from "./process-child.js";
import { type Link, quoted } from "./process-link.js";
import {
  type Deadlines,
  hello,
  MAX_LINE_CHARACTERS,
  PROTOCOL,
  PROTOCOL_VERSION,
  type Request,
} from "./process-messages.js";
import { connectParent } from "./process-parent.js";

export interface ProgramOptions {
  /** Program and arguments, without a shell; or where the program that started this process is found. */
  readonly command: readonly string[] | string;
  readonly peer: number;
  readonly deadlines: Deadlines;
  /** Releases what the program uses. Called when it is closed or has failed, and when this process exits before. */
  readonly release: () => void;
  /** Is given the first error, unless the program was closed before. */
  readonly failed: (error: TrainerFailed) => void;
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
 * Starts a program, or finds the one that started this process. Resolves when it has stated its version.
 * @throws InvalidExperiment outside Node, or where no program started this process
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
  const link =
    typeof command === "string"
      ? await connectParent(command, peer, deadlines.silence)
      : await startChild(command, peer);
  const conversation = converse(link, options);
  const refuse = (make: (name: string) => TrainerFailed) => conversation.fail(make(link.name));
  requireVersion(await conversation.wait("start"), link, peer, refuse);
  return {
    async ask(request, fields, schema) {
      conversation.send(request, fields);
      const reply = await conversation.wait(request);
      const result = schema.safeParse(reply);
      if (result.success) return result.data;
      const { path, message } = result.error.issues[0]!;
      const what = [...path.map(String), message].join(": ");
      throw refuse(
        (name) =>
          new TrainerFailed(`${name} replied to ${request} with ${quoted(JSON.stringify(reply))}: ${what}`, {
            code: "trainer-reply",
            peer,
          }),
      );
    },
    check: conversation.check,
    refuse,
    close: conversation.close,
  };
}

/** @throws TrainerFailed the program's first line is another than it must begin with */
function requireVersion(
  first: unknown,
  link: Link,
  peer: number,
  refuse: (make: (name: string) => TrainerFailed) => TrainerFailed,
): void {
  const stated = hello.safeParse(first);
  if (!stated.success) {
    throw refuse(
      (name) =>
        new TrainerFailed(
          `${name} began with ${quoted(JSON.stringify(first))}${link.lastWords()}: begin with {"protocol":"${PROTOCOL}","version":${PROTOCOL_VERSION}}`,
          { code: "trainer-no-version", peer },
        ),
    );
  }
  const { version } = stated.data;
  if (version === PROTOCOL_VERSION) return;
  throw refuse(
    (name) =>
      new TrainerFailed(
        `${name} speaks version ${version} of the protocol, and this murmuration version ${PROTOCOL_VERSION}: install clients and murmuration of one release`,
        { code: "trainer-version", peer },
      ),
  );
}

interface Conversation {
  send(request: Request, fields?: object): void;
  /** Waits for the next reply. */
  wait(request: Pending["request"]): Promise<unknown>;
  /** Ends it. @returns the first error that did */
  fail(error: TrainerFailed): TrainerFailed;
  check(): void;
  close(): void;
}

function converse(link: Link, { peer, deadlines, release, failed }: ProgramOptions): Conversation {
  const { name } = link;
  let pending: Pending | undefined;
  let failure: TrainerFailed | undefined;
  let requests = 0;
  let closing: ReturnType<typeof setTimeout> | undefined;

  const end = () => {
    clearTimeout(closing);
    link.kill();
    running.delete(end);
    release();
  };
  if (!process.listeners("exit").includes(endAll)) process.on("exit", endAll);
  running.add(end);

  const fail = (error: TrainerFailed): TrainerFailed => {
    const isFirst = failure === undefined;
    failure ??= error;
    end();
    pending?.reject(failure);
    if (isFirst) failed(failure);
    return failure;
  };
  const receive = (line: string) => {
    if (failure) return;
    const reply = parsed(line);
    if (!pending || !reply || (pending.request !== "start" && reply.id !== pending.id)) {
      fail(
        new TrainerFailed(
          `${name} wrote ${quoted(line)} to stdout, which is ${pending ? `not a reply to ${pending.request}` : "not asked for"}${link.lastWords()}: write replies alone to stdout, and everything else to stderr`,
          { code: "trainer-garbage", peer },
        ),
      );
      return;
    }
    const { request, resolve, reject } = pending;
    pending = undefined;
    if (request === "start" || reply.error === undefined) return resolve(reply);
    reject(
      new TrainerFailed(
        `${name} reports in ${request}: ${quoted(String(reply.error))}${link.lastWords()}; correct the program`,
        { code: "trainer-reports", peer },
      ),
    );
  };
  link.listen({
    line: receive,
    tooLong: () =>
      fail(
        new TrainerFailed(
          `${name} wrote more than ${MAX_LINE_CHARACTERS} characters without the end of a line: write one JSON object per line to stdout`,
          { code: "trainer-line-too-long", peer },
        ),
      ),
    ended: (how, remedy) =>
      fail(
        new TrainerFailed(
          `${name} ${how}${pending ? ` in ${pending.request}` : ""}${link.lastWords()}: ${remedy}`,
          { code: "trainer-ended", peer },
        ),
      ),
    failed: fail,
  });

  const send = (request: Request, fields: object = {}) => {
    requests++;
    link.write(JSON.stringify({ id: requests, request, ...fields }));
  };
  return {
    send,
    fail,
    async wait(request) {
      if (failure) throw failure;
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = () =>
        fail(
          new TrainerFailed(
            `${name} took more than ${deadlines[request]} s for ${request}${link.lastWords()}: raise trainer.deadlines.${request}, or see what it waits for`,
            { code: "trainer-timeout", peer },
          ),
        );
      try {
        return await new Promise((resolve, reject) => {
          pending = { request, id: requests, resolve, reject };
          timer = setTimeout(late, 1000 * deadlines[request]);
        });
      } finally {
        clearTimeout(timer);
        pending = undefined;
      }
    },
    check() {
      if (failure) throw failure;
    },
    close() {
      if (failure || pending) return end();
      failure = new TrainerFailed(`${name} was closed: create another one`, { code: "trainer-closed", peer });
      send("close");
      link.end();
      release();
      closing = setTimeout(end, 1000 * deadlines.close);
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
