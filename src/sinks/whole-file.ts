import { type FileHandle, link, lstat, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** How the names of unfinished files end; what a killed process leaves of them is of no use. */
export const DRAFT_SUFFIX = ".draft";

/**
 * Writes a file beside its final name, and renames it once it is on disk: readers, and a process that starts after a
 * crash, find the old content or the new one, whole.
 *
 * @param mode permissions of the new file
 * @throws what the system or `write` throws; the old file is as it was then
 */
export async function writeWhole(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  mode = 0o666,
): Promise<void> {
  await throughDraft(path, write, mode, (draft) => rename(draft, path));
}

/** The same for a file that must not be there yet. @throws also EEXIST; the file that is there is as it was then */
export async function createWhole(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  mode = 0o666,
): Promise<void> {
  await throughDraft(path, write, mode, async (draft) => {
    await link(draft, path);
    await rm(draft);
  });
}

/**
 * Writes a file whole, or as it comes where the path is a pipe, a terminal or a link: what a rename would replace there
 * is not the user's file, as of /dev/stdout.
 */
export async function writeOutput(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const isFile = await lstat(path).then(
    (there) => there.isFile(),
    () => true,
  );
  if (isFile) return writeWhole(path, write);
  const file = await open(path, "w");
  try {
    await write(file);
  } finally {
    await file.close();
  }
}

/** A text as `writeOutput` writes it. */
export const writeText = (path: string, text: string): Promise<void> =>
  writeOutput(path, (file) => file.writeFile(text));

async function throughDraft(
  path: string,
  write: (file: FileHandle) => Promise<void>,
  mode: number,
  publish: (draft: string) => Promise<void>,
): Promise<void> {
  const draft = `${path}.${process.pid}${DRAFT_SUFFIX}`;
  try {
    const file = await open(draft, "w", mode);
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await publish(draft);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes a rename last through a power cut. Some systems cannot, and need not. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync();
    await handle.close();
  } catch {}
}
