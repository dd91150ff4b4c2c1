/** Flat float32 vectors that are shared with a program through files: little-endian, without a header. */
import type { FileHandle } from "node:fs/promises";
import { FileProblem } from "../foundation/errors.js";
import { whyUnwritten } from "../foundation/system-errors.js";
import type { Vector } from "../vectors/vector.js";

const FLOAT_BYTES = 4;
/** What the names of shared folders begin with; host and number of the process follow. */
const PREFIX = "murmur-trainer-";
/** Bytes that are copied at a time. */
const CHUNK_BYTES = 1 << 20;

/** A private folder with the files that a program and this process share. */
export interface SharedFolder {
  /** Path of a file in it. */
  path(name: string): string;
  /** Opens a file of this many zeros, over what was there. */
  create(name: string, length: number): Promise<SharedFile>;
  /** Opens a file that the program has written. @throws Error it is not there */
  open(name: string): Promise<SharedFile>;
  /** Fills a vector from the begin of a file, before it returns. */
  readNow(name: string, into: Vector): void;
  /** Removes it. Files that are open stay readable. */
  remove(): void;
}

export interface SharedFile {
  /** How many numbers it holds now; not a whole number where its size is no multiple of 4 bytes. */
  length(): Promise<number>;
  /** @param from number at which the vector begins */
  write(vector: Vector, from: number): Promise<void>;
  /** Fills the vector; what lies beyond the file's end is left as it was. */
  read(vector: Vector, from: number): Promise<void>;
  close(): Promise<void>;
}

/** @throws FileProblem it cannot be made */
export async function createSharedFolder(): Promise<SharedFolder> {
  const [fs, { mkdtemp, open }, { hostname, tmpdir }, { join }] = await Promise.all([
    import("node:fs"),
    import("node:fs/promises"),
    import("node:os"),
    import("node:path"),
  ]);
  const root = tmpdir();
  const machine = hostname().replace(/[^\w-]/g, "_");
  let folder: string;
  try {
    removeAbandoned(fs, join, root, machine);
    // For this user alone: mkdtemp gives mode 0700.
    folder = await mkdtemp(join(root, `${PREFIX}${machine}-${process.pid}-`));
  } catch (cause) {
    throw new FileProblem(
      `cannot share a folder with a trainer program in ${root}: ${whyUnwritten(cause)}; make room there, or set TMPDIR`,
      { code: "no-shared-folder", field: root, cause },
    );
  }
  const path = (name: string) => join(folder, name);
  return {
    path,
    async create(name, length) {
      const file = await open(path(name), "w+", 0o600);
      await file.truncate(FLOAT_BYTES * length);
      return sharedFile(file, length);
    },
    async open(name) {
      const file = await open(path(name), "r+");
      const { size } = await file.stat();
      return sharedFile(file, size / FLOAT_BYTES);
    },
    readNow(name, into) {
      const file = fs.openSync(path(name), "r");
      try {
        fillNow(into, (chunk, position) => fs.readSync(file, chunk, 0, chunk.length, position));
      } finally {
        fs.closeSync(file);
      }
    },
    remove: () => fs.rmSync(folder, { recursive: true, force: true }),
  };
}

/** Numbers in a file that the program has written; 0 where it has written none. */
export async function lengthOf(folder: SharedFolder, name: string): Promise<number> {
  try {
    const file = await folder.open(name);
    const length = await file.length();
    await file.close();
    return length;
  } catch {
    return 0;
  }
}

/**
 * Removes the folders of processes that were killed. Containers that share a folder have other hosts' names, and numbers of
 * processes of their own.
 */
function removeAbandoned(
  { readdirSync, rmSync }: typeof import("node:fs"),
  join: (...parts: string[]) => string,
  root: string,
  machine: string,
): void {
  const prefix = `${PREFIX}${machine}-`;
  for (const name of readdirSync(root)) {
    const [pid] = name.startsWith(prefix) ? name.slice(prefix.length).split("-") : [];
    if (!pid || !/^\d+$/.test(pid) || isAlive(Number(pid))) continue;
    try {
      rmSync(join(root, name), { recursive: true, force: true });
    } catch {
      // It is another user's.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

function sharedFile(file: FileHandle, length: number): SharedFile {
  // Files do not take memory that threads share.
  const chunk = new Uint8Array(Math.max(1, Math.min(CHUNK_BYTES, Math.ceil(FLOAT_BYTES * length))));
  return {
    async length() {
      const { size } = await file.stat();
      return size / FLOAT_BYTES;
    },
    async write(vector, from) {
      const bytes = bytesOf(vector);
      for (let start = 0; start < bytes.length; start += chunk.length) {
        const part = bytes.subarray(start, start + chunk.length);
        chunk.set(part);
        let done = 0;
        while (done < part.length) {
          const { bytesWritten } = await file.write(
            chunk,
            done,
            part.length - done,
            FLOAT_BYTES * from + start + done,
          );
          done += bytesWritten;
        }
      }
    },
    async read(vector, from) {
      const bytes = bytesOf(vector);
      let start = 0;
      while (start < bytes.length) {
        const wanted = Math.min(chunk.length, bytes.length - start);
        const { bytesRead } = await file.read(chunk, 0, wanted, FLOAT_BYTES * from + start);
        if (bytesRead === 0) return;
        bytes.set(chunk.subarray(0, bytesRead), start);
        start += bytesRead;
      }
    },
    close: () => file.close(),
  };
}

function fillNow(into: Vector, read: (chunk: Uint8Array, position: number) => number): void {
  const bytes = bytesOf(into);
  const chunk = new Uint8Array(Math.min(CHUNK_BYTES, bytes.length));
  let start = 0;
  while (start < bytes.length) {
    const count = read(chunk.subarray(0, bytes.length - start), start);
    if (count === 0) return;
    bytes.set(chunk.subarray(0, count), start);
    start += count;
  }
}

const bytesOf = (vector: Vector) => new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
