import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { createTreeReduction, type Passes } from "../src/algorithms/tree-reduction.js";
import type { Scaling } from "../src/dataset.js";
import { datasetSettings, loadDataset } from "../src/datasets/index.js";
import {
  type Moments,
  mergeMoments,
  momentsOf,
  problemWithMoments,
  scalingOf,
} from "../src/datasets/parts.js";
import {
  InvalidData,
  InvalidExperiment,
  InvalidTopology,
  MalformedPayload,
  Unreachable,
} from "../src/foundation/errors.js";
import { publicSettingsOf } from "../src/graphs/changes.js";
import { spanningTree } from "../src/graphs/spanning-tree.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createCheckpointFolder } from "../src/runs/node/checkpoints/folder.js";
import { generateIdentity, joinRun } from "../src/runs/node/network.js";
import { simulate } from "../src/runs/simulate.js";
import { decodeSafetensors } from "../src/vectors/safetensors.js";
import { expectError, expectRejection } from "./support/errors.js";
import { memoryAddress, quick } from "./support/network.js";
import { murmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-own-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const file = (name: string, lines: readonly string[]): string => {
  const path = join(scratch, name);
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
};

const HEADER = "age,dose,kind";
/** Rows around the centre of their class; the peers have different classes, counts and spreads. */
const rows = (count: number, classes: string, salt: number): string[] =>
  Array.from({ length: count }, (_, k) => {
    const kind = classes[k % classes.length]!;
    const centre = "abc".indexOf(kind);
    const age = 40 + 10 * (centre === 1 ? 1 : 0) + ((k * 7 + salt) % 9);
    const dose = 1e6 + 2000 * (centre === 2 ? 1 : 0) + 100 * ((k * 5 + 3 * salt) % 11);
    return `${age},${dose},${kind}`;
  });
const tables = [rows(120, "ab", 1), rows(45, "bc", 2), rows(75, "abc", 3)];
const files = tables.map((table, k) => file(`peer-${k}.csv`, [HEADER, ...table]));
const held = file("held.csv", [HEADER, ...rows(60, "abc", 9)]);

const topologyOf = (data: readonly unknown[] = files, graph: object = { kind: "chain" }) =>
  parseTopology(
    { graph: { peers: data.length, ...graph }, peers: data.map((each, id) => ({ id, data: each })) },
    "test",
  );
const experimentOf = (settings: Record<string, unknown> = {}) =>
  parseExperiment({
    data: { kind: "csv", classes: ["a", "b", "c"] },
    ...{ split: "own", model: "softmax", rounds: 20, evaluateEvery: 10, projectEvery: 0 },
    ...settings,
  });

async function finished(topology: ReturnType<typeof topologyOf>, settings: Record<string, unknown> = {}) {
  const simulation = await simulate(topology, experimentOf(settings));
  try {
    for await (const _ of simulation.run());
    const saved = await Promise.all(simulation.peers.map((peer) => peer.saved()));
    const scalings = saved.map(({ card }) => JSON.parse(card.about.examples!).scaling as Scaling | undefined);
    return { scalings, models: saved.map(({ model }) => model) };
  } finally {
    simulation.dispose();
  }
}

describe("moments", () => {
  const channel = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 1, maxLength: 20 });

  it("of parts merge, in any order, to those of the whole", () => {
    fc.assert(
      fc.property(
        fc.array(channel, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(0, 2 ** 20),
        (parts, offset) => {
          const [whole, ...all] = [parts.flat(), ...parts].map((numbers) =>
            momentsOf(
              Float32Array.from(numbers, (x) => x + offset),
              1,
            ),
          ) as [Moments, ...Moments[]];
          const [merged, ...others] = all.reverse() as [Moments, ...Moments[]];
          for (const other of others) mergeMoments(merged, other);
          expect(merged[0]).toBe(whole[0]);
          expect(Math.abs(merged[1]! - whole[1]!)).toBeLessThan(1e-9);
          expect(Math.abs(merged[2]! - whole[2]!)).toBeLessThan(1e-6 * (1 + whole[2]!));
        },
      ),
    );
  });

  it("far from 0 keep the digits that sums of squares lose", () => {
    const time = 1.7e9;
    const [a, b] = [momentsOf(Float32Array.of(0, 128, 256), 1), momentsOf(Float32Array.of(384), 1)];
    for (const moments of [a, b]) moments[1]! += time;
    mergeMoments(a, b);
    expect(1 / scalingOf(a).factor[0]!).toBeCloseTo(Math.sqrt(20480), 3);
  });

  it.each([
    ["no rows", [0, 1, 1]],
    ["half a row", [1.5, 1, 1]],
    ["a mean that is not finite", [2, Number.NaN, 1]],
    ["a negative variance", [2, 1, -1]],
  ])("with %s are refused", (_, moments) => {
    expect(problemWithMoments(Float64Array.from(moments))).toBeTypeOf("string");
    expect(problemWithMoments(Float64Array.of(2, 1, 1))).toBeUndefined();
  });
});

