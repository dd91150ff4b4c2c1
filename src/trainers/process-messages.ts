/**
 * What a trainer program writes: one JSON object a line, after a first line that states the protocol and its version.
 * `src/clients/README.md` specifies the protocol for authors of programs.
 */
import { z } from "zod";

export const PROTOCOL = "murmuration trainer";
export const PROTOCOL_VERSION = 1;

/** Most characters of a line. */
export const MAX_LINE_CHARACTERS = 1 << 24;

/** Most parameters of a model, and most numbers of a state: what one memory of a peer can address. */
export const MAX_NUMBERS = 2 ** 30;

/** Most characters of a name of a tensor, or of a description that neighbours compare. */
const MAX_NAME_CHARACTERS = 256;

/** How long a program may take, in seconds. */
export const DEADLINES = {
  /** From its start to its first line: interpreters and imports. */
  start: 120,
  /** Loading of data and model. */
  describe: 600,
  /** One gradient, or all local steps of a round. */
  step: 600,
  evaluate: 600,
  state: 120,
  restore: 120,
  /** What a program that started this process does before it goes on after a round. */
  report: 600,
  /** From the request, or the end of its input, to the end of the program, which is killed after that. */
  close: 5,
  /** Between two lines of a program that started this process. */
  silence: 60,
} as const;

/** Longest deadline, in seconds. */
const MAX_DEADLINE_SECONDS = 604_800;

export type Request = Exclude<keyof typeof DEADLINES, "start" | "silence">;
export type Deadlines = Readonly<Record<keyof typeof DEADLINES, number>>;

const seconds = (request: keyof typeof DEADLINES) =>
  z.number().gt(0).max(MAX_DEADLINE_SECONDS).default(DEADLINES[request]);

export const deadlineSettings = z.strictObject({
  start: seconds("start"),
  describe: seconds("describe"),
  step: seconds("step"),
  evaluate: seconds("evaluate"),
  state: seconds("state"),
  restore: seconds("restore"),
  report: seconds("report"),
  close: seconds("close"),
  silence: seconds("silence"),
});

export const hello = z.object({ protocol: z.literal(PROTOCOL), version: z.int() });

const name = z.string().min(1).max(MAX_NAME_CHARACTERS);
const tensors = z
  .array(z.object({ name, shape: z.array(z.int().min(0).max(MAX_NUMBERS)) }))
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, "names a tensor twice");
/** null stands for a loss that is not finite, for which JSON has no number. */
const loss = z.number().nullable();

/** Replies, apart from their `id`. Fields that are not known are passed over. */
export const replies = {
  describe: z.object({
    tensors: tensors.min(1),
    /** Parts of the state that belong to the model, and to its file. */
    local: tensors.default([]),
    /** What the program learns from, for neighbours to compare; peers that allow different data do not. */
    data: name.optional(),
    /** What the program computes, for neighbours to compare. */
    model: name.optional(),
    /** Where the program leaves the result of local steps: x_H − x_0 in the second half, or x_H in place of x_0. */
    returns: z.enum(["update", "model"]).default("update"),
    /** Whether it evaluates models. */
    evaluates: z.boolean().default(true),
  }),
  /** Local steps of the program's own may leave out a loss that it does not know. */
  step: z.object({ loss: loss.optional(), length: z.int() }),
  evaluate: z.object({ loss, accuracy: z.number().min(0).max(1).optional() }),
  state: z.object({ tensors }),
  restore: z.object({}),
  report: z.object({}),
} as const;

export type NamedShape = z.output<typeof tensors>[number];

/** How many numbers tensors of these shapes hold. */
export function countOf(tensors: readonly NamedShape[]): number {
  return tensors.reduce((sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1), 0);
}
