/** Calls to a worker thread, which serves them. What a call throws there is thrown here as an error of the same class. */
import type { MessagePort, Transferable, Worker } from "node:worker_threads";
import { errorOf, type Failure, failureOf } from "../foundation/failure.js";

/** Functions by name. */
type Functions<Service> = {
  readonly [Name in keyof Service]: (...args: never[]) => Promise<unknown>;
};

/** A call, and the answer to the call of the same number. */
interface Call {
  readonly number: number;
  readonly name: string;
  readonly args: readonly unknown[];
}
type Answer = { readonly number: number } & ({ readonly result: unknown } | { readonly failure: Failure });

/** The caller's end of a worker thread. */
export interface Calls<Service extends Functions<Service>> {
  /**
   * @param transfer ports among the arguments
   * @throws what the call throws there, and one of {@link ThreadErrors} once the thread has ended
   */
  call<Name extends keyof Service & string>(
    name: Name,
    args: Parameters<Service[Name]>,
    transfer?: readonly Transferable[],
  ): Promise<Awaited<ReturnType<Service[Name]>>>;
  /** Rejects when the thread ends. */
  readonly lost: Promise<never>;
  /** Ends the thread at once. */
  terminate(): void;
  /** From now on the thread does not keep the process alive, whatever calls it has. */
  unref(): void;
}

/** What ends calls to a thread, by why. */
export interface ThreadErrors {
  /** @param reason one line: an error that nobody foresaw, or a message that cannot be read */
  failed(reason: string): Error;
  outOfMemory(cause: unknown): Error;
  exited(code: number): Error;
}

/**
 * Starts a thread whose program is a {@link serveCalls}. It keeps the process alive only while it has calls to answer.
 *
 * @throws one of `errors` where it cannot be started
 */
export function openCalls<Service extends Functions<Service>>(
  start: () => Worker,
  errors: ThreadErrors,
): Calls<Service> {
  const worker = started(start, errors);
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let calls = 0;
  let end: Error | undefined;
  let lose: (error: Error) => void;
  const lost = new Promise<never>((_, reject) => {
    lose = reject;
  });
  lost.catch(() => {});
  const ended = (error: Error): void => {
    end ??= error;
    for (const { reject } of waiting.values()) reject(end);
    waiting.clear();
    lose(end);
  };
  worker.unref();
  worker.on("message", (answer: Answer) => {
    const call = waiting.get(answer.number);
    waiting.delete(answer.number);
    if (waiting.size === 0) worker.unref();
    if ("failure" in answer) call?.reject(errorOf(answer.failure) ?? errors.failed(reasonOf(answer.failure)));
    else call?.resolve(answer.result);
  });
  worker.on("error", (error) => ended(errorOfEnd(error, errors)));
  // A message that cannot be read, for want of memory for example: its call would wait for ever.
  worker.on("messageerror", (error) => ended(errorOfEnd(error, errors)));
  worker.on("exit", (code) => ended(errors.exited(code)));
  return {
    call: (name, args, transfer = []) =>
      new Promise((resolve, reject) => {
        if (end) return reject(end);
        const number = calls++;
        // Throws what cannot be copied, for which there is no answer to wait for.
        worker.postMessage({ number, name, args } satisfies Call, transfer);
        waiting.set(number, { resolve: resolve as (value: unknown) => void, reject });
        worker.ref();
      }),
    lost,
    terminate: () => void worker.terminate(),
    unref: () => worker.unref(),
  };
}

/** Answers the calls that come through a port, until the thread is ended. */
export function serveCalls<Service extends Functions<Service>>(port: MessagePort, service: Service): void {
  // Ends this thread: somebody waits for the answer to a message that cannot be read.
  port.on("messageerror", (error) => {
    throw error;
  });
  port.on("message", async ({ number, name, args }: Call) => {
    try {
      const call = service[name as keyof Service];
      const result = await call(...(args as never[]));
      port.postMessage({ number, result } satisfies Answer);
    } catch (error) {
      port.postMessage({ number, failure: failureOf(error) } satisfies Answer);
    }
  });
}

function started(start: () => Worker, errors: ThreadErrors): Worker {
  try {
    return start();
  } catch (error) {
    throw errorOfEnd(error, errors);
  }
}

/** @param error anything, as anything may be thrown */
function errorOfEnd(error: unknown, errors: ThreadErrors): Error {
  const { code } = Object(error) as NodeJS.ErrnoException;
  return code === "ERR_WORKER_OUT_OF_MEMORY"
    ? errors.outOfMemory(error)
    : errors.failed(reasonOf(failureOf(error)));
}

const reasonOf = ({ name, message }: Failure): string =>
  `${name && `${name}: `}${message}`.split("\n", 1)[0]!;
