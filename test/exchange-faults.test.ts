import { describe, expect, it } from "vitest";
import type { Algorithm } from "../src/algorithm.js";
import { MAX_CLOSING_LENGTH } from "../src/algorithms/closing.js";
import { algorithms } from "../src/algorithms/index.js";
import { compressorSettings } from "../src/compressors/index.js";
import { MAX_FAULTS } from "../src/exchange/account.js";
import type { Frame } from "../src/exchange/frame.js";
import { MAX_LISTED_REFUSALS } from "../src/exchange/refusals.js";
import type { Transport } from "../src/exchange/transport.js";
import type { State } from "../src/exchange/waiting.js";
import { stoppedClock, systemClock } from "../src/foundation/clock.js";
import { Diverged, RoundTimeout, Unreachable } from "../src/foundation/errors.js";
import { createVirtualClock } from "../src/foundation/virtual-clock.js";
import { createGraph } from "../src/graphs/index.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { createPeer, type PeerOptions, type Plan } from "../src/peer.js";
import { createMemoryTransports } from "../src/transports/memory.js";
import { createLayout, type Layout } from "../src/vectors/layout.js";
import { expectRejection } from "./support/errors.js";
import { createGossip } from "./support/gossip.js";
import { numbers, scripted } from "./support/scripted.js";
import { plainDescent, updateTrainer } from "./support/trainers.js";

const two = createLayout([{ name: "x", shape: [2] }]);

/** Peer 0, whose model starts at 1 and learns nothing; D-PSGD with one neighbour unless told otherwise. */
function peerOf(plan: Partial<Plan> = {}, options: Partial<PeerOptions> = {}, layout: Layout = two) {
  return createPeer({
    id: 0,
    neighbours: [{ peer: 1, weight: 0.5 }],
    trainer: updateTrainer(
      layout,
      () => 1,
      () => 0,
    ),
    plan: {
      ...{ seed: 1, algorithm: algorithms.dpsgd, compressor: { kind: "identity" }, rounds: 3 },
      ...{ ...plainDescent, closingRates: [], learningRate: () => 1, consensusRate: () => 0.5 },
      ...{ evaluateEvery: 0, ...plan },
    },
    ...options,
  });
}
const settled = () => new Promise((resolve) => setImmediate(resolve));
const learning = (exchange: number, round: number, ...values: number[]): Frame => ({
  ...{ kind: "learning", round, step: 0, exchange, payload: numbers(...values) },
});
const patience = { deadlineMs: 500, patienceMs: 5 };

describe("a round that takes too long", () => {
  const deadline = { deadlineMs: 500 };

  it("ends the run with the chain of peers that wait, as far as the transport knows it", async () => {
    const time = createVirtualClock();
    const { transport, answers, acknowledges } = scripted();
    answers.sent = acknowledges;
    const states: (() => State)[] = [];
    const knowing: Transport = {
      ...transport,
      activity: (now) => states.push(now),
      waitsFor: (peer) => [
        { peer, activity: "waiting", forMs: time.now() },
        { peer: 7, activity: "computing", forMs: 100 + time.now() },
      ],
    };
    const run = peerOf().run({ transport: knowing, clock: time, patience: deadline });
    const expected = { code: "round-timeout", peer: 0, neighbour: 1, round: 0 };
    const { message } = await expectRejection(time.run(run.next()), RoundTimeout, expected);
    expect(message).toBe(
      "peer 0 waited 0.5 s in round 1 for peer 1, which waits for 7, which has been computing for 0.6 s: check peer 7, or raise the deadline",
    );
    // Neighbours are told the same of this peer.
    expect(states.map((now) => now())).toEqual([{ activity: "waiting", forMs: 500, awaited: [1], round: 0 }]);
  });

  it("names those that are awaited where nothing is known of them", async () => {
    const time = createVirtualClock();
    const { transport } = scripted();
    const neighbours = [1, 2].map((peer) => ({ peer, weight: 1 / 3 }));
    const run = peerOf({}, { neighbours }).run({ transport, clock: time, patience: deadline });
    const { message } = await expectRejection(time.run(run.next()), RoundTimeout, { code: "round-timeout" });
    expect(message).toMatch(/in round 1 for peers 1, 2, longest for 1: check peer 1/);
  });
});

