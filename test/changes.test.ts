import { mkdtempSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidTopology } from "../src/foundation/errors.js";
import {
  type Change,
  changeSchema,
  changesBetween,
  changeTopology,
  isInEffect,
  MAX_CHANGE_BYTES,
  topologySettingsOf,
} from "../src/graphs/changes.js";
import { isConnected, presentPeers } from "../src/graphs/graph.js";
import { denseWeights } from "../src/graphs/mixing.js";
import { spectrum } from "../src/graphs/spectrum.js";
import { describeTopology, parseTopology, requireWhole, type Topology } from "../src/graphs/topology.js";
import { MAX_UNREADABLE_LOOKS, watchTopology } from "../src/runs/node/watch-topology.js";

const ring = (peers: number) => parseTopology({ name: "test", graph: { kind: "ring", peers } }, "test");
const newPeer = (id: number) => ({ id, listen: [], dial: [] });

const steps = fc.array(
  fc.record({ what: fc.constantFrom("join", "leave", "return"), a: fc.nat(11), b: fc.nat(11) }),
  { minLength: 1, maxLength: 8 },
);

/** Changes as a run would see them: new numbers are the next ones, everything else may be wrong. */
function changesOf(topology: Topology, drawn: readonly { what: string; a: number; b: number }[]): Change[] {
  let next = topology.graph.peers;
  return drawn.map(({ what, a, b }): Change => {
    if (what === "join") return { kind: "join", peer: newPeer(next++), neighbours: [...new Set([a, b])] };
    return { kind: what as "leave" | "return", peer: a };
  });
}

