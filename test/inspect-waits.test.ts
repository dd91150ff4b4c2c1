import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLAMED_SHARE, type Finding, findingsOf, UNSTEADY_RECONNECTS } from "../src/inspect/findings.js";
import { createGraphHistory, createPeerHistory, type PeerHistory } from "../src/inspect/history.js";
import { goodputOf } from "../src/inspect/time.js";
import { MAX_WAIT_CHAIN, type RunWaits, waitsOf, waitText } from "../src/inspect/waits.js";
import { LATE_SHARE, LOST_SHARE } from "../src/observing/judge-peers.js";
import type { PeerRound } from "../src/runs/log.js";

/** How long each peer works before its frame leaves, and how long it evaluates after its round. */
interface Work {
  readonly computeMs: number;
  readonly evaluateMs?: number;
}

type Graph = readonly (readonly number[])[];

const lineOf = (round: number, time: PeerRound["time"], more: Partial<PeerRound> = {}): PeerRound => ({
  ...{ type: "round", round, kind: "learning", learningRate: 1, consensusRate: 1, modelNorm: 1 },
  ...{ traffic: [], time, ...more },
});

/** The logs of a run at the barrier, as a queueing model has it: a round ends when every neighbour's frame is there. */
function logsOf(graph: Graph, rounds: number, work: (peer: number, round: number) => Work): PeerHistory[] {
  const histories = graph.map((_, peer) => createPeerHistory(peer, 10));
  let starts = graph.map(() => 0);
  for (let round = 0; round < rounds; round++) {
    const sent = starts.map((start, peer) => start + work(peer, round).computeMs);
    starts = graph.map((neighbours, peer) => {
      const { computeMs, evaluateMs = 0 } = work(peer, round);
      const last = neighbours.reduce<number | undefined>(
        (latest, each) => (sent[each]! > Math.max(sent[peer]!, sent[latest ?? peer]!) ? each : latest),
        undefined,
      );
      const end = last === undefined ? sent[peer]! : sent[last]!;
      const elapsedMs = end + evaluateMs;
      const time = { computeMs, compressMs: 0, waitMs: end - sent[peer]!, mixMs: 0, elapsedMs };
      histories[peer]!.add(lineOf(round, { ...time, ...(last !== undefined && { waitedFor: last }) }));
      return elapsedMs;
    });
  }
  return histories;
}

const path = (peers: number): Graph =>
  Array.from({ length: peers }, (_, peer) =>
    [peer - 1, peer + 1].filter((each) => each >= 0 && each < peers),
  );

/** A connected graph: a path, with edges added. */
const graphs = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 9 }))
  .map(([peers, extra]) => {
    const sets = path(peers).map((neighbours) => new Set(neighbours));
    for (const [a, b] of extra) {
      if (a % peers === b % peers) continue;
      sets[a % peers]!.add(b % peers);
      sets[b % peers]!.add(a % peers);
    }
    return sets.map((set) => [...set].sort((a, b) => a - b));
  });
const runs = fc.tuple(graphs, fc.integer({ min: 1, max: 12 }), fc.nat()).map(([graph, rounds, seed]) => ({
  graph,
  rounds,
  // A cheap hash: what matters is that times differ.
  work: (peer: number, round: number): Work => ({
    computeMs: 1 + (((peer + 1) * 7919 + (round + 1) * 104_729 + seed * 31) % 97),
  }),
}));

const sumOf = (rows: RunWaits["byEnd"]) => rows.reduce((sum, { lostMs }) => sum + lostMs, 0);