it("refused frames are counted by kind, and reported in the round in which they came", async () => {
  const time = createVirtualClock();
  const { transport, answers, arrives, acknowledges } = scripted();
  answers.sent = (to, frame) => {
    acknowledges(to);
    if (frame.round === 1) {
      for (let k = 0; k < MAX_LISTED_REFUSALS + 2; k++) arrives(to, { ...frame, exchange: 9 });
      arrives(5, frame);
    }
    arrives(to, learning(frame.exchange, frame.round, 3, 3));
  };
  const reports = [];
  const run = peerOf().run({ transport, clock: time });
  for (let round = 0; round < 3; round++) reports.push((await time.run(run.next())).value!);
  expect(reports.map(({ counters }) => counters)).toEqual([
    undefined,
    { refusedOutOfTurn: MAX_LISTED_REFUSALS + 2, refusedStranger: 1 },
    undefined,
  ]);
  expect(reports[1]!.edgeCounters).toEqual([
    { neighbour: 1, refusedOutOfTurn: MAX_LISTED_REFUSALS + 2 },
    { neighbour: 5, refusedStranger: 1 },
  ]);
});

describe("with patience", () => {
  it("an edge that goes down while nothing is open ends the last round with the reason", async () => {
    const clock = createVirtualClock();
    const { transport, queue, answers, arrives, acknowledges } = scripted();
    answers.sent = (to, frame) => {
      if (frame.exchange > 0) return;
      acknowledges(to);
      arrives(to, learning(0, 0, 3, 3));
    };
    const run = peerOf().run({ transport, clock, patience });
    await clock.run(run.next());
    queue.put({ kind: "down", peer: 1, error: new Unreachable("gone", { code: "unreachable" }) });
    expect((await clock.run(run.next())).value).toMatchObject({ round: 1 });
    await expectRejection(clock.run(run.next()), Unreachable, { code: "unreachable" });
  });

  it("a neighbour at fault counts for nothing, and the run goes on to its end", async () => {
    const clock = createVirtualClock();
    const { transport, answers, arrives, acknowledges } = scripted();
    answers.sent = (to, frame) => {
      acknowledges(to);
      arrives(to, { ...frame, kind: "closing", round: 99 });
    };
    const peer = peerOf({ rounds: 2, closingRates: [1] });
    const run = peer.run({ transport, clock, patience });
    for (const round of [0, 1]) {
      expect((await clock.run(run.next())).value).toMatchObject({ round, quarantined: [1] });
    }
    expect((await clock.run(run.next())).value).toMatchObject({ kind: "closing", quarantined: [1] });
    expect([...peer.model]).toEqual([1, 1]);
    expect((await clock.run(run.next())).done).toBe(true);
  });

  it("a neighbour that names an old round again neither keeps the run going nor chooses its rate", async () => {
    const clock = createVirtualClock();
    const { transport, answers, arrives, acknowledges, refused } = scripted();
    answers.sent = (to, frame) => {
      acknowledges(to);
      arrives(to, { ...frame, round: 0, payload: numbers(9, 9) });
    };
    const peer = peerOf({ consensusRate: (round) => (round === 0 ? 0.5 : 0) });
    const run = peer.run({ transport, clock, patience });
    const moved = [];
    const reasons = [];
    for (let round = 0; round < 3; round++) {
      const { value } = await clock.run(run.next());
      expect(value).toMatchObject({ round });
      moved.push(peer.model[0]);
      reasons.push(...(value?.refused ?? []));
    }
    expect(moved).toEqual([3, 3, 3]);
    expect(reasons.length).toBeLessThanOrEqual(2 * MAX_FAULTS);
    expect(reasons[0]).toEqual({ from: 1, reason: expect.stringMatching(/sent round 1 after round 1/) });
    // A void exchange is no reason to end the connection.
    expect(refused).toEqual([]);
    expect((await clock.run(run.next())).done).toBe(true);
  });

  it("a closing frame of another closing round moves nothing", async () => {
    const clock = createVirtualClock();
    const layout = createLayout([{ name: "x", shape: [MAX_CLOSING_LENGTH + 1] }]);
    const { transport, answers, arrives, acknowledges } = scripted();
    const neighbours = [1, 2].map((peer) => ({ peer, weight: 0.25 }));
    answers.sent = (to, frame) => {
      acknowledges(to);
      const isWrong = to === 2 && frame.kind === "closing";
      // The second closing round is of one number.
      arrives(to, isWrong ? { ...frame, round: 2, payload: numbers(7) } : frame);
    };
    const peer = peerOf({ rounds: 1, closingRates: [1] }, { neighbours }, layout);
    const run = peer.run({ transport, clock, patience });
    await clock.run(run.next());
    const { value } = await clock.run(run.next());
    expect(value).toMatchObject({ kind: "closing", quarantined: [2], refused: [{ from: 2 }] });
    expect(peer.model.every((x) => x === 1)).toBe(true);
  });

  it("the last round waits until its frame is acknowledged, and leaves no timer behind", async () => {
    const clock = createVirtualClock();
    const { transport, answers, arrives, acknowledges } = scripted();
    let isAcknowledged = false;
    answers.sent = (to, frame) => {
      arrives(to, frame);
      clock.after(40, () => {
        isAcknowledged = true;
        acknowledges(to);
      });
    };
    const run = peerOf({ rounds: 1 }).run({ transport, clock, patience });
    expect((await clock.run(run.next())).value).toMatchObject({ round: 0 });
    expect(isAcknowledged).toBe(true);
    expect(clock.pending()).toBe(0);
  });

  it("takes new draws when the last round exchanges again", async () => {
    const clock = createVirtualClock();
    const keys: string[] = [];
    const own = {
      ...algorithms.dpsgd,
      create: (...context: Parameters<typeof algorithms.dpsgd.create>): Algorithm => {
        const algorithm = algorithms.dpsgd.create(...context);
        return {
          ...algorithm,
          round(update, round) {
            const { low, high } = round.random();
            keys.push(`${low} ${high}`);
            return algorithm.round(update, round);
          },
        };
      },
    };
    const { transport, answers, arrives, acknowledges } = scripted();
    // The neighbour is a round behind, and answers every exchange.
    answers.sent = (to, frame) => {
      acknowledges(to);
      arrives(to, { ...frame, round: Math.min(frame.exchange, 1) });
    };
    const run = peerOf({ algorithm: own, rounds: 2, edges: (_a, _b, round) => round > 0 });
    for await (const _ of run.run({ transport, clock, patience }));
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(3);
  });
});

