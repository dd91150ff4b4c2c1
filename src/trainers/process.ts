import { z } from "zod";
import type { Fingerprint } from "../exchange/fingerprint.js";
import { TrainerFailed } from "../foundation/errors.js";
import { createLayout, type Layout } from "../vectors/layout.js";
import type { Vector } from "../vectors/vector.js";
import { countOf, DEADLINES, deadlineSettings, MAX_NUMBERS, replies } from "./process-messages.js";
import { PARENT_PATTERN } from "./process-parent.js";
import { type Program, startProgram } from "./process-program.js";

import { readState, STATE, writeState } from "./process-state.js";
import { createSharedFolder, lengthOf, type SharedFolder } from "./process-vectors.js";
import { refuseFreezing } from "./task.js";
import type { RoundOutcome, Trainer, TrainerContext, TrainerKind } from "./trainer.js";

const updates = ["gradient", "own"] as const;

const settings = z.strictObject({
  kind: z.literal("process"),
  command: z
    .union([
      z
        .array(z.string().refine((text) => !text.includes("\0"), "must have no null character"))
        .min(1)
        .refine(([file]) => file !== "", "must begin with a program"),
      z.string().regex(PARENT_PATTERN, "must be a list, or as fd:3"),
    ])
    .describe(
      'program and arguments, started once per peer without a shell: ["python3", "train.py"]; fd:N: the program that started this process, over that socket',
    ),
  update: z
    .enum(updates)
    .default("gradient")
    .describe("what a step returns; gradient: for the optimizer here; own: the update of the program's own"),
  options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("passed to the program; the same for every peer"),
  paths: z
    .record(z.string(), z.string())
    .default({})
    .describe("places of the program's files, passed to it; each machine may have its own"),
  deadlines: deadlineSettings.prefault({}).describe(
    `most seconds for ${Object.entries(DEADLINES)
      .map(([request, seconds]) => `${request} (${seconds})`)
      .join(", ")}`,
  ),
});
type Settings = z.output<typeof settings>;

/** Files that are shared with the program. */
const INITIAL = "initial.f32";
const VECTORS = "vectors.f32";

/** What a program has said that it trains. */
interface Description {
  readonly layout: Layout;
  readonly stateShapes: Readonly<Record<string, readonly number[]>>;
  readonly fingerprint: Fingerprint;
  /** Local steps leave x_H in place of x_0, instead of x_H − x_0 in the second half. */
  readonly returnsModel: boolean;
  readonly evaluates: boolean;
}

/**
 * A program in any language that trains one peer's model; `src/clients/README.md` is its protocol. The point lies in the
 * first half of a shared file, and the program writes the gradient or update into its second half.
 */
export const processTrainer: TrainerKind<typeof settings> = {
  settings,
  async create(settings, context, task) {
    refuseFreezing(
      task,
      "process",
      ", and freeze parameters in the program, in PyTorch with requires_grad_(False)",
    );
    const { command, deadlines } = settings;
    const { peer } = context;
    const folder = await createSharedFolder();
    const lost = new AbortController();
    const failed = (error: TrainerFailed) => lost.abort(error);
    let program: Program;
    try {
      program = await startProgram({ command, peer, deadlines, release: folder.remove, failed });
    } catch (error) {
      folder.remove();
      throw error;
    }
    try {
      const description = await describe(program, folder, settings, context);
      const trainer = await trainerOf(program, folder, description, settings, context);
      return { ...trainer, computesElsewhere: true, lost: lost.signal };
    } catch (error) {
      program.close();
      throw error;
    }
  },
};

/** @throws TrainerFailed the program's initial model is not there, not finite, or does not fit its tensors */
async function describe(
  program: Program,
  folder: SharedFolder,
  { update, options, paths }: Settings,
  context: TrainerContext,
): Promise<Description> {
  const { peer, peers, seed, rounds, localSteps } = context;
  const files = { initial: folder.path(INITIAL), vectors: folder.path(VECTORS), state: folder.path(STATE) };
  const { tensors, local, data, model, returns, evaluates } = await program.ask(
    "describe",
    { seed, peer, peers, rounds, localSteps, update, options, paths, files },
    replies.describe,
  );
  const parameters = countOf(tensors);
  if (parameters === 0 || parameters > MAX_NUMBERS) {
    throw program.refuse(
      (name) =>
        new TrainerFailed(
          `${name} describes a model of ${parameters} parameters: train one of 1 to ${MAX_NUMBERS}`,
          { code: "trainer-model-size", peer },
        ),
    );
  }
  const layout = createLayout(tensors);
  const initial = await lengthOf(folder, INITIAL);
  if (initial !== layout.length) {
    throw program.refuse(
      (name) =>
        new TrainerFailed(
          `${name} wrote ${initial} numbers for an initial model of ${layout.length} parameters: write its tensors to files.initial one after another, as float32`,
          { code: "trainer-initial-length", peer },
        ),
    );
  }
  const values = new Float32Array(layout.length);
  folder.readNow(INITIAL, values);
  requireFinite(program, peer, layout, values, "an initial model");
  return {
    layout,
    stateShapes: Object.fromEntries(local.map(({ name, shape }) => [name, shape])),
    fingerprint: { ...(data !== undefined && { data }), ...(model !== undefined && { trainedModel: model }) },
    returnsModel: update === "own" && returns === "model",
    evaluates,
  };
}