describe("a spanning tree", () => {
  const graphs = fc
    .record({ peers: fc.integer({ min: 2, max: 24 }), seed: fc.nat({ max: 1000 }) })
    .chain(({ peers, seed }) =>
      fc.record({
        topology: fc.constant(
          parseTopology({ graph: { kind: "erdos-renyi", peers, probability: 0.5, seed } }, "test"),
        ),
        root: fc.nat({ max: peers - 1 }),
      }),
    );

  it("leads every peer to the root along edges, each over its parent", () => {
    fc.assert(
      fc.property(graphs, ({ topology: { mixing }, root }) => {
        const tree = spanningTree(mixing, root);
        for (const [peer, { parent }] of tree.entries()) {
          if (peer === root) expect(parent).toBeUndefined();
          else {
            expect(mixing.neighbours[peer]!.map((edge) => edge.peer)).toContain(parent);
            expect(tree[parent!]!.children).toContain(peer);
          }
          let at = peer;
          for (let hops = 0; tree[at]!.parent !== undefined; hops++) {
            expect(hops).toBeLessThan(mixing.peers);
            at = tree[at]!.parent!;
          }
          expect(at).toBe(root);
        }
      }),
      { numRuns: 40 },
    );
  });

  it("does not exist where edges work one way", () => {
    const { mixing } = parseTopology({ graph: { kind: "ring", peers: 4, directed: true } }, "test");
    expectError(() => spanningTree(mixing, 0), InvalidTopology, { code: "tree-of-directed-graph" });
  });
});