describe("changes of a topology", () => {
  it("leave a connected graph with a doubly stochastic W, and are the same twice", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 9 }), steps, (peers, drawn) => {
        const before = ring(peers);
        const changes = changesOf(before, drawn);
        const { topology, newcomers, refused } = changeTopology(before, changes);
        expect(changeTopology(before, changes)).toEqual({ topology, newcomers, refused });
        const { graph, mixing } = topology;
        const weights = denseWeights(mixing);
        expect(isConnected(graph)).toBe(true);
        expect(presentPeers(graph).length).toBeGreaterThanOrEqual(2);
        for (let i = 0; i < graph.peers; i++) {
          const row = [...weights.subarray(i * graph.peers, (i + 1) * graph.peers)];
          expect(row.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
          for (const [j, weight] of row.entries()) expect(weight).toBe(weights[j * graph.peers + i]);
        }
        for (const peer of graph.left ?? []) expect(mixing.neighbours[peer]).toEqual([]);
        // Those that left disagree with nobody: the gap is that of the others.
        expect(spectrum(mixing).second).toBeLessThan(1 - 1e-9);
        expect(spectrum(mixing).eigenvalues!.length).toBe(presentPeers(graph).length);
        const accepted = changes.filter((change) => !refused.some((each) => each.change === change));
        for (const change of accepted) {
          if (change.kind === "join") expect(isInEffect(change, topology)).toBe(true);
          if (change.kind === "leave") expect(isInEffect(change, topology)).toBe(true);
        }
      }),
    );
  });

  it("are found again between the file before and the file after", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 9 }), steps, (peers, drawn) => {
        const before = ring(peers);
        const { topology } = changeTopology(
          before,
          changesOf(before, drawn).filter(({ kind }) => kind !== "return"),
        );
        const written = parseTopology(JSON.parse(JSON.stringify(topologySettingsOf(topology))), "after");
        expect(written.graph).toEqual(topology.graph);
        const { topology: again, refused } = changeTopology(before, changesBetween(before, written));
        // A peer that joined and left again may have been what held others together; then nothing is guessed.
        if (refused.length === 0) expect(again.graph).toEqual(written.graph);
        else expect(topology.graph.left?.some((peer) => peer >= peers)).toBe(true);
      }),
    );
  });

  const refusals: Record<string, [Topology, Change, string]> = {
    "a leave that disconnects": [
      parseTopology({ graph: { kind: "chain", peers: 3 } }, "test"),
      { kind: "leave", peer: 1 },
      "no path joins peers [0] to [2]",
    ],
    "a leave of the last but one": [
      parseTopology({ graph: { kind: "chain", peers: 2 } }, "test"),
      { kind: "leave", peer: 1 },
      "at least 2",
    ],
    "a leave of a peer that is not there": [ring(4), { kind: "leave", peer: 4 }, "peer 4 does not take part"],
    "a new peer with another number": [
      ring(4),
      { kind: "join", peer: newPeer(6), neighbours: [0] },
      "give it the next one, 4",
    ],
    "a new peer beside one that is not there": [
      ring(4),
      { kind: "join", peer: newPeer(4), neighbours: [7] },
      "peer 7, a neighbour of new peer 4, does not take part",
    ],
    "changes of a graph with weights of its own": [
      parseTopology(
        {
          graph: { kind: "chain", peers: 2 },
          weights: [
            [0.5, 0.5],
            [0.5, 0.5],
          ],
        },
        "test",
      ),
      { kind: "return", peer: 1 },
      "leave the weights out",
    ],
    "changes of a directed graph": [
      parseTopology(
        {
          graph: {
            kind: "edges",
            edges: [
              [0, 1],
              [1, 2],
              [2, 0],
            ],
            directed: true,
          },
        },
        "test",
      ),
      { kind: "leave", peer: 1 },
      "use an undirected graph",
    ],
  };
  it.each(Object.entries(refusals))("refuse %s, by name", (_, [topology, change, reason]) => {
    const changed = changeTopology(topology, [change]);
    expect(changed.topology).toBe(topology);
    expect(changed.refused[0]!.reason).toContain(reason);
  });

  it("refuse a newcomer that has only newcomers beside it", () => {
    const { refused } = changeTopology(ring(4), [
      { kind: "join", peer: newPeer(4), neighbours: [0] },
      { kind: "join", peer: newPeer(5), neighbours: [4] },
      { kind: "return", peer: 1 },
      { kind: "return", peer: 3 },
      { kind: "return", peer: 2 },
    ]);
    expect(refused.map(({ change }) => (change.kind === "join" ? change.peer.id : change.peer))).toEqual([
      5, 2,
    ]);
  });

  it("have a limit of characters", () => {
    const ofLength = (length: number) => {
      const change = { kind: "join", peer: { id: 1, peerId: "x", host: "h" }, neighbours: [0] };
      const rest = length - JSON.stringify(change).length;
      const listen = Array.from({ length: 16 }, (_, k) => `/dns4/${k}/tcp/1`);
      const padded = { ...change, peer: { ...change.peer, listen } };
      const missing = rest - (JSON.stringify(padded).length - JSON.stringify(change).length);
      const lengthen = (k: number, by: string) => {
        listen[k] = listen[k]!.replace("/tcp", `${by}/tcp`);
      };
      lengthen(0, "a".repeat(Math.floor(missing / 8)));
      for (let k = 1; k < 9; k++) {
        const left = length - JSON.stringify(padded).length;
        lengthen(k, "b".repeat(Math.min(left, 480)));
      }
      return padded;
    };
    const longest = ofLength(MAX_CHANGE_BYTES);
    expect(JSON.stringify(longest).length).toBe(MAX_CHANGE_BYTES);
    expect(changeSchema.safeParse(longest).success).toBe(true);
    expect(changeSchema.safeParse(ofLength(MAX_CHANGE_BYTES + 1)).success).toBe(false);
    const twoBytes = JSON.parse(JSON.stringify(longest).replace("a", "ä"));
    expect(changeSchema.safeParse(twoBytes).success).toBe(false);
  });
});

