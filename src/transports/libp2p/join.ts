/**
 * How a peer that has no state comes into a run that is under way: it asks its neighbours, on a stream of a protocol of
 * its own, until one of them is in an epoch that begins with it. The answer is its length, uint32, little-endian, and
 * JSON.
 */
import type { Connection, Libp2p, PeerId, Stream } from "@libp2p/interface";
import { Uint8ArrayList } from "uint8arraylist";
import { z } from "zod";
import { MalformedFrame } from "../../foundation/errors.js";
import { printable } from "../../foundation/printable.js";
import { MAX_JOIN_BYTES, MAX_REASON_CHARACTERS, MAX_STREAMS_PER_CONNECTION, PROTOCOL } from "./limits.js";

export const JOIN_PROTOCOL = `${PROTOCOL}/join`;

const PIECE_BYTES = 64 * 1024;
const LENGTH_BYTES = 4;

const reason = z.string().max(MAX_REASON_CHARACTERS);
const answerSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("wait"), reason }),
  z.strictObject({ kind: z.literal("refused"), reason }),
  z.strictObject({
    kind: z.literal("epoch"),
    number: z.int().min(1),
    firstRound: z.int().min(1),
    newcomers: z.array(z.int().min(0)),
    topology: z.unknown(),
  }),
]);

export type JoinAnswer =
  /** The run is not ready to take the peer in: it asks again. */
  | { readonly kind: "wait"; readonly reason: string }
  | { readonly kind: "refused"; readonly reason: string }
  | {
      readonly kind: "epoch";
      readonly number: number;
      readonly firstRound: number;
      readonly newcomers: readonly number[];
      /** Settings that `parseTopology` reads. */
      readonly topology: unknown;
    };

/** From now on peers may ask. The node refuses connections of those that must not. */
export async function answerJoins(node: Libp2p, answer: (peerId: PeerId) => JoinAnswer): Promise<void> {
  const respond = (stream: Stream, { remotePeer }: Connection) => {
    const bytes = encodeJoinAnswer(answer(remotePeer));
    try {
      for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
        stream.send(bytes.subarray(start, start + PIECE_BYTES));
      }
    } catch {
      // The stream is gone: the peer that asked asks again.
    }
    void stream.close().catch(() => {});
  };
  await node.handle(JOIN_PROTOCOL, respond, { maxInboundStreams: MAX_STREAMS_PER_CONNECTION });
}

/** Reads an answer. Rejects with MalformedFrame, or with what ended the stream. */
export function readJoinAnswer(stream: Stream): Promise<JoinAnswer> {
  return new Promise((resolve, reject) => {
    const received = new Uint8ArrayList();
    stream.addEventListener("message", ({ data }) => {
      received.append(data);
      try {
        const answer = decodeJoinAnswer(received.subarray());
        if (answer) resolve(answer);
      } catch (error) {
        reject(error);
      }
    });
    stream.addEventListener("close", ({ error }) => reject(error ?? new Error("the stream was closed")));
  });
}

export function encodeJoinAnswer(answer: JoinAnswer): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(answer));
  const bytes = new Uint8Array(LENGTH_BYTES + text.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}

/** @returns undefined while bytes are missing. @throws MalformedFrame */
export function decodeJoinAnswer(bytes: Uint8Array): JoinAnswer | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const text = bytes.subarray(LENGTH_BYTES);
  if (length > MAX_JOIN_BYTES || text.length > length) throw notValid(length);
  if (text.length < length) return undefined;
  try {
    const answer = answerSchema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text)));
    return answer.kind === "epoch" ? answer : { ...answer, reason: printable(answer.reason) };
  } catch (cause) {
    throw notValid(length, cause);
  }
}

const notValid = (length: number, cause?: unknown) =>
  new MalformedFrame(`answer of ${length} bytes to a request to join is not valid in this protocol`, {
    code: "join-answer-not-valid",
    cause,
  });
