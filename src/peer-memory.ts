/** Everything of a peer that outlives a round, by name: what a checkpoint holds. */
import type { Checkpoint } from "./checkpoint.js";
import { InvalidCheckpoint, InvalidData } from "./foundation/errors.js";
import type { SavedModel } from "./saved-model.js";
import type { Trainer } from "./trainers/trainer.js";
import type { NamedValues, State } from "./vectors/state.js";
import type { Vector } from "./vectors/vector.js";

export interface Memory {
  /** Name under which a live vector is saved; undefined where it is not. */
  nameOf(vector: Vector): string | undefined;
  /** The live vectors, what the trainer keeps, and the numbers. @param own what `trainer.state` returned */
  save(own: NamedValues): Pick<Checkpoint, "vectors" | "scalars">;
  /** @throws InvalidCheckpoint other names or lengths; nothing is changed then */
  restore(saved: Pick<Checkpoint, "vectors" | "scalars">): Promise<void>;
  /**
   * Takes what stays valid on another graph: the model, the optimizer's state, and what the algorithm keeps.
   * @param keeps names of the algorithm's state
   */
  adopt(saved: Pick<Checkpoint, "vectors" | "scalars">, keeps: readonly string[]): void;
}

/** Names of a trainer's own values begin with this. */
const TRAINER = "trainer/";

/** @param states by owner; their names stand behind the owner's */
export function createMemory(
  id: number,
  model: Vector,
  states: Readonly<Record<string, State>>,
  trainer: Pick<Trainer, "restore">,
): Memory {
  const vectors: Record<string, Vector> = { model };
  for (const [owner, state] of Object.entries(states)) {
    for (const [name, vector] of Object.entries(state.vectors)) vectors[`${owner}/${name}`] = vector;
  }
  return {
    nameOf: (vector) => Object.keys(vectors).find((name) => vectors[name] === vector),
    save(values) {
      const own = Object.entries(values).map(([name, value]) => [TRAINER + name, value]);
      const scalars: Record<string, number> = {};
      for (const [owner, state] of Object.entries(states)) {
        for (const [name, value] of Object.entries(state.scalars)) scalars[`${owner}/${name}`] = value;
      }
      return { vectors: { ...vectors, ...Object.fromEntries(own) }, scalars };
    },

    adopt(saved, keeps) {
      const stays = (name: string) =>
        name === "model" ||
        name.startsWith("optimizer/") ||
        name.startsWith("pooled/") ||
        name.startsWith("stopper/") ||
        keeps.some((kept) => name === `algorithm/${kept}`);
      for (const [name, vector] of Object.entries(vectors)) {
        const values = stays(name) ? saved.vectors[name] : undefined;
        if (values) vector.set(values);
      }
      for (const [name, value] of Object.entries(saved.scalars))
        if (stays(name)) setScalar(states, name, value);
    },

    async restore(saved) {
      for (const [name, values] of Object.entries(saved.vectors)) {
        if (!name.startsWith(TRAINER) && vectors[name]?.length !== values.length) throw unlike(id, name);
      }
      for (const name of Object.keys(vectors)) if (!saved.vectors[name]) throw unlike(id, name);
      await restoreTrainer(id, trainer, ownOf(saved.vectors));
      for (const [name, vector] of Object.entries(vectors)) vector.set(saved.vectors[name]!);
      for (const [name, value] of Object.entries(saved.scalars)) setScalar(states, name, value);
    },
  };
}

/**
 * The model in a checkpoint, as its file has it.
 * @param frozen the tensors that the run leaves as they are, which checkpoints do not have
 * @throws InvalidCheckpoint the checkpoint does not say what model it is of
 */
export function modelIn(
  { peer, round, vectors, exported }: Checkpoint,
  frozen: NamedValues = {},
): SavedModel {
  const model = exported && vectors[exported.point];
  if (!model) {
    throw new InvalidCheckpoint(
      `the checkpoint of peer ${peer} after round ${round} does not say what model it is of: resume its run, and export what it saves then`,
      { code: "checkpoint-without-model", peer, round },
    );
  }
  return { card: exported.card, peer, round, model, local: ownOf(vectors), frozen };
}

/** What the trainer keeps, without the owner before its names. */
function ownOf(vectors: Checkpoint["vectors"]): NamedValues {
  const own = Object.entries(vectors).filter(([name]) => name.startsWith(TRAINER));
  return Object.fromEntries(own.map(([name, values]) => [name.slice(TRAINER.length), values]));
}

/** @param name with its owner before it */
function setScalar(states: Readonly<Record<string, State>>, name: string, value: number): void {
  for (const [owner, { scalars }] of Object.entries(states)) {
    if (name.startsWith(`${owner}/`)) scalars[name.slice(owner.length + 1)] = value;
  }
}

async function restoreTrainer(id: number, trainer: Pick<Trainer, "restore">, own: NamedValues) {
  try {
    await trainer.restore(own);
  } catch (cause) {
    if (!(cause instanceof InvalidData)) throw cause;
    throw new InvalidCheckpoint(`the checkpoint of peer ${id} does not fit its trainer: ${cause.message}`, {
      code: "checkpoint-of-another-trainer",
      peer: id,
      cause,
    });
  }
}

const unlike = (id: number, name: string) =>
  new InvalidCheckpoint(
    `the checkpoint of peer ${id} does not fit: its state has no ${name}, or one of another length; resume with the version and settings that wrote it`,
    { code: "checkpoint-of-other-state", peer: id, field: name },
  );
