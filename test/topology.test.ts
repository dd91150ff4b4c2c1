import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { InvalidExperiment, InvalidTopology } from "../src/foundation/errors.js";
import { denseWeights } from "../src/graphs/mixing.js";
import { spectralGap, spectrum } from "../src/graphs/spectrum.js";
import {
  describeTopology,
  MAX_TOPOLOGY_CHARACTERS,
  parseTopology,
  topologyJsonSchema,
} from "../src/graphs/topology.js";
import {
  MAX_ADDRESS_CHARACTERS,
  MAX_ADDRESSES,
  MAX_PEER_NAME_CHARACTERS,
} from "../src/graphs/topology-peers.js";
import { checked } from "../src/settings/check.js";
import { checkError, type Expected, expectError } from "./support/errors.js";

const folder = new URL("../topologies/", import.meta.url);
const read = (name: string) => readFileSync(new URL(name, folder), "utf8");
const files = readdirSync(folder).filter((name) => name.endsWith(".json") && name !== "topology.schema.json");
const graph = { kind: "ring", peers: 4 };

/** The one line that a topology is refused with. */
function complaint(input: unknown, expected: Expected = {}): string {
  return expectError(() => parseTopology(input, "here"), InvalidTopology, expected).message;
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
    expect([...denseWeights(mixing)]).toEqual(weights.flat());
  });

  it("may be JSON text, with a byte order mark", () => {
    const expected = parseTopology({ graph }, "here");
    expect(parseTopology(`\uFEFF${JSON.stringify({ graph })}`, "here")).toEqual(expected);
  });
});

