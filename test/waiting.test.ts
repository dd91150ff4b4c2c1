import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createWaitDisplay } from "../src/cli/events.js";
import {
  type Activity,
  activityNames,
  aged,
  type Chain,
  chainFrom,
  chainText,
  MAX_CHAIN,
  mostTelling,
  type State,
  unknown,
} from "../src/exchange/waiting.js";
import { MalformedFrame } from "../src/foundation/errors.js";
import { decodeHeartbeat, encodeHeartbeat, MAX_HEARTBEAT_BYTES } from "../src/transports/libp2p/heartbeat.js";
import type { LinkEvent } from "../src/transports/libp2p/index.js";
import { defaultDeadlines, REPORTED_WAIT_HEARTBEATS } from "../src/transports/libp2p/limits.js";
import { chains } from "./support/chains.js";
import { createManualClock } from "./support/clock.js";
import { expectError } from "./support/errors.js";
import { join, members, type TestPeer } from "./support/network.js";

describe("a chain of waits", () => {
  /** Peers 0 … n − 1, each with the peer that it waits for; one that waits for none computes. */
  const graphs = fc.array(fc.option(fc.nat({ max: 30 }), { nil: undefined }), {
    minLength: 1,
    maxLength: 31,
  });
  const state = (activity: Activity, ...awaited: number[]): State => ({ activity, forMs: 10, awaited });

  /** What every peer knows after so many heartbeats of all. */
  function spread(waits: readonly (number | undefined)[], beats: number): Chain[] {
    const target = (peer: number) => {
      const whom = waits[peer];
      return whom === undefined || whom >= waits.length || whom === peer ? undefined : whom;
    };
    let known: Chain[] = waits.map((_, peer) => unknown(peer));
    for (let beat = 0; beat < beats; beat++) {
      const before = known;
      known = waits.map((_, peer) => {
        const whom = target(peer);
        const own = whom === undefined ? state("computing") : state("waiting", whom);
        return chainFrom(peer, own, (neighbour) => before[neighbour]!);
      });
    }
    return known;
  }

  it("ends, once heartbeats have come through, with the peer that holds all of it up, or where it closes", () => {
    fc.assert(
      fc.property(graphs, (waits) => {
        const known = spread(waits, waits.length + 1);
        for (const [peer, chain] of known.entries()) {
          // The oracle follows the waits by hand.
          const followed = [peer];
          let isClosed = false;
          for (let at = peer; ; ) {
            const whom = waits[at];
            if (whom === undefined || whom >= waits.length || whom === at) break;
            isClosed = followed.includes(whom);
            if (isClosed) break;
            followed.push(whom);
            at = whom;
          }
          expect(chain.map((waiter) => waiter.peer)).toEqual(followed.slice(0, MAX_CHAIN));
          const isWhole = !isClosed && followed.length <= MAX_CHAIN;
          expect(chain.at(-1)!.activity).toBe(isWhole ? "computing" : "waiting");
        }
      }),
    );
  });

  it(`has ${MAX_CHAIN} peers at most, and then ends with one that waits`, () => {
    for (const peers of [MAX_CHAIN, MAX_CHAIN + 1]) {
      const waits = Array.from({ length: peers }, (_, peer) => (peer + 1 < peers ? peer + 1 : undefined));
      const chain = spread(waits, peers + 1)[0]!;
      expect(chain).toHaveLength(MAX_CHAIN);
      expect(chain.at(-1)!.activity).toBe(peers === MAX_CHAIN ? "computing" : "waiting");
      expect(encodeHeartbeat(chain)).toHaveLength(MAX_HEARTBEAT_BYTES);
    }
  });

  it("stays a chain that heartbeats can carry, whatever neighbours say", () => {
    fc.assert(
      fc.property(fc.array(chains, { minLength: 1, maxLength: 4 }), fc.nat({ max: 8 }), (said, own) => {
        const byPeer = new Map(said.map((chain) => [chain[0].peer, chain]));
        const chain = chainFrom(own, state("waiting", ...byPeer.keys()), (peer) => byPeer.get(peer)!);
        expect(decodeHeartbeat(encodeHeartbeat(chain))).toEqual(chain);
        expect(chain[0]).toEqual({ peer: own, activity: "waiting", forMs: 10 });
      }),
    );
  });

  it("goes through the neighbour that explains most", () => {
    const chain = (peer: number, activity: Activity, forMs: number): Chain => [{ peer, activity, forMs }];
    const computing = chain(1, "computing", 5);
    const others = [unknown(2), chain(3, "waiting", 99), chain(4, "computing", 4)];
    for (let place = 0; place <= others.length; place++) {
      expect(mostTelling(others.toSpliced(place, 0, computing))).toBe(computing);
    }
    expect(mostTelling([unknown(2), chain(3, "waiting", 0)])[0]!.peer).toBe(3);
    expect(mostTelling([])).toEqual([]);
  });

  it("grows older all at once", () => {
    fc.assert(
      fc.property(chains, fc.nat(), (chain, milliseconds) => {
        const older = aged(chain, milliseconds);
        expect(older.map(({ forMs }, place) => forMs - chain[place]!.forMs)).toEqual(
          chain.map(() => milliseconds),
        );
        expect(aged(chain, 0)).toEqual(chain);
      }),
    );
  });

  it("reads as a sentence that names every peer once, in order", () => {
    fc.assert(
      fc.property(chains, (chain) => {
        const text = chainText(chain);
        const named = [...text.replaceAll(/ for [\d.e+]+ (s|min)/g, "").matchAll(/\d+/g)].map(Number);
        expect(named).toEqual(chain.map(({ peer }) => peer));
      }),
    );
    const waiting = (peer: number) => ({ peer, activity: "waiting", forMs: 50_000 }) as const;
    const computing = { peer: 7, activity: "computing", forMs: 40_000 } as const;
    expect(chainText([waiting(2), waiting(5), computing])).toBe(
      "peer 2 waits for 5, which waits for 7, which has been computing for 40 s",
    );
    expect(chainText([waiting(2), { ...computing, forMs: 900 }])).toBe(
      "peer 2 waits for 7, which has been computing for 0.9 s",
    );
    expect(chainText([waiting(2), ...unknown(5)])).toBe("peer 2 waits for 5");
    expect(chainText([waiting(2)])).toBe("peer 2 has been waiting for 50 s");
    expect(chainText([{ ...computing, activity: "disconnected", forMs: 3_600_000 }])).toBe(
      "peer 7 has been unreachable for 60 min",
    );
  });
});

