import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_NOTICE_BYTES } from "../src/exchange/frame.js";
import { type EdgeSchedule, participation } from "../src/exchange/participation.js";
import { InvalidTopology, MalformedFrame } from "../src/foundation/errors.js";
import { random } from "../src/foundation/random.js";
import type { Change } from "../src/graphs/changes.js";
import { parseTopology, type Topology } from "../src/graphs/topology.js";
import { createMembership, firstEpoch, type Membership } from "../src/membership/membership.js";
import { decodeNotice, encodeNotice, MAX_PROPOSALS } from "../src/membership/proposal.js";
import { agreedRound, reached } from "../src/membership/reach.js";

const newPeer = (id: number) => ({ id, listen: [], dial: [] });
const topologyOf = (graph: object) => parseTopology({ graph }, "test");
const graphs = fc.constantFrom(
  { kind: "ring", peers: 5 },
  { kind: "ring", peers: 8 },
  { kind: "chain", peers: 6 },
  { kind: "star", peers: 6 },
  { kind: "torus", rows: 3, columns: 3 },
  { kind: "complete", peers: 4 },
);
const rounds = 400;

/** One proposal of one peer, in words of the test. */
interface Wish {
  readonly peer: number;
  readonly round: number;
  readonly change: Change;
}

/** Members at the barrier: frames of a round carry notices, and arrive before the next round. */
function play(topology: Topology, wishes: readonly Wish[], works: EdgeSchedule = () => true) {
  const { neighbours, peers } = topology.mixing;
  const members = Array.from({ length: peers }, (_, id) =>
    createMembership({ id, epoch: firstEpoch(topology), works, lastRound: rounds - 1 }),
  );
  const lost = (round: number) =>
    new Set(
      wishes.flatMap((wish) =>
        wish.change.kind === "return" && wish.round <= round ? wish.change.peer : [],
      ),
    );
  for (let round = 0; round < rounds; round++) {
    const gone = lost(round);
    const ends = members.map((each) => each.isOver(round));
    const present = members.filter((_, id) => !gone.has(id));
    if (present.some((each) => each.isOver(round))) return { members, present, ends, round, gone };
    for (const wish of wishes) if (wish.round === round) members[wish.peer]!.propose(wish.change);
    const notices = members.map((each) => each.notice(round));
    for (const [id, notice] of notices.entries()) {
      if (!notice || gone.has(id)) continue;
      for (const { peer } of neighbours[id]!) {
        if (!gone.has(peer) && works(id, peer, round)) members[peer]!.received(notice);
      }
    }
  }
  return { members, present: members, ends: [], round: rounds, gone: new Set<number>() };
}

const epochText = (member: Membership) => {
  const next = member.next();
  return next && JSON.stringify([next.firstRound, next.changes, next.newcomers, next.topology.graph]);
};

