/** The state of a trainer program, through a file that is shared with it. */
import { InvalidData, TrainerFailed } from "../foundation/errors.js";
import type { NamedValues } from "../vectors/state.js";
import { countOf, MAX_NUMBERS, replies } from "./process-messages.js";
import type { Program } from "./process-program.js";
import { lengthOf, type SharedFolder } from "./process-vectors.js";

/** Its name in the folder. */
export const STATE = "state.f32";

/**
 * @param shapes of those parts whose shapes the program has described
 * @throws TrainerFailed tensors of other shapes or lengths
 */
export async function readState(
  program: Program,
  folder: SharedFolder,
  shapes: Readonly<Record<string, readonly number[]>>,
  peer: number,
): Promise<NamedValues> {
  const { tensors } = await program.ask("state", {}, replies.state);
  const other = tensors.find(
    ({ name, shape }) => Object.hasOwn(shapes, name) && shapes[name]!.join() !== shape.join(),
  );
  if (other) {
    throw program.refuse(
      (name) =>
        new TrainerFailed(
          `${name} has a state ${other.name} of shape [${other.shape.join(", ")}], and described it with [${shapes[other.name]!.join(", ")}]: give one shape in describe and state`,
          { code: "trainer-state-shape", peer },
        ),
    );
  }
  const count = countOf(tensors);
  if (count === 0) return Object.fromEntries(tensors.map(({ name }) => [name, new Float32Array(0)]));
  const written = await lengthOf(folder, STATE);
  if (written !== count || count > MAX_NUMBERS) {
    throw program.refuse(
      (name) =>
        new TrainerFailed(
          `${name} wrote ${written} numbers for a state of ${count}, of at most ${MAX_NUMBERS}: write its tensors to files.state one after another, as float32`,
          { code: "trainer-state-length", peer },
        ),
    );
  }
  const values = new Float32Array(count);
  folder.readNow(STATE, values);
  let end = 0;
  return Object.fromEntries(
    tensors.map((tensor) => {
      const start = end;
      end += countOf([tensor]);
      return [tensor.name, values.slice(start, end)];
    }),
  );
}

/** @throws InvalidData the program refuses the state */
export async function writeState(program: Program, folder: SharedFolder, state: NamedValues): Promise<void> {
  const entries = Object.entries(state);
  const file = await folder.create(
    STATE,
    entries.reduce((sum, [, { length }]) => sum + length, 0),
  );
  try {
    let from = 0;
    for (const [, values] of entries) {
      await file.write(values, from);
      from += values.length;
    }
  } finally {
    await file.close();
  }
  const tensors = entries.map(([name, { length }]) => ({ name, shape: [length] }));
  try {
    await program.ask("restore", { tensors }, replies.restore);
  } catch (cause) {
    if (!(cause instanceof TrainerFailed) || cause.code !== "trainer-reports") throw cause;
    const { message, peer } = cause;
    throw new InvalidData(
      `the trainer program does not take the state: ${message}; give it a state that it has written`,
      { code: "trainer-refuses-state", peer, cause },
    );
  }
}
