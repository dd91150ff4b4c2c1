/** The counters of a run as tables show them: those that counted something. */
import { type CounterKind, counterKinds, counterNames } from "../foundation/counters.js";
import type { Run } from "./read.js";

export interface CountView {
  readonly name: string;
  readonly help: string;
  readonly unit: CounterKind["unit"];
  /** By peer, in the order of the run's peers. */
  readonly amounts: readonly number[];
}

export function countsOf({ peers }: Pick<Run, "peers">): CountView[] {
  const late: CountView = {
    name: "late",
    help: "Exchanges that a round went on without",
    unit: "count",
    amounts: peers.map(({ edges }) => [...edges.values()].reduce((sum, { missed }) => sum + missed, 0)),
  };
  const counted = counterNames.map((name): CountView => {
    const { help, unit } = counterKinds[name];
    return {
      name: wordsOf(name),
      help,
      unit,
      amounts: peers.map(({ counters }) => counters[name] ?? 0),
    };
  });
  return [late, ...counted].filter(({ amounts }) => amounts.some((amount) => amount > 0));
}

/** `resent frames` for resentFrames. */
function wordsOf(name: string): string {
  return name.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
