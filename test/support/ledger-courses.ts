/** What `npm run check:ledger` goes through: graphs, modes and budgets of faults. */
import type { Budget } from "./ledger-check.js";
import type { Course } from "./ledger-model.js";

export { checkLedger } from "./ledger-check.js";

export interface Checked {
  readonly name: string;
  readonly course: Course;
  readonly budget: Budget;
}

const graphs = {
  pair: [[1], [0]],
  chain: [[1], [0, 2], [1]],
  triangle: [
    [1, 2],
    [0, 2],
    [0, 1],
  ],
};

/** Without a rule for patience: the barrier. */
export function checked(
  graph: keyof typeof graphs,
  shape: Partial<Omit<Course, "neighbours">>,
  budget: Budget,
): Checked {
  const neighbours = graphs[graph].map((own) => own.map((peer) => ({ peer, weight: 1 / 3 })));
  const course = { neighbours, rounds: 2, closingRounds: 0, steps: 1, isPatient: false, ...shape };
  const { rounds, closingRounds, steps, isPatient, isPrompt } = course;
  const name = [
    `${graph}, ${isPatient ? "patience" : "barrier"}`,
    `${rounds} round${rounds > 1 ? "s" : ""}${steps > 1 ? ` of ${steps} steps` : ""}${closingRounds > 0 ? " and a closing one" : ""}`,
    `${budget.crashes} crashes, ${budget.losses} losses${isPrompt ? ", events taken at once" : ""}`,
  ].join(", ");
  return { name, course, budget };
}

/** All of it takes minutes. */
export function everyCourse(peers: number): readonly Checked[] {
  if (peers === 2) {
    return [
      checked("pair", { closingRounds: 1 }, { crashes: 2, losses: 2 }),
      checked("pair", { steps: 2 }, { crashes: 2, losses: 1 }),
      checked("pair", { rounds: 1, closingRounds: 1, isPatient: true }, { crashes: 2, losses: 2 }),
      checked("pair", { isPatient: true }, { crashes: 1, losses: 0 }),
      checked("pair", { isPatient: true, isPrompt: true }, { crashes: 1, losses: 1 }),
      checked("pair", { rounds: 3, isPatient: true, isPrompt: true }, { crashes: 0, losses: 0, depth: 18 }),
    ];
  }
  return [
    checked("chain", { isPrompt: true }, { crashes: 1, losses: 1 }),
    checked("chain", { rounds: 1, isPatient: true, isPrompt: true }, { crashes: 1, losses: 1 }),
    checked("triangle", { rounds: 1, isPrompt: true }, { crashes: 2, losses: 1 }),
    checked("triangle", { rounds: 1, isPatient: true, isPrompt: true }, { crashes: 1, losses: 0 }),
  ];
}
