/**
 * The wire. One frame is one half of a numbered exchange on an edge: a 12-byte header, then a payload.
 * Little-endian:
 *
 *     byte 0       version, 3
 *     byte 1       kind, 1 = learning round, 2 = closing consensus, 3 = welcome, 4 = reduction
 *     byte 2       step: which of the round's exchanges this is, from 0
 *     byte 3       bit 0: a notice stands before the payload; bits 1–4: how often the sender has halved η
 *     bytes 4–7    round, uint32
 *     bytes 8–11   number of the exchange on its edge, uint32, from 0
 *     then         with a notice: its length, uint32, and the notice
 *     then         payload
 *
 * Whatever carries frames delimits them and keeps them whole.
 */
import { MalformedFrame } from "../foundation/errors.js";

export const FRAME_VERSION = 3;
export const FRAME_HEADER_BYTES = 12;
/** Most rounds a run may have, and most exchanges of an edge: both travel as uint32. */
export const MAX_ROUND = 2 ** 32 - 1;
/** Most exchanges of one round on one edge: steps travel as a byte. */
export const MAX_STEPS = 256;
/** Most often that a peer halves η: the number travels in four bits. */
export const MAX_HALVINGS = 15;
/** Most bytes of a notice. */
export const MAX_NOTICE_BYTES = 64 * 1024;
/** Most bytes of a frame beside its payload. */
export const MAX_HEADER_BYTES = FRAME_HEADER_BYTES + 4 + MAX_NOTICE_BYTES;

/** What an exchange belongs to; `welcome` gives newcomers a model, `reduction` brings together what all peers hold. */
export const frameKinds = ["learning", "closing", "welcome", "reduction"] as const;
/** What a frame is for: training rounds, the closing consensus, a model for a new peer, or a sum over a tree of the graph. */
export type FrameKind = (typeof frameKinds)[number];

/** One half of an exchange, as it travels. */
export interface Frame {
  readonly kind: FrameKind;
  readonly round: number;
  readonly step: number;
  /** Number of the exchange on its edge. */
  readonly exchange: number;
  readonly payload: Uint8Array;
  /** How often the sender has halved η (rate-guard.ts), up to `MAX_HALVINGS`; 0 where left out. */
  readonly halvings?: number | undefined;
  /** What the sender has learned about the run's members (membership/); at most `MAX_NOTICE_BYTES`. */
  readonly notice?: Uint8Array;
}

/** The header alone, its notice included, for carriers that send header and payload without joining them. */
export function encodeHeader(frame: Frame): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(headerBytes(frame));
  writeHeader(frame, header);
  return header;
}

/** Bytes of a frame on the wire. */
export const frameBytes = (frame: Frame): number => headerBytes(frame) + frame.payload.length;

/** Header and payload in one new array. */
export function encodeFrame(frame: Frame): Uint8Array {
  const bytes = new Uint8Array(frameBytes(frame));
  encodeFrameInto(frame, bytes);
  return bytes;
}

/** @param bytes as long as `frameBytes` states */
export function encodeFrameInto(frame: Frame, bytes: Uint8Array): void {
  writeHeader(frame, bytes);
  bytes.set(frame.payload, headerBytes(frame));
}

const headerBytes = ({ notice }: Frame): number => FRAME_HEADER_BYTES + (notice ? 4 + notice.length : 0);

function writeHeader({ kind, round, step, exchange, notice, halvings = 0 }: Frame, bytes: Uint8Array): void {
  bytes[0] = FRAME_VERSION;
  bytes[1] = frameKinds.indexOf(kind) + 1;
  bytes[2] = step;
  bytes[3] = 2 * halvings + (notice ? 1 : 0);
  writeUint32(bytes, 4, round);
  writeUint32(bytes, 8, exchange);
  if (!notice) return;
  writeUint32(bytes, FRAME_HEADER_BYTES, notice.length);
  bytes.set(notice, FRAME_HEADER_BYTES + 4);
}

// Little-endian, without a view for every frame.
function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  for (let k = 0; k < 4; k++) bytes[at + k] = value >>> (8 * k);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/**
 * Reads a frame; payload and notice are views of `bytes`.
 *
 * @param maximumPayloadBytes what the receiver's compressor may take at most
 * @throws MalformedFrame another version, an unknown kind, a truncated header, or a notice or payload that is too long
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
  const kind = frameKinds[bytes[1]! - 1];
  if (kind === undefined || bytes[3]! > 2 * MAX_HALVINGS + 1) {
    throw new MalformedFrame(
      `frame header ${[...bytes.subarray(0, 4)].join(" ")} is not valid in version ${FRAME_VERSION}`,
      { code: "frame-header" },
    );
  }
  const halvings = bytes[3]! >> 1;
  const noticeBytes = bytes[3]! & 1 ? readNoticeBytes(bytes) : undefined;
  const payloadAt = FRAME_HEADER_BYTES + (noticeBytes === undefined ? 0 : 4 + noticeBytes);
  const payload = bytes.subarray(payloadAt);
  if (payload.length > maximumPayloadBytes) {
    throw new MalformedFrame(
      `payload of ${payload.length} bytes exceeds this model's limit of ${maximumPayloadBytes}`,
      { code: "frame-payload-length" },
    );
  }
  return {
    kind,
    round: readUint32(bytes, 4),
    step: bytes[2]!,
    exchange: readUint32(bytes, 8),
    payload,
    ...(halvings > 0 && { halvings }),
    ...(noticeBytes !== undefined && { notice: bytes.subarray(FRAME_HEADER_BYTES + 4, payloadAt) }),
  };
}

/** @throws MalformedFrame */
function readNoticeBytes(bytes: Uint8Array): number {
  const rest = bytes.length - FRAME_HEADER_BYTES - 4;
  const length = rest < 0 ? 0 : readUint32(bytes, FRAME_HEADER_BYTES);
  if (length > 0 && length <= Math.min(rest, MAX_NOTICE_BYTES)) return length;
  throw new MalformedFrame(
    `frame of ${bytes.length} bytes announces a notice of ${length}; it has 1 to ${MAX_NOTICE_BYTES}, all of them in the frame`,
    { code: "frame-notice" },
  );
}
