import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { causesAmong, describeDifferences } from "../src/exchange/differences.js";
import { listed } from "../src/exchange/fingerprint.js";
import { MAX_VIOLATIONS } from "../src/exchange/transport.js";
import { HandshakeRefused, InvalidExperiment } from "../src/foundation/errors.js";
import { helloOf, judge, type Self } from "../src/transports/libp2p/handshake.js";
import {
  type Deadlines,
  deadlinesFrom,
  defaultDeadlines,
  MAX_MISSED_HEARTBEATS,
  MIN_DEADLINE_MS,
} from "../src/transports/libp2p/limits.js";
import { createRedial, redialPauseMs } from "../src/transports/libp2p/redial.js";
import {
  after,
  initialStanding,
  isBanned,
  type Standing,
  type StandingEvent,
} from "../src/transports/libp2p/standing.js";
import { createManualClock } from "./support/clock.js";
import { expectError } from "./support/errors.js";

describe("the deadline", () => {
  it.each([
    [1_000, { dial: 500, beat: 1_000 / 12, liveness: 250, close: 500, pauses: [50, 250, 250] }],
    [60_000, { dial: 10_000, beat: 5_000, liveness: 5_000, close: 1_000, pauses: [100, 5_000, 3_000] }],
    [600_000, { dial: 10_000, beat: 10_000, liveness: 5_000, close: 1_000, pauses: [100, 5_000, 3_000] }],
  ])("of %i ms gives every other wait", (deadlineMs, { dial, beat, liveness, close, pauses }) => {
    const [firstPauseMs, longestPauseMs, dialAfterMs] = pauses as [number, number, number];
    expect(deadlinesFrom(deadlineMs)).toEqual({
      readyMs: deadlineMs,
      reconnectMs: deadlineMs,
      progressMs: deadlineMs,
      roundMs: deadlineMs,
      dialMs: dial,
      handshakeMs: dial,
      heartbeatMs: beat,
      livenessMs: liveness,
      lingerMs: Math.min(deadlineMs, 60_000),
      absentMs: Math.min(deadlineMs / 2, 10_000),
      closeMs: close,
      firstPauseMs,
      longestPauseMs,
      dialAfterMs,
      banMs: deadlineMs / 10,
    } satisfies Deadlines);
  });

  it("leaves time to notice a dead connection and to try another; a longer one shortens no wait", () => {
    const lengths = fc.double({ min: MIN_DEADLINE_MS, max: 86_400_000, noNaN: true });
    fc.assert(
      fc.property(lengths, lengths, (one, other) => {
        const { heartbeatMs, dialMs, handshakeMs, longestPauseMs, dialAfterMs, firstPauseMs } =
          deadlinesFrom(one);
        const { lingerMs, absentMs } = deadlinesFrom(one);
        expect(absentMs).toBeGreaterThanOrEqual(2 * longestPauseMs);
        expect(lingerMs).toBeGreaterThanOrEqual(absentMs);
        expect(heartbeatMs * (MAX_MISSED_HEARTBEATS + 1)).toBeLessThan(one);
        for (const attempt of [dialMs, handshakeMs, longestPauseMs, dialAfterMs]) {
          expect(attempt).toBeLessThanOrEqual(one / 2);
        }
        expect(firstPauseMs).toBeLessThanOrEqual(longestPauseMs);
        const longer = deadlinesFrom(Math.max(one, other));
        for (const [name, wait] of Object.entries(deadlinesFrom(Math.min(one, other)))) {
          expect(longer[name as keyof Deadlines]).toBeGreaterThanOrEqual(wait);
        }
      }),
    );
  });

  it(`is ${MIN_DEADLINE_MS} ms at least`, () => {
    for (const deadlineMs of [MIN_DEADLINE_MS - 1, 0, -1, Number.NaN]) {
      const expected = { code: "deadline-too-short", field: "deadlineMs" };
      expectError(() => deadlinesFrom(deadlineMs), InvalidExperiment, expected);
    }
    expect(deadlinesFrom(Number.POSITIVE_INFINITY).dialMs).toBe(10_000);
  });
});

