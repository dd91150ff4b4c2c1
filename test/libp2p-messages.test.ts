import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MalformedFrame } from "../src/foundation/errors.js";
import { encodeHeartbeat, MAX_HEARTBEAT_BYTES } from "../src/transports/libp2p/heartbeat.js";
import { encodeHello, encodeRefusal, type Hello } from "../src/transports/libp2p/hello.js";
import { MAX_HELLO_BYTES } from "../src/transports/libp2p/limits.js";
import {
  createMessageReader,
  Kind,
  MAX_PIECE_BODY_BYTES,
  MESSAGE_HEADER_BYTES,
  type MessageReader,
  message,
  messageHeader,
} from "../src/transports/libp2p/messages.js";

import { chains } from "./support/chains.js";

/** What a reader reads, as text; the bytes of one piece are joined. */
interface Record {
  readonly reader: MessageReader;
  readonly read: string[];
}

function record(onMessage: (reader: MessageReader) => void = () => {}): Record {
  const read: string[] = [];
  const note =
    (kind: string) =>
    (...values: unknown[]) => {
      read.push(`${kind} ${JSON.stringify(values)}`);
      onMessage(reader);
    };
  const reader = createMessageReader({
    hello: note("hello"),
    refused: note("refused"),
    frame: note("frame"),
    piece: note("piece"),
    bytes(part) {
      expect(part.length).toBeGreaterThan(0);
      read[read.length - 1] += Buffer.from(part).toString("hex");
    },
    credit: note("credit"),
    taken: note("taken"),
    ping: (chain) => note("ping")(...(chain ? [chain] : [])),
    pong: note("pong"),
    leaving: note("leaving"),
    done: note("done"),
  });
  return { reader, read };
}

/** Reads the parts one after the other. @returns what was read, and the error that ended it */
function readAll(parts: readonly Uint8Array[]): { readonly read: string[]; readonly error?: Error } {
  const { reader, read } = record();
  try {
    for (const part of parts) reader.read(part);
    return { read };
  } catch (error) {
    // A reader that failed reads nothing more.
    const before = read.length;
    reader.read(message(Kind.ping));
    expect(read.length).toBe(before);
    return { read, error: error as Error };
  }
}

/** The bytes cut at these places. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, k) => bytes.subarray(k === 0 ? 0 : ends[k - 1]!, end));
}

const cuts = fc.array(fc.nat(), { maxLength: 12 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const withBody = (kind: Kind, body: Uint8Array) =>
  Uint8Array.of(...messageHeader(kind, body.length), ...body);
const hellos = fc.record<Hello>({
  version: fc.integer({ min: 0, max: 65536 }),
  id: uint32,
  instance: fc.string({ minLength: 1, maxLength: 64 }),
  fingerprint: fc.dictionary(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
  epoch: uint32,
  sequence: uint32,
});

/** Any valid message: its bytes, and what a reader reads of it. */
const messages = fc.oneof(
  hellos.map(
    (hello) => [withBody(Kind.hello, encodeHello(hello)), `hello ${JSON.stringify([hello])}`] as const,
  ),
  fc
    .string({ maxLength: 40 })
    .filter((reason) => !/[^\x20-\x7e]/.test(reason))
    .map((reason) => {
      const refusal = { code: "refused", reason } as const;
      return [
        withBody(Kind.refused, encodeRefusal(refusal)),
        `refused ${JSON.stringify([refusal])}`,
      ] as const;
    }),
  fc
    .tuple(uint32, uint32)
    .map((values) => [message(Kind.frame, ...values), `frame ${JSON.stringify(values)}`] as const),
  fc.uint8Array({ maxLength: 40 }).map((body) => {
    const text = `piece [${body.length}]${Buffer.from(body).toString("hex")}`;
    return [withBody(Kind.piece, body), text] as const;
  }),
  uint32.map((value) => [message(Kind.credit, value), `credit [${value}]`] as const),
  uint32.map((value) => [message(Kind.taken, value), `taken [${value}]`] as const),
  fc.constant([message(Kind.ping), "ping []"] as const),
  chains.map(
    (chain) => [withBody(Kind.ping, encodeHeartbeat(chain)), `ping ${JSON.stringify([chain])}`] as const,
  ),
  fc.constant([message(Kind.pong), "pong []"] as const),
  fc.constant([message(Kind.leaving), "leaving []"] as const),
  fc.constant([message(Kind.done), "done []"] as const),
);

/** Messages, one of them damaged in one byte. */
const damaged = fc
  .tuple(fc.array(messages, { minLength: 1, maxLength: 4 }), fc.nat(), fc.nat({ max: 255 }))
  .map(([list, at, value]) => {
    const bytes = Uint8Array.from(list.flatMap(([each]) => [...each]));
    bytes[at % bytes.length] = value;
    return bytes;
  });

describe("a reader of messages", () => {
  it("reads what was written, in whatever parts it arrives", () => {
    fc.assert(
      fc.property(fc.array(messages, { maxLength: 6 }), cuts, (list, places) => {
        const bytes = Uint8Array.from(list.flatMap(([each]) => [...each]));
        expect(readAll(split(bytes, places))).toEqual({ read: list.map(([, text]) => text) });
      }),
    );
  });

  it("reads arbitrary bytes as messages or fails with MalformedFrame, the same in whatever parts they arrive", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), damaged), cuts, (bytes, places) => {
        const whole = readAll([bytes]);
        if (whole.error) expect(whole.error).toBeInstanceOf(MalformedFrame);
        expect(readAll(split(bytes, places))).toEqual(whole);
      }),
      { numRuns: 2000 },
    );
  });

  it("reads nothing after it was stopped, also in the middle of a part", () => {
    fc.assert(
      fc.property(fc.array(messages, { minLength: 2, maxLength: 6 }), fc.nat({ max: 4 }), (list, last) => {
        const { reader, read } = record((each) => {
          if (read.length > last) each.stop();
        });
        reader.read(Uint8Array.from(list.flatMap(([each]) => [...each])));
        expect(read.length).toBe(Math.min(list.length, last + 1));
      }),
    );
  });

  it.each([
    [Kind.hello, MAX_HELLO_BYTES],
    [Kind.refused, MAX_HELLO_BYTES],
    [Kind.piece, MAX_PIECE_BODY_BYTES],
    [Kind.frame, 8],
    [Kind.credit, 4],
    [Kind.taken, 4],
    [Kind.ping, MAX_HEARTBEAT_BYTES],
    [Kind.pong, 0],
    [Kind.leaving, 0],
    [Kind.done, 0],
  ])("refuses a message of kind %i longer than %i bytes before its body", (kind, longest) => {
    expect(readAll([messageHeader(kind, longest)]).error?.message ?? "").not.toMatch(
      /not valid in this protocol/,
    );
    expect(readAll([messageHeader(kind, longest + 1)]).error).toBeInstanceOf(MalformedFrame);
  });

  it("and a writer agree on the bytes of done", () => {
    expect(Buffer.from(message(Kind.done)).toString("hex")).toBe("0a000000");
    expect(readAll([Uint8Array.of(0x0a, 0, 0, 0)])).toEqual({ read: ["done []"] });
  });

  it("refuses other kinds", () => {
    for (const kind of [0, 11, 255]) {
      expect(readAll([Uint8Array.of(kind, 0, 0, 0)]).error).toBeInstanceOf(MalformedFrame);
    }
    expect(readAll([Uint8Array.of(77).subarray(0, MESSAGE_HEADER_BYTES - 1)])).toEqual({ read: [] });
  });
});
