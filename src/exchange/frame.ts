/**
 * The wire. One frame is one half of a numbered exchange on an edge: a 12-byte header, then a payload.
 * Little-endian:
 *
 *     byte 0       version, 2
 *     byte 1       kind, 1 = learning round, 2 = closing consensus
 *     byte 2       step: which of the round's exchanges this is, from 0
 *     byte 3       zero
 *     bytes 4–7    round, uint32
 *     bytes 8–11   number of the exchange on its edge, uint32, from 0
 *     bytes 12–    payload
 *
 * Whatever carries frames delimits them and keeps them whole.
 */
import { MalformedFrame } from "../foundation/errors.js";

export const FRAME_VERSION = 2;
export const FRAME_HEADER_BYTES = 12;
/** Most rounds a run may have, and most exchanges of an edge: both travel as uint32. */
export const MAX_ROUND = 2 ** 32 - 1;
/** Most exchanges of one round on one edge: steps travel as a byte. */
export const MAX_STEPS = 256;

const kinds = ["learning", "closing"] as const;
export type FrameKind = (typeof kinds)[number];

export interface Frame {
  readonly kind: FrameKind;
  readonly round: number;
  readonly step: number;
  /** Number of the exchange on its edge. */
  readonly exchange: number;
  readonly payload: Uint8Array;
}

/** Bytes of a frame with this payload. */
export function frameBytes(payload: Uint8Array): number {
  return FRAME_HEADER_BYTES + payload.length;
}

/** The header alone, for carriers that send header and payload without joining them. */
export function encodeHeader({ kind, round, step, exchange }: Frame): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  header[0] = FRAME_VERSION;
  header[1] = kinds.indexOf(kind) + 1;
  header[2] = step;
  const view = new DataView(header.buffer);
  view.setUint32(4, round, true);
  view.setUint32(8, exchange, true);
  return header;
}

/** Header and payload in one new array. */
export function encodeFrame(frame: Frame): Uint8Array {
  const bytes = new Uint8Array(frameBytes(frame.payload));
  bytes.set(encodeHeader(frame));
  bytes.set(frame.payload, FRAME_HEADER_BYTES);
  return bytes;
}

/**
 * Reads a frame; the payload is a view of `bytes`.
 *
 * @param maximumPayloadBytes what the receiver's compressor may take at most
 * @throws MalformedFrame another version, an unknown kind, a truncated header or a payload that is too long
 */
export function decodeFrame(bytes: Uint8Array, maximumPayloadBytes: number): Frame {
  if (bytes.length < FRAME_HEADER_BYTES) {
    throw new MalformedFrame(
      `frame of ${bytes.length} bytes is shorter than its header of ${FRAME_HEADER_BYTES}`,
      { code: "frame-truncated" },
    );
  }
  if (bytes[0] !== FRAME_VERSION) {
    throw new MalformedFrame(
      `frame version ${bytes[0]} instead of ${FRAME_VERSION}: run the same version everywhere`,
      { code: "frame-version" },
    );
  }
  const kind = kinds[bytes[1]! - 1];
  if (kind === undefined || bytes[3] !== 0) {
    throw new MalformedFrame(
      `frame header ${[...bytes.subarray(0, 4)].join(" ")} is not valid in version ${FRAME_VERSION}`,
      { code: "frame-header" },
    );
  }
  const payload = bytes.subarray(FRAME_HEADER_BYTES);
  if (payload.length > maximumPayloadBytes) {
    throw new MalformedFrame(
      `payload of ${payload.length} bytes exceeds this model's limit of ${maximumPayloadBytes}`,
      { code: "frame-payload-length" },
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    kind,
    round: view.getUint32(4, true),
    step: bytes[2]!,
    exchange: view.getUint32(8, true),
    payload,
  };
}
