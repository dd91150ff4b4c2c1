import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidTopology } from "../src/foundation/errors.js";
import type { GraphDocument } from "../src/graph-format.js";
import { MAX_GRAPH_FILE_NESTING } from "../src/graph-formats/builder.js";
import { MAX_DOT_CHAIN } from "../src/graph-formats/dot.js";
import { MAX_GML_KEYS } from "../src/graph-formats/gml.js";
import { formatOf, formats, parseTopologyFile } from "../src/graph-formats/index.js";
import { documentOf, settingsOf } from "../src/graph-formats/settings.js";
import { MAX_EDGES, MAX_PEERS } from "../src/graphs/graph.js";
import { denseWeights } from "../src/graphs/mixing.js";
import { MAX_TOPOLOGY_CHARACTERS, parseTopology } from "../src/graphs/topology.js";
import { isPeerName, MAX_PEER_NAME_CHARACTERS } from "../src/graphs/topology-peers.js";
import { checkError, type Expected, expectRejection } from "./support/errors.js";
import { createMutator } from "./support/mutate.js";

const formatNamed = (name: string) => formats.find((format) => format.name === name)!;
const read = (file: string, text: string): Promise<GraphDocument> =>
  Promise.resolve().then(() => formatOf(file)!.read(text));

const isList = (name: string) => name.endsWith("-list");

/** Any graph with 1 to 9 nodes, connected or not. */
function documents(hasPlainNames: boolean, mayHaveWeights: boolean): fc.Arbitrary<GraphDocument> {
  const name = hasPlainNames
    ? fc.stringMatching(/^[\w.:é-]{1,6}$/)
    : fc.string({ unit: "binary", minLength: 1, maxLength: 6 }).filter(isPeerName);
  return fc
    .record({
      isDirected: fc.boolean(),
      nodes: fc.uniqueArray(fc.oneof(name, fc.nat(9).map(String)), { minLength: 1, maxLength: 9 }),
      hasWeights: fc.boolean(),
      pairs: fc.array(fc.tuple(fc.nat(8), fc.nat(8), fc.double({ noNaN: true, noDefaultInfinity: true })), {
        maxLength: 20,
      }),
    })
    .map(({ isDirected, nodes, hasWeights, pairs }) => {
      const edges = new Map<number, GraphDocument["edges"][number]>();
      for (const [a, b, weight] of pairs) {
        if (a === b || Math.max(a, b) >= nodes.length) continue;
        const [from, to] = isDirected || a < b ? [a, b] : [b, a];
        // Text has no negative zero.
        const own = hasWeights && mayHaveWeights ? { weight: weight + 0 } : {};
        edges.set(from * nodes.length + to, { from, to, ...own });
      }
      const sorted = [...edges].sort(([a], [b]) => a - b).map(([, edge]) => edge);
      return { isDirected, nodes, edges: sorted };
    });
}