describe("a handshake", () => {
  const selves = fc.record<Self>({
    id: fc.nat({ max: 3 }),
    instance: fc.constantFrom("a", "b"),
    fingerprint: fc.dictionary(fc.constantFrom("seed", "model"), fc.constantFrom("1", "2")),
  });

  it("accepts at one end what it accepts at the other: the named peer with the same fingerprint", () => {
    fc.assert(
      fc.property(selves, selves, (one, other) => {
        const accepts = judge(one, other.id, helloOf(other, 1)) === undefined;
        expect(judge(other, one.id, helloOf(one, 1)) === undefined).toBe(accepts);
        const text = ({ fingerprint }: Self) => JSON.stringify(Object.entries(fingerprint).sort());
        expect(accepts).toBe(text(one) === text(other));
        expect(judge(one, other.id + 1, helloOf(other, 1))).toBeInstanceOf(HandshakeRefused);
        expect(judge(one, other.id, { ...helloOf(other, 1), version: 77 })).toBeInstanceOf(HandshakeRefused);
      }),
    );
  });
});

describe("differences in words", () => {
  const entries = fc.array(fc.oneof(fc.constantFrom("cat", "dog", "fox"), fc.string()), { maxLength: 6 });
  const [many, more] = [300, 301].map((count) =>
    listed(Array.from({ length: count }, (_, k) => `name ${k}`)),
  );
  const say = (field: string, ours?: string, theirs?: string) =>
    describeDifferences([{ field, ours, theirs }], 7);

  it("name the first entry of a list that differs", () => {
    fc.assert(
      fc.property(entries, entries, (one, other) => {
        fc.pre(JSON.stringify(one) !== JSON.stringify(other));
        const first = [...one, ...other, ""].findIndex((_, k) => one[k] !== other[k]);
        expect(say("classes", listed(one), listed(other))).toMatch(new RegExp(`^class ${first} is `));
      }),
    );
    expect(say("classes", listed(["cat", "dog"]), listed(["cat"]))).toBe(
      'class 1 is "dog" here and absent at peer 7',
    );
  });

  it("of lists too long to show say how long they are", () => {
    expect(say("classes", many, more)).toBe("there are 300 classes here and 301 at peer 7");
    expect(say("classes", many, listed(["cat"]))).toBe("there are 300 classes here and 1 at peer 7");
    const renamed = listed(Array.from({ length: 300 }, (_, k) => `name ${k + 1}`));
    expect(say("classes", many, renamed)).toBe("the 300 classes here and at peer 7 differ");
  });

  it("stay short and printable, whatever a neighbour states", () => {
    const hostile = fc.oneof(fc.string(), fc.json(), fc.constantFrom("[1]", '["', "[[]]", "x".repeat(1000)));
    const fields = fc.constantFrom("classes", "modelLayers", "splitParts", "data", "toString");
    fc.assert(
      fc.property(fields, hostile, hostile, (field, ours, theirs) => {
        const text = say(field, ours, theirs);
        expect(text).toMatch(/^[\x20-\x7e\u00a0-\uffff]+$/);
        expect(text.length).toBeLessThan(2 * 6 * 130 + 60);
      }),
    );
  });

  it("leave out what follows from others, and keep at least one", () => {
    const fields = [
      "classes",
      "data",
      "exampleShape",
      "initialModel",
      "layout",
      "model",
      "modelLayers",
      "seed",
    ];
    fc.assert(
      fc.property(fc.subarray(fields, { minLength: 1 }), (different) => {
        const causes = causesAmong(different.map((field) => ({ field, ours: "1", theirs: "2" })));
        expect(causes.length).toBeGreaterThan(0);
      }),
    );
    const named = (...different: string[]) =>
      causesAmong(different.map((field) => ({ field, ours: "1", theirs: "2" }))).map(({ field }) => field);
    expect(named("classes", "data")).toEqual(["classes"]);
    expect(named("data", "splitParts")).toEqual(["data", "splitParts"]);
    expect(named("initialModel", "modelLayers")).toEqual(["modelLayers"]);
  });
});