describe("what has changed between two files", () => {
  const before = ring(5);
  const settings = topologySettingsOf(before);
  const edited = (edit: object) => parseTopology({ ...settings, ...edit }, "after");
  it.each([
    [
      "edges between old peers",
      { graph: { ...settings.graph, edges: [...settings.graph.edges, [0, 2]] } },
      "edge-added",
    ],
    [
      "an edge that is gone",
      { graph: { ...settings.graph, edges: settings.graph.edges.slice(1) } },
      "edge-removed",
    ],
    ["a peer that is gone", { graph: { kind: "ring", peers: 4 }, peers: [] }, "peers-removed"],
    ["a key that is another", { peers: [{ id: 1, peerId: "other" }] }, "key-changed"],
  ])("does not include %s", (_, edit, code) => {
    expect(() => changesBetween(before, edited(edit))).toThrow(expect.objectContaining({ code }) as Error);
  });

  it("does not bring a peer back that left", () => {
    const gone = edited({ peers: [{ id: 2, left: true }] });
    expect(changesBetween(before, gone)).toEqual([{ kind: "leave", peer: 2 }]);
    expect(() => changesBetween(gone, before)).toThrow("peer 2 has left for good");
  });
});

describe("a topology that peers have left", () => {
  const topology = parseTopology(
    { graph: { kind: "ring", peers: 5 }, peers: [{ id: 2, left: true }] },
    "test",
  );
  it("is described without them", () => {
    expect(describeTopology(topology)).toMatchObject({ peers: 4, edges: 3, minimumDegree: 1 });
  });
  it("starts no new run", () => {
    expect(() => requireWhole(topology)).toThrow(InvalidTopology);
    expect(() => requireWhole(ring(5))).not.toThrow();
  });
});

describe("watching a topology file", () => {
  const settings = topologySettingsOf(ring(4));
  const setUp = () => {
    const path = join(mkdtempSync(join(tmpdir(), "watch-")), "t.json");
    writeFileSync(path, JSON.stringify(settings));
    const changes: Change[] = [];
    const warnings: string[] = [];
    let look: (() => void) | undefined;
    // A clock whose only timer is fired by hand; resolves when the file was looked at and the next look is due.
    const clock = {
      now: () => 0,
      after(_milliseconds: number, callback: () => void) {
        look = callback;
        again?.();
        return () => {
          look = undefined;
        };
      },
    };
    let again: (() => void) | undefined;
    const stop = watchTopology({
      ...{ path, clock, topology: parseTopology(settings, path) },
      changed: (change) => changes.push(change),
      warn: (text) => warnings.push(text),
    });
    const tick = () =>
      new Promise<void>((resolve) => {
        again = resolve;
        look!();
      });
    const write = (content: unknown) => {
      writeFileSync(`${path}.new`, typeof content === "string" ? content : JSON.stringify(content));
      renameSync(`${path}.new`, path);
    };
    return { path, changes, warnings, tick, write, stop, isLooking: () => look !== undefined };
  };

  it("hands on what is new, once", async () => {
    const { changes, warnings, tick, write, stop, isLooking } = setUp();
    await tick();
    expect(changes).toEqual([]);
    write({ ...settings, peers: [{ id: 3, left: true }] });
    await tick();
    await tick();
    expect(changes).toEqual([{ kind: "leave", peer: 3 }]);
    expect(warnings).toEqual([]);
    stop();
    expect(isLooking()).toBe(false);
  });

  it("says what cannot be, once, and goes on from the last good file", async () => {
    const { changes, warnings, tick, write, stop } = setUp();
    write({ ...settings, graph: { kind: "complete", peers: 4 } });
    await tick();
    await tick();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("only new peers bring edges");
    write({ ...settings, peers: [{ id: 3, left: true }] });
    await tick();
    expect(changes).toEqual([{ kind: "leave", peer: 3 }]);
    stop();
  });

  it("reads a half-written file again before it says so", async () => {
    const { path, changes, warnings, tick, write, stop } = setUp();
    write('{"graph":');
    for (let look = 1; look < MAX_UNREADABLE_LOOKS; look++) {
      await tick();
      expect(warnings).toEqual([]);
    }
    await tick();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(path);
    expect(readFileSync(path, "utf8")).toBe('{"graph":');
    write({ ...settings, peers: [{ id: 0, left: true }] });
    await tick();
    expect(changes).toEqual([{ kind: "leave", peer: 0 }]);
    stop();
  });
});