describe("at the barrier", () => {
  it("lists some refusals one by one and counts the others", async () => {
    const { transport, answers, arrives, acknowledges } = scripted();
    answers.sent = (to) => acknowledges(to);
    const next = peerOf().run({ transport, clock: stoppedClock }).next();
    await settled();
    for (let k = 0; k < MAX_LISTED_REFUSALS + 100; k++) arrives(1, learning(2 ** 32 - 1, 0, 1));
    arrives(1, learning(0, 0, 3, 3));
    const { refused } = (await next).value!;
    expect(refused).toHaveLength(MAX_LISTED_REFUSALS + 1);
    expect(refused!.at(-1)).toEqual({ from: 1, reason: "100 more frames were refused" });
  });

  it("names the neighbour that was waited for, not one whose frame was refused later", async () => {
    const { transport, answers, arrives, acknowledges } = scripted();
    answers.sent = (to) => acknowledges(to);
    const neighbours = [1, 2].map((peer) => ({ peer, weight: 0.25 }));
    const next = peerOf({}, { neighbours }).run({ transport, clock: stoppedClock }).next();
    await settled();
    for (const peer of [1, 2, 1]) arrives(peer, learning(0, 0, 3, 3));
    expect((await next).value!.time.waitedFor).toBe(2);
  });

  it("applies what has settled when the run ends early, since the other end does too", async () => {
    const make = (id: number) =>
      peerOf(
        {},
        {
          id,
          neighbours: [{ peer: 1 - id, weight: 0.5 }],
          trainer: updateTrainer(
            two,
            () => id,
            () => 0,
          ),
        },
      );
    const [a, b] = [make(0), make(1)];
    const [one, other] = createMemoryTransports(2, 1000);
    // The acknowledgement stays away, so peer 0 still waits when its transport closes.
    const listen: Transport["listen"] = (listener) =>
      one!.listen((event) => {
        if (event.kind !== "acknowledged") listener(event);
      });
    const stopping = a.run({ transport: { ...one!, listen }, clock: stoppedClock }).next();
    await b.run({ transport: other!, clock: stoppedClock }).next();
    await settled();
    await one!.close();
    expect((await stopping).done).toBe(true);
    expect((a.model[0]! + b.model[0]!) / 2).toBe(0.5);
    expect(a.model[0]).toBe(0.25);
  });

  it.each(["alone", "dpsgd"] as const)(
    "a run of %s without neighbours ends when its transport closes",
    async (name) => {
      const { transport, queue } = scripted();
      let rounds = 0;
      const peer = peerOf({ rounds: 50, algorithm: algorithms[name] }, { neighbours: [] });
      for await (const _ of peer.run({ transport, clock: stoppedClock })) {
        if (++rounds === 1) queue.close();
      }
      expect(rounds).toBe(1);
    },
  );

  it("ends with the error of a transport that breaks its contract", async () => {
    const { transport } = scripted();
    const listen = () => {
      throw new Error("no such file");
    };
    await expect(
      peerOf()
        .run({ transport: { ...transport, listen }, clock: stoppedClock })
        .next(),
    ).rejects.toThrow("no such file");
  });

  it("sends no model that is not finite", async () => {
    for (const algorithm of Object.values(algorithms)) {
      if (algorithm.sends === "nothing") continue;
      const { transport, answers, arrives, acknowledges } = scripted();
      const sent: Frame[] = [];
      answers.sent = (to, frame) => {
        sent.push(frame);
        acknowledges(to);
        arrives(to, frame);
      };
      const trainer = updateTrainer(
        two,
        () => 1,
        () => Number.NaN,
      );
      const compressor = compressorSettings.parse({ kind: "sign" });
      const run = peerOf({ algorithm, compressor }, { trainer }).run({ transport, clock: stoppedClock });
      await expectRejection(run.next(), Diverged, { code: "diverged", peer: 0, round: 0 });
      // Where models are sent before the update, what it was until then.
      const expected = algorithm === algorithms["dpsgd-combine-first"] ? [numbers(1, 1)] : [];
      expect(sent.map(({ payload }) => payload)).toEqual(expected);
    }
  });
});

it("a timer longer than an engine's longest does not fire at once", async () => {
  let isFired = false;
  const cancel = systemClock.after(30 * 86_400_000, () => {
    isFired = true;
  });
  await settled();
  await settled();
  cancel();
  expect(isFired).toBe(false);
});

it("the two ends of an edge of edge-choco hold the same difference, up to the sign, to the bit", async () => {
  const mixing = metropolisMixing(createGraph({ kind: "ring", peers: 5 }));
  const gossip = createGossip({
    ...{ mixing, layout: createLayout([{ name: "x", shape: [97] }]), algorithm: algorithms["edge-choco"] },
    ...{ compressor: compressorSettings.parse({ kind: "minmax", bits: 2 }), rate: 0.4, rounds: 12 },
    update: (peer, k, round) => Math.sin(peer + 3 * k + round),
  });
  while (await gossip.round());
  for (const [id, { state }] of gossip.peers.entries()) {
    for (const { peer } of mixing.neighbours[id]!) {
      const theirs = gossip.peers[peer]!.state.vectors[`difference ${id}`]!;
      expect([...state.vectors[`difference ${peer}`]!]).toEqual(Array.from(theirs, (x) => 0 - x));
    }
  }
});
