/** What a running peer states of itself, and of the edge between them, to a neighbour that asks: for `murmur doctor`. */
import type { Connection, Libp2p, PeerId, Stream } from "@libp2p/interface";
import { z } from "zod";
import { activityNames, type Chain, MAX_CHAIN } from "../../exchange/waiting.js";
import { MalformedFrame } from "../../foundation/errors.js";
import { printable } from "../../foundation/printable.js";
import { decodeAnswer, encodeAnswer, readAnswer, sendAnswer } from "./answer.js";
import { MAX_REASON_CHARACTERS, MAX_STATUS_BYTES, MAX_STREAMS_PER_CONNECTION, PROTOCOL } from "./limits.js";
import type { Standing } from "./standing.js";

export const STATUS_PROTOCOL = `${PROTOCOL}/status`;

export interface PeerStatus {
  /** The round that the peer is in, from 0; absent before its first. */
  readonly round?: number | undefined;
  /** What it does, and the peers that it waits for. */
  readonly chain: Chain;
  /** Its edge to the peer that asks. */
  readonly edge: {
    readonly isConnected: boolean;
    /** Why it is not connected, as far as the peer knows. */
    readonly reason: string;
  };
}

const uint32 = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);
const waiter = z.strictObject({ peer: uint32, activity: z.enum(activityNames), forMs: z.number().min(0) });
const statusSchema = z.strictObject({
  round: uint32.optional(),
  chain: z.tuple([waiter], waiter).refine((chain) => chain.length <= MAX_CHAIN),
  edge: z.strictObject({ isConnected: z.boolean(), reason: z.string().max(MAX_REASON_CHARACTERS) }),
});

/** The edge, as its end states it to the other. */
export function edgeStatus({ isConnected, reason }: Standing): PeerStatus["edge"] {
  return { isConnected, reason: reason.slice(0, MAX_REASON_CHARACTERS) };
}

/**
 * From now on neighbours may ask.
 * @param statusFor the status for a peer; undefined where it is not a neighbour
 */
export async function answerStatus(
  node: Libp2p,
  statusFor: (peerId: PeerId) => PeerStatus | undefined,
): Promise<void> {
  const respond = (stream: Stream, { remotePeer }: Connection) => {
    const status = statusFor(remotePeer);
    if (status) sendAnswer(stream, encodeAnswer(status));
    else stream.abort(new Error("not a neighbour"));
  };
  await node.handle(STATUS_PROTOCOL, respond, { maxInboundStreams: MAX_STREAMS_PER_CONNECTION });
}

/** Reads the other end's status. Rejects with MalformedFrame, or with what ended the stream. */
export function readStatus(stream: Stream): Promise<PeerStatus> {
  return readAnswer(stream, decodeStatus);
}

/** @returns undefined while bytes are missing. @throws MalformedFrame */
export function decodeStatus(bytes: Uint8Array): PeerStatus | undefined {
  return decodeAnswer(bytes, MAX_STATUS_BYTES, notValid, (content) => {
    const { edge, ...status } = statusSchema.parse(content);
    return { ...status, edge: { ...edge, reason: printable(edge.reason) } };
  });
}

const notValid = (length: number, cause?: unknown) =>
  new MalformedFrame(`status of ${length} bytes is not valid in this protocol`, {
    code: "status-not-valid",
    cause,
  });