async function trainerOf(
  program: Program,
  folder: SharedFolder,
  { layout, stateShapes, fingerprint, returnsModel, evaluates }: Description,
  { command, update }: Settings,
  { peer }: TrainerContext,
): Promise<Trainer> {
  const { length } = layout;
  const vectors = await folder.create(VECTORS, 2 * length);
  const inTurn = createTurns(program);

  /** Has the program make `out` of `point`. @returns the loss */
  const step = (point: Vector, out: Vector, fields: object): Promise<number | undefined> =>
    inTurn(async () => {
      await vectors.write(point, 0);
      const reply = await program.ask("step", fields, replies.step);
      const held = await vectors.length();
      if (reply.length !== length || held !== 2 * length) {
        throw program.refuse(
          (name) =>
            new TrainerFailed(
              `${name} wrote ${reply.length} numbers in step and left ${held} in files.vectors: for a model of ${length} parameters write ${length} into its second half, and leave its size`,
              { code: "trainer-length", peer },
            ),
        );
      }
      await vectors.read(out, returnsModel ? 0 : length);
      if (returnsModel) for (let k = 0; k < length; k++) out[k]! -= point[k]!;
      // Otherwise learning has diverged, which the peer reports.
      if (reply.loss === null) return Number.NaN;
      requireFinite(program, peer, layout, out, update === "gradient" ? "a gradient" : "an update");
      return reply.loss;
    });

  return {
    layout,
    stateShapes,
    initialize: (model) => folder.readNow(INITIAL, model),
    async gradient(point, out, number) {
      const loss = await step(point, out, { step: number });
      if (loss !== undefined) return loss;
      throw program.refuse(
        (name) =>
          new TrainerFailed(
            `${name} replied to step without a loss: give that of the minibatch with its gradient`,
            { code: "trainer-no-loss", peer },
          ),
      );
    },
    ...(update === "own" && {
      localUpdate: (point, out, { first, count, learningRate }) =>
        step(point, out, { step: first, localSteps: count, learningRate }),
    }),
    evaluate: (model) =>
      inTurn(async () => {
        await vectors.write(model, 0);
        const { loss, accuracy } = await program.ask("evaluate", {}, replies.evaluate);
        return { loss: loss ?? Number.NaN, ...(accuracy !== undefined && { accuracy }) };
      }),
    ...(!evaluates && { evaluates: false }),
    // Nobody else needs to see what the run reports.
    ...(typeof command === "string" && {
      reported: (outcome, model) =>
        inTurn(async () => {
          if (model) await vectors.write(model, 0);
          await program.ask("report", { ...shown(outcome), model: model !== undefined }, replies.report);
        }),
    }),
    state: () => inTurn(() => readState(program, folder, stateShapes, peer)),
    restore: (state) => inTurn(() => writeState(program, folder, state)),
    fingerprint: async () => fingerprint,
    dispose() {
      vectors.close().catch(() => {});
      program.close();
    },
  };
}

function shown(outcome: RoundOutcome): object {
  const { round, kind, isLast, loss, evaluation, consensusEstimate, traffic } = outcome;
  const total = (key: "bytesSent" | "bytesReceived") => traffic.reduce((sum, edge) => sum + edge[key], 0);
  return {
    ...{ round, kind, isLast, loss, evaluation, consensusEstimate },
    ...{ bytesSent: total("bytesSent"), bytesReceived: total("bytesReceived") },
  };
}

/** @throws TrainerFailed the first number that is not finite, by the name of its tensor */
function requireFinite(
  program: Program,
  peer: number,
  { tensors }: Layout,
  values: Vector,
  what: string,
): void {
  const at = firstNotFinite(values);
  if (at === undefined) return;
  const tensor = tensors.find(({ offset, length }) => at < offset + length)!;
  throw program.refuse(
    (name) =>
      new TrainerFailed(
        `${name} returned ${what} with ${values[at]} at number ${at - tensor.offset} of tensor ${tensor.name}: lower the learning rate, or see where it comes from`,
        { code: "trainer-not-finite", peer },
      ),
  );
}

function firstNotFinite(values: Vector): number | undefined {
  for (let k = 0; k < values.length; k++) if (!Number.isFinite(values[k]!)) return k;
  return undefined;
}

/** One request at a time, in the order of the calls: they share one file. */
function createTurns({ check }: Program): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(check).then(work);
    last = next.catch(() => {});
    return next;
  };
}
