import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Frame } from "../src/exchange/frame.js";
import { createLedger, type Ledger, type LedgerOptions } from "../src/exchange/ledger.js";
import type { Settled } from "../src/exchange/settlement.js";
import { MAX_UNRELEASED_FRAMES } from "../src/exchange/transport.js";
import { MalformedPayload, Unreachable } from "../src/foundation/errors.js";
import { random } from "../src/foundation/random.js";

const rate = (round: number) => 1 / (1 + round);
const options = (id: number, changes: Partial<LedgerOptions> = {}): LedgerOptions => ({
  id,
  edges: [{ peer: 1 - id, weight: 0.5 }],
  rate,
  check() {},
  isBarrier: false,
  afterFault: "end",
  lastRound: 1e9,
  ...changes,
});
const payload = (...bytes: number[]) => Uint8Array.from(bytes);
const frame = (changes: Partial<Frame> = {}): Frame => ({
  kind: "learning",
  round: 0,
  step: 0,
  exchange: 0,
  payload: payload(7),
  ...changes,
});
const offer = (round: number, ...bytes: number[]) =>
  ({ kind: "learning", round, step: 0, payload: payload(...bytes) }) as const;

describe("two ledgers on one edge", () => {
  /**
   * Both ends, whose rounds move on at their own pace, over a channel that keeps order but nothing else: the schedule
   * decides who acts, and every frame may come a second time.
   */
  function play(seed: number, steps: number, staleness?: number) {
    const draws = random(seed, "schedule");
    const ends = [0, 1].map((id) => createLedger(options(id, { staleness })));
    const rounds = [0, 0];
    const inFlight: Frame[][] = [[], []];
    const unacknowledged = [0, 0];
    const pairs: Settled[][] = [[], []];
    for (let step = 0; step < steps; step++) {
      const to = draws.bits(4 * step) & 1;
      const from = 1 - to;
      const action = draws.uniform(4 * step + 1);
      const ledger = ends[to]!;
      if (action < 0.35) {
        // A round: offer where the edge is ready, otherwise go on without it.
        const [edge] = ledger.ready();
        if (edge) {
          const halvings = draws.bits(4 * step + 3) % 3;
          const mine = { ...offer(rounds[to]!, to, rounds[to]!, halvings), halvings };
          const sent = ledger.offered(edge, mine, 0)!;
          inFlight[from]!.push(sent);
          unacknowledged[to]!++;
        }
        rounds[to]!++;
      } else if (action < 0.7) {
        const next = inFlight[to]!.shift();
        if (next) ledger.received(from, next, () => {});
        if (next && draws.uniform(4 * step + 2) < 0.3) ledger.received(from, next, () => {});
        if (next) ends[from]!.acknowledged(to);
      } else {
        pairs[to]!.push(...ledger.takeSettled());
      }
    }
    for (const [id, ledger] of ends.entries()) pairs[id]!.push(...ledger.takeSettled());
    return { pairs, rounds, ends };
  }

  it("settle the same pairs in the same order at the same rates, whatever the schedule; one end is ahead by one at most", () => {
    let settled = 0;
    let roundsApart = 0;
    let lowered = 0;
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 200 }), (seed, steps) => {
        const [a, b] = play(seed, steps).pairs as [Settled[], Settled[]];
        expect(Math.abs(a.length - b.length)).toBeLessThanOrEqual(1);
        for (let k = 0; k < Math.min(a.length, b.length); k++) {
          expect(a[k]!.own).toEqual(b[k]!.theirs);
          expect(a[k]!.theirs).toEqual(b[k]!.own);
          expect(a[k]!.rate).toBe(b[k]!.rate);
          const [of, halvings] = [1, 2].map((at) => [a[k]!.own[at]!, b[k]!.own[at]!]);
          expect(a[k]!.rate).toBe(rate(Math.min(...of!)) / 2 ** Math.max(...halvings!));
          if (halvings![0] !== halvings![1]) lowered++;
          if (a[k]!.own[1] !== b[k]!.own[1]) roundsApart++;
          settled++;
        }
      }),
      { numRuns: 1000 },
    );
    expect(settled).toBeGreaterThan(1000);
    expect(roundsApart).toBeGreaterThan(100);
    expect(lowered).toBeGreaterThan(100);
  });

  it("settle at a rate of 0, both of them, where their rounds are too far apart", () => {
    let stale = 0;
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 3 }), (seed, staleness) => {
        const [a, b] = play(seed, 200, staleness).pairs as [Settled[], Settled[]];
        for (let k = 0; k < Math.min(a.length, b.length); k++) {
          expect(a[k]!.rate).toBe(b[k]!.rate);
          const apart = Math.abs(a[k]!.own[1]! - b[k]!.own[1]!);
          expect(a[k]!.rate > 0).toBe(apart <= staleness);
          if (apart > staleness) stale++;
        }
      }),
    );
    expect(stale).toBeGreaterThan(100);
  });

  it("refuse every second copy of a frame, and settle nothing from it", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { ends, rounds } = play(seed, 100);
        for (const ledger of ends) {
          for (const { reason } of ledger.takeRefusals())
            expect(reason).toMatch(/came as exchange \d+, but \d+ is next/);
        }
        expect(rounds[0]! + rounds[1]!).toBeGreaterThan(0);
      }),
    );
  });
});

