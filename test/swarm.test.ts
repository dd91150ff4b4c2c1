import { describe, expect, it } from "vitest";
import type { Frame } from "../src/exchange/frame.js";
import { createDisk, type Disk } from "./support/restarts.js";
import { commandOf, problemOf, type Schedule, scheduleOf, shrink } from "./support/swarm.js";

/** Of small runs; npm run swarm has 10,000. */
const SCHEDULES = 1000;
const PART = 100;

/** The first seed whose schedule is like this. */
function seedOf(isWanted: (schedule: Schedule) => boolean): number {
  let seed = 1;
  while (!isWanted(scheduleOf(seed))) seed++;
  return seed;
}

describe("a swarm of random schedules", () => {
  for (let first = 1; first <= SCHEDULES; first += PART) {
    it(`from seed ${first} keeps every law: the mean, an end, short queues, equal logs, and the models of lockstep at the barrier`, async () => {
      const problems: string[] = [];
      for (let seed = first; seed < first + PART; seed++) {
        const problem = await problemOf(scheduleOf(seed));
        if (problem !== undefined) problems.push(`seed ${seed}: ${problem}`);
      }
      expect(problems).toEqual([]);
    });
  }

  it("notices a disk that loses what was written before a crash", async () => {
    const disk = (): Disk => {
      const { store } = createDisk();
      return { store: () => ({ ...store(), append: () => 0 }) };
    };
    const problems: (string | undefined)[] = [];
    for (let seed = 1; problems.length < 10; seed++) {
      const schedule = scheduleOf(seed);
      if (schedule.faults.has("crashes")) problems.push(await problemOf(schedule, { disk }));
    }
    expect(problems.join()).toMatch(/which goes on at frame/);
  });

  it("notices numbers that change on their way", async () => {
    for (const isBarrier of [true, false]) {
      const seed = seedOf(
        ({ algorithm: { sends, compresses, steps, movesMean, needs }, rounds, patienceMs }) =>
          sends !== "nothing" &&
          !movesMean &&
          needs.graph === "symmetric" &&
          !needs.everyEdge &&
          !compresses &&
          steps === 1 &&
          rounds > 2 &&
          (patienceMs === undefined) === isBarrier,
      );
      const problem = await problemOf(scheduleOf(seed), {
        sabotage: () => (from, _to, frame) => {
          const payload = frame.payload.slice();
          // The sign of the first number.
          if (from === 1) payload[3]! ^= 0x80;
          return { ...frame, payload };
        },
      });
      expect(problem).toMatch(/the mean moved by/);
    }
  });

  it("notices a run that does not end, and makes its schedule smaller", async () => {
    const seed = seedOf(
      ({ algorithm, faults, graph, rounds }) =>
        ["losses", "jitter", "slow"].every((fault) => faults.has(fault as "slow")) &&
        algorithm.steps > 0 &&
        rounds > 4 &&
        graph.peers > 5,
    );
    // The second frame of every edge is swallowed, if connections are lost.
    const options = {
      sabotage: ({ faults }: Schedule) => {
        if (!faults.has("losses")) return undefined;
        return (_from: number, _to: number, frame: Frame) => (frame.exchange === 1 ? [] : frame);
      },
    };
    expect(await problemOf(scheduleOf(seed), options)).toMatch(/waited 4 s in round/);
    const smallest = await shrink(seed, options);
    expect([...scheduleOf(seed, smallest).faults]).toEqual(["losses"]);
    expect(smallest).toMatchObject({ peers: 3 });
    expect(commandOf(seed, smallest)).toBe(
      `npm run -s swarm -- 1 ${seed} --without ${smallest.without.join(",")} --peers 3 --rounds ${smallest.rounds}`,
    );
  });
});
