/**
 * The messages of one stream, read and written without any IO. Each is a 4-byte header and a body:
 *
 *     byte 0      kind
 *     bytes 1–3   length of the body, uint24, little-endian
 *     bytes 4–    body
 *
 *     1 hello     JSON; the first message in each direction
 *     2 refused   JSON; the last message of an end that ends the stream for a reason
 *     3 frame     sequence uint32, length uint32: a frame of this length begins
 *     4 piece     bytes of that frame; all but the last have PIECE_BYTES with their header
 *     5 credit    uint32: bytes of pieces that have been received since the last credit
 *     6 taken     sequence uint32: this frame is confirmed; the next may begin
 *     7 ping      what its sender does (heartbeat.ts), or nothing; answered by 8 pong
 *     9 leaving   answered by leaving; the stream is over
 *    10 done      its sender needs nothing more of this edge, and stays for as long as the other end does
 *
 * A stream carries frames one way, from the end that opened it; hello, refused, ping, pong, leaving and done go
 * both ways, credit and taken the other way.
 */
import { Uint8ArrayList } from "uint8arraylist";
import type { Chain } from "../../exchange/waiting.js";
import { MalformedFrame } from "../../foundation/errors.js";
import { decodeHeartbeat, MAX_HEARTBEAT_BYTES } from "./heartbeat.js";
import { decodeHello, decodeRefusal, type Hello, type HelloRefusal } from "./hello.js";
import { MAX_HELLO_BYTES, PIECE_BYTES } from "./limits.js";

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
  done: 10,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Shortest and longest body by kind; a header outside these bounds is refused before its body is read. */
const bodyBytes: readonly (readonly [number, number] | undefined)[] = [
  undefined,
  [0, MAX_HELLO_BYTES],
  [0, MAX_HELLO_BYTES],
  [8, 8],
  [0, MAX_PIECE_BODY_BYTES],
  [4, 4],
  [4, 4],
  [0, MAX_HEARTBEAT_BYTES],
  [0, 0],
  [0, 0],
  [0, 0],
];

/** The header alone, for bodies that are sent without being copied. */
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

/** Gathers views into one list, to be written in one call. */
export function listOf(...parts: readonly Uint8Array[]): Uint8ArrayList {
  return new Uint8ArrayList(...parts);
}

/** One call per message, and one per part of a piece. */
export interface MessageReceiver {
  hello(hello: Hello): void;
  refused(refusal: HelloRefusal): void;
  frame(sequence: number, length: number): void;
  /** A piece of this many bytes begins. */
  piece(length: number): void;
  /** Bytes of the piece, in as many parts as they arrived in; valid during the call only. */
  bytes(part: Uint8Array): void;
  credit(bytes: number): void;
  taken(sequence: number): void;
  /** @param chain what the other end does; undefined where it does not say */
  ping(chain: Chain | undefined): void;
  pong(): void;
  leaving(): void;
  done(): void;
}

export interface MessageReader {
  /**
   * Reads what arrived, in parts of any size. After an error it reads nothing more.
   * @throws MalformedFrame what is not a message, and whatever the receiver throws
   */
  read(part: Uint8Array): void;
  /** Ignores everything from now on, also the rest of a part that is being read. */
  stop(): void;
}

/** A reader that keeps no more than one short message; pieces are passed on as they arrive. */
export function createMessageReader(receiver: MessageReceiver): MessageReader {
  const header = new Uint8Array(MESSAGE_HEADER_BYTES);
  let headerFilled = 0;
  let kind: Kind = Kind.pong;
  let length = 0;
  /** Body of the current message, unless it is a piece. */
  let body = new Uint8Array(0);
  let filled = 0;
  let isStopped = false;

  const begin = (): void => {
    kind = header[0] as Kind;
    length = header[1]! | (header[2]! << 8) | (header[3]! << 16);
    const [shortest, longest] = bodyBytes[kind] ?? [1, 0];
    if (length < shortest || length > longest) {
      throw new MalformedFrame(`message of kind ${kind} and ${length} bytes is not valid in this protocol`, {
        code: "message-not-valid",
      });
    }
    if (kind === Kind.piece) receiver.piece(length);
    else body = new Uint8Array(length);
  };

  const continueHeader = (byte: number): void => {
    header[headerFilled++] = byte;
    if (headerFilled === MESSAGE_HEADER_BYTES) begin();
  };
  const continueBody = (part: Uint8Array): void => {
    if (kind === Kind.piece) receiver.bytes(part);
    else body.set(part, filled);
    filled += part.length;
  };
  const endOfMessage = (): void => {
    headerFilled = 0;
    filled = 0;
    if (kind !== Kind.piece) dispatch(kind, body, receiver);
  };

  const readAll = (part: Uint8Array): void => {
    let offset = 0;
    while (offset < part.length && !isStopped) {
      if (headerFilled < MESSAGE_HEADER_BYTES) {
        continueHeader(part[offset++]!);
      } else {
        const end = Math.min(part.length, offset + length - filled);
        continueBody(part.subarray(offset, end));
        offset = end;
      }
      if (headerFilled === MESSAGE_HEADER_BYTES && filled === length && !isStopped) endOfMessage();
    }
  };
  return {
    read(part) {
      try {
        readAll(part);
      } catch (error) {
        isStopped = true;
        throw error;
      }
    },
    stop() {
      isStopped = true;
    },
  };
}

function dispatch(kind: Kind, body: Uint8Array, receiver: MessageReceiver): void {
  const view = new DataView(body.buffer);
  if (kind === Kind.hello) receiver.hello(decodeHello(body));
  else if (kind === Kind.refused) receiver.refused(decodeRefusal(body));
  else if (kind === Kind.frame) receiver.frame(view.getUint32(0, true), view.getUint32(4, true));
  else if (kind === Kind.credit) receiver.credit(view.getUint32(0, true));
  else if (kind === Kind.taken) receiver.taken(view.getUint32(0, true));
  else if (kind === Kind.ping) receiver.ping(decodeHeartbeat(body));
  else if (kind === Kind.pong) receiver.pong();
  else if (kind === Kind.leaving) receiver.leaving();
  else if (kind === Kind.done) receiver.done();
}