describe("a reduction", () => {
  const edge = (peer: number) => ({ peer, weight: 0.5 });
  const reduction = createTreeReduction({
    ...{ id: 1, edges: [edge(0), edge(2)], branch: { parent: 0, children: [2] }, length: 1, firstStep: 4 },
    merge(into, other) {
      into[0]! += other[0]!;
    },
    problemOf: ([number]) => (Number.isFinite(number) ? undefined : "not finite"),
  });
  const bytesOf = (number: number) => new Uint8Array(Float64Array.of(number).buffer);

  it("passes a branch's sum up, and the total down, with two exchanges an edge", () => {
    const numbers = Float64Array.of(1);
    const passes: Passes = reduction.reduce(numbers);
    const settled = (peer: number, theirs: Uint8Array) => [
      { edge: edge(peer), own: new Uint8Array(0), theirs, rate: 1 } as never,
    ];
    const seen = [];
    for (let next = passes.next(); !next.done; ) {
      const { edges, step, outgoing } = next.value;
      seen.push([edges[0]!.peer, step, ...new Float64Array(outgoing.slice().buffer)]);
      const isDue = (edges[0]!.peer === 2 && step === 4) || (edges[0]!.peer === 0 && step === 5);
      next = passes.next(settled(edges[0]!.peer, isDue ? bytesOf(step === 4 ? 2 : 10) : new Uint8Array(0)));
    }
    expect(seen).toEqual([
      [2, 4],
      [0, 4, 3],
      [0, 5],
      [2, 5, 10],
    ]);
    expect([...numbers]).toEqual([10]);
  });

  it("ends with the neighbour's name where an exchange does not count", () => {
    const passes = reduction.reduce(Float64Array.of(1));
    passes.next();
    expectError(() => passes.next([]), Unreachable, { code: "no-sums", peer: 1, neighbour: 2 });
  });

  it.each([
    ["too short", 4, 2, new Uint8Array(7), "sums-length"],
    ["too long", 4, 2, new Uint8Array(16), "sums-length"],
    ["of the parent on the way up", 4, 0, bytesOf(1), "sums-length"],
    ["of a child on the way down", 5, 2, bytesOf(1), "sums-length"],
    ["not finite", 4, 2, bytesOf(Number.NaN), "sums-not-valid"],
  ])("refuses sums that are %s", (_, step, from, payload, code) => {
    expectError(() => reduction.check(payload, step, from), MalformedPayload, { code, neighbour: from });
  });

  it("takes what is due", () => {
    reduction.check(bytesOf(1), 4, 2);
    reduction.check(bytesOf(1), 5, 0);
    reduction.check(new Uint8Array(0), 5, 2);
    expect([4, 5, 6].map(reduction.has)).toEqual([true, true, false]);
  });
});

