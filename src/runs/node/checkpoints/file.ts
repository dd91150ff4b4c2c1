/**
 * A checkpoint as a file: a line that says what it is, the header as JSON, the numbers and payloads that the header
 * lists, and the SHA-256 of all of it. Little-endian.
 */
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import type { Checkpoint } from "../../../checkpoint.js";
import { type Frame, frameKinds, MAX_HALVINGS } from "../../../exchange/frame.js";
import { GUARD_HISTORY } from "../../../exchange/guard.js";
import { FileProblem, InvalidCheckpoint } from "../../../foundation/errors.js";
import { unwritten, whyUnread } from "../../../foundation/system-errors.js";
import { changeSchema } from "../../../graphs/changes.js";
import type { SavedMembers } from "../../../membership/membership.js";
import { writeWhole } from "../../../sinks/whole-file.js";
import { VERSION } from "../../../version.js";

const FORMAT = "murmuration checkpoint 1\n";
const DIGEST_BYTES = 32;
/** Most bytes of a header. */
export const MAX_HEADER_BYTES = 1 << 24;
const CHUNK_BYTES = 1 << 22;

const count = z.int().nonnegative();
const half = z.object({
  kind: z.enum(frameKinds),
  round: count,
  step: count,
  exchange: count.optional(),
  halvings: count.max(MAX_HALVINGS).optional(),
  /** Bytes of its payload. */
  bytes: count,
  /** Bytes of its notice, which follows the payload. */
  noticeBytes: count.optional(),
  problem: z
    .object({ what: z.string(), counter: z.enum(["refusedPayload", "refusedOutOfTurn", "refusedNorm"]) })
    .optional(),
});
const header = z.object({
  version: z.string(),
  peer: count,
  round: count,
  fingerprint: z.record(z.string(), z.string()),
  traffic: z.array(
    z.object({
      neighbour: count,
      bytesSent: count,
      bytesReceived: count,
      messagesSent: count,
      messagesReceived: count,
    }),
  ),
  scalars: z.array(z.string()),
  vectors: z.array(z.object({ name: z.string(), length: count })),
  edges: z.array(
    z.object({
      peer: count,
      exchange: count,
      theirRound: z.int().min(-1),
      isLost: z.boolean().optional(),
      isFinished: z.boolean(),
      open: half.optional(),
      unacknowledged: half.optional(),
      arrived: z.array(half),
      quarantine: z.object({
        faults: count,
        left: count,
        guard: z.object({
          history: z.array(z.number()),
          next: z
            .int()
            .min(0)
            .max(GUARD_HISTORY - 1)
            .optional(),
          largest: z.number(),
        }),
      }),
    }),
  ),
  held: z.array(z.object({ peer: count, frame: half })),
  exported: z
    .object({
      card: z.object({
        tensors: z.array(z.object({ name: z.string(), shape: z.array(count) })),
        localShapes: z.record(z.string(), z.array(count)),
        frozenShapes: z.record(z.string(), z.array(count)).default({}),
        about: z.record(z.string(), z.string()),
      }),
      point: z.string(),
    })
    .optional(),
  members: z
    .object({
      number: count,
      firstRound: count,
      newcomers: z.array(count),
      changes: z.array(changeSchema),
      topology: z.unknown().optional(),
      known: z.array(z.object({ peer: count, round: count, change: changeSchema })),
    })
    .optional(),
});
type Half = z.output<typeof half>;

/** Writes the file, whole or not at all. @returns its bytes. @throws FileProblem */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<number> {
  const { peer, round, fingerprint, traffic, scalars, vectors, edges, held, members, exported } = checkpoint;
  const payloads: Uint8Array[] = [];
  const halfOf = ({
    kind,
    round,
    step,
    payload,
    notice,
    ...frame
  }: Omit<Frame, "exchange"> & Partial<Frame>): Half => {
    payloads.push(payload, ...(notice ? [notice] : []));
    const noticeBytes = notice && { noticeBytes: notice.length };
    return { kind, round, step, ...frame, bytes: payload.length, ...noticeBytes };
  };
  const written: z.input<typeof header> = {
    version: VERSION,
    ...{ peer, round, fingerprint, traffic: [...traffic] },
    scalars: Object.keys(scalars),
    vectors: Object.entries(vectors).map(([name, { length }]) => ({ name, length })),
    edges: edges.map(({ open, unacknowledged, arrived, ...edge }) => ({
      ...edge,
      ...(open && { open: halfOf(open) }),
      ...(unacknowledged && { unacknowledged: halfOf(unacknowledged) }),
      arrived: arrived.map(halfOf),
    })),
    held: held.map(({ peer, frame }) => ({ peer, frame: halfOf(frame) })),
    ...(exported && { exported: exported as z.input<typeof header>["exported"] }),
    ...(members && { members: members as z.input<typeof header>["members"] }),
  };
  const text = Buffer.from(JSON.stringify(written));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(text.length);

  let bytes = DIGEST_BYTES;
  try {
    await writeWhole(path, async (file) => {
      const hash = createHash("sha256");
      const put = async (part: Uint8Array): Promise<void> => {
        for (let start = 0; start < part.length; start += CHUNK_BYTES) {
          // A copy: the memory may be shared with threads, which files and hashes do not take.
          const chunk = Buffer.from(part.subarray(start, start + CHUNK_BYTES));
          hash.update(chunk);
          bytes += chunk.length;
          await file.writeFile(chunk);
        }
      };
      for (const part of [Buffer.from(FORMAT), size, text]) await put(part);
      await put(bytesOf(Float64Array.from(Object.values(scalars))));
      for (const vector of Object.values(vectors)) await put(bytesOf(vector));
      for (const payload of payloads) await put(payload);
      await file.writeFile(hash.digest());
    });
    return bytes;
  } catch (cause) {
    throw new FileProblem(`cannot write checkpoint ${path}: ${unwritten(cause)}`, {
      code: "checkpoint-not-written",
      peer,
      round,
      field: path,
      cause,
    });
  }
}

