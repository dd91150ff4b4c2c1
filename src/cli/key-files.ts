/** Keys on disk: one file per peer, readable by its owner alone. */
import { readFile, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { detailsOf, FileProblem, MurmurationError } from "../foundation/errors.js";
import { unread, unwritten } from "../foundation/system-errors.js";
import { makeFolders } from "../sinks/folders.js";
import { createWhole, writeWhole } from "../sinks/whole-file.js";
import { decodeIdentity, encodeIdentity, type Identity } from "../transports/libp2p/identity.js";

/** Permissions: nothing for anybody but the owner. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** What others must not have. A group may read: that is how Kubernetes hands out secrets. */
const OTHERS = 0o027;

/** Where a topology's keys are, unless somebody says otherwise: `ring-8.keys` beside `ring-8.json`. */
export function keysFolder(topologyFile: string): string {
  return `${topologyFile.slice(0, topologyFile.length - extname(topologyFile).length)}.keys`;
}

export function keyFile(folder: string, id: number): string {
  return join(folder, `peer-${id}.key`);
}

/**
 * The key of a peer.
 *
 * @returns undefined where there is no such file, or an empty one
 * @throws FileProblem when there is one that cannot be read, or holds no key
 */
export async function findIdentity(
  folder: string,
  id: number,
  warn: (text: string) => void = () => {},
): Promise<Identity | undefined> {
  const file = keyFile(folder, id);
  let text: string;
  try {
    const { mode } = await stat(file);
    if (process.platform !== "win32" && mode & OTHERS) {
      warn(
        `others can read the key in ${file} (mode ${(mode & 0o777).toString(8)}): chmod 600 ${file}, or make a new one with \`murmur keys --force\``,
      );
    }
    text = await readFile(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new FileProblem(`cannot read the key ${file}: ${unread(cause)}`, {
      code: "key-unreadable",
      peer: id,
      field: file,
      cause,
    });
  }
  // What a full disk leaves.
  if (text === "") return undefined;
  try {
    return decodeIdentity(text);
  } catch (cause) {
    if (!(cause instanceof MurmurationError)) throw cause;
    throw new FileProblem(`${file}: ${cause.message}`, { ...detailsOf(cause), peer: id, field: file, cause });
  }
}

/** @throws FileProblem when there is no key for this peer */
export async function readIdentity(
  folder: string,
  id: number,
  warn?: (text: string) => void,
): Promise<Identity> {
  const identity = await findIdentity(folder, id, warn);
  if (identity) return identity;
  throw new FileProblem(
    `peer ${id} has no key: ${keyFile(folder, id)} does not exist; make it with \`murmur keys\`, or name the folder with --keys`,
    { code: "key-missing", peer: id, field: keyFile(folder, id) },
  );
}

/** Keeps a key. @throws FileProblem when it cannot, or, unless `overwrites`, when there is one already */
export async function writeIdentity(
  folder: string,
  id: number,
  identity: Identity,
  overwrites: boolean,
): Promise<void> {
  const file = keyFile(folder, id);
  try {
    makeFolders(folder, FOLDER_MODE);
    const write = overwrites || (await isEmpty(file)) ? writeWhole : createWhole;
    await write(file, (handle) => handle.writeFile(`${encodeIdentity(identity)}\n`), FILE_MODE);
  } catch (cause) {
    throw new FileProblem(`cannot write the key ${file}: ${unwritten(cause)}`, {
      code: "key-not-written",
      peer: id,
      field: file,
      cause,
    });
  }
}

const isEmpty = (file: string): Promise<boolean> =>
  stat(file).then(
    ({ size }) => size === 0,
    () => false,
  );
