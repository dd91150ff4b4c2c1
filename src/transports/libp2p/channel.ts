/**
 * One libp2p stream, read and written as messages. Each message is a 4-byte header and a body:
 *
 *     byte 0      kind
 *     bytes 1–3   length of the body, uint24, little-endian
 *     bytes 4–    body
 *
 *     1 hello     JSON; the first message in each direction
 *     2 refused   JSON; the last message of an end that will not go on
 *     3 frame     sequence uint32, length uint32: a frame of this length begins
 *     4 piece     bytes of that frame; all but the last have PIECE_BYTES with their header
 *     5 credit    uint32: so many bytes of pieces were taken
 *     6 taken     sequence uint32: this frame is complete and there is room for the next
 *     7 ping      answered by 8 pong
 *     9 leaving   answered by leaving; the stream is over
 *
 * A stream carries frames one way, from the end that opened it; hello, refused, ping, pong and leaving go both
 * ways, credit and taken the other way. Pieces are handed on as they arrive and never joined here.
 */
import type { Stream } from "@libp2p/interface";
import { Uint8ArrayList } from "uint8arraylist";
import type { Clock } from "../../clock.js";
import { MalformedFrame } from "../../errors.js";
import {
  decodeHello,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  type Hello,
  type HelloRefusal,
} from "./hello.js";
import { MAX_HELLO_BYTES, MAX_MISSED_HEARTBEATS, PIECE_BYTES } from "./limits.js";

export const MESSAGE_HEADER_BYTES = 4;
export const MAX_PIECE_BODY_BYTES = PIECE_BYTES - MESSAGE_HEADER_BYTES;

export const Kind = {
  hello: 1,
  refused: 2,
  frame: 3,
  piece: 4,
  credit: 5,
  taken: 6,
  ping: 7,
  pong: 8,
  leaving: 9,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Longest body by kind; a header that announces more is refused before anything is kept. */
const longestBody: readonly (number | undefined)[] = [
  undefined,
  MAX_HELLO_BYTES,
  MAX_HELLO_BYTES,
  8,
  MAX_PIECE_BODY_BYTES,
  4,
  4,
  0,
  0,
  0,
];

/** How a channel ended. */
export interface Ending {
  readonly reason: string;
  /** Whose fault, if anybody's: `theirs` broke the protocol, `refused` means that they told us to go. */
  readonly kind: "broken" | "left" | "violation" | "refused";
  readonly refusal?: HelloRefusal;
}

/** What arrives after the hellos. A method that throws MalformedFrame ends the channel as a violation. */
export interface Listener {
  frame?(sequence: number, length: number): void;
  /** A piece of this many bytes begins. */
  piece?(length: number): void;
  /** Its bytes, in as many parts as they arrived in; valid during the call only. */
  bytes?(part: Uint8Array): void;
  credit?(bytes: number): void;
  taken?(sequence: number): void;
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
  /** One beat: asks for a sign of life where there was none since the last beat. */
  beat(): void;
  /** Says goodbye; resolves when the other end has answered, or the channel has ended. */
  leave(): Promise<void>;
  /** Tells the other end why, and ends the channel. */
  refuse(refusal: HelloRefusal): void;
  abort(reason: string): void;
}

export function messageHeader(kind: Kind, length: number): Uint8Array {
  return Uint8Array.of(kind, length, length >>> 8, length >>> 16);
}

/** A message whose body is these numbers, each a uint32. */
export function message(kind: Kind, ...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_HEADER_BYTES + 4 * values.length);
  bytes.set(messageHeader(kind, 4 * values.length));
  const view = new DataView(bytes.buffer);
  values.forEach((value, k) => {
    view.setUint32(MESSAGE_HEADER_BYTES + 4 * k, value, true);
  });
  return bytes;
}

/** Gathers views into one list, to be written in one go. */
export function listOf(...parts: readonly Uint8Array[]): Uint8ArrayList {
  return new Uint8ArrayList(...parts);
}