describe("a heartbeat", () => {
  it("has these bytes", () => {
    const chain: Chain = [
      { peer: 2, activity: "waiting", forMs: 50_000 },
      { peer: 258, activity: "computing", forMs: 2 ** 40 },
    ];
    const bytes = [2, 0, 0, 0, 2, 0x50, 0xc3, 0, 0, 2, 1, 0, 0, 1, 255, 255, 255, 255];
    expect([...encodeHeartbeat(chain)]).toEqual(bytes);
    // The numbers of activities are part of the protocol.
    expect(activityNames).toEqual([
      "unknown",
      "computing",
      "waiting",
      "mixing",
      "evaluating",
      "reporting",
      "disconnected",
    ]);
  });

  it("is read as it was written", () => {
    fc.assert(
      fc.property(chains, (chain) => {
        expect(decodeHeartbeat(encodeHeartbeat(chain))).toEqual(chain);
      }),
    );
    expect(decodeHeartbeat(new Uint8Array(0))).toBeUndefined();
  });

  it("is read, or refused as malformed; what is read is written the same", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: MAX_HEARTBEAT_BYTES + 9 }), (bytes) => {
        let chain: Chain | undefined;
        try {
          chain = decodeHeartbeat(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrame);
          return;
        }
        expect(chain ? encodeHeartbeat(chain) : new Uint8Array(0)).toEqual(bytes);
      }),
    );
  });

  it.each<[what: string, bytes: (valid: Uint8Array) => Uint8Array]>([
    ["cut short", (valid) => valid.subarray(0, 17)],
    ["of an unknown activity", (valid) => valid.with(13, activityNames.length)],
    ["that goes on after a peer that computes", (valid) => valid.with(4, 1)],
    ["that names a peer twice", (valid) => valid.with(9, 2)],
    ["of too many peers", () => new Uint8Array(MAX_HEARTBEAT_BYTES + 9)],
  ])("%s is malformed", (_, damage) => {
    const valid = encodeHeartbeat([
      { peer: 2, activity: "waiting", forMs: 1 },
      { peer: 5, activity: "computing", forMs: 1 },
    ]);
    expectError(() => decodeHeartbeat(damage(valid)), MalformedFrame, { code: "heartbeat-not-valid" });
  });
});

