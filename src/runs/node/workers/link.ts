/** The starting thread's end of a worker thread. */
import { type Transferable, Worker } from "node:worker_threads";
import { PeerFailed } from "../../../foundation/errors.js";
import { errorOf, type Failure } from "../../../foundation/failure.js";
import { programOptions } from "../../../threads/program.js";
import type { Answer, Arguments, Call, PeerService, Result } from "./service.js";

export interface Link {
  /**
   * @param transfer ports among the arguments
   * @throws what the call throws there, and PeerFailed once the worker has ended
   */
  call<Name extends keyof PeerService>(
    name: Name,
    args: Arguments<Name>,
    transfer?: readonly Transferable[],
  ): Promise<Result<Name>>;
  /** Rejects when the worker ends before it is told to. */
  readonly lost: Promise<never>;
  /** Ends the worker, after what it is doing. */
  end(): void;
}

/** What errors say of a worker. */
export interface Subject {
  /** “peers 4 to 7” */
  readonly who: string;
  /** “after round 12” */
  when(): string;
}

/** Starts a worker. It keeps the process alive only while it has calls to answer. */
export function startWorker(subject: Subject): Link {
  const worker = new Worker(new URL("./worker.js", import.meta.url), programOptions());
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let calls = 0;
  let end: Error | undefined;
  let isEnding = false;
  let lose: (error: Error) => void;
  const lost = new Promise<never>((_, reject) => {
    lose = reject;
  });
  lost.catch(() => {});
  const ended = (error: Error): void => {
    end ??= error;
    for (const { reject } of waiting.values()) reject(end);
    waiting.clear();
    if (!isEnding) lose(end);
  };
  worker.unref();
  worker.on("message", (answer: Answer) => {
    const call = waiting.get(answer.number);
    waiting.delete(answer.number);
    if (waiting.size === 0) worker.unref();
    if ("failure" in answer) call?.reject(errorOf(answer.failure) ?? unforeseen(subject, answer.failure));
    else call?.resolve(answer.result);
  });
  worker.on("error", (error: NodeJS.ErrnoException) => ended(errorEnd(subject, error)));
  // A message that cannot be read, for want of memory for example: its call would wait for ever.
  worker.on("messageerror", (error) => ended(errorEnd(subject, error)));
  worker.on("exit", (code) => ended(exitEnd(subject, code)));
  const call = <Name extends keyof PeerService>(
    name: Name,
    args: Arguments<Name>,
    transfer: readonly Transferable[] = [],
  ) =>
    new Promise<Result<Name>>((resolve, reject) => {
      if (end) return reject(end);
      const number = calls++;
      waiting.set(number, { resolve: resolve as (value: unknown) => void, reject });
      worker.ref();
      worker.postMessage({ number, name, args } satisfies Call, transfer);
    });
  return {
    call,
    lost,
    end() {
      if (isEnding) return;
      isEnding = true;
      const over = () => void worker.terminate();
      call("dispose", []).then(over, over);
      // What it is doing may take long, and is of no use any more.
      worker.unref();
    },
  };
}

const ALONE = "run it with one worker to see where";

function unforeseen({ who, when }: Subject, { name, message }: Failure): PeerFailed {
  const [reason] = `${name && `${name}: `}${message}`.split("\n");
  return new PeerFailed(`the worker thread of ${who} failed ${when()}: ${reason}; ${ALONE}`, {
    code: "worker-failed",
  });
}

function errorEnd(subject: Subject, error: NodeJS.ErrnoException): PeerFailed {
  const { who, when } = subject;
  if (error.code !== "ERR_WORKER_OUT_OF_MEMORY") return unforeseen(subject, { ...errorName(error) });
  return new PeerFailed(
    `the worker thread of ${who} ran out of memory ${when()}: use a smaller model or smaller data, or raise the limit with NODE_OPTIONS=--max-old-space-size=MEGABYTES`,
    { code: "worker-out-of-memory", cause: error },
  );
}

/** Anything may be thrown. */
function errorName(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: "", message: String(error), details: undefined };
  return { name: error.name, message: error.message, details: undefined };
}

function exitEnd({ who, when }: Subject, code: number): PeerFailed {
  return new PeerFailed(
    `the worker thread of ${who} ended with exit code ${code} ${when()}: remove process.exit from the modules that the experiment names, or ${ALONE}`,
    { code: "worker-ended" },
  );
}
