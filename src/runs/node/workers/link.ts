/** The starting thread's end of a worker thread with peers. */
import { Worker } from "node:worker_threads";
import { PeerFailed } from "../../../foundation/errors.js";
import { type Calls, openCalls, type ThreadErrors } from "../../../threads/calls.js";
import { programOptions } from "../../../threads/program.js";
import type { PeerService } from "./service.js";

export interface Link extends Pick<Calls<PeerService>, "call" | "lost"> {
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
  const program = new URL("./worker.js", import.meta.url);
  const calls = openCalls<PeerService>(() => new Worker(program, programOptions()), errorsOf(subject));
  let isEnding = false;
  return {
    call: calls.call,
    lost: calls.lost,
    end() {
      if (isEnding) return;
      isEnding = true;
      calls.call("dispose", []).then(calls.terminate, calls.terminate);
      // What it is doing may take long, and is of no use any more.
      calls.unref();
    },
  };
}

const ALONE = "run it with one worker to see where";

/** The errors are PeerFailed. */
const errorsOf = ({ who, when }: Subject): ThreadErrors => ({
  failed: (reason) =>
    new PeerFailed(`the worker thread of ${who} failed ${when()}: ${reason}; ${ALONE}`, {
      code: "worker-failed",
    }),
  outOfMemory: (cause) =>
    new PeerFailed(
      `the worker thread of ${who} ran out of memory ${when()}: use a smaller model or smaller data, or raise the limit with NODE_OPTIONS=--max-old-space-size=MEGABYTES`,
      { code: "worker-out-of-memory", cause },
    ),
  exited: (code) =>
    new PeerFailed(
      `the worker thread of ${who} ended with exit code ${code} ${when()}: remove process.exit from the modules that the experiment names, or ${ALONE}`,
      { code: "worker-ended" },
    ),
});
