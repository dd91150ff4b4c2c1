import { z } from "zod";
import { InvalidExperiment } from "../foundation/errors.js";
import { checked } from "../settings/check.js";
import { type Origin, readData } from "./files.js";
import { checkParts } from "./partition.js";

const ORIGIN: Origin = { name: "split", remedy: "write it with `murmur split --out`" };

/** What else `murmur split` writes says where the parts come from. */
const content = z.looseObject({ peers: z.array(z.array(z.int().nonnegative())) });

/**
 * A split from a file, JSON of the form `{ "peers": [[0, 5, …], …] }`: for each peer its training examples,
 * numbered from 0 in the order of the data set. Peers on other machines need the same file.
 *
 * @throws InvalidData a file that cannot be read
 * @throws InvalidExperiment one that is no JSON of this form, or whose parts are no partition of these examples among these peers
 */
export async function readSplit(
  path: string,
  among: { readonly examples: number; readonly peers: number },
): Promise<number[][]> {
  const what = `split file ${path}`;
  const text = new TextDecoder().decode(await readData(path, ORIGIN));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InvalidExperiment(`${what} is not JSON, or is cut off: ${ORIGIN.remedy}`, {
      code: "split-file-not-json",
      field: path,
      cause,
    });
  }
  return checkParts(checked(content, value, { what }, InvalidExperiment).peers, among, what);
}
