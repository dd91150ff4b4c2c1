import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { InvalidExperiment, InvalidTopology, MurmurationError } from "../src/foundation/errors.js";
import { spectralGap, spectrum } from "../src/graphs/mixing.js";
import {
  describeTopology,
  MAX_ADDRESS_CHARACTERS,
  MAX_ADDRESSES,
  MAX_TOPOLOGY_CHARACTERS,
  parseTopology,
  topologyJsonSchema,
} from "../src/graphs/topology.js";
import { checked } from "../src/settings/check.js";

const folder = new URL("../topologies/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), "utf8");
const files = readdirSync(folder).filter((name) => name.endsWith(".json") && name !== "topology.schema.json");
const graph = { kind: "ring", peers: 4 };

/** The one line that a topology is refused with. */
function complaint(input: unknown): string {
  try {
    parseTopology(input, "here");
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidTopology);
    expect((error as Error).message).not.toMatch(/[\r\n]/);
    return (error as Error).message;
  }
  throw new Error("it was accepted");
}

describe("the files that come along", () => {
  it("are there", () => {
    expect(files).toEqual(
      expect.arrayContaining(["ring-8.json", "torus-4x4.json", "expander-16.json", "two-offices.json"]),
    );
  });

  it.each(files)("%s is a topology with a positive gap, and names itself and the schema", (file) => {
    const topology = parseTopology(read(file), file);
    expect(`${topology.name}.json`).toBe(file);
    expect(spectralGap(spectrum(topology.mixing))).toBeGreaterThan(0.01);
    expect(topology.peers.map(({ id }) => id)).toEqual([...Array(topology.graph.peers).keys()]);
    expect(JSON.parse(read(file)).$schema).toBe("./topology.schema.json");
  });

  it("the schema is the one the code checks with: after a change, npm run schemas", () => {
    expect(read("topology.schema.json")).toBe(`${JSON.stringify(topologyJsonSchema(), null, 2)}\n`);
  });
});

describe("a topology", () => {
  it("has defaults: Metropolis weights, a name, and peers without addresses", () => {
    const topology = parseTopology({ graph }, "here");
    expect(topology.name).toBe("ring-4");
    expect(topology.mixing.neighbours[0]).toEqual([
      { peer: 1, weight: 1 / 3 },
      { peer: 3, weight: 1 / 3 },
    ]);
    expect(topology.peers).toEqual([0, 1, 2, 3].map((id) => ({ id, listen: [], dial: [] })));
  });

  it("has one entry per peer in order, and dials where a peer listens", () => {
    const listen = ["/ip4/127.0.0.1/tcp/4001"];
    const dial = ["/dns4/north.example/tcp/443/wss"];
    const { peers } = parseTopology(
      {
        graph: { kind: "chain", peers: 3 },
        peers: [
          { id: 2, listen, dial, peerId: "12D3KooW", host: "north" },
          { id: 0, listen },
        ],
      },
      "here",
    );
    expect(peers).toEqual([
      { id: 0, listen, dial: listen },
      { id: 1, listen: [], dial: [] },
      { id: 2, listen, dial, peerId: "12D3KooW", host: "north" },
    ]);
  });

  it("takes weights by rows", () => {
    const weights = [
      [0.75, 0.25],
      [0.25, 0.75],
    ];
    const { mixing } = parseTopology({ graph: { kind: "chain", peers: 2 }, weights }, "here");
    expect([...mixing.weights]).toEqual(weights.flat());
  });

  it("may be JSON text, with a byte order mark, or an edge list", () => {
    const expected = parseTopology({ graph }, "here");
    expect(parseTopology(`\uFEFF${JSON.stringify({ graph })}`, "here")).toEqual(expected);
    expect(parseTopology("# a ring\n0 1\n1 2\n2 3\n3 0\n", "here").graph).toEqual(expected.graph);
  });
});