describe("a display of waits", () => {
  const waiting = (...peers: [number, ...number[]]): LinkEvent => {
    const [first, ...others] = peers.map((peer) => ({ peer, activity: "waiting", forMs: 1000 }) as const);
    return { kind: "waiting", chain: [first!, ...others] };
  };
  const gone: LinkEvent = { kind: "disconnected", neighbour: 1, reason: "it left the run" };
  /** What is told, shown and passed on; a null stands for the end of a round. */
  function display(isTerminal: boolean, events: readonly (LinkEvent | null)[]) {
    const said: string[] = [];
    const waits = createWaitDisplay(
      (text) => said.push(`told: ${text}`),
      (text) => said.push(`shown: ${text}`),
      isTerminal,
    );
    const take = waits.apart(({ kind }) => said.push(kind));
    for (const event of events) event ? take(event) : waits.over();
    return said;
  }
  const events = [waiting(0, 1), waiting(2, 0, 1), gone, waiting(0, 3), null, waiting(0, 1)];

  it("shows every one in a terminal", () => {
    expect(display(true, events)).toEqual([
      "shown: peer 0 waits for 1, which has been waiting for 1 s",
      "shown: peer 2 waits for 0, which waits for 1, which has been waiting for 1 s",
      "disconnected",
      "shown: peer 0 waits for 3, which has been waiting for 1 s",
      "shown: peer 0 waits for 1, which has been waiting for 1 s",
    ]);
  });

  it("tells once elsewhere, for each peer that is waited for in the end, until a round is over", () => {
    expect(display(false, events)).toEqual([
      "told: peer 0 waits for 1, which has been waiting for 1 s",
      "disconnected",
      "told: peer 0 waits for 3, which has been waiting for 1 s",
      "told: peer 0 waits for 1, which has been waiting for 1 s",
    ]);
  });
});

describe("over libp2p", () => {
  const open: TestPeer[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((peer) => peer.close()));
  });
  /** Lets everything that is on its way inside this process arrive. */
  const settle = async () => {
    for (let k = 0; k < 50; k++) await new Promise((resolve) => setImmediate(resolve));
  };

  it("peers learn of the end of a chain that they have no edge to, and report a long wait with it", async () => {
    const topology = await members(3);
    const clock = createManualClock();
    const reported: LinkEvent[] = [];
    const peers = await Promise.all(
      [[1], [0, 2], [1]].map((neighbours, id) =>
        join(topology, id, {
          neighbours,
          clock,
          ...(id === 0 && { report: (event) => reported.push(event) }),
        }),
      ),
    );
    open.push(...peers);
    // Time stands still: nobody dials later, so that the lower number has to.
    await Promise.all(peers.map((peer) => peer.ready()));
    const states = [state("waiting", 1), state("waiting", 2), state("computing")];
    const began = clock.now();
    for (const [id, { activity, awaited }] of states.entries()) {
      peers[id]!.activity!(() => ({ activity, forMs: clock.now() - began, awaited }));
    }
    expect(peers[0]!.waitsFor!(1)).toEqual(unknown(1));
    const { heartbeatMs } = defaultDeadlines;
    const waits = () => reported.filter(({ kind }) => kind === "waiting");
    for (let beat = 1; beat <= REPORTED_WAIT_HEARTBEATS; beat++) {
      expect(waits()).toEqual([]);
      clock.advance(heartbeatMs);
      await settle();
    }
    const forMs = REPORTED_WAIT_HEARTBEATS * heartbeatMs;
    const chain: Chain = [
      { peer: 0, activity: "waiting", forMs },
      { peer: 1, activity: "waiting", forMs },
      { peer: 2, activity: "computing", forMs },
    ];
    expect(waits()).toEqual([{ kind: "waiting", chain }]);
    // Between heartbeats it grows older.
    clock.advance(1);
    expect(peers[0]!.waitsFor!(1)).toEqual(aged([chain[1]!, chain[2]!], 1));

    await peers[1]!.close();
    await settle();
    clock.advance(4_000);
    expect(peers[0]!.waitsFor!(1)).toEqual([{ peer: 1, activity: "disconnected", forMs: 4_000 }]);
  });

  function state(activity: Activity, ...awaited: number[]): State {
    return { activity, forMs: 0, awaited };
  }
});