describe("redialling", () => {
  it("pauses between half of the doubled pause and all of it, up to the longest", () => {
    const draws = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.nat({ max: 2000 }), draws, (failures, draw) => {
        const { firstPauseMs, longestPauseMs } = defaultDeadlines;
        const doubled = Math.min(longestPauseMs, firstPauseMs * 2 ** failures);
        const pause = redialPauseMs(defaultDeadlines, failures, draw);
        expect(pause).toBeGreaterThanOrEqual(doubled / 2);
        expect(pause).toBeLessThanOrEqual(doubled);
      }),
    );
  });

  it("has one plan at a time; pauses are short again after success, and long after a goodbye", () => {
    const clock = createManualClock();
    let attempts = 0;
    const redial = createRedial({
      id: 0,
      neighbour: 1,
      clock,
      deadlines: defaultDeadlines,
      leastMs: 0,
      attempt: () => attempts++,
    });
    const first = redial.plan()!;
    expect(first.attempt).toBe(1);
    expect(redial.plan()).toBeUndefined();
    clock.advance(first.pauseMs - 1);
    expect(attempts).toBe(0);
    clock.advance(1);
    expect(attempts).toBe(1);
    expect(redial.plan()!.attempt).toBe(2);
    redial.cancel();
    clock.advance(1e6);
    expect(attempts).toBe(1);
    redial.succeeded();
    expect(redial.plan()).toEqual(first);
    redial.cancel();
    redial.left();
    expect(redial.plan()!.pauseMs).toBeGreaterThan(defaultDeadlines.firstPauseMs);
  });
});

describe("a standing", () => {
  const refusal = new HandshakeRefused("it runs something else", { code: "other-experiment" });
  const events = fc.constantFrom<StandingEvent>(
    { kind: "connected" },
    { kind: "disconnected", reason: "a break" },
    { kind: "expired" },
    { kind: "mismatched", refusal },
    { kind: "refused" },
    { kind: "violated" },
    { kind: "readmitted" },
  );
  const standingAfter = (list: readonly StandingEvent[]): Standing =>
    list.reduce(after, initialStanding("not dialled yet"));

  it("counts every refusal, and bans after too many violations since the last ban ended", () => {
    fc.assert(
      fc.property(fc.array(events), (list) => {
        const standing = standingAfter(list);
        const count = (...kinds: string[]) => list.filter(({ kind }) => kinds.includes(kind)).length;
        const kinds = list.map(({ kind }) => kind);
        const since = kinds.slice(kinds.lastIndexOf("readmitted") + 1).filter((kind) => kind === "violated");
        expect(standing.violations).toBe(since.length);
        expect(standing.refusals).toBe(count("violated", "refused", "mismatched"));
        expect(isBanned(standing)).toBe(since.length >= MAX_VIOLATIONS);
        const periods = kinds.join().split("readmitted");
        const bans = periods.filter((period) => period.split("violated").length > MAX_VIOLATIONS);
        expect(standing.bans).toBe(bans.length);
      }),
    );
  });

  it("is down from an expiry to the next connection, and keeps a refused handshake as the reason as long", () => {
    fc.assert(
      fc.property(fc.array(events), (list) => {
        const standing = standingAfter(list);
        const last = (...kinds: string[]) => list.map(({ kind }) => kinds.includes(kind)).lastIndexOf(true);
        expect(standing.isDown).toBe(last("expired") > last("connected"));
        expect(standing.isConnected).toBe(last("connected") > last("disconnected"));
        expect(standing.refusal).toBe(last("mismatched") > last("connected") ? refusal : undefined);
        if (standing.refusal) expect(standing.reason).toBe(refusal.message);
      }),
    );
  });
});
