import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addAll,
  type CounterName,
  type CounterValues,
  counterKinds,
  counterNames,
  createCounters,
} from "../src/foundation/counters.js";
import { createGoodput, shareOf, usefulMs } from "../src/observing/goodput.js";
import type { RoundTimes } from "../src/observing/report.js";
import { counterMetric } from "../src/sinks/metrics.js";

describe("counters", () => {
  /** What is counted, and where a report is taken in between. */
  const events = fc.array(
    fc.option(
      fc.tuple(fc.constantFrom(...counterNames), fc.option(fc.nat({ max: 3 }), { nil: undefined }), fc.nat()),
      { nil: "report" as const },
    ),
  );

  it("add up over reports to what was counted, each once, by neighbour where they are", () => {
    fc.assert(
      fc.property(events, (list) => {
        const counters = createCounters();
        const total: CounterValues = {};
        const edges = new Map<number, CounterValues>();
        const take = () => {
          const report = counters.take();
          addAll(total, report.counters ?? {});
          for (const edge of report.edgeCounters ?? []) {
            const known = edges.get(edge.neighbour) ?? {};
            addAll(known, edge);
            edges.set(edge.neighbour, known);
          }
        };
        const expected: CounterValues = {};
        const expectedEdges = new Map<number, CounterValues>();
        for (const event of list) {
          if (event === "report") {
            take();
            continue;
          }
          const [name, neighbour, by] = event;
          counters.count(name, neighbour, by);
          addAll(expected, { [name]: by });
          if (neighbour === undefined || !counterKinds[name].perEdge) continue;
          const edge = expectedEdges.get(neighbour) ?? {};
          addAll(edge, { [name]: by });
          expectedEdges.set(neighbour, edge);
        }
        take();
        expect(total).toEqual(expected);
        expect(edges).toEqual(expectedEdges);
        // Nothing changed since: logs stay small.
        expect(counters.take()).toEqual({});
      }),
    );
  });

  it("have names of their own in Prometheus, in its style", () => {
    const metrics = counterNames.map(counterMetric);
    expect(new Set(metrics).size).toBe(metrics.length);
    for (const metric of metrics) expect(metric).toMatch(/^[a-z]+(_[a-z]+)*_total$/);
    expect(counterMetric("resentFrames" satisfies CounterName)).toBe("resent_frames_total");
  });
});

describe("goodput", () => {
  const ms = fc.double({ min: 0, max: 1e6, noNaN: true });
  const parts = fc.record({ computeMs: ms, compressMs: ms, waitMs: ms, mixMs: ms, otherMs: ms });

  it("is the share of time that was not lost, and of rounds run again only the first account counts", () => {
    fc.assert(
      fc.property(fc.array(parts, { minLength: 1 }), fc.nat(), (rounds, from) => {
        const goodput = createGoodput();
        expect(goodput.share).toBeUndefined();
        let elapsedMs = 0;
        let useful = 0;
        const add = (round: number) => {
          const { otherMs, ...times } = rounds[round]!;
          elapsedMs += times.computeMs + times.compressMs + times.waitMs + times.mixMs + otherMs;
          const time: RoundTimes = { ...times, elapsedMs };
          goodput.add({ round, time });
          return usefulMs(time);
        };
        for (let round = 0; round < rounds.length; round++) useful += add(round);
        for (let round = from % rounds.length; round < rounds.length; round++) add(round);
        const share = goodput.share;
        if (elapsedMs === 0) expect(share).toBeUndefined();
        else expect(share).toBeCloseTo(useful / elapsedMs, 9);
      }),
    );
  });

  it("is a share whatever clocks say", () => {
    expect(shareOf(5, 0)).toBeUndefined();
    expect(shareOf(5, 4)).toBe(1);
    expect(shareOf(-1, 4)).toBe(0);
  });
});