describe("a topology that is refused", () => {
  it.each<[unknown, string]>([
    [
      { graph: { kind: "torus", rows: 4, columns: 1.5 } },
      "here: graph.columns must be a whole number, not 1.5",
    ],
    [{ graph: { kind: "torus", rows: 0, columns: 4 } }, "here: graph.rows must be at least 1, not 0"],
    [
      { graph: { kind: "torus", rows: 1, columns: 4 } },
      'here: graph.rows is 1, which makes the torus a ring: use {"kind":"ring","peers":4}',
    ],
    [
      { graph: { kind: "torus", row: 3, columns: 4 } },
      'here: graph has an unknown setting "row": did you mean "rows"? (and 1 more)',
    ],
    [{ graph: { kind: "torus", rows: 3 } }, "here: graph.columns is missing: it must be a whole number"],
    [
      { graph: { kind: "tours", rows: 3, columns: 3 } },
      'here: graph.kind cannot be "tours": did you mean "torus"?',
    ],
    [
      { graph: { kind: "snowflake" } },
      'here: graph.kind cannot be "snowflake": it is one of ring, torus, expander, exponential, hypercube, margulis, complete, star, chain, random-regular, erdos-renyi, edges',
    ],
    [
      { graph: { peers: 3 } },
      "here: graph.kind is missing: it is one of ring, torus, expander, exponential, hypercube, margulis, complete, star, chain, random-regular, erdos-renyi, edges",
    ],
    [
      { graph: "ring" },
      'here: graph must say its size too, for example {"kind":"ring","peers":8}, not just "ring"',
    ],
    [{ grahp: graph }, 'here has an unknown setting "grahp": did you mean "graph"? (and 1 more)'],
    [{ graph: { kind: "ring", peers: "8" } }, 'here: graph.peers must be a whole number, not "8"'],
    [{ graph: { kind: "ring", peers: 5000 } }, "here: graph.peers must be at most 1024, not 5000"],
    [
      { graph: { kind: "edges", edges: [[0, 1], [2]] } },
      "here: graph.edges[1] must have at least 2 entries, not 1",
    ],
    [
      {
        graph: {
          kind: "edges",
          edges: [
            [0, 1],
            [2, 3],
          ],
        },
      },
      "here: the graph falls into 2 parts: no path joins peers [0, 1] to [2, 3]; add an edge between the parts",
    ],
    [
      {
        graph: {
          kind: "edges",
          peers: 3,
          edges: [
            [0, 1],
            [1, 3],
          ],
        },
      },
      "here: graph.edges[1] names peer 3, but the 3 peers are numbered 0 to 2",
    ],
    [
      { graph: { kind: "erdos-renyi", peers: 40, probability: 0.01 } },
      "here: graph: none of 100 random graphs of 40 peers with edge probability 0.01 is connected: use a probability of 0.184 or more",
    ],
    [{ graph, weights: "metropolitan" }, 'here: weights cannot be "metropolitan"'],
    [{ graph, weights: [[1, "x"]] }, 'here: weights[0][1] must be a finite number, not "x"'],
    [
      {
        graph: { kind: "chain", peers: 2 },
        weights: [
          [0.5, 0.5],
          [0.5, 0.47],
        ],
      },
      "here: row 1 of the weights sums to 0.97, not 1: add 0.03 to weight 1–1, or mend its edges",
    ],
    [{ graph, peers: [{ id: 4 }] }, "here: peers[0].id is 4, but the graph's peers are numbered 0 to 3"],
    [
      { graph, peers: [{ id: 1 }, { id: 0 }, { id: 1 }] },
      "here: peers[2].id is 1, as is that of peers[0]: keep one",
    ],
    [
      {
        graph,
        peers: [
          { id: 1, peerId: "a" },
          { id: 0, peerId: "a" },
        ],
      },
      "here: peers[1].peerId is that of peers[0] too: every peer has its own",
    ],
    [
      { graph, peers: [{ id: 1, lissen: [] }] },
      'here: peers[0] has an unknown setting "lissen": did you mean "listen"?',
    ],
    [
      { graph, peers: [{ id: 1, listen: ["host:4001"] }] },
      'here: peers[0].listen[0] cannot be "host:4001": a multiaddr looks like "/ip4/192.0.2.7/tcp/4001"',
    ],
    [{ graph, peers: {} }, "here: peers must be a list, not an object"],
    [[], "here must be an object, not a list"],
    [undefined, "here is missing: it must be an object"],
    [null, "here must be an object, not null"],
    ["", "here is neither JSON nor an edge list: Unexpected end of JSON input"],
    ["0 1\n1 2 3", 'here: line 2 of the edge list, "1 2 3", is not two peer numbers such as "0 1"'],
  ])("%j", (input, expected) => {
    expect(complaint(input)).toBe(expected);
  });

  it("is refused in one line even where its text has several", () => {
    expect(complaint('{\n"graph": {\n}}}}')).toMatch(/^here is neither JSON nor an edge list: /);
    expect(complaint({ graph: { kind: "a\nb" } })).toContain('"a\\nb"');
  });

  it("is refused however deep it is nested", () => {
    const depth = 1e6;
    const deep = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    expect(complaint(deep)).toMatch(/^here /);
    expect(complaint(`{"graph": ${deep}}`)).toMatch(/^here/);
    const endless: Record<string, unknown> = { graph };
    endless.weights = endless;
    expect(complaint(endless)).toBe("here: weights cannot be an object");
  });

  it("never crashes: whatever the value, it is a topology or an InvalidTopology", () => {
    const anything = fc.oneof(
      fc.anything({ withNullPrototype: true, withBigInt: true, withMap: true, withTypedArray: true }),
      fc.jsonValue(),
      fc.string(),
      fc.record({
        graph: fc.oneof(
          fc.jsonValue(),
          fc.dictionary(fc.constantFrom("kind", "peers", "edges", "rows", "__proto__"), fc.jsonValue()),
        ),
        weights: fc.jsonValue(),
        peers: fc.jsonValue(),
      }),
    );
    fc.assert(
      fc.property(anything, (input) => {
        try {
          parseTopology(input, "here");
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidTopology);
          expect((error as Error).message).not.toMatch(/[\r\n]/);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("limits", () => {
  it("MAX_TOPOLOGY_CHARACTERS", () => {
    expect(complaint(" ".repeat(MAX_TOPOLOGY_CHARACTERS + 1))).toBe(
      `here has ${MAX_TOPOLOGY_CHARACTERS + 1} characters, and ${MAX_TOPOLOGY_CHARACTERS} are allowed`,
    );
  });

  it("MAX_ADDRESSES and MAX_ADDRESS_CHARACTERS", () => {
    const address = "/ip4/127.0.0.1/tcp/4001";
    const peers = (listen: string[]) => ({ graph, peers: [{ id: 0, listen }] });
    parseTopology(peers(new Array(MAX_ADDRESSES).fill(address)), "here");
    expect(complaint(peers(new Array(MAX_ADDRESSES + 1).fill(address)))).toBe(
      "here: peers[0].listen must have at most 16 entries, not 17",
    );
    parseTopology(peers([address.padEnd(MAX_ADDRESS_CHARACTERS, "0")]), "here");
    expect(complaint(peers([address.padEnd(MAX_ADDRESS_CHARACTERS + 1, "0")]))).toBe(
      "here: peers[0].listen[0] must have at most 512 characters, not 513",
    );
  });
});

describe("the description of a topology", () => {
  it("of ring-8 has its known numbers", () => {
    const described = describeTopology(parseTopology(read("ring-8.json"), "here"));
    const second = 1 / 3 + (2 / 3) * Math.SQRT1_2;
    expect(described).toEqual({
      name: "ring-8",
      kind: "ring",
      peers: 8,
      edges: 8,
      minimumDegree: 2,
      maximumDegree: 2,
      secondEigenvalue: expect.closeTo(second, 10),
      smallestEigenvalue: expect.closeTo(-1 / 3, 10),
      spectralGap: expect.closeTo(1 - second, 10),
      optimalConsensusRate: expect.closeTo(2 / (1 - second + 4 / 3), 10),
      maximumConsensusRate: expect.closeTo(1.5, 10),
      roundsFactor: 0.01,
      roundsAtOne: 11,
      roundsAtOptimum: 8,
      closingRounds: 4,
      closingContraction: expect.closeTo(0, 9),
    });
  });

  it("of the two offices shows the bridge: eight peers that mix more slowly than eight in a clique", () => {
    const [offices, clique] = ["two-offices.json", "complete-8.json"].map((file) =>
      describeTopology(parseTopology(read(file), file)),
    );
    expect(offices).toMatchObject({ edges: 14, minimumDegree: 3, maximumDegree: 4 });
    expect(offices!.roundsAtOptimum).toBeGreaterThan(clique!.roundsAtOptimum);
  });
});

describe("checked settings", () => {
  const schema = z.strictObject({
    mode: z.enum(["slow", "fast"]).default("slow"),
    share: z.number().gt(0).lt(1).default(0.5),
    step: z.int().multipleOf(4).default(4),
    label: z.string().min(2).default("ab"),
    rate: z
      .union([z.literal("auto"), z.number().positive(), z.strictObject({ from: z.number() })])
      .default("auto"),
  });
  const check = (value: unknown) => checked(schema, value, { what: "settings" }, InvalidExperiment);

  it("come back with their defaults", () => {
    expect(check({})).toEqual({ mode: "slow", share: 0.5, step: 4, label: "ab", rate: "auto" });
  });

  it.each<[unknown, string]>([
    [{ mode: "fats" }, 'settings: mode cannot be "fats": did you mean "fast"?'],
    [{ mode: 3 }, "settings: mode must be one of slow, fast, not 3"],
    [{ share: 1 }, "settings: share must be less than 1, not 1"],
    [{ share: Number.NaN }, "settings: share must be a finite number, not NaN"],
    [{ share: Number.POSITIVE_INFINITY }, "settings: share must be a finite number, not Infinity"],
    [{ step: 6 }, "settings: step must be a multiple of 4, not 6"],
    [{ label: "a" }, "settings: label must have at least 2 characters, not 1"],
    [{ rate: { from: "x" } }, 'settings: rate.from must be a finite number, not "x"'],
    [{ rate: [1] }, "settings: rate cannot be a list"],
    [{ shore: 1, mode: "x" }, 'settings has an unknown setting "shore": did you mean "share"? (and 1 more)'],
    [{ quite: 1 }, 'settings has an unknown setting "quite": it is one of mode, share, step, label, rate'],
    [{ mode: "x".repeat(100) }, `settings: mode cannot be "${"x".repeat(40)}…": it is one of slow, fast`],
  ])("%j is refused", (value, message) => {
    expect(() => check(value)).toThrow(new InvalidExperiment(message));
    expect(() => check(value)).toThrow(MurmurationError);
  });
});