export function createChannel(stream: Stream, clock: Clock): Channel {
  let ending: Ending | undefined;
  let listener: Listener | undefined;
  let heard = 0;
  let heardAtLastBeat = 0;
  let missedBeats = 0;
  let saidGoodbye = false;
  let heardHello = false;
  /** A confirmation that overtook this end's look at the hello. */
  let early: Uint8Array | undefined;
  const onEnd: (() => void)[] = [];
  const onHeard: (() => void)[] = [];

  let resolveHello!: (hello: Hello) => void;
  let rejectHello!: (error: Error) => void;
  const hello = new Promise<Hello>((resolve, reject) => {
    resolveHello = resolve;
    rejectHello = reject;
  });
  hello.catch(() => {});

  const end = (how: Ending): void => {
    if (ending) return;
    ending = how;
    if (stream.status === "open") stream.abort(new Error(how.reason));
    rejectHello(new ChannelEnded(how));
    listener?.ended(how);
    for (const resume of onEnd) resume();
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

  const onMessage = (kind: Kind, body: Uint8Array): void => {
    if (kind === Kind.refused) {
      const refusal = decodeRefusal(body);
      end({ kind: "refused", reason: refusal.reason, refusal });
    } else if (kind === Kind.leaving) {
      if (!saidGoodbye) write(message(Kind.leaving));
      end({ kind: "left", reason: "it left the run" });
    } else if (kind === Kind.ping) {
      // A flood of pings must not fill this end's memory with answers.
      if (!stream.writableNeedsDrain) write(message(Kind.pong));
    } else if (kind === Kind.hello) {
      if (heardHello) throw new MalformedFrame("second hello on one stream");
      heardHello = true;
      resolveHello(decodeHello(body));
    } else if (kind === Kind.taken && heardHello && !listener && !early) {
      early = body;
    } else if (kind !== Kind.pong) {
      const view = new DataView(body.buffer, body.byteOffset);
      if (kind === Kind.frame) {
        expected(listener?.frame, kind).call(listener, view.getUint32(0, true), view.getUint32(4, true));
      } else if (kind === Kind.credit) {
        expected(listener?.credit, kind).call(listener, view.getUint32(0, true));
      } else {
        expected(listener?.taken, kind).call(listener, view.getUint32(0, true));
      }
    }
  };
  /** Whatever breaks the protocol ends the channel, and the other end is told. */
  const guarded = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      refuse({ code: "violation", reason: error.message }, "violation");
    }
  };

  const header = new Uint8Array(MESSAGE_HEADER_BYTES);
  let headerFilled = 0;
  let kind: Kind = Kind.pong;
  let length = 0;
  let body: Uint8Array | undefined;
  let filled = 0;

  /** Reads what arrived, in whatever parts; keeps at most one small message. */
  const read = (part: Uint8Array): void => {
    let offset = 0;
    while (offset < part.length && !ending) {
      if (headerFilled < MESSAGE_HEADER_BYTES) {
        header[headerFilled++] = part[offset++]!;
        if (headerFilled < MESSAGE_HEADER_BYTES) continue;
        kind = header[0] as Kind;
        length = header[1]! | (header[2]! << 8) | (header[3]! << 16);
        beginMessage();
      } else {
        const end = Math.min(part.length, offset + length - filled);
        const arrived = part.subarray(offset, end);
        if (kind === Kind.piece) listener!.bytes!(arrived);
        else body!.set(arrived, filled);
        filled += arrived.length;
        offset = end;
      }
      if (headerFilled === MESSAGE_HEADER_BYTES && filled === length) {
        headerFilled = 0;
        const complete = body;
        body = undefined;
        filled = 0;
        if (complete) onMessage(kind, complete);
      }
    }
  };
  const beginMessage = (): void => {
    const longest = longestBody[kind];
    const isFixed = kind !== Kind.piece && kind !== Kind.hello && kind !== Kind.refused;
    if (longest === undefined || length > longest || (isFixed && length !== longest)) {
      throw new MalformedFrame(`message of kind ${kind} and ${length} bytes is none of this protocol's`);
    }
    if (kind === Kind.piece) expected(listener?.piece, kind).call(listener, length);
    else body = new Uint8Array(length);
  };

  stream.addEventListener("message", ({ data }) => {
    if (ending) return;
    heard++;
    guarded(() => {
      if (data instanceof Uint8Array) read(data);
      else for (const part of data) read(part);
    });
    for (const resume of onHeard.splice(0)) resume();
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
    hello,
    listen(next) {
      listener = next;
      if (ending) next.ended(ending);
      const held = early;
      early = undefined;
      if (held) guarded(() => onMessage(Kind.taken, held));
    },
    sendHello(ours) {
      const bytes = encodeHello(ours);
      write(listOf(messageHeader(Kind.hello, bytes.length), bytes));
    },
    send: (kind, ...values) => write(message(kind, ...values)),
    sendList: write,
    async isAlive(deadlineMs) {
      if (ending) return false;
      const before = heard;
      await new Promise<void>((resolve) => {
        const cancel = clock.after(deadlineMs, resolve);
        const resume = () => {
          cancel();
          resolve();
        };
        onHeard.push(resume);
        onEnd.push(resume);
        write(message(Kind.ping));
      });
      return !ending && heard > before;
    },
    beat() {
      if (ending) return;
      if (heard !== heardAtLastBeat) missedBeats = 0;
      else if (missedBeats++ >= MAX_MISSED_HEARTBEATS) {
        end({ kind: "broken", reason: `no sign of life for ${missedBeats} heartbeats` });
        return;
      }
      heardAtLastBeat = heard;
      if (!stream.writableNeedsDrain) write(message(Kind.ping));
    },
    async leave() {
      if (ending) return;
      saidGoodbye = true;
      const ended = new Promise<void>((resolve) => onEnd.push(resolve));
      write(message(Kind.leaving));
      await ended;
    },
    refuse: (refusal) => refuse(refusal, refusal.code === "violation" ? "violation" : "broken"),
    abort: (reason) => end({ kind: "broken", reason }),
  };
}

/** Why a wait on a channel ended without what it waited for. */
export class ChannelEnded extends Error {
  constructor(readonly ending: Ending) {
    super(ending.reason);
  }
}

function expected<T>(method: T | undefined, kind: Kind): T {
  if (method === undefined) throw new MalformedFrame(`message of kind ${kind} is out of place here`);
  return method;
}
