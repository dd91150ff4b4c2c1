import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { modelDigest } from "../src/exchange/fingerprint.js";
import { InvalidTopology, RoundTimeout, Unreachable } from "../src/foundation/errors.js";
import { parseTopology, type Topology } from "../src/graphs/topology.js";
import type { RoundReport } from "../src/observing/report.js";
import { type Experiment, parseExperiment } from "../src/runs/experiment.js";
import { generateIdentity, type JoinedRun, type JoinOptions, joinRun } from "../src/runs/node/network.js";
import { simulate } from "../src/runs/simulate.js";
import type { StartThreads } from "../src/threads/threads.js";
import { createTrainer } from "../src/trainers/index.js";
import type { Trainer } from "../src/trainers/trainer.js";
import { VERSION } from "../src/version.js";
import { type Expected, expectRejection } from "./support/errors.js";
import { reachedFrom } from "./support/imports.js";
import { eventLog, memoryAddress, quick } from "./support/network.js";
import { murmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-network-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const topologies = new URL("../topologies/", import.meta.url).pathname;

/** Digest of every peer's final model in a simulation. */
async function simulated(topology: Topology, experiment: Experiment): Promise<string[]> {
  const simulation = await simulate(topology, experiment);
  for await (const _ of simulation.run());
  simulation.dispose();
  return simulation.peers.map(({ model }) => modelDigest(model));
}

/** A topology inside this process, and everybody's keys. */
async function inProcess(graph: object) {
  const plain = parseTopology({ graph }, "plain");
  const identities = await Promise.all(plain.peers.map(generateIdentity));
  const topology = parseTopology(
    {
      graph,
      peers: identities.map(({ peerId }, id) => ({ id, peerId, listen: [memoryAddress()] })),
    },
    "in process",
  );
  const joinAs = (id: number, options: Partial<JoinOptions> & { experiment: Experiment }) =>
    joinRun({
      topology,
      id,
      identity: identities[id]!,
      ...options,
      deadlines: { ...quick, ...options.deadlines },
    });
  return { topology, identities, joinAs };
}

async function finish(run: JoinedRun): Promise<string> {
  for await (const _ of run);
  await run.close();
  expect(run.isComplete).toBe(true);
  return run.modelDigest();
}

async function overMemory(
  graph: object,
  experiment: Experiment,
  options: Partial<JoinOptions> = {},
): Promise<string[]> {
  const { topology, joinAs } = await inProcess(graph);
  const runs = await Promise.all(topology.peers.map(({ id }) => joinAs(id, { experiment, ...options })));
  return Promise.all(runs.map(finish));
}

describe("the same seed gives the same models to the bit", () => {
  const ring = { kind: "ring", peers: 8 };
  const cases: [name: string, settings: Record<string, unknown>][] = [
    [
      "quadratics, stochastic compression",
      { trainer: { kind: "quadratic", dimension: [48, 16], noise: 0.1 }, compressor: "qsgd", rounds: 20 },
    ],
    [
      "digits, an MLP",
      {
        rounds: 4,
        compressor: "sign",
        learningRate: 0.3,
        split: { kind: "shards", classesPerPeer: 2 },
        evaluateEvery: 0,
      },
    ],
  ];

  it.each(cases)(
    "%s: simulated, over libp2p in one process, and as 8 processes over TCP",
    async (_, settings) => {
      const experiment = parseExperiment({ ...settings, seed: 7 });
      const topology = parseTopology({ graph: ring }, "ring");
      const expected = await simulated(topology, experiment);
      expect(new Set(expected).size).toBeGreaterThan(1);
      expect(await overMemory(ring, experiment)).toEqual(expected);

      const file = join(scratch, `${expected[0]!.slice(0, 8)}.json`);
      writeFileSync(file, JSON.stringify({ ...settings, seed: 7 }));
      const { status, stdout, stderr } = murmur("up", `${topologies}ring-8.json`, file, "--json");
      expect(stderr).not.toMatch(/error/);
      expect(status).toBe(0);
      const { peers } = JSON.parse(stdout) as { peers: { modelDigest: string }[] };
      expect(peers.map((peer) => peer.modelDigest)).toEqual(expected);
    },
  );

  it("on a graph that changes from round to round: simulated, and over libp2p", async () => {
    const graph = { kind: "base-graph", peers: 5 };
    const experiment = parseExperiment({
      trainer: { kind: "quadratic", dimension: [48, 16], noise: 0.1 },
      ...{ algorithm: "edge-choco", compressor: "topsign", rounds: 12, seed: 7 },
    });
    const expected = await simulated(parseTopology({ graph }, "test"), experiment);
    expect(await overMemory(graph, experiment)).toEqual(expected);
  });

  it("with threads, from whose shared memory payloads go out", async () => {
    const experiment = parseExperiment({
      trainer: { kind: "quadratic", dimension: [5000, 16] },
      compressor: "sign",
      rounds: 3,
      seed: 3,
    });
    const triangle = { kind: "complete", peers: 3 };
    const expected = await simulated(parseTopology({ graph: triangle }, "triangle"), experiment);
    // Workers load JavaScript, so they come from what was built.
    const built: typeof import("../src/threads/node.js") = await import(
      new URL("../dist/threads/node.js", import.meta.url).href
    );
    let started = 0;
    const startThreads: StartThreads = async (parameters) => {
      const threads = await built.workerThreads(2, { minimumLength: 1, pieceLength: 1 })(parameters);
      started += threads.count;
      return threads;
    };
    expect(await overMemory(triangle, experiment, { startThreads })).toEqual(expected);
    expect(started).toBe(2 * 3);
  });

  it("and another seed gives others", async () => {
    const settings = { trainer: "quadratic", rounds: 3 };
    const ring4 = { kind: "ring", peers: 4 };
    const topology = parseTopology({ graph: ring4 }, "ring");
    const first = await simulated(topology, parseExperiment({ ...settings, seed: 1 }));
    const second = await overMemory(ring4, parseExperiment({ ...settings, seed: 2 }));
    expect(second).not.toEqual(first);
  });
});

describe("joining a run", () => {
  const pair = { kind: "complete", peers: 2 };
  const experiment = parseExperiment({ trainer: "quadratic", rounds: 3, evaluateEvery: 1, seed: 5 });

  it("takes a trainer of one's own beside peers that have the experiment's, and leaves it alone afterwards", async () => {
    const { joinAs } = await inProcess(pair);
    const own = await createTrainer(experiment, { peer: 0, peers: 2, seed: 5 });
    let disposals = 0;
    const trainer: Trainer = { ...own, dispose: () => disposals++ };
    const [one, other] = await Promise.all([joinAs(0, { experiment, trainer }), joinAs(1, { experiment })]);
    const reports: RoundReport[] = [];
    const collect = async () => {
      for await (const report of one) reports.push(report);
    };
    await Promise.all([collect(), finish(other)]);
    expect(reports).toHaveLength(one.rounds);
    expect(reports.map(({ round }) => round)).toEqual([...reports.keys()]);
    const [edge] = reports.at(-1)!.traffic;
    expect(edge).toMatchObject({ neighbour: 1, messagesSent: one.rounds, messagesReceived: one.rounds });
    // What the socket carried: more than the frames alone.
    expect(edge!.bytesSent).toBeGreaterThan(one.rounds * 8);
    expect(one.modelDigest()).toBe(modelDigest(one.point));
    await one.close();
    await one.close();
    expect(disposals).toBe(0);
  });

  it("stays after its last round for a neighbour that ended early, until it is interrupted", async () => {
    const { joinAs } = await inProcess(pair);
    const log = eventLog();
    const interrupt = new AbortController();
    const { signal } = interrupt;
    const [one, other] = await Promise.all([
      joinAs(0, { experiment, signal, report: log.report, deadlines: { lingerMs: 1e9 } }),
      joinAs(1, { experiment }),
    ]);
    const endEarly = async () => {
      for await (const { round } of other) if (round === other.rounds - 1) break;
    };
    const complete = async () => {
      for await (const _ of one);
    };
    await Promise.all([complete(), endEarly()]);
    const left = one.close();
    await other.close();
    // A peer that had left would not see its neighbour go.
    expect((await log.first("disconnected")).reason).toBe("it left the run");
    interrupt.abort();
    await left;
    expect(one.isComplete).toBe(true);
  });

  it("is refused where one setting differs, naming it, whichever it is", async () => {
    const differences: [field: string, settings: object][] = [
      ["algorithm", { algorithm: "choco" }],
      ["batchSize", { batchSize: 7 }],
      ["closingRates", { closingRounds: 0 }],
      ["compressor", { compressor: "sign" }],
      ["consensusRate", { consensusRate: 0.25 }],
      ["initialModel", {}],
      ["featureScale", { data: { kind: "csv", path: "none.csv" } }],
      ["learningRate", { learningRate: { initial: 0.1, decay: "cosine" } }],
      ["model", { model: "softmax" }],
      ["rounds", { rounds: 4 }],
      ["seed", { seed: 6 }],
      ["split", { split: "iid" }],
    ];
    const settings = {
      trainer: "quadratic",
      rounds: 3,
      seed: 5,
      consensusRate: 0.5,
      algorithm: "deepsqueeze",
      compressor: "minmax",
    };
    for (const [field, change] of differences) {
      const { joinAs } = await inProcess(pair);
      const layoutTrainer = await createTrainer(parseExperiment(settings), { peer: 1, peers: 2, seed: 5 });
      const trainer: Trainer | undefined =
        field === "initialModel"
          ? { ...layoutTrainer, initialize: (model) => void model.fill(0.5) }
          : undefined;
      const results = await Promise.allSettled([
        joinAs(0, { experiment: parseExperiment(settings) }),
        joinAs(1, { experiment: parseExperiment({ ...settings, ...change }), ...(trainer && { trainer }) }),
      ]);
      for (const result of results) {
        expect(result).toMatchObject({
          status: "rejected",
          reason: { name: "HandshakeRefused", code: "experiment-differs", field },
        });
      }
    }
  });

  it("says what the topology lacks", async () => {
    const identity = await generateIdentity();
    const plain = parseTopology({ graph: pair }, "plain");
    const refused = (topology: Topology, id: number, expected: Expected) =>
      expectRejection(joinRun({ topology, experiment, id, identity }), InvalidTopology, expected);
    await refused(plain, 0, { code: "peer-without-key", peer: 0 });
    await refused(plain, 2, { code: "unknown-peer", peer: 2 });
    const other = await generateIdentity();
    const silent = parseTopology(
      {
        graph: pair,
        peers: [
          { id: 0, peerId: identity.peerId },
          { id: 1, peerId: other.peerId },
        ],
      },
      "silent",
    );
    await refused(silent, 0, { code: "edge-without-address", peer: 0, neighbour: 1 });
  });

  it("waits for a neighbour's frame as long as a round may take, and says for whom", async () => {
    const { joinAs } = await inProcess(pair);
    const busy = gate();
    const slow = await slowTrainer(experiment, 1, 0, busy);
    const [one, other] = await Promise.all([
      joinAs(0, { experiment, deadlines: { roundMs: 20 } }),
      joinAs(1, { experiment, trainer: slow }),
    ]);
    const late = finish(other).catch((error: Error) => error);
    const expected = { code: "round-timeout", peer: 0, neighbour: 1, round: 0 };
    const { message } = await expectRejection(finish(one), RoundTimeout, expected);
    expect(message).toMatch(/^peer 0 waited 0\.02 s in round 1 for peer 1/);
    await one.close();
    await other.close();
    busy.open();
    await late;
  });

  it("does not miss a neighbour that has left after its last frame, however long another one takes", async () => {
    const chain = { kind: "chain", peers: 3 };
    const last = parseExperiment({ trainer: "quadratic", rounds: 2, closingRounds: 0, evaluateEvery: 0 });
    const { topology, joinAs } = await inProcess(chain);
    const expected = await simulated(topology, last);
    const busy = gate();
    const missed = gate();
    const interrupt = new AbortController();
    const [first, middle, end] = await Promise.all([
      joinAs(0, { experiment: last, signal: interrupt.signal }),
      joinAs(1, {
        experiment: last,
        deadlines: { reconnectMs: 20 },
        report: ({ kind }) => kind === "unreachable" && missed.open(),
      }),
      joinAs(2, { experiment: last, trainer: await slowTrainer(last, 2, 1, busy, 3) }),
    ]);
    const others = [finish(middle), finish(end)];
    for await (const _ of first);
    // Done, it would stay for its neighbour.
    interrupt.abort();
    await first.close();
    const digest = first.modelDigest();
    await missed.opened;
    busy.open();
    expect([digest, ...(await Promise.all(others))]).toEqual(expected);
  });

  it("can be told to stop while it waits for neighbours, and while it runs", async () => {
    const { joinAs } = await inProcess(pair);
    const waiting = new AbortController();
    const early = joinAs(0, { experiment, signal: waiting.signal, report: () => waiting.abort() });
    const nobody = await early;
    for await (const _ of nobody) expect.unreachable();
    expect(nobody.isComplete).toBe(false);
    await nobody.close();

    const running = new AbortController();
    const [one, other] = await Promise.all([
      joinAs(0, { experiment, signal: running.signal }),
      joinAs(1, { experiment, deadlines: { reconnectMs: 20 } }),
    ]);
    const left = finish(other);
    const expectation = expectRejection(left, Unreachable, { code: "unreachable", peer: 1, neighbour: 0 });
    for await (const { round } of one) if (round === 1) running.abort();
    expect(one.isComplete).toBe(false);
    await one.close();
    await expectation;
    await other.close();
  });
});

/** A promise and the way to resolve it. */
function gate(): { opened: Promise<void>; open(): void } {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** The experiment's trainer, held up in one round. */
async function slowTrainer(
  experiment: Experiment,
  peer: number,
  round: number,
  until: { opened: Promise<void> },
  peers = 2,
): Promise<Trainer> {
  const trainer = await createTrainer(experiment, { peer, peers, seed: experiment.seed });
  return {
    ...trainer,
    async gradient(point, out, step) {
      if (step === round) await until.opened;
      return trainer.gradient(point, out, step);
    },
  };
}

describe("the package", () => {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

  it("says the same version everywhere", () => {
    expect(VERSION).toBe(manifest.version);
  });

  it("offers the network beside the core, so that simulators need not load libp2p", () => {
    expect(manifest.exports["./network"].default).toBe("./dist/network.js");
    const packages = reachedFrom("index.ts", true).map(({ specifier }) => specifier);
    expect(packages).toContain("zod");
    expect(packages.filter((name) => name.includes("libp2p"))).toEqual([]);
  });
});
