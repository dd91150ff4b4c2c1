/**
 * TensorBoard event files, one folder per peer and one for the whole graph.
 *
 * A file is a sequence of records: length (uint64), masked CRC-32C of the length, data, masked CRC-32C of the
 * data, all little-endian. The data is an Event message of TensorFlow's event.proto in protocol-buffer encoding;
 * the few fields that scalars need are written by hand.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { FileProblem } from "../foundation/errors.js";
import { unwritten } from "../foundation/system-errors.js";
import { makeFolders } from "../sinks/folders.js";
import { metricOf, type Run } from "./read.js";
import { peerScalars } from "./scalars.js";

/**
 * Writes one folder per peer, and `graph` with what concerns all of them.
 *
 * @param startedAt seconds since 1970 when the run began
 * @throws FileProblem when a file cannot be written
 */
export function writeTensorboard(run: Run, directory: string, startedAt: number): void {
  const { name: metric } = metricOf(run);
  try {
    for (const { peer, columns } of run.peers) {
      const events = createEventFile(join(directory, `peer-${peer}`), startedAt);
      for (let row = 0; row < columns.round.length; row++) {
        const wallTime = startedAt + columns.elapsedMs.at(row) / 1000;
        const scalars = peerScalars(metric)
          .map(([tag, column]): Scalar => [tag, columns[column].at(row)])
          .filter(([, value]) => !Number.isNaN(value));
        events.write(wallTime, columns.round.at(row) + 1, scalars);
      }
      events.close();
    }
    const events = createEventFile(join(directory, "graph"), startedAt);
    const { columns } = run.graph;
    for (let row = 0; row < columns.round.length; row++) {
      const scalars: Scalar[] = [["consensus/distance", columns.consensusDistance.at(row)]];
      const value = columns.meanMetric.at(row);
      if (!Number.isNaN(value)) scalars.push([metric, value]);
      events.write(startedAt, columns.round.at(row) + 1, scalars);
    }
    for (const { round, consensusDistance } of run.consensus.instants()) {
      events.write(startedAt, round + 1, [["consensus/distance from projections", consensusDistance]]);
    }
    events.close();
  } catch (error) {
    throw new FileProblem(`cannot write event files to ${directory}: ${unwritten(error)}`, {
      code: "events-not-written",
      field: directory,
      cause: error,
    });
  }
}

type Scalar = readonly [tag: string, value: number];

/** Bytes gathered before they are written. */
const BATCH_BYTES = 1 << 20;

function createEventFile(directory: string, startedAt: number) {
  makeFolders(directory);
  const name = `events.out.tfevents.${String(Math.floor(startedAt)).padStart(10, "0")}.murmuration`;
  const file = openSync(join(directory, name), "w");
  let batch: Buffer[] = [];
  let size = 0;
  const flush = () => {
    const bytes = Buffer.concat(batch);
    for (let start = 0; start < bytes.length; ) start += writeSync(file, bytes, start);
    batch = [];
    size = 0;
  };
  const add = (event: Buffer) => {
    const framed = frameRecord(event);
    batch.push(framed);
    size += framed.length;
    if (size >= BATCH_BYTES) flush();
  };
  add(Buffer.concat([double(1, startedAt), bytesField(3, Buffer.from("brain.Event:2"))]));
  return {
    write(wallTime: number, step: number, scalars: readonly Scalar[]) {
      if (scalars.length === 0) return;
      const values = scalars.map(([tag, value]) =>
        bytesField(1, Buffer.concat([bytesField(1, Buffer.from(tag)), float(2, value)])),
      );
      add(
        Buffer.concat([double(1, wallTime), key(2, 0), varint(step), bytesField(5, Buffer.concat(values))]),
      );
    },
    close() {
      flush();
      closeSync(file);
    },
  };
}

/** A record as it lies in the file. */
export function frameRecord(data: Uint8Array): Buffer {
  const record = Buffer.alloc(8 + 4 + data.length + 4);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedChecksum(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedChecksum(data), 12 + data.length);
  return record;
}

/** CRC-32C, rotated right by 15 bits and shifted by a constant, so that checksums of checksums stay good. */
export function maskedChecksum(bytes: Uint8Array): number {
  const checksum = crc32c(bytes);
  return (((checksum >>> 15) | (checksum << 17)) + 0xa282ead8) >>> 0;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** CRC-32 with Castagnoli's polynomial, reflected (RFC 3720, appendix B.4). */
export function crc32c(bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = crcTable[(value ^ byte) & 0xff]! ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Protocol buffers: a field's number and wire type (0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes). */
const key = (field: number, wireType: number) => Buffer.from([(field << 3) | wireType]);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

function double(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = (field << 3) | 1;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = (field << 3) | 5;
  bytes.writeFloatLE(value, 1);
  return bytes;
}

function bytesField(field: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([key(field, 2), varint(bytes.length), bytes]);
}