describe("peers with files of their own", () => {
  it("bring features to the mean and variance of all training examples, equal to the bit", async () => {
    // The rows that each peer holds out of its file do not count.
    const parts = await Promise.all(
      files.map((path) => loadDataset(datasetSettings.parse({ kind: "csv", path, scale: "none" }))),
    );
    const all = Float32Array.from(parts.flatMap(({ train }) => [...train.features]));
    const { mean, factor } = scalingOf(momentsOf(all, 2));
    for (const graph of [{ kind: "chain" }, { kind: "ring" }, { kind: "star" }]) {
      const { scalings } = await finished(topologyOf(files, graph), { rounds: 1 });
      const [first] = scalings;
      for (const scaling of scalings) expect(scaling).toEqual(first);
      for (const [k, number] of first!.mean.entries()) expect(number / mean[k]!).toBeCloseTo(1, 12);
      for (const [k, number] of first!.factor.entries()) expect(number / factor[k]!).toBeCloseTo(1, 12);
    }
  });

  it("learn what one peer learns from all rows, with weights by examples", async () => {
    const all = file("all.csv", [HEADER, ...tables.flat()]);
    const settings = {
      data: { kind: "csv", classes: ["a", "b", "c"], testPath: held },
      ...{ algorithm: "all-reduce", compressor: "identity", batchSize: 10_000, learningRate: 0.3 },
    };
    const graph = { kind: "complete" };
    const apart = await finished(topologyOf(files, graph), { ...settings, peerWeights: "examples" });
    const together = await finished(topologyOf([all, all, all], graph), settings);
    const alike = await finished(topologyOf(files, graph), settings);
    const distance = (a: Float32Array, b: Float32Array) => Math.max(...a.map((x, k) => Math.abs(x - b[k]!)));
    expect(apart.scalings[0]!.mean[1]).toBeCloseTo(together.scalings[0]!.mean[1]!, 6);
    expect(distance(apart.models[0]!, together.models[0]!)).toBeLessThan(1e-5);
    // Where peers count alike, the rows of small files count for more.
    expect(distance(alike.models[0]!, together.models[0]!)).toBeGreaterThan(1e-3);
  });

  it("go on from a checkpoint with the scaling that they agreed on", async () => {
    const identities = await Promise.all(files.map(generateIdentity));
    const addresses = files.map(memoryAddress);
    const topology = parseTopology(
      {
        graph: { kind: "chain", peers: 3 },
        peers: identities.map(({ peerId }, id) => ({ id, peerId, listen: [addresses[id]], data: files[id] })),
      },
      "test",
    );
    const run = async (folder: string, stopAfter: number, resume: boolean) => {
      const abort = new AbortController();
      const runs = await Promise.all(
        identities.map(async (identity, id) => {
          const store = await createCheckpointFolder(join(scratch, folder, String(id)), { warn() {} });
          return joinRun({
            ...{ topology, experiment: experimentOf({ peerWeights: "examples" }), id, identity },
            ...{ deadlines: quick, deadlineMs: 60_000, signal: abort.signal },
            checkpoints: { store, every: 4, resume, warn() {} },
          });
        }),
      );
      await Promise.all(
        runs.map(async (each) => {
          for await (const { round } of each) if (round + 1 === stopAfter) break;
        }),
      );
      const digests = runs.map((each) => each.modelDigest());
      await Promise.all(runs.map((each) => each.close()));
      return digests;
    };
    const whole = await run("whole", Number.POSITIVE_INFINITY, false);
    await run("parts", 7, false);
    expect(await run("parts", Number.POSITIVE_INFINITY, true)).toEqual(whole);
  });

  it("give a newcomer the scaling of those that were there before", async () => {
    const identities = await Promise.all(files.map(generateIdentity));
    const peers = identities.map(({ peerId }, id) => ({
      id,
      peerId,
      listen: [memoryAddress()],
      data: files[id],
    }));
    const topologyWith = (count: number) =>
      parseTopology({ graph: { kind: "chain", peers: count }, peers: peers.slice(0, count) }, "test");
    const { data: _, ...peer } = topologyWith(3).peers[2]!;
    const enter = (id: number, count: number) =>
      joinRun({
        ...{ topology: topologyWith(count), experiment: experimentOf({ rounds: 40 }), id },
        ...{ identity: identities[id]!, deadlines: quick, deadlineMs: 60_000, join: id === 2 },
      });
    const saved = async (entering: Promise<Awaited<ReturnType<typeof enter>>>) => {
      const run = await entering;
      for await (const { round } of run) {
        if (run.id === 0 && round === 3) run.propose({ kind: "join", peer, neighbours: [1] });
      }
      const path = await run.save(scratch);
      await run.close();
      return JSON.parse(decodeSafetensors(readFileSync(path), path).metadata.examples!).scaling;
    };
    const scalings = await Promise.all([saved(enter(0, 2)), saved(enter(1, 2)), saved(enter(2, 3))]);
    expect(scalings[0].mean).toHaveLength(2);
    expect(scalings).toEqual([scalings[0], scalings[0], scalings[0]]);
    // It is of the two that began.
    const { scalings: before } = await finished(topologyOf(files.slice(0, 2)), { rounds: 1 });
    expect(scalings[0]).toEqual(before[0]);
  });

  it("are refused together where files differ, by name", async () => {
    const renamed = file("renamed.csv", ["age,weight,kind", ...tables[2]!]);
    const wide = file("wide.csv", ["age,dose,more,kind", ...tables[2]!.map((row) => `1,${row}`)]);
    const cases = [
      [[files[0], renamed], {}, "features"],
      [[files[0], wide], {}, "exampleShape"],
      [[files[0], files[1]], { data: { kind: "csv" } }, "classes"],
      [
        [
          { path: files[0], testPath: held },
          { path: files[1], testPath: files[2] },
        ],
        { split: { kind: "own", test: "common" } },
        "data",
      ],
    ] as const;
    for (const [data, settings, field] of cases) {
      await expectRejection(finished(topologyOf(data), settings), InvalidExperiment, {
        ...{ code: "own-data-differs", peer: 1 },
        ...(field !== "exampleShape" && { field }),
      });
    }
    const common = files.map((path) => ({ path, testPath: held }));
    await finished(topologyOf(common), { rounds: 1, split: { kind: "own", test: "common" } });
  });

  it("cannot learn what no file says", async () => {
    const refused = (topology: ReturnType<typeof topologyOf>, settings: object, expected: object) =>
      expectRejection(simulate(topology, experimentOf({ ...settings })), InvalidExperiment, expected);
    await refused(topologyOf([files[0], undefined]), {}, { code: "peer-without-data", peer: 1 });
    await refused(
      topologyOf(),
      { split: "iid", data: { kind: "csv", path: files[0]! } },
      { code: "peer-data-without-split-own", peer: 0 },
    );
    await refused(
      parseTopology({ graph: { kind: "ring", peers: 3 } }, "test"),
      { data: "digits" },
      { code: "peer-without-data" },
    );
    await refused(topologyOf([files[0], { path: files[1], delimeter: ";" }]), {}, { field: "delimeter" });
    await refused(
      parseTopology({ graph: { kind: "ring", peers: 3 } }, "test"),
      { ...{ data: "digits", split: "iid", trainer: "quadratic" }, peerWeights: "examples" },
      { code: "trainer-without-examples", field: "peerWeights" },
    );
    await expectRejection(
      simulate(topologyOf(files, { kind: "ring", directed: true }), experimentOf({ algorithm: "push-sum" })),
      InvalidTopology,
      { code: "tree-of-directed-graph" },
    );
  });

  it("name every class once, and hold no other", async () => {
    const data = { kind: "csv", classes: ["a", "b"] };
    await expectRejection(finished(topologyOf(), { data }), InvalidData, { code: "csv-unknown-class" });
    expectError(() => experimentOf({ data: { kind: "csv", classes: ["a", "a"] } }), InvalidExperiment);
  });

  it("keep where their data lie to themselves", () => {
    expect(JSON.stringify(publicSettingsOf(topologyOf()))).not.toContain("peer-0.csv");
  });

  it("are started by paths beside the topology file, as processes too", () => {
    const peers = files.map((_, id) => ({ id, data: `peer-${id}.csv` }));
    const topology = file("graph.json", [JSON.stringify({ graph: { kind: "chain", peers: 3 }, peers })]);
    const settings = ["--data", "csv", "--data.classes", "a,b,c", "--split", "own", "--model", "softmax"];
    const rest = [...settings, "--rounds", "30", "--algorithm", "dpsgd"];
    const models = ["simulated", "real"].map((name) => join(scratch, name));
    const [simulated, real] = ["simulate", "up"].map((verb, k) =>
      murmur(verb, topology, ...rest, "--save", models[k]!, "--json"),
    );
    expect([simulated!.stderr, real!.stderr].join()).not.toContain("error");
    const [a, b] = models.map((folder) =>
      decodeSafetensors(readFileSync(join(folder, "model.safetensors")), folder),
    );
    expect(a!.metadata.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(b!.metadata.digest).toBe(a!.metadata.digest);
    expect(b!.metadata.examples).toBe(a!.metadata.examples);
    const [model, peer] = [join(models[0]!, "model.safetensors"), files[2]!];
    expect(murmur("evaluate", model, peer).status).toBe(0);
    // No file is the run's, and columns are known by name.
    const turned = file("turned.csv", ["dose,age,kind", ...rows(9, "abc", 4)]);
    for (const args of [[model], [model, turned]]) {
      const { status, stderr } = murmur("evaluate", ...args);
      expect([status, stderr.split("\n").length]).toEqual([2, 2]);
    }
    const unlike = murmur("split", topology, "--data", "csv", "--split", "own");
    expect(unlike.status).toBe(2);
    expect(unlike.stderr).toMatch(/^error: peers 0 and 1 cannot learn together: class 0/);
    const split = murmur("split", topology, ...settings);
    expect(split.stdout).toMatch(/1\s+·\s+19\s+18\s+37/);
  });
});