describe.each(formats.map((format) => [format.name, format] as const))("%s", (name, format) => {
  it("gives back what it wrote: direction, names in their order, edges and weights", async () => {
    await fc.assert(
      fc.asyncProperty(documents(isList(name), name !== "adjacency-list"), async (document) => {
        expect(await format.read(format.write(document))).toEqual(document);
      }),
      { numRuns: 200 },
    );
  });

  it("gives back a topology that it wrote", async () => {
    const topology = parseTopology(
      { name: `x${format.extensions[0]}`, graph: { kind: "random-regular", peers: 12, degree: 4 } },
      "here",
    );
    const again = await parseTopologyFile(format.write(documentOf(topology)), topology.name);
    expect({ ...again, graphSettings: undefined }).toEqual({ ...topology, graphSettings: undefined });
  });

  it("reads no wrong text as anything but an InvalidTopology of one line", async () => {
    const document: GraphDocument = {
      isDirected: true,
      nodes: ["north", "b", "7"],
      edges: [
        { from: 0, to: 1, ...(name !== "adjacency-list" && { weight: 0.25 }) },
        { from: 2, to: 0, ...(name !== "adjacency-list" && { weight: 1e-7 }) },
      ],
    };
    const corpus = [format.write(document), ...Object.values(written).map(([text]) => text)].map((text) =>
      new TextEncoder().encode(text),
    );
    const mutator = createMutator(7);
    let refused = 0;
    for (let turn = 0; turn < 1500; turn++) {
      const text = new TextDecoder().decode(mutator.mutate(corpus));
      try {
        await format.read(text);
      } catch (error) {
        refused++;
        checkError(error, InvalidTopology);
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});

/** One small graph in every format. */
const golden: GraphDocument = {
  isDirected: false,
  nodes: ["north", "südwest", "a&b"],
  edges: [
    { from: 0, to: 1, weight: 0.25 },
    { from: 0, to: 2, weight: 1e-7 },
  ],
};

const written: Readonly<Record<string, [text: string, document: GraphDocument]>> = {
  "edge-list": ["north südwest 0.25\nnorth a&b 1e-7\n", golden],
  "adjacency-list": [
    "# directed graph\nnorth\nsüdwest\na&b\nsüdwest north a&b\n",
    {
      ...{ isDirected: true, nodes: golden.nodes },
      edges: [
        { from: 1, to: 0 },
        { from: 1, to: 2 },
      ],
    },
  ],
  graphml: [
    `<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
  <key id="weight" for="edge" attr.name="weight" attr.type="double"/>
  <graph edgedefault="undirected">
    <node id="north"/>
    <node id="südwest"/>
    <node id="a&amp;b"/>
    <edge source="north" target="südwest"><data key="weight">0.25</data></edge>
    <edge source="north" target="a&amp;b"><data key="weight">1e-7</data></edge>
  </graph>
</graphml>
`,
    golden,
  ],
  gml: [
    `graph [
  directed 0
  node [ id 0 label "north" ]
  node [ id 1 label "s&#252;dwest" ]
  node [ id 2 label "a&#38;b" ]
  edge [ source 0 target 1 weight 0.25 ]
  edge [ source 0 target 2 weight 1e-7 ]
]
`,
    golden,
  ],
  dot: [
    `strict graph {
  "north";
  "südwest";
  "a&b";
  "north" -- "südwest" [weight=0.25];
  "north" -- "a&b" [weight="1e-7"];
}
`,
    golden,
  ],
  "node-link": [
    `{"directed": false, "multigraph": false, "graph": {}, "nodes": [
{"id":"north"},
{"id":"südwest"},
{"id":"a&b"}
], "edges": [
{"source":"north","target":"südwest","weight":0.25},
{"source":"north","target":"a&b","weight":1e-7}
]}
`,
    golden,
  ],
};

it.each(Object.entries(written))("%s writes this text", (name, [text, document]) => {
  expect(formatNamed(name).write(document)).toBe(text);
});

it("every format has a text of its own above, and endings that no other has", () => {
  expect(Object.keys(written)).toEqual(formats.map(({ name }) => name));
  const endings = formats.flatMap(({ extensions }) => extensions);
  expect(new Set(endings).size).toBe(endings.length);
  for (const format of formats) {
    for (const extension of format.extensions) expect(formatOf(`A${extension.toUpperCase()}`)).toBe(format);
  }
});

/** What other tools write: the same path of three nodes, with an edge back where the graph is directed. */
const foreign: readonly [file: string, text: string, isDirected: boolean, weight: number | undefined][] = [
  ["nx.edgelist", "a b {'weight': 0.3}\nb c {'weight': 0.3}\n", false, 0.3],
  ["nx.edgelist", "a b {}\nb c {}\n", false, undefined],
  ["weighted.edges", "a b 0.3\r\nb,c,0.3 # a link\r\n", false, 0.3],
  ["directed.edges", "# directed graph\na b\nb c\nc a\n", true, undefined],
  ["nx.adjlist", "#-\n# GMT Fri Jan  2 00:00:00 2026\n# \na b\nb c\nc\n", false, undefined],
  [
    "nx.graphml",
    `<?xml version='1.0' encoding='utf-8'?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<key id="d0" for="edge" attr.name="weight" attr.type="double" />
<graph edgedefault="undirected"><node id="a" /><node id="b" /><node id="c" />
<edge source="a" target="b"><data key="d0">0.3</data></edge>
<edge source="b" target="c"><data key="d0">0.3</data></edge></graph></graphml>`,
    ...([false, 0.3] as const),
  ],
  [
    "igraph.graphml",
    `<graphml><key id="v_name" for="node" attr.name="name" attr.type="string"/>
<graph id="G" edgedefault="directed"><node id="n0"><data key="v_name">a</data></node>
<node id="n1"><data key="v_name">b</data></node><node id="n2"><data key="v_name"><![CDATA[c]]></data></node>
<edge source="n0" target="n1"/><edge source="n1" target="n2"/><edge source="n2" target="n0"/></graph></graphml>`,
    ...([true, undefined] as const),
  ],
  [
    "nx.gml",
    `graph [
  node [
    id 0
    label "a"
  ]
  node [
    id 1
    label "b"
    graphics [ x 1.5 y -2 ]
  ]
  node [
    id 2
    label "c"
  ]
  edge [
    source 0
    target 1
    weight 0.3
  ]
  edge [
    source 1
    target 2
    weight 3e-1
  ]
]`,
    ...([false, 0.3] as const),
  ],
  [
    "directed.gml",
    'graph [ directed 1 node [ id 5 label "a" ] node [ id 7 label "b" ] node [ id 6 label "c" ] edge [ source 5 target 7 ] edge [ source 7 target 6 ] edge [ source 6 target 5 ] ]',
    true,
    undefined,
  ],
  [
    "pydot.dot",
    'strict graph {\na;\nb;\n"c";\na -- b [weight="0.3", key=0];\nb -- c [weight=0.3];\n}',
    false,
    0.3,
  ],
  [
    "hand.gv",
    '/* a path */ digraph "x" { rankdir=LR // left\n node [shape=box, label=<<b>x</b>>]; a -> b:n -> c -> a }',
    true,
    undefined,
  ],
  ["groups.dot", "graph { edge [weight=0.3] a -- subgraph cluster_1 { b } b -- { c; } }", false, 0.3],
  [
    "nx.json",
    '{"directed": false, "multigraph": false, "graph": {}, "nodes": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "edges": [{"weight": 0.3, "source": "a", "target": "b"}, {"weight": 0.3, "source": "b", "target": "c"}]}',
    ...([false, 0.3] as const),
  ],
  [
    "d3.json",
    '{"directed": true, "nodes": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}, {"id": 3, "name": "c"}], "links": [{"source": 1, "target": 2}, {"source": 2, "target": 3}, {"source": 3, "target": 1}]}',
    ...([true, undefined] as const),
  ],
];

describe("what other tools write", () => {
  it.each(foreign)("%s: %j", async (file, text, isDirected, weight) => {
    const { graph, peers, mixing, hasOwnWeights } = await parseTopologyFile(text, file);
    expect(peers.map(({ name }) => name)).toEqual(["a", "b", "c"]);
    expect(graph.isDirected ?? false).toBe(isDirected);
    const back = isDirected ? [[2, 0]] : [];
    expect(graph.edges).toEqual([[0, 1], [1, 2], ...back]);
    expect(hasOwnWeights ?? false).toBe(weight !== undefined);
    if (weight !== undefined)
      expect([...denseWeights(mixing).subarray(3, 6)]).toEqual([0.3, expect.closeTo(0.4, 12), 0.3]);
  });

  it("numbers the peers by names that are numbers, in whatever order they come", async () => {
    const topology = await parseTopologyFile("2 0\n0 1\n", "numbers.txt");
    expect(topology.graph.edges).toEqual([
      [0, 1],
      [0, 2],
    ]);
    expect(topology.peers.map(({ name }) => name)).toEqual([undefined, undefined, undefined]);
    const named = await parseTopologyFile("2 0\n0 10\n", "numbers.txt");
    expect(named.peers.map(({ name }) => name)).toEqual(["2", "0", "10"]);
  });

  it("takes captions that repeat for captions", async () => {
    const text = 'graph [ node [ id 4 label "x" ] node [ id 9 label "x" ] edge [ source 4 target 9 ] ]';
    expect((await read("a.gml", text)).nodes).toEqual(["4", "9"]);
  });

  it("takes weights that are all 1 for none, and leaves others out when asked to", async () => {
    expect(await parseTopologyFile("a b 1\nb c 1\n", "ones.txt")).not.toHaveProperty("hasOwnWeights");
    const topology = await parseTopologyFile("a b 7\nb c\n", "far.txt", { weights: false });
    expect(topology).not.toHaveProperty("hasOwnWeights");
  });

  it("reads a topology file in JSON, without its weights when asked to", async () => {
    const settings = {
      graph: { kind: "chain", peers: 2 },
      weights: [
        [0.7, 0.3],
        [0.3, 0.7],
      ],
    };
    const text = `\uFEFF${JSON.stringify(settings)}`;
    expect(await parseTopologyFile(text, "t.json")).toEqual(parseTopology(settings, "t.json"));
    const plain = parseTopology({ graph: settings.graph }, "t.json");
    expect(await parseTopologyFile(text, "t.json", { weights: false })).toEqual(plain);
  });

  it("reads a file by the format that is named", async () => {
    const topology = await parseTopologyFile("a b c\n", "list.txt", { format: "adjacency-list" });
    expect(topology.graph.edges).toEqual([
      [0, 1],
      [0, 2],
    ]);
  });
});

const graphmlOf = (inner: string) =>
  `<graphml>\n<graph edgedefault="undirected">\n${inner}</graph></graphml>`;

const refusals: readonly [file: string, text: string, expected: Expected][] = [
  ["a.edges", "0 1\n2", { code: "disconnected" }],
  ["a.edges", "# nothing", { code: "graph-file-empty", field: "graph" }],
  ["a.edges", "0 1\n0 1 2 3", { code: "edge-list-line", field: "line 2" }],
  ["a.edges", "0 1\n, 1", { code: "edge-list-line", field: "line 2" }],
  ["a.edges", "0 1 x", { code: "graph-file-weight", field: "line 1" }],
  ["a.edges", "0 1 Infinity", { code: "graph-file-weight", field: "line 1" }],
  ["a.edges", "0 1\n\n4 4", { code: "graph-file-self-loop", field: "line 3" }],
  ["a.edges", "0 1 2\n1 0 3", { code: "graph-file-two-weights", field: "line 2" }],
  ["a.edges", "0 1\n1 \u0007", { code: "graph-file-name", field: "line 2" }],
  ["a.adj", "a b\nb b", { code: "graph-file-self-loop", field: "line 2" }],
  ["a.graphml", "<graphml>\n<graph", { code: "graphml-not-read", field: "line 2" }],
  ["a.graphml", "", { code: "graphml-not-read" }],
  ["a.graphml", "<graphml/>", { code: "graphml-not-read" }],
  ["a.graphml", "<graphml><graph/></graphml>", { code: "graphml-not-read" }],
  [
    "a.graphml",
    '<!DOCTYPE x [<!ENTITY y "z">]>\n<graphml>&y;</graphml>',
    { code: "graphml-not-read", field: "line 1" },
  ],
  ["a.graphml", graphmlOf("&y;"), { code: "graphml-not-read", field: "line 3" }],
  ["a.graphml", graphmlOf("<node/>"), { code: "graphml-not-read", field: "line 3" }],
  [
    "a.graphml",
    graphmlOf('<node id="a"/>\n<node id="a"/>'),
    { code: "graph-file-twin-nodes", field: "line 4" },
  ],
  [
    "a.graphml",
    graphmlOf('<node id="a"/>\n<edge source="a" target="b"/>'),
    { code: "graph-file-unknown-node", field: "line 4" },
  ],
  [
    "a.graphml",
    graphmlOf('<edge directed="true" source="a" target="b"/>'),
    { code: "graphml-not-read", field: "line 3" },
  ],
  ["a.graphml", graphmlOf("<hyperedge/>"), { code: "graphml-not-read", field: "line 3" }],
  [
    "a.graphml",
    graphmlOf('<node id="a"><graph edgedefault="directed"/></node>'),
    { code: "graphml-not-read", field: "line 3" },
  ],
  ["a.gml", "", { code: "gml-not-read", field: "line 1" }],
  ["a.gml", "graph 3", { code: "gml-not-read", field: "line 1" }],
  ["a.gml", "graph [\nnode [ id 0 ]", { code: "gml-not-read", field: "line 2" }],
  ["a.gml", "graph [\nnode [ label 0 ] ]", { code: "gml-not-read", field: "line 2" }],
  ["a.gml", "graph [\nid id ]", { code: "gml-not-read", field: "line 2" }],
  ["a.gml", "graph [\n] ]", { code: "gml-not-read", field: "line 2" }],
  ["a.gml", 'graph [\nid "a', { code: "gml-not-read", field: "line 2" }],
  ["a.gml", "graph [ ]\ngraph [ ]", { code: "gml-not-read", field: "line 2" }],
  [
    "a.gml",
    "graph [ node [ id 0 ]\nedge [ source 0 target 1 ] ]",
    { code: "graph-file-unknown-node", field: "line 2" },
  ],
  ["a.dot", "", { code: "dot-not-read", field: "line 1" }],
  ["a.dot", "graph {\na -> b }", { code: "dot-not-read", field: "line 2" }],
  ["a.dot", "digraph {\na -- b }", { code: "dot-not-read", field: "line 2" }],
  ["a.dot", "graph {\na --\n}", { code: "dot-not-read", field: "line 3" }],
  ["a.dot", 'graph {\n"a', { code: "dot-not-read", field: "line 2" }],
  ["a.dot", "graph {\na [label=<<b>]", { code: "dot-not-read", field: "line 2" }],
  ["a.dot", "graph { a }\ngraph { b }", { code: "dot-not-read", field: "line 2" }],
  ["a.dot", "graph { a -- b\n[weight=x] }", { code: "graph-file-weight", field: "line 2" }],
  ["a.dot", "graph { {a b}\n-- {b c} }", { code: "graph-file-self-loop", field: "line 2" }],
  ["a.node-link.json", "{", { code: "node-link-not-read" }],
  ["a.json", "{", { code: "topology-not-parsed" }],
  ["a.json", '{"nodes": [{}]}', { code: "invalid-setting", field: "nodes[0].id" }],
  [
    "a.json",
    '{"nodes": [{"id": 1}], "links": [{"source": 1, "target": 2}]}',
    { code: "graph-file-unknown-node" },
  ],
  ["a.txt", "a b 0.5\nb c", { code: "graph-file-some-weights", field: "weights" }],
  ["a.txt", "a b 0.5\nb c 1.5", { code: "graph-file-weights", peer: 1 }],
  ["a.txt", "a b -0.5\nb c 0.5", { code: "graph-file-weights", peer: 0 }],
  ["a.txt", "# directed graph\na b 0.5\nb a 0.5", { code: "graph-file-directed-weights" }],
  ["a.txt", "a b\nc d", { code: "disconnected" }],
];

describe("a graph file that is refused", () => {
  it.each(refusals)("%s: %j", async (file, text, expected) => {
    const { message } = await expectRejection(parseTopologyFile(text, file), InvalidTopology, expected);
    expect(message.startsWith(file)).toBe(true);
    if (/^line /.test(expected.field ?? "")) expect(message).toContain(`: ${expected.field}: `);
  });

  it("says in one line where it is wrong and what to change", async () => {
    const { message } = await expectRejection(
      parseTopologyFile("graph {\n a -- b;\n b -> c\n}", "ring.dot"),
      InvalidTopology,
    );
    expect(message).toBe(
      'ring.dot: line 3: the DOT cannot be read, because "--" belongs where "->" stands: correct it there',
    );
  });

  it("names a format that is not there", async () => {
    const reading = parseTopologyFile("a b", "a.txt", { format: "pajek" });
    await expectRejection(reading, InvalidTopology, { code: "unknown-graph-format", field: "format" });
  });
});

describe("a graph that a format has no place for", () => {
  it.each<[string, GraphDocument, string]>([
    ["edge-list", { isDirected: false, nodes: ["a b"], edges: [] }, "graph-list-name"],
    ["adjacency-list", { isDirected: false, nodes: ["#a"], edges: [] }, "graph-list-name"],
    ["adjacency-list", { ...golden, nodes: ["a", "b", "c"] }, "adjacency-list-weights"],
  ])("%s of %j", (name, document, code) => {
    expect(() => formatNamed(name).write(document)).toThrow(expect.objectContaining({ code }));
  });

  it.each<[object, string]>([
    [{ graph: { kind: "one-peer-exponential", peers: 8 } }, "graph-beyond-formats"],
    [{ graph: { kind: "ring", peers: 4 }, peers: [{ id: 1, left: true }] }, "graph-beyond-formats"],
    [{ graph: { kind: "ring", peers: 4 }, peers: [{ id: 1, name: "0" }] }, "peer-name-and-number"],
  ])("%j", (settings, code) => {
    const topology = parseTopology(settings, "here");
    expect(() => documentOf(topology)).toThrow(expect.objectContaining({ code }));
  });
});

describe("limits", () => {
  const refused = (file: string, text: string, expected: Expected) =>
    expectRejection(read(file, text), InvalidTopology, expected);

  it("MAX_PEERS nodes", async () => {
    const nodes = Array.from({ length: MAX_PEERS }, (_, node) => `n${node}`);
    expect((await read("a.adj", nodes.join(" "))).nodes).toHaveLength(MAX_PEERS);
    await refused("a.adj", `${nodes.join(" ")}\none more`, { code: "graph-file-nodes", field: "line 2" });
  });

  it("MAX_EDGES edges", async () => {
    let text = "# directed graph\n";
    for (let from = 0; from < 1024; from++) {
      const others = Array.from({ length: 1024 }, (_, to) => to).filter((to) => to !== from);
      text += `${from} ${others.slice(0, 512).join(" ")}\n`;
    }
    // The first 1023 lines have 512 edges each, and 1023 · 512 = MAX_EDGES.
    expect(1023 * 512).toBe(MAX_EDGES);
    await refused("a.adj", text, { code: "graph-file-edges", field: "line 1025" });
  });

  it("MAX_TOPOLOGY_CHARACTERS", async () => {
    const reading = parseTopologyFile(" ".repeat(MAX_TOPOLOGY_CHARACTERS + 1), "a.txt");
    await expectRejection(reading, InvalidTopology, { code: "topology-too-long" });
  });

  it("MAX_PEER_NAME_CHARACTERS", async () => {
    const longest = "x".repeat(MAX_PEER_NAME_CHARACTERS);
    expect((await read("a.dot", `graph { ${longest} }`)).nodes).toEqual([longest]);
    await refused("a.dot", `graph { ${longest}x }`, { code: "graph-file-name", field: "line 1" });
  });

  it("MAX_GRAPH_FILE_NESTING", async () => {
    const nested = (depth: number): [string, string][] => [
      ["a.dot", `graph ${"{".repeat(depth)} a ${"}".repeat(depth)}`],
      ["a.gml", `graph [ node [ id 0 ] ${"x [ ".repeat(depth - 2)} ${"]".repeat(depth - 1)}`],
      [
        "a.graphml",
        `<graphml><graph edgedefault="directed"><node id="a">${"<x>".repeat(depth - 3)}${"</x>".repeat(depth - 3)}</node></graph></graphml>`,
      ],
    ];
    for (const [file, text] of nested(MAX_GRAPH_FILE_NESTING)) await read(file, text);
    for (const [file, text] of nested(MAX_GRAPH_FILE_NESTING + 1)) {
      await refused(file, text, { code: "graph-file-nesting", field: "line 1" });
    }
    for (const [file, text] of nested(10_000)) await refused(file, text, { code: "graph-file-nesting" });
  });

  it("MAX_DOT_CHAIN", async () => {
    const chain = (edges: number) => `graph { a${" -- b -- a".repeat(edges / 2)} }`;
    expect((await read("a.dot", chain(MAX_DOT_CHAIN))).edges).toHaveLength(1);
    await refused("a.dot", chain(MAX_DOT_CHAIN + 2), { code: "dot-not-read", field: "line 1" });
  });

  it("MAX_GML_KEYS", async () => {
    const text = `graph [ ${"a 1 ".repeat(MAX_GML_KEYS)}]`;
    await refused("a.gml", text, { code: "gml-not-read", field: "line 1" });
  });
});

it("a topology keeps weights and names on its way through a document", () => {
  const settings = {
    name: "offices",
    graph: {
      kind: "edges",
      peers: 3,
      edges: [
        [0, 1],
        [1, 2],
      ],
    },
    weights: [
      [0.5, 0.5, 0],
      [0.5, 0.3, 0.2],
      [0, 0.2, 0.8],
    ],
    peers: [
      { id: 2, name: "c" },
      { id: 0, name: "zürich" },
    ],
  };
  const topology = parseTopology(settings, "here");
  const document = documentOf(topology);
  expect(document.nodes).toEqual(["zürich", "1", "c"]);
  const again = parseTopology(settingsOf(document, "offices"), "there");
  expect(again.mixing).toEqual(topology.mixing);
  expect(again.peers.map(({ name }) => name)).toEqual(["zürich", "1", "c"]);
});