/** @throws InvalidCheckpoint it is torn, damaged or not a checkpoint of this version */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const damaged = (what: string, cause?: unknown) =>
    new InvalidCheckpoint(`checkpoint ${path} ${what}: delete it, or start over in another folder`, {
      code: "checkpoint-damaged",
      field: path,
      cause,
    });
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    throw damaged(`cannot be read (${whyUnread(cause)})`, cause);
  }
  try {
    const { size } = await file.stat();
    const hash = createHash("sha256");
    let at = 0;
    const take = async (length: number): Promise<Buffer> => {
      if (at + length > size) throw damaged(`is torn after ${size} bytes`);
      const bytes = Buffer.from(new ArrayBuffer(length));
      for (let start = 0; start < length; ) {
        start += (await file.read(bytes, start, Math.min(CHUNK_BYTES, length - start), at + start)).bytesRead;
      }
      at += length;
      return bytes;
    };
    const hashed = async (length: number): Promise<Buffer> => {
      const bytes = await take(length);
      hash.update(bytes);
      return bytes;
    };
    if ((await hashed(FORMAT.length)).toString("latin1") !== FORMAT) {
      throw damaged("is not one that this version reads");
    }
    const headerBytes = (await hashed(4)).readUInt32LE();
    if (headerBytes > MAX_HEADER_BYTES) throw damaged(`has a header of ${headerBytes} bytes`);
    const read = parse((await hashed(headerBytes)).toString(), damaged);
    const numbers = floats(Float64Array, await hashed(8 * read.scalars.length));
    const vectors: Record<string, Float32Array> = {};
    for (const { name, length } of read.vectors)
      vectors[name] = floats(Float32Array, await hashed(4 * length));
    const frameOf = async ({ bytes, noticeBytes, ...half }: Half) => ({
      ...half,
      payload: new Uint8Array(await hashed(bytes)),
      ...(noticeBytes !== undefined && { notice: new Uint8Array(await hashed(noticeBytes)) }),
    });
    const edges = [];
    for (const { open, unacknowledged, arrived, ...edge } of read.edges) {
      edges.push({
        ...edge,
        ...(open && { open: await frameOf(open) }),
        ...(unacknowledged && { unacknowledged: (await frameOf(unacknowledged)) as Frame }),
        arrived: await inOrder(arrived, (each) => frameOf(each) as Promise<Frame>),
      });
    }
    const held = await inOrder(read.held, async ({ peer, frame }) => ({
      kind: "received" as const,
      peer,
      frame: (await frameOf(frame)) as Frame,
    }));
    const digest = hash.digest();
    if (at + DIGEST_BYTES !== size || !digest.equals(await take(DIGEST_BYTES))) {
      throw damaged("does not match its checksum");
    }
    const { peer, round, fingerprint, traffic, exported } = read;
    const members = read.members as SavedMembers | undefined;
    const scalars = Object.fromEntries(read.scalars.map((name, k) => [name, numbers[k]!]));
    return {
      ...{ peer, round, fingerprint, traffic, scalars, vectors, edges, held },
      ...(exported && { exported }),
      ...(members && { members }),
    };
  } finally {
    await file.close();
  }
}

function parse(text: string, damaged: (what: string, cause: unknown) => Error): z.output<typeof header> {
  try {
    return header.parse(JSON.parse(text));
  } catch (cause) {
    throw damaged("has a header that cannot be read", cause);
  }
}

/** One after the other, as the file has them. */
async function inOrder<From, To>(list: readonly From[], read: (each: From) => Promise<To>): Promise<To[]> {
  const results: To[] = [];
  for (const each of list) results.push(await read(each));
  return results;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Float64Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

const floats = <Floats>(type: new (buffer: ArrayBufferLike) => Floats, bytes: Buffer): Floats =>
  new type(bytes.buffer);