describe("changes of members", () => {
  it("begin in the same round at every peer, and are the same, whoever proposes what at the same time", () => {
    fc.assert(
      fc.property(
        graphs,
        fc.array(fc.record({ peer: fc.nat(3), after: fc.nat(6), what: fc.nat(2), whom: fc.nat(8) }), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.constantFrom(1, 0.7, 0.4, { peers: 0.7 }),
        fc.nat(1000),
        (graph, drawn, share, seed) => {
          const topology = topologyOf(graph);
          const n = topology.graph.peers;
          const wishes = drawn.map(({ peer, after, what, whom }): Wish => {
            const change: Change =
              what === 0
                ? { kind: "leave", peer: whom % n }
                : {
                    kind: "join",
                    peer: newPeer(n),
                    neighbours: [whom % n, (whom + 1) % n].sort((a, b) => a - b),
                  };
            return { peer, round: 3 + after, change };
          });
          const { members, ends, round } = play(topology, wishes, participation(seed, share));
          // Either nobody has an epoch ahead, since no change can be made, or all begin it in this round.
          expect(new Set(members.map(epochText)).size).toBe(1);
          if (round < rounds) expect(ends.every(Boolean)).toBe(true);
          expect(members[0]!.next()?.firstRound ?? rounds).toBe(round);
        },
      ),
    );
  });

  it("also when a peer is lost, which passes no news", () => {
    fc.assert(
      fc.property(fc.constantFrom(5, 8), fc.nat(7), fc.nat(10), (n, whom, round) => {
        const topology = topologyOf({ kind: "ring", peers: n });
        const peer = whom % n;
        const change = { kind: "return", peer } as const;
        const both = topology.mixing.neighbours[peer]!.map((edge) => ({ peer: edge.peer, round, change }));
        const { present, gone, round: end } = play(topology, both);
        expect([...gone]).toEqual([peer]);
        expect(end).toBeLessThan(rounds);
        expect(new Set(present.map(epochText)).size).toBe(1);
        expect(present[0]!.next()!.newcomers).toEqual([peer]);
        expect(present.every((each) => each.isOver(end))).toBe(true);
      }),
    );
  });

  it("that are proposed while one is under way wait for the epoch that it begins", () => {
    const topology = topologyOf({ kind: "ring", peers: 5 });
    const { members } = play(topology, [
      { peer: 0, round: 2, change: { kind: "leave", peer: 0 } },
      { peer: 0, round: 3, change: { kind: "leave", peer: 2 } },
    ]);
    expect(members[0]!.next()!.changes).toEqual([{ kind: "leave", peer: 0 }]);
    expect(members[0]!.waiting()).toEqual([{ kind: "leave", peer: 2 }]);
  });

  it("that the run's end comes before do not begin", () => {
    const topology = topologyOf({ kind: "ring", peers: 5 });
    const member = createMembership({ id: 0, epoch: firstEpoch(topology), lastRound: 9 });
    member.isOver(8);
    member.propose({ kind: "leave", peer: 1 });
    member.notice(8);
    expect(member.next()).toBeUndefined();
    expect(member.isTooLate()).toBe(true);
    expect(member.isOver(9)).toBe(false);
  });

  it("that would not fit a notice are refused where they are proposed", () => {
    const topology = topologyOf({ kind: "ring", peers: 5 });
    const member = createMembership({ id: 0, epoch: firstEpoch(topology), lastRound: 99 });
    const joins = (character: string): Change => ({
      kind: "join",
      peer: {
        ...newPeer(5),
        listen: Array.from({ length: 8 }, (_, k) => `/dns4/${character.repeat(400)}/tcp/400${k}`),
      },
      neighbours: [0],
    });
    member.propose(joins("a"));
    expect(() => member.propose(joins("ä"))).toThrow(InvalidTopology);
    expect(member.waiting()).toEqual([joins("a")]);
  });

  it("are known from a checkpoint", () => {
    const topology = topologyOf({ kind: "ring", peers: 5 });
    const member = createMembership({ id: 0, epoch: firstEpoch(topology), lastRound: 99 });
    member.propose({ kind: "leave", peer: 3 });
    member.notice(7);
    const { known } = member.saved();
    const again = createMembership({ id: 0, epoch: firstEpoch(topology), lastRound: 99, known });
    expect(again.next()).toEqual(member.next());
  });
});

describe("reach", () => {
  it("is the eccentricity where every edge works", () => {
    const { mixing } = topologyOf({ kind: "chain", peers: 6 });
    expect(reached(0, 10, { mixing, without: new Set() })).toBe(15);
    expect(reached(2, 10, { mixing, without: new Set() })).toBe(13);
    // Peer 5 may propose until round 14; its news takes 5 rounds.
    expect(agreedRound(0, 10, { mixing, without: new Set() })).toBe(19);
  });

  it("is infinite where a lost peer was the only way", () => {
    const { mixing } = topologyOf({ kind: "star", peers: 5 });
    expect(reached(1, 0, { mixing, without: new Set([0]) })).toBe(Number.POSITIVE_INFINITY);
    expect(agreedRound(1, 0, { mixing, without: new Set([0]) })).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("notices", () => {
  const proposal = { peer: 1, round: 3, change: { kind: "leave", peer: 2 } } as const;

  it("are read as they were written", () => {
    expect(decodeNotice(encodeNotice([proposal]))).toEqual([proposal]);
  });

  it("are refused beyond their limits", () => {
    const many = Array.from({ length: MAX_PROPOSALS + 1 }, (_, round) => ({ ...proposal, round }));
    expect(decodeNotice(encodeNotice(many.slice(1)))).toHaveLength(MAX_PROPOSALS);
    expect(() => decodeNotice(encodeNotice(many))).toThrow(MalformedFrame);
    expect(() => decodeNotice(new Uint8Array(MAX_NOTICE_BYTES + 1).fill(32))).toThrow(MalformedFrame);
    expect(() => decodeNotice(encodeNotice([]))).toThrow(MalformedFrame);
  });

  it("never crash, whatever their bytes", () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(400), (seed, at) => {
        const bytes = encodeNotice([proposal]);
        const draws = random(seed, "notice");
        bytes[at % bytes.length] = Math.floor(draws.uniform(0) * 256);
        try {
          decodeNotice(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrame);
        }
      }),
    );
  });

  it("of a neighbour that come too late are refused", () => {
    const topology = topologyOf({ kind: "ring", peers: 5 });
    const member = createMembership({ id: 0, epoch: firstEpoch(topology), lastRound: 99 });
    member.isOver(50);
    expect(() => member.received(encodeNotice([proposal]))).toThrow("round 51 is under way");
    expect(member.next()).toBeUndefined();
  });
});
