/** One libp2p stream as messages: its hello, its signs of life, and its end. */
import type { Stream } from "@libp2p/interface";
import type { Uint8ArrayList } from "uint8arraylist";
import type { Clock } from "../../foundation/clock.js";
import { MalformedFrame } from "../../foundation/errors.js";
import { encodeHeartbeat, type Pulse } from "./heartbeat.js";
import { encodeHello, encodeRefusal, type Hello, type HelloRefusal } from "./hello.js";
import { MAX_MISSED_HEARTBEATS } from "./limits.js";
import { createLiveness } from "./liveness.js";
import {
  createMessageReader,
  Kind,
  listOf,
  type MessageReceiver,
  message,
  messageHeader,
} from "./messages.js";

/** How a channel ended. */
export interface Ending {
  readonly reason: string;
  /**
   * `violation`: the other end broke the protocol. `refused`: it ended the channel for a reason. `left`: it closes
   * down. `broken`: anything else.
   */
  readonly kind: "broken" | "left" | "violation" | "refused";
  readonly refusal?: HelloRefusal;
}

/** What arrives after the hellos. A method that throws MalformedFrame ends the channel as a violation. */
export interface Listener
  extends Partial<Pick<MessageReceiver, "frame" | "piece" | "bytes" | "credit" | "taken">> {
  /** There is room again for what is to be sent. */
  drained?(): void;
  ended(ending: Ending): void;
}

export interface Channel {
  readonly ending: Ending | undefined;
  /** Whether the stream has more than it can pass on at the moment. */
  readonly isFull: boolean;
  /** The other end's hello, which must be its first message; rejects when the channel ends before. */
  readonly hello: Promise<Hello>;
  /** From now on frames may flow. */
  listen(listener: Listener): void;
  sendHello(hello: Hello): void;
  send(kind: Kind, ...values: readonly number[]): void;
  /** Sends what the list holds without copying it; it must consist of whole messages. */
  sendList(list: Uint8ArrayList): void;
  /** Whether the other end gives any sign of life before the deadline. */
  isAlive(deadlineMs: number): Promise<boolean>;
  /** One heartbeat: sends a ping, and ends the channel when the other end has been silent for too many. */
  beat(): void;
  /** Announces that this end leaves; resolves when the other end has answered, or the channel has ended. */
  leave(): Promise<void>;
  /** Ends the channel and sends the other end the reason. */
  refuse(refusal: HelloRefusal): void;
  abort(reason: string): void;
}

/** A wait on a channel that ended before what was awaited. */
export class ChannelEnded extends Error {
  constructor(readonly ending: Ending) {
    super(ending.reason);
  }
}

