/** Reading data files: whole, unpacked, and with errors that say where to get what is missing. */
import { InvalidData } from "../foundation/errors.js";
import { isNode } from "../foundation/platform.js";
import { whyUnread } from "../foundation/system-errors.js";

/** What a data set is called in messages, and where its files come from. */
export interface Origin {
  readonly name: string;
  /** For example "download it from https://…". */
  readonly remedy: string;
}

/** First bytes of every gzip file. */
const GZIP = [0x1f, 0x8b];

/**
 * A file's bytes, unpacked where it is gzip'd.
 *
 * @throws InvalidData a file that is missing, cannot be read or is damaged; any file outside Node
 */
export async function readData(path: string, { name, remedy }: Origin): Promise<Uint8Array> {
  requireNode(name, path);
  const [{ readFile }, { gunzipSync }] = await Promise.all([import("node:fs/promises"), import("node:zlib")]);
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new InvalidData(`${name}: cannot read ${path}: ${whyUnread(cause)}; ${remedy}`, {
      code: "data-file-unreadable",
      field: path,
      cause,
    });
  }
  if (bytes[0] !== GZIP[0] || bytes[1] !== GZIP[1]) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    throw new InvalidData(`${name}: ${path} is a damaged or cut-off gzip file; ${remedy}`, {
      code: "data-file-damaged",
      field: path,
      cause,
    });
  }
}

/**
 * Names in a folder, sorted by code unit so that every machine sees one order; undefined where the path is no folder.
 *
 * @throws InvalidData nothing is there; any folder outside Node
 */
export async function listFolder(path: string, { name, remedy }: Origin): Promise<string[] | undefined> {
  requireNode(name, path);
  const { readdir } = await import("node:fs/promises");
  try {
    return (await readdir(path)).sort((a, b) => (a < b ? -1 : 1));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw new InvalidData(`${name}: cannot read ${path}: ${whyUnread(cause)}; ${remedy}`, {
      code: "data-folder-unreadable",
      field: path,
      cause,
    });
  }
}

function requireNode(name: string, path: string): void {
  if (isNode()) return;
  throw new InvalidData(
    `${name}: cannot read ${path}: only Node reads files; in a browser use data digits, or pass createSimulation trainers with your own data`,
    { code: "data-needs-node", field: path },
  );
}
