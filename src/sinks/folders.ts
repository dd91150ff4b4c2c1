import { mkdir, mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileProblem } from "../foundation/errors.js";

/** Makes a folder where there is none. @returns the names in it @throws FileProblem when it cannot */
export async function makeFolder(folder: string): Promise<string[]> {
  try {
    await mkdir(folder, { recursive: true });
    return await readdir(folder);
  } catch (cause) {
    throw new FileProblem(`cannot make folder ${folder}: ${(cause as Error).message}`, {
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

/** Makes a folder of this process among the system's temporary ones. @throws FileProblem it cannot be made */
export async function makeTemporaryFolder(prefix: string): Promise<string> {
  try {
    return await mkdtemp(join(tmpdir(), prefix));
  } catch (cause) {
    throw new FileProblem(
      `cannot make a temporary folder in ${tmpdir()}: ${(cause as Error).message}; make room there, or set TMPDIR`,
      { code: "no-temporary-folder", field: tmpdir(), cause },
    );
  }
}
