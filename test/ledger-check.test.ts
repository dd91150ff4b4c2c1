import { describe, expect, it } from "vitest";
import { checkLedger } from "./support/ledger-check.js";
import { checked } from "./support/ledger-courses.js";
import type { Weakness } from "./support/ledger-model.js";

describe("every interleaving of two peers and their faults (npm run check:ledger has more)", () => {
  const cases = [
    checked("pair", {}, { crashes: 1, losses: 0 }),
    checked("pair", { rounds: 1 }, { crashes: 1, losses: 1 }),
    checked("pair", { rounds: 1, isPatient: true }, { crashes: 1, losses: 1 }),
    checked("pair", { rounds: 3, isPatient: true, isPrompt: true }, { crashes: 0, losses: 0, depth: 13 }),
    checked("pair", { rounds: 1, closingRounds: 1, isPatient: true }, { crashes: 1, losses: 1, depth: 12 }),
  ];
  for (const { name, course, budget } of cases) {
    it(`leaves both ends in agreement, and a way to the end: ${name}`, async () => {
      const { violation, states, isComplete, audited } = await checkLedger(course, budget);
      expect(violation).toBeUndefined();
      expect(isComplete).toBe(budget.depth === undefined);
      expect(states).toBeGreaterThan(1000);
      expect(audited).toBeGreaterThan(50);
    });
  }
});

describe("the check finds", () => {
  const weaknesses: readonly (readonly [Weakness, what: RegExp, isPatient?: boolean])[] = [
    ["confirms before it keeps", /^peer 1, restarted, has 0 of 1 frames that it confirmed to peer 0$/],
    ["sends before it writes", /^peer 1 has a frame that peer 0, restarted, has not offered$/],
    ["forgets what is held", /^peer 1, restarted, has 1 of 2 frames that it confirmed to peer 0$/],
    ["loses what was taken", /^peer 1 has a frame that peer 0, restarted, has not offered$/],
    [
      "loses acknowledgements",
      /^peer 0, which is done, needs its neighbours when it starts again \(waiting\)$/,
      true,
    ],
    ["counts a frame too many", /^peer 1 has 1 of 2 frames that it confirmed to peer 0$/],
  ];
  for (const [weakness, what, isPatient = false] of weaknesses) {
    it(`a peer that ${weakness}, by a shortest course`, async () => {
      const { course, budget } = checked("pair", { weakness, isPatient }, { crashes: 1, losses: 0 });
      const { violation } = await checkLedger(course, budget);
      expect(violation?.what).toMatch(what);
      expect(violation?.course.length).toBeGreaterThan(1);
    });
  }
});
