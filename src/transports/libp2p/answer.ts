/** One answer on a stream of its own, which ends with it: its length, uint32, little-endian, and JSON. */
import type { Stream } from "@libp2p/interface";
import { Uint8ArrayList } from "uint8arraylist";
import type { MalformedFrame } from "../../foundation/errors.js";

const PIECE_BYTES = 64 * 1024;
const LENGTH_BYTES = 4;

export function encodeAnswer(answer: unknown): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(answer));
  const bytes = new Uint8Array(LENGTH_BYTES + text.length);
  new DataView(bytes.buffer).setUint32(0, text.length, true);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}

/** Sends an encoded answer and closes the stream. */
export function sendAnswer(stream: Stream, bytes: Uint8Array): void {
  try {
    for (let start = 0; start < bytes.length; start += PIECE_BYTES) {
      stream.send(bytes.subarray(start, start + PIECE_BYTES));
    }
  } catch {
    // The stream is gone: the peer that asked asks again.
  }
  void stream.close().catch(() => {});
}

/**
 * Reads one answer. Rejects with what `decode` throws, or with what ended the stream.
 * @param decode returns undefined while bytes are missing
 */
export function readAnswer<Answer>(
  stream: Stream,
  decode: (bytes: Uint8Array) => Answer | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const received = new Uint8ArrayList();
    stream.addEventListener("message", ({ data }) => {
      received.append(data);
      try {
        const answer = decode(received.subarray());
        if (answer) resolve(answer);
      } catch (error) {
        reject(error);
      }
    });
    stream.addEventListener("close", ({ error }) => reject(error ?? new Error("the stream was closed")));
  });
}

/**
 * @param parse makes the answer of its JSON; what it throws is the cause of the error
 * @returns undefined while bytes are missing
 * @throws MalformedFrame longer than `maxBytes`, no JSON, or not what `parse` takes
 */
export function decodeAnswer<Answer>(
  bytes: Uint8Array,
  maxBytes: number,
  notValid: (length: number, cause?: unknown) => MalformedFrame,
  parse: (content: unknown) => Answer,
): Answer | undefined {
  if (bytes.length < LENGTH_BYTES) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const text = bytes.subarray(LENGTH_BYTES);
  if (length > maxBytes || text.length > length) throw notValid(length);
  if (text.length < length) return undefined;
  try {
    return parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text)));
  } catch (cause) {
    throw notValid(length, cause);
  }
}