describe("who held whom up", () => {
  it("accounts for all time waited, once, and each chain follows the edges back in time", () => {
    fc.assert(
      fc.property(runs, ({ graph, rounds, work }) => {
        const logs = logsOf(graph, rounds, work);
        const { lostMs, waits, byEnd, byNeighbour, longest } = waitsOf(logs);
        const waited = logs.flatMap(({ columns }) =>
          [...columns.waitMs.values()].filter((_, row) => !Number.isNaN(columns.waitedFor.at(row))),
        );
        expect(lostMs).toBeCloseTo(
          waited.reduce((sum, each) => sum + each, 0),
          6,
        );
        expect(waits).toBe(waited.length);
        expect(sumOf(byEnd)).toBeCloseTo(lostMs, 6);
        expect(sumOf(byNeighbour)).toBeCloseTo(lostMs, 6);
        if (waits > 0) expect(byEnd.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
        for (const { round, chain, waitMs } of longest) {
          expect(chain.length).toBeLessThanOrEqual(round + 2);
          expect(new Set(chain).size).toBe(chain.length);
          for (const [place, peer] of chain.slice(1).entries()) expect(graph[chain[place]!]).toContain(peer);
          const { columns } = logs[chain[0]!]!;
          expect(waitMs).toBe(columns.waitMs.at(round));
          expect(chain[1]).toBe(columns.waitedFor.at(round));
          expect(waitMs).toBe(Math.max(...logs.map((log) => log.columns.waitMs.at(round))));
        }
      }),
    );
  });

  it("blames the one slow peer for every wait, however far away it is", () => {
    fc.assert(
      fc.property(runs, fc.nat(), fc.boolean(), ({ graph, rounds }, choice, evaluates) => {
        const slow = choice % graph.length;
        const work = (peer: number): Work =>
          peer !== slow
            ? { computeMs: 1 }
            : evaluates
              ? { computeMs: 1, evaluateMs: 99 }
              : { computeMs: 100 };
        const { byEnd } = waitsOf(logsOf(graph, rounds, work));
        for (const { peer } of byEnd) expect(peer).toBe(slow);
        const hasWaits = graph.length > 1 && rounds > (evaluates ? 1 : 0);
        expect(byEnd).toHaveLength(hasWaits ? 1 : 0);
      }),
    );
  });

  it("blames whoever worked for longer than it had waited before", () => {
    // In round 0 peer 1 waits 19 ms for peer 2; in round 1 peer 0 waits for peer 1.
    const chainWith = (ofPeer1: Work, evaluateMs = 0) => {
      const work = (peer: number, round: number): Work =>
        round === 0
          ? { computeMs: peer === 2 ? 20 : 1, evaluateMs: peer === 1 ? evaluateMs : 0 }
          : peer === 1
            ? ofPeer1
            : { computeMs: 1 };
      return waitsOf(logsOf(path(3), 2, work)).longest.at(-1)!.chain;
    };
    expect(chainWith({ computeMs: 18 })).toEqual([0, 1, 2]);
    expect(chainWith({ computeMs: 100 })).toEqual([0, 1]);
    expect(chainWith({ computeMs: 1 }, 100)).toEqual([0, 1]);
  });

  it("finds no wait where all work alike", () => {
    const { lostMs, waits, byEnd, longest } = waitsOf(logsOf(path(5), 6, () => ({ computeMs: 3 })));
    expect({ lostMs, waits, byEnd, longest }).toEqual({ lostMs: 0, waits: 0, byEnd: [], longest: [] });
    expect(waitsOf([])).toMatchObject({ lostMs: 0, waits: 0 });
  });

  it(`keeps ${MAX_WAIT_CHAIN} peers of a chain, both ends among them`, () => {
    const peers = MAX_WAIT_CHAIN + 10;
    const logs = logsOf(path(peers), peers + 5, (peer) => ({ computeMs: peer === peers - 1 ? 100 : 1 }));
    const { longest, byEnd } = waitsOf(logs.slice(0, -1));
    expect(Math.max(...longest.map(({ chain }) => chain.length))).toBe(MAX_WAIT_CHAIN);
    // The log of the peer that is to blame is missing; it is named all the same.
    expect(byEnd.map(({ peer }) => peer)).toEqual([peers - 1]);
    for (const { chain } of longest) expect(chain.at(-1)).toBe(peers - 1);
  });

  it("reads as a sentence", () => {
    expect(
      waitText({ round: 3, waitMs: 4100, chain: [2, 5, 7] }, (milliseconds) => `${milliseconds} ms`),
    ).toBe("peer 2 waited 4100 ms for 5, which waited for 7");
  });
});

describe("goodput from logs", () => {
  it("counts rounds once that were run again after a restart, and their time twice", () => {
    const history = createPeerHistory(0, 10);
    const time = (elapsedMs: number) => ({ computeMs: 6, compressMs: 1, waitMs: 2, mixMs: 1, elapsedMs });
    for (let round = 0; round < 4; round++) history.add(lineOf(round, time(10 * (round + 1))));
    expect(goodputOf([history])).toBeCloseTo(0.8, 12);
    // From round 2 on again, in a new process whose clock begins at zero.
    for (let round = 2; round < 6; round++) history.add(lineOf(round, time(10 * (round - 1))));
    expect(goodputOf([history])).toBeCloseTo((6 * 8) / 80, 12);
    expect(goodputOf([])).toBeNaN();
  });
});

describe("what is wrong with a run", () => {
  const graph = createGraphHistory();
  const ended = (histories: PeerHistory[]) => {
    for (const history of histories) history.finish({ type: "end", outcome: "completed" });
    return histories;
  };
  const find = (peers: PeerHistory[], remarks: string[] = []) => findingsOf({ peers, graph, remarks });
  const alike = (rounds = 20) => ended(logsOf(path(3), rounds, () => ({ computeMs: 10 })));
  /** A pair's logs, peer 0's with a line more. */
  const withLine = (more: Partial<PeerRound>) => {
    const peers = alike();
    peers[0]!.add(lineOf(20, { computeMs: 10, compressMs: 0, waitMs: 0, mixMs: 0, elapsedMs: 210 }, more));
    return ended(peers);
  };
  const counting = (neighbour: number, counted: Record<string, number>) =>
    withLine({ counters: counted, edgeCounters: [{ neighbour, ...counted }] });

  it("is nothing where nothing is", () => {
    expect(find(alike())).toEqual([]);
  });

  it("is an end that is none, or not the planned one", () => {
    const [first, second, third] = logsOf(path(3), 3, () => ({ computeMs: 10 }));
    first!.finish({ type: "end", outcome: "stopped", reason: "Ctrl-C" });
    third!.finish({ type: "end", outcome: "completed" });
    expect(find([first!, second!, third!])).toEqual<Finding[]>([
      { kind: "stopped", peer: 0, text: "peer 0 stopped: Ctrl-C" },
      {
        kind: "stopped",
        peer: 1,
        text: "peer 1 logged no end: it still runs, or was killed: look at its process and its machine's memory",
      },
    ]);
  });

  it("is an edge that breaks often, once for both of its ends", () => {
    expect(find(counting(1, { reconnects: UNSTEADY_RECONNECTS - 1 }))).toEqual([]);
    const peers = counting(1, { reconnects: UNSTEADY_RECONNECTS, resentFrames: 5 });
    peers[1]!.finish({
      type: "end",
      outcome: "completed",
      edgeCounters: [{ neighbour: 0, reconnects: 40, resentFrames: 2 }],
    });
    expect(find(peers)).toEqual([
      {
        kind: "unsteady",
        peer: 0,
        neighbour: 1,
        text: "peers 0 and 1 reconnected 40 times and sent 7 frames again: check the network between them, and whether one of them was restarted",
      },
    ]);
  });

  it.each([
    [
      { refusedPayload: 12, violations: 12 },
      /^peer 0 refused 12 frames with a malformed payload of peer 1: /,
    ],
    [{ refusedOutOfTurn: 1, violations: 1 }, /^peer 0 refused 1 frames out of turn of peer 1: /],
    [{ refusedHandshakes: 2 }, /^peer 0 refused 2 handshakes of peer 1: .* same files/],
    [{ violations: 3 }, /^peer 1 broke the protocol 3 times towards peer 0: /],
  ])("is what was refused: %j", (counted, text) => {
    const findings = find(counting(1, counted));
    expect(findings).toEqual([{ kind: "refused", peer: 0, neighbour: 1, text: expect.stringMatching(text) }]);
  });

  it("is strangers that connect", () => {
    const [finding] = find(withLine({ counters: { refusedConnections: 5 } }));
    expect(finding).toMatchObject({ kind: "refused", peer: 0 });
    expect(finding!.text).toMatch(/^peer 0 refused 5 connections of strangers: /);
  });

  it("is a neighbour that is late too often", () => {
    const lateIn = (count: number) => {
      const peers = alike(0);
      for (let round = 0; round < 100; round++) {
        const time = { computeMs: 1, compressMs: 0, waitMs: 0, mixMs: 0, elapsedMs: round + 1 };
        peers[0]!.add(lineOf(round, time, round < count ? { missed: [1] } : {}));
      }
      return ended(peers);
    };
    expect(find(lateIn(100 * LATE_SHARE))).toEqual([]);
    expect(find(lateIn(100 * LATE_SHARE + 1))).toMatchObject([
      {
        kind: "late",
        peer: 1,
        neighbour: 0,
        text: expect.stringMatching(/late for peer 0 in 6 of 100 rounds/),
      },
    ]);
  });

  it("is a peer that holds all others up, and why", () => {
    const slow = (work: Work) =>
      ended(logsOf(path(4), 30, (peer) => (peer === 3 ? work : { computeMs: 10 })));
    expect(find(slow({ computeMs: 11 }))).toEqual([]);
    const [finding] = find(slow({ computeMs: 40 }));
    expect(finding).toMatchObject({ kind: "slow", peer: 3 });
    expect(finding!.text).toMatch(
      /^peer 3 was at the end of 100\.0 % of all waits \([\d.]+ s lost\): it computes slowest \(40 ms a round, the median peer 10 ms\): give it less work/,
    );
    expect(find(slow({ computeMs: 10, evaluateMs: 30 }))[0]!.text).toMatch(
      /^peer 3 .*: it computes as fast as others: look at its evaluations/,
    );
    // Two that share the blame evenly are blamed both; of three nobody is.
    const blamed = (slowPeers: number[]) =>
      find(
        ended(
          logsOf([[1], [0, 2], [1], [4], [3, 5], [4], [7], [6, 8], [7]], 30, (peer) => ({
            computeMs: slowPeers.includes(peer) ? 40 : 10,
          })),
        ),
      ).map(({ peer }) => peer);
    expect(1 / 2).toBeGreaterThanOrEqual(BLAMED_SHARE);
    expect(blamed([0, 3])).toEqual([0, 3]);
    expect(blamed([0, 3, 6])).toEqual([]);
    expect(LOST_SHARE).toBe(0.1);
  });

  it("is not a wait where one process played all peers in turn", () => {
    const simulated = createGraphHistory();
    for (let round = 0; round < 3; round++) {
      simulated.add({ type: "graph", round, kind: "learning", consensusDistance: 1, meanModelNorm: 1 });
    }
    const peers = ended(logsOf(path(4), 30, (peer) => ({ computeMs: peer === 3 ? 40 : 10 })));
    expect(findingsOf({ peers, graph: simulated, remarks: [] })).toEqual([]);
    expect(find(peers)).toHaveLength(1);
  });

  it("is what could not be read", () => {
    expect(find(alike(), ["peer-1.jsonl: line 4 is damaged; skipped"])).toEqual([
      { kind: "unread", text: "peer-1.jsonl: line 4 is damaged; skipped" },
    ]);
  });
});
