import { existsSync, mkdirSync, statSync } from "node:fs";
import { mkdtemp, readdir, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { FileProblem } from "../foundation/errors.js";
import { unwritten, whyUnwritten } from "../foundation/system-errors.js";

/**
 * Makes a folder, and those above it, where there are none. Node's own recursion does not end below folders in which the
 * system makes none, such as /proc.
 *
 * @throws what the system throws
 */
export function makeFolders(folder: string, mode = 0o777): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const above = dirname(folder);
  if (above !== folder) makeFolders(above, mode);
  try {
    mkdirSync(folder, mode);
  } catch (error) {
    // Another process may have been as fast.
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Makes a folder where there is none. @returns the names in it @throws FileProblem when it cannot */
export async function makeFolder(folder: string): Promise<string[]> {
  try {
    makeFolders(folder);
    return await readdir(folder);
  } catch (cause) {
    throw new FileProblem(`cannot make folder ${folder}: ${unwritten(cause)}`, {
      code: "folder-not-made",
      field: folder,
      cause,
    });
  }
}

/** Makes a folder for something new. @throws FileProblem when it holds anything: nothing is written over */
export async function makeEmptyFolder(folder: string, advice: string): Promise<void> {
  if ((await makeFolder(folder)).length > 0) {
    throw new FileProblem(`folder ${folder} is not empty: ${advice}`, {
      code: "folder-not-empty",
      field: folder,
    });
  }
}

/** Runs what fills a folder. One that is new and got nothing, as of a run that fails at once, is removed again. */
export async function filling<Outcome>(
  folder: string | undefined,
  run: () => Promise<Outcome>,
): Promise<Outcome> {
  const isNew = folder !== undefined && !existsSync(folder);
  try {
    return await run();
  } catch (error) {
    // One that holds something stays.
    if (isNew) await rmdir(folder).catch(() => {});
    throw error;
  }
}

/** Makes a folder of this process among the system's temporary ones. @throws FileProblem it cannot be made */
export async function makeTemporaryFolder(prefix: string): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), prefix));
  } catch (cause) {
    throw new FileProblem(
      `cannot make a temporary folder in ${tmpdir()}: ${whyUnwritten(cause)}; make room there, or set TMPDIR`,
      { code: "no-temporary-folder", field: tmpdir(), cause },
    );
  }
}