describe("a topology that is refused", () => {
  it.each<[unknown, Expected]>([
    [
      { graph: { kind: "torus", rows: 4, columns: 1.5 } },
      { code: "invalid-setting", field: "graph.columns" },
    ],
    [{ graph: { kind: "torus", rows: 0, columns: 4 } }, { code: "invalid-setting", field: "graph.rows" }],
    [{ graph: { kind: "torus", rows: 1, columns: 4 } }, { code: "invalid-setting", field: "graph.rows" }],
    [{ graph: { kind: "torus", row: 3, columns: 4 } }, { code: "unknown-setting", field: "graph.row" }],
    [{ graph: { kind: "torus", rows: 3 } }, { code: "invalid-setting", field: "graph.columns" }],
    [{ graph: { kind: "tours", rows: 3, columns: 3 } }, { code: "invalid-setting", field: "graph.kind" }],
    [{ graph: { kind: "snowflake" } }, { code: "invalid-setting", field: "graph.kind" }],
    [{ graph: { peers: 3 } }, { code: "invalid-setting", field: "graph.kind" }],
    [{ graph: "ring" }, { code: "invalid-setting", field: "graph" }],
    [{ grahp: graph }, { code: "unknown-setting", field: "grahp" }],
    [{ graph: { kind: "ring", peers: "8" } }, { code: "invalid-setting", field: "graph.peers" }],
    [{ graph: { kind: "ring", peers: 50_000 } }, { code: "invalid-setting", field: "graph.peers" }],
    [
      { graph: { kind: "edges", edges: [[0, 1], [2]] } },
      { code: "invalid-setting", field: "graph.edges[1]" },
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
      { code: "disconnected", field: "graph" },
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
      { code: "invalid-setting", field: "graph.edges[1]" },
    ],
    [
      { graph: { kind: "erdos-renyi", peers: 40, probability: 0.01 } },
      { code: "erdos-renyi-disconnected", field: "graph.probability" },
    ],
    [
      { graph, weights: "metropolitan" },
      { code: "invalid-setting", field: "weights" },
    ],
    [
      { graph, weights: [[1, "x"]] },
      { code: "invalid-setting", field: "weights[0][1]" },
    ],
    [
      {
        graph: { kind: "chain", peers: 2 },
        weights: [
          [0.5, 0.5],
          [0.5, 0.47],
        ],
      },
      { code: "weights-row-sum", field: "weights[1]", peer: 1 },
    ],
    [
      { graph, peers: [{ id: 4 }] },
      { code: "peer-id-range", field: "peers[0].id", peer: 4 },
    ],
    [
      { graph, peers: [{ id: 1 }, { id: 0 }, { id: 1 }] },
      { code: "peer-id-repeated", field: "peers[2].id", peer: 1 },
    ],
    [
      {
        graph,
        peers: [
          { id: 1, peerId: "a" },
          { id: 0, peerId: "a" },
        ],
      },
      { code: "peer-key-repeated", field: "peers[1].peerId", peer: 0 },
    ],
    [
      { graph, peers: [{ id: 1, lissen: [] }] },
      { code: "unknown-setting", field: "peers[0].lissen" },
    ],
    [
      { graph, peers: [{ id: 1, listen: ["host:4001"] }] },
      { code: "invalid-setting", field: "peers[0].listen[0]" },
    ],
    [
      { graph, peers: {} },
      { code: "invalid-setting", field: "peers" },
    ],
    [[], { code: "invalid-setting", field: undefined }],
    [undefined, { code: "invalid-setting", field: undefined }],
    [null, { code: "invalid-setting", field: undefined }],
    ["", { code: "topology-not-parsed" }],
    ["0 1\n1 2 3", { code: "topology-not-parsed" }],
    [
      { graph, peers: [{ id: 1, name: "a\tb" }] },
      { code: "invalid-setting", field: "peers[0].name" },
    ],
    [
      {
        graph,
        peers: [
          { id: 1, name: "north" },
          { id: 0, name: "north" },
        ],
      },
      { code: "peer-name-repeated", field: "peers[1].name", peer: 0 },
    ],
  ])("%j", (input, expected) => {
    complaint(input, expected);
  });

  it("says where it is wrong, what was meant, and what to change", () => {
    expect(complaint({ graph: { kind: "torus", row: 3, columns: 4 } })).toBe(
      'here: graph has an unknown setting "row": did you mean "rows"? (and 1 more)',
    );
    expect(complaint({ graph: { kind: "erdos-renyi", peers: 40, probability: 0.01 } })).toBe(
      "here: graph: none of 100 random graphs of 40 peers with edge probability 0.01 is connected: use a probability of 0.184 or more",
    );
  });

  it("is refused in one line even where its text has several", () => {
    complaint('{\n"graph": {\n}}}}', { code: "topology-not-parsed" });
    expect(complaint({ graph: { kind: "a\nb" } })).toContain('"a\\nb"');
  });

  it("is refused however deep it is nested", () => {
    const depth = 1e6;
    const deep = `${"[".repeat(depth)}${"]".repeat(depth)}`;
    expect(complaint(deep)).toMatch(/^here /);
    expect(complaint(`{"graph": ${deep}}`)).toMatch(/^here/);
    const endless: Record<string, unknown> = { graph };
    endless.weights = endless;
    complaint(endless, { code: "invalid-setting", field: "weights" });
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
          checkError(error, InvalidTopology);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("limits", () => {
  it("MAX_TOPOLOGY_CHARACTERS", () => {
    complaint(" ".repeat(MAX_TOPOLOGY_CHARACTERS + 1), { code: "topology-too-long" });
  });

  it("MAX_PEER_NAME_CHARACTERS", () => {
    const named = (name: string) => ({ graph, peers: [{ id: 0, name }] });
    parseTopology(named("é".repeat(MAX_PEER_NAME_CHARACTERS)), "here");
    const tooLong = named("é".repeat(MAX_PEER_NAME_CHARACTERS + 1));
    complaint(tooLong, { code: "invalid-setting", field: "peers[0].name" });
  });

  it("MAX_ADDRESSES and MAX_ADDRESS_CHARACTERS", () => {
    const address = "/ip4/127.0.0.1/tcp/4001";
    const peers = (listen: string[]) => ({ graph, peers: [{ id: 0, listen }] });
    const addresses = Array.from({ length: MAX_ADDRESSES + 1 }, (_, k) => `/ip4/127.0.0.1/tcp/${4001 + k}`);
    parseTopology(peers(addresses.slice(1)), "here");
    const tooMany = peers(addresses);
    complaint(tooMany, { code: "invalid-setting", field: "peers[0].listen" });
    const long = (length: number) => `${address}/p2p/`.padEnd(length, "0");
    parseTopology(peers([long(MAX_ADDRESS_CHARACTERS)]), "here");
    const tooLong = peers([long(MAX_ADDRESS_CHARACTERS + 1)]);
    complaint(tooLong, { code: "invalid-setting", field: "peers[0].listen[0]" });
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
      isDirected: false,
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
    [
      { rate: [1] },
      'settings: rate cannot be a list: it must be "auto", or a finite number, or an object with from',
    ],
    [{ shore: 1, mode: "x" }, 'settings has an unknown setting "shore": did you mean "share"? (and 1 more)'],
    [{ quite: 1 }, 'settings has an unknown setting "quite": it is one of mode, share, step, label, rate'],
    [{ mode: "x".repeat(100) }, `settings: mode cannot be "${"x".repeat(40)}…": it is one of slow, fast`],
  ])("%j is refused", (value, message) => {
    expect(expectError(() => check(value), InvalidExperiment).message).toBe(message);
  });
});