/** @param pulse what is exchanged beside frames; nothing where left out */
export function createChannel(stream: Stream, clock: Clock, pulse?: Pulse): Channel {
  const liveness = createLiveness(clock);
  const hello = deferred<Hello>();
  hello.promise.catch(() => {});
  const over = deferred<void>();
  let ending: Ending | undefined;
  let listener: Listener | undefined;
  let hasHello = false;
  let isLeaving = false;
  /** A confirmation that arrived before the hello was processed. */
  let early: number | undefined;

  const end = (how: Ending): void => {
    if (ending) return;
    ending = how;
    reader.stop();
    if (stream.status === "open") stream.abort(new Error(how.reason));
    hello.reject(new ChannelEnded(how));
    listener?.ended(how);
    liveness.end();
    over.resolve();
  };
  const write = (data: Uint8Array | Uint8ArrayList): void => {
    if (ending) return;
    try {
      stream.send(data as Parameters<Stream["send"]>[0]);
    } catch (error) {
      end({ kind: "broken", reason: error instanceof Error ? error.message : String(error) });
    }
  };
  const refuse = (refusal: HelloRefusal, kind: Ending["kind"]): void => {
    if (ending) return;
    const body = encodeRefusal(refusal);
    write(listOf(messageHeader(Kind.refused, body.length), body));
    end({ kind, reason: refusal.reason });
  };
  const ping = (): void => {
    const chain = pulse?.send();
    const body = chain ? encodeHeartbeat(chain) : nothing;
    write(listOf(messageHeader(Kind.ping, body.length), body));
  };
  /** Whatever breaks the protocol ends the channel with a refusal. */
  const guarded = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      refuse({ code: "violation", reason: error.message }, "violation");
    }
  };

  const reader = createMessageReader({
    hello(theirs) {
      if (hasHello) throw new MalformedFrame("second hello on one stream", { code: "second-hello" });
      hasHello = true;
      hello.resolve(theirs);
    },
    refused: (refusal) => end({ kind: "refused", reason: refusal.reason, refusal }),
    leaving() {
      if (!isLeaving) write(message(Kind.leaving));
      end({ kind: "left", reason: "it left the run" });
    },
    ping(chain) {
      if (chain) pulse?.received(chain);
      // A flood of pings must not fill this end's memory with answers.
      if (!stream.writableNeedsDrain) write(message(Kind.pong));
    },
    pong() {},
    done() {
      if (!hasHello) throw new MalformedFrame("done before a hello", { code: "done-before-hello" });
      pulse?.done();
    },
    frame: (sequence, length) => expected(listener?.frame, Kind.frame)(sequence, length),
    piece: (length) => expected(listener?.piece, Kind.piece)(length),
    bytes: (part) => listener!.bytes!(part),
    credit: (bytes) => expected(listener?.credit, Kind.credit)(bytes),
    taken(sequence) {
      if (hasHello && !listener && early === undefined) early = sequence;
      else expected(listener?.taken, Kind.taken)(sequence);
    },
  });

  stream.addEventListener("message", ({ data }) => {
    if (ending) return;
    guarded(() => {
      if (data instanceof Uint8Array) reader.read(data);
      else for (const part of data) reader.read(part);
    });
    liveness.arrived();
  });
  stream.addEventListener("drain", () => listener?.drained?.());
  stream.addEventListener("remoteCloseWrite", () => end({ kind: "broken", reason: "the stream was closed" }));
  stream.addEventListener("close", ({ error }) =>
    end({
      kind: "broken",
      reason: error ? `the connection broke (${error.message})` : "the connection was closed",
    }),
  );

  return {
    get ending() {
      return ending;
    },
    get isFull() {
      return stream.writableNeedsDrain;
    },
    hello: hello.promise,
    listen(next) {
      listener = next;
      if (ending) next.ended(ending);
      const sequence = early;
      early = undefined;
      if (sequence !== undefined && !ending) guarded(() => expected(next.taken, Kind.taken)(sequence));
    },
    sendHello(ours) {
      const bytes = encodeHello(ours);
      write(listOf(messageHeader(Kind.hello, bytes.length), bytes));
    },
    send: (kind, ...values) => write(message(kind, ...values)),
    sendList: write,
    async isAlive(deadlineMs) {
      if (ending) return false;
      const sign = liveness.nextSign(deadlineMs);
      ping();
      return (await sign) && !ending;
    },
    beat() {
      if (ending) return;
      const silent = liveness.beat();
      if (silent > MAX_MISSED_HEARTBEATS) {
        end({ kind: "broken", reason: `no sign of life for ${silent} heartbeats` });
      } else if (!stream.writableNeedsDrain) ping();
    },
    async leave() {
      if (ending) return;
      isLeaving = true;
      write(message(Kind.leaving));
      await over.promise;
    },
    refuse: (refusal) => refuse(refusal, refusal.code === "violation" ? "violation" : "broken"),
    abort: (reason) => end({ kind: "broken", reason }),
  };
}

const nothing = new Uint8Array(0);

function deferred<Value>() {
  let resolve!: (value: Value) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

function expected<Method>(method: Method | undefined, kind: Kind): Method {
  if (method === undefined)
    throw new MalformedFrame(`message of kind ${kind} is out of place here`, {
      code: "message-out-of-place",
    });
  return method;
}
