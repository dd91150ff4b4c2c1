import { z } from "zod";
import type { DatasetKind, Examples } from "../dataset.js";
import { InvalidData } from "../foundation/errors.js";
import { type Origin, readData } from "./files.js";
import { limited, partSettings } from "./parts.js";

const ORIGIN: Origin = {
  name: "text",
  remedy: "any UTF-8 text will do, for example a book of https://www.gutenberg.org",
};

/** More different characters than this mean that the file is no text of one script. */
const MAX_VOCABULARY = 4096;

const settings = z.strictObject({
  kind: z.literal("text"),
  path: z.string().min(1).describe("text file in UTF-8, gzip'd or not"),
  alphabet: z
    .string()
    .min(1)
    .optional()
    .describe("all characters, where the text lacks some; those of the text where left out"),
  sequenceLength: z.int().min(1).max(4096).default(64).describe("characters per example"),
  stride: z
    .int()
    .min(1)
    .optional()
    .describe("characters from the start of one training example to that of the next; a sequence by default"),
  testShare: z.number().gt(0).lt(1).default(0.1).describe("share held out for testing, from the end"),
  ...partSettings,
});

/**
 * Text to predict character by character: an example is a run of characters, its labels are the same run one
 * character later. Classes are the characters of the whole text, in order of their code points.
 */
export const text: DatasetKind<typeof settings> = {
  settings,
  async readAll({ path, sequenceLength }) {
    const { tokens, classNames } = await readTokens(path);
    if (tokens.length <= sequenceLength) {
      throw new InvalidData(
        `text: ${path} has ${tokens.length} characters, and an example takes ${sequenceLength + 1}: use more text`,
        { code: "text-shorter-than-example", field: path },
      );
    }
    return {
      ...about(sequenceLength, classNames),
      ...sequences(tokens, sequenceLength, sequenceLength),
    };
  },
  async load({ path, alphabet, sequenceLength, stride = sequenceLength, testShare, ...limits }) {
    const { tokens, classNames } = await readTokens(path, alphabet);
    const cut = Math.round(tokens.length * (1 - testShare));
    const [train, test] = [tokens.subarray(0, cut), tokens.subarray(cut)];
    if (Math.min(train.length, test.length) <= sequenceLength) {
      throw new InvalidData(
        `text: ${path} has ${tokens.length} characters, too few for training and test parts of at least ${sequenceLength + 1} each: use more text or a shorter data.sequenceLength`,
        { code: "text-too-short", field: path },
      );
    }
    return limited(
      {
        name: "text",
        ...about(sequenceLength, classNames),
        train: sequences(train, sequenceLength, stride),
        test: sequences(test, sequenceLength, sequenceLength),
      },
      limits,
    );
  },
};

const about = (sequenceLength: number, classNames: readonly string[]) =>
  ({
    inputShape: [sequenceLength],
    targets: { kind: "classes", count: classNames.length, names: classNames },
    featuresAreClasses: true,
  }) as const;

/** The text as numbers of its characters. */
async function readTokens(
  path: string,
  alphabet?: string,
): Promise<{ tokens: Int32Array; classNames: string[] }> {
  const bytes = await readData(path, ORIGIN);
  let content: string;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InvalidData(`text: ${path} is not UTF-8: convert it first`, {
      code: "text-encoding",
      field: path,
      cause,
    });
  }
  const characters = Array.from(content);
  const classNames = [...new Set(alphabet ?? characters)].sort(
    (a, b) => a.codePointAt(0)! - b.codePointAt(0)!,
  );
  if (classNames.length > MAX_VOCABULARY) {
    throw new InvalidData(
      `text: ${path} has ${classNames.length} different characters, and at most ${MAX_VOCABULARY} are supported: use a text of one script`,
      { code: "text-vocabulary", field: path },
    );
  }
  const numbers = new Map(classNames.map((character, number) => [character, number]));
  const unknown = characters.find((character) => !numbers.has(character));
  if (unknown !== undefined) {
    throw new InvalidData(
      `text: ${path} has a character ${JSON.stringify(unknown)} that data.alphabet lacks: add it there, or remove it`,
      { code: "text-unknown-character", field: "data.alphabet" },
    );
  }
  const tokens = Int32Array.from(characters, (character) => numbers.get(character)!);
  return { tokens, classNames };
}

/** Runs of `length` tokens and the tokens that follow each of theirs. */
function sequences(tokens: Int32Array, length: number, stride: number): Examples {
  const count = 1 + Math.floor((tokens.length - 1 - length) / stride);
  const features = new Float32Array(count * length);
  const labels = new Int32Array(count * length);
  for (let i = 0; i < count; i++) {
    features.set(tokens.subarray(i * stride, i * stride + length), i * length);
    labels.set(tokens.subarray(i * stride + 1, i * stride + 1 + length), i * length);
  }
  return { features, labels };
}
