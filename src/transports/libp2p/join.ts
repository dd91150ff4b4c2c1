/**
 * How a peer that has no state comes into a run that is under way: it asks its neighbours, on a stream of a protocol of
 * its own, until one of them is in an epoch that begins with it.
 */
import type { Connection, Libp2p, PeerId, Stream } from "@libp2p/interface";
import { z } from "zod";
import { MalformedFrame } from "../../foundation/errors.js";
import { printable } from "../../foundation/printable.js";
import { decodeAnswer, encodeAnswer, readAnswer, sendAnswer } from "./answer.js";
import { MAX_JOIN_BYTES, MAX_REASON_CHARACTERS, MAX_STREAMS_PER_CONNECTION, PROTOCOL } from "./limits.js";

export const JOIN_PROTOCOL = `${PROTOCOL}/join`;

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
  const respond = (stream: Stream, { remotePeer }: Connection) =>
    sendAnswer(stream, encodeJoinAnswer(answer(remotePeer)));
  await node.handle(JOIN_PROTOCOL, respond, { maxInboundStreams: MAX_STREAMS_PER_CONNECTION });
}

/** Reads an answer. Rejects with MalformedFrame, or with what ended the stream. */
export function readJoinAnswer(stream: Stream): Promise<JoinAnswer> {
  return readAnswer(stream, decodeJoinAnswer);
}

export function encodeJoinAnswer(answer: JoinAnswer): Uint8Array {
  return encodeAnswer(answer);
}

/** @returns undefined while bytes are missing. @throws MalformedFrame */
export function decodeJoinAnswer(bytes: Uint8Array): JoinAnswer | undefined {
  return decodeAnswer(bytes, MAX_JOIN_BYTES, notValid, (content) => {
    const answer = answerSchema.parse(content);
    return answer.kind === "epoch" ? answer : { ...answer, reason: printable(answer.reason) };
  });
}

const notValid = (length: number, cause?: unknown) =>
  new MalformedFrame(`answer of ${length} bytes to a request to join is not valid in this protocol`, {
    code: "join-answer-not-valid",
    cause,
  });