describe("a ledger", () => {
  const edges = [
    { peer: 1, weight: 0.3 },
    { peer: 2, weight: 0.3 },
  ];
  const barrier = (changes: Partial<LedgerOptions> = {}) =>
    createLedger(options(0, { edges, isBarrier: true, ...changes }));
  /** Offers round 0 on both edges. */
  const opened = (ledger: Ledger) => {
    for (const edge of edges) ledger.offered(edge, offer(0, 0), 0);
    return ledger;
  };

  it("hands out what has settled in the order of the edges, once, and releases it at the next call", () => {
    const ledger = opened(barrier());
    const released: number[] = [];
    ledger.received(2, frame({ payload: payload(2) }), () => released.push(2));
    expect(ledger.awaited()).toEqual([1, 2]);
    ledger.received(1, frame({ payload: payload(1) }), () => released.push(1));
    const taken = ledger.takeSettled();
    expect(taken.map(({ edge, own, theirs }) => [edge.peer, own, theirs])).toEqual([
      [1, payload(0), payload(1)],
      [2, payload(0), payload(2)],
    ]);
    expect(released).toEqual([]);
    expect(ledger.takeSettled()).toEqual([]);
    expect(released.sort()).toEqual([1, 2]);
    // Acknowledgements are still missing: the payload's memory must not be used yet.
    expect(ledger.isWaiting()).toBe(true);
    ledger.acknowledged(1);
    ledger.acknowledged(2);
    expect(ledger.isWaiting()).toBe(false);
    expect(ledger.ready()).toEqual(edges);
  });

  it("refuses frames out of turn, of strangers and beyond its limit, releases them, and settles nothing", () => {
    const cases: [from: number, sent: Frame, before: Frame[], reason: RegExp][] = [
      [3, frame(), [], /not a neighbour of peer 0/],
      [1, frame({ exchange: 1 }), [], /came as exchange 1, but 0 is next/],
      [1, frame(), [frame()], /came as exchange 0, but 1 is next/],
      [
        1,
        frame({ exchange: MAX_UNRELEASED_FRAMES }),
        Array.from({ length: MAX_UNRELEASED_FRAMES }, (_, exchange) => frame({ exchange })),
        /came while 2 frames of the same peer wait/,
      ],
    ];
    for (const [from, sent, before, reason] of cases) {
      const counter = from === 3 ? "refusedStranger" : "refusedOutOfTurn";
      const ledger = barrier();
      for (const each of before) ledger.received(1, each, () => {});
      let releases = 0;
      ledger.received(from, sent, () => releases++);
      expect(releases).toBe(1);
      expect(ledger.takeRefusals()).toEqual([{ from, counter, reason: expect.stringMatching(reason) }]);
      expect(ledger.takeRefusals()).toEqual([]);
      expect(ledger.takeSettled()).toEqual([]);
      // The run goes on: the frame that is due is taken.
      opened(ledger);
      if (before.length === 0) ledger.received(1, frame(), () => {});
      expect(ledger.takeSettled()).toHaveLength(1);
    }
  });

  it("ends the edge of a neighbour that spends an exchange on another round, step, kind or payload", () => {
    const wrong: [Partial<Frame>, RegExp][] = [
      [{ round: 3 }, /sent round 4 where round 1 is due/],
      [{ step: 1 }, /sent round 1, step 2 where round 1 is due/],
      [{ kind: "closing" }, /sent closing round 1 where round 1 is due/],
      [{ payload: payload(66) }, /sent a malformed payload in round 1 \(sixty-six\)/],
    ];
    const check = ({ payload }: Frame) => {
      if (payload[0] === 66) throw new MalformedPayload("sixty-six", { code: "sixty-six" });
    };
    for (const [changes, reason] of wrong) {
      for (const isEarly of [true, false]) {
        const ledger = barrier({ check });
        if (!isEarly) opened(ledger);
        let releases = 0;
        ledger.received(1, frame(changes), () => releases++);
        if (isEarly) opened(ledger);
        expect(releases).toBe(1);
        expect(ledger.obstacle()).toBeInstanceOf(MalformedPayload);
        expect(ledger.obstacle()!.message).toMatch(reason);
        expect(ledger.obstacle()!.message).toMatch(/^peer 1 /);
        expect(ledger.takeRefusals()).toHaveLength(1);
        // Nothing that it sends afterwards is taken.
        ledger.received(1, frame(), () => releases++);
        expect(releases).toBe(2);
        expect(ledger.takeSettled()).toEqual([]);
      }
    }
  });

  it("goes on without an edge that is late, unreachable or at fault where it need not wait for all", () => {
    const patient = () => opened(createLedger(options(0, { edges, check: failing })));
    const failing = ({ payload }: Frame) => {
      if (payload[0] === 66) throw new MalformedPayload("sixty-six", { code: "sixty-six" });
    };
    const answer = (ledger: Ledger) => {
      ledger.received(2, frame(), () => {});
      ledger.acknowledged(2);
    };
    const late = patient();
    answer(late);
    late.tick(4, () => 5);
    expect(late.isWaiting()).toBe(true);
    late.tick(5, () => 5);
    expect(late.isWaiting()).toBe(false);
    expect(late.late()).toEqual([1]);
    expect(late.takeSettled().map(({ edge }) => edge.peer)).toEqual([2]);
    // The edge is left out until its exchange has settled, in whatever round that is.
    expect(late.ready()).toEqual([edges[1]]);
    late.received(1, frame({ round: 5 }), () => {});
    late.acknowledged(1);
    expect(late.takeSettled()).toMatchObject([{ edge: edges[0], rate: rate(0) }]);
    expect(late.ready()).toEqual(edges);
    expect(late.late()).toEqual([]);

    const gone = patient();
    answer(gone);
    gone.down(1, new Unreachable("gone", { code: "gone" }));
    expect([gone.isWaiting(), gone.late(), gone.obstacle()]).toEqual([false, [1], undefined]);
    gone.await("all");
    expect(gone.obstacle()).toBeInstanceOf(Unreachable);
    gone.up(1);
    expect(gone.obstacle()).toBeUndefined();

    const faulty = patient();
    answer(faulty);
    faulty.received(1, frame({ payload: payload(66) }), () => {});
    expect([faulty.isWaiting(), faulty.late()]).toEqual([false, [1]]);
    faulty.takeSettled();
    expect(faulty.ready()).toEqual([edges[1]]);
  });

  it("waits at the barrier for all, and says what stands in the way", () => {
    const ledger = opened(barrier());
    ledger.received(2, frame(), () => {});
    for (const peer of [1, 2]) ledger.acknowledged(peer);
    ledger.tick(1e9, () => 1e12);
    expect(ledger.awaited()).toEqual([1]);
    // An edge that nothing is awaited of may be down.
    ledger.down(2, new Unreachable("left", { code: "left" }));
    expect(ledger.obstacle()).toBeUndefined();
    ledger.down(1, new Unreachable("gone", { code: "gone" }));
    expect(ledger.obstacle()!.message).toBe("gone");
  });

  it("settles one-way edges with what travels along them", () => {
    const oneWay = [
      { peer: 1, weight: 0.5, direction: "out" },
      { peer: 2, weight: 0.5, direction: "in" },
    ] as const;
    const ledger = createLedger(options(0, { edges: oneWay, isBarrier: true }));
    expect(ledger.offered(oneWay[0], offer(0, 9), 0)).toMatchObject({ exchange: 0, payload: payload(9) });
    expect(ledger.offered(oneWay[1], offer(0, 9), 0)).toBeUndefined();
    ledger.received(1, frame(), () => {});
    expect(ledger.takeRefusals()).toEqual([
      { from: 1, counter: "refusedStranger", reason: expect.stringMatching(/does not lead to peer 0/) },
    ]);
    ledger.received(2, frame(), () => {});
    ledger.acknowledged(1);
    expect(ledger.takeSettled()).toMatchObject([{ edge: { peer: 2 }, own: payload(), theirs: payload(7) }]);
    expect(ledger.isWaiting()).toBe(false);
  });
});
