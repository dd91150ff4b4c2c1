/**
 * A journal as a file: records one after the other, each with its length and a tag of its bytes. What a killed process
 * left of its last record is cut off when the file is opened again.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { decodeFrame, encodeHeader, FRAME_HEADER_BYTES } from "../../../exchange/frame.js";
import { type JournalRecord, payloadTag } from "../../../exchange/journal.js";
import { MalformedFrame } from "../../../foundation/errors.js";

/** Length and tag, uint32 each. */
const PREFIX_BYTES = 8;
const KINDS = ["offered", "took", "received", "lost", "notice", "acknowledged"] as const;
/** Of the body of a received frame, before its payload and without a notice: kind, peer and the frame's header. */
const RECEIVED_BYTES = 8 + FRAME_HEADER_BYTES;

export interface JournalFile {
  /** Writes a record. Its payload is not copied. @returns its bytes. @throws what the system says; the file is as before then */
  append(record: JournalRecord): number;
  sync(): void;
  close(): void;
}

/** Opens a journal to go on with, and cuts off a torn end. */
export function openJournal(path: string): JournalFile {
  const file = openSync(path, "a+");
  let end = scan(file).end;
  ftruncateSync(file, end);
  return {
    append(record) {
      const head = encodeHead(record);
      const payload = payloadOf(record);
      try {
        for (const part of [head, payload]) {
          for (let start = 0; start < part.length; ) start += writeSync(file, part, start);
        }
      } catch (error) {
        ftruncateSync(file, end);
        throw error;
      }
      end += head.length + payload.length;
      return head.length + payload.length;
    },
    sync: () => fsyncSync(file),
    close: () => closeSync(file),
  };
}

/** Every whole record of a journal, and whether something torn follows them. */
export function readJournal(path: string): { readonly records: JournalRecord[]; readonly isTorn: boolean } {
  const file = openSync(path, "r");
  try {
    const { records, end } = scan(file);
    return { records, isTorn: end < fstatSync(file).size };
  } finally {
    closeSync(file);
  }
}

function scan(file: number): { records: JournalRecord[]; end: number } {
  const { size } = fstatSync(file);
  const records: JournalRecord[] = [];
  const prefix = Buffer.alloc(PREFIX_BYTES);
  let end = 0;
  while (end + PREFIX_BYTES <= size) {
    readSync(file, prefix, 0, PREFIX_BYTES, end);
    const length = prefix.readUInt32LE(0);
    if (end + PREFIX_BYTES + length > size) break;
    const bytes = Buffer.from(new ArrayBuffer(length));
    readSync(file, bytes, 0, length, end + PREFIX_BYTES);
    const record = isIntact(bytes, prefix.readUInt32LE(4)) ? decodeRecord(bytes) : undefined;
    if (!record) break;
    records.push(record);
    end += PREFIX_BYTES + length;
  }
  return { records, end };
}

const none = new Uint8Array(0);
const payloadOf = (record: JournalRecord): Uint8Array => {
  if (record.kind === "received") return record.frame.payload;
  return record.kind === "notice" ? record.notice : none;
};

/** Everything of a record but its payload. */
function encodeHead(record: JournalRecord): Buffer {
  const head = Buffer.alloc(PREFIX_BYTES + bodyBytes(record));
  let at = PREFIX_BYTES;
  const put = (...values: readonly number[]) => {
    for (const value of values) at = head.writeUInt32LE(value, at);
  };
  put(KINDS.indexOf(record.kind));
  if (record.kind === "received") {
    put(record.peer);
    head.set(encodeHeader(record.frame), at);
  } else if (record.kind === "took") put(...record.peers);
  else if (record.kind === "lost" || record.kind === "acknowledged") put(record.peer);
  else if (record.kind === "offered") {
    put(record.round, record.step);
    for (const [k, peer] of record.peers.entries()) put(peer, record.tags[k]!);
  }
  const payload = payloadOf(record);
  head.writeUInt32LE(head.length - PREFIX_BYTES + payload.length, 0);
  head.writeUInt32LE(tagOf(head.subarray(PREFIX_BYTES), payload), 4);
  return head;
}

/** Bytes of a record's body before its payload. */
function bodyBytes(record: JournalRecord): number {
  switch (record.kind) {
    case "received":
      return 8 + encodeHeader(record.frame).length;
    case "took":
      return 4 + 4 * record.peers.length;
    case "lost":
    case "acknowledged":
      return 8;
    case "notice":
      return 4;
    case "offered":
      return 12 + 8 * record.peers.length;
  }
}

/** Of a record's body, its payload apart. */
const tagOf = (body: Uint8Array, payload: Uint8Array): number =>
  (payloadTag(body) ^ payloadTag(payload)) >>> 0;

function isIntact(bytes: Buffer, tag: number): boolean {
  const end = headEnd(bytes);
  return tagOf(bytes.subarray(0, end), bytes.subarray(end)) === tag;
}

/** Where the head of a body ends and its payload begins. */
function headEnd(bytes: Buffer): number {
  const kind = bytes.length < 4 ? undefined : KINDS[bytes.readUInt32LE(0)];
  if (kind === "notice") return 4;
  if (kind !== "received" || bytes.length < RECEIVED_BYTES) return bytes.length;
  const hasNotice = bytes[11] === 1 && bytes.length >= RECEIVED_BYTES + 4;
  return hasNotice ? RECEIVED_BYTES + 4 + bytes.readUInt32LE(RECEIVED_BYTES) : RECEIVED_BYTES;
}

/** @returns undefined for bytes that are no record */
function decodeRecord(bytes: Buffer): JournalRecord | undefined {
  if (bytes.length < 4) return undefined;
  const kind = KINDS[bytes.readUInt32LE(0)];
  if (kind === "received") return decodeReceived(bytes);
  if (kind === "notice") return { kind, notice: new Uint8Array(bytes.subarray(4)) };
  if (kind === undefined || bytes.length % 4 !== 0) return undefined;
  const values = Array.from({ length: bytes.length / 4 - 1 }, (_, k) => bytes.readUInt32LE(4 * (k + 1)));
  if (kind === "took") return { kind, peers: values };
  if (kind === "lost" || kind === "acknowledged")
    return values.length === 1 ? { kind, peer: values[0]! } : undefined;
  const [round, step, ...pairs] = values;
  if (round === undefined || step === undefined || pairs.length % 2 !== 0) return undefined;
  const peers = pairs.filter((_, k) => k % 2 === 0);
  const tags = pairs.filter((_, k) => k % 2 === 1);
  return { kind, round, step, peers, tags };
}

function decodeReceived(bytes: Buffer): JournalRecord | undefined {
  try {
    const frame = decodeFrame(new Uint8Array(bytes.buffer, 8), Number.POSITIVE_INFINITY);
    return { kind: "received", peer: bytes.readUInt32LE(4), frame };
  } catch (error) {
    if (error instanceof MalformedFrame) return undefined;
    throw error;
  }
}
