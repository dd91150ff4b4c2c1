/** A trainer's running statistics, see `vectors/statistics.ts`. */
import type { Eventually } from "../foundation/eventually.js";
import type { NamedValues } from "../vectors/state.js";
import type { Trainer } from "./trainer.js";

/** Copies of what a trainer's model has beside its vector; nothing where it has no such statistics. */
export function statisticsOf({
  stateShapes = {},
  state,
}: Pick<Trainer, "stateShapes" | "state">): Eventually<NamedValues> {
  const names = Object.keys(stateShapes);
  if (names.length === 0) return {};
  return state().then((all) => Object.fromEntries(names.map((name) => [name, all[name]!])));
}

/** What comes of an act while a trainer's model has these statistics instead of its own. */
export async function withStatistics<Result>(
  trainer: Pick<Trainer, "state" | "restore">,
  statistics: NamedValues,
  act: () => Promise<Result>,
): Promise<Result> {
  if (Object.keys(statistics).length === 0) return act();
  const own = await trainer.state();
  await trainer.restore({ ...own, ...statistics });
  try {
    return await act();
  } finally {
    await trainer.restore(own);
  }
}
