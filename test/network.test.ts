import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Experiment, parseExperiment } from "../src/experiment.js";
import { modelDigest } from "../src/fingerprint.js";
import { generateIdentity, type JoinedRun, type JoinOptions, joinRun } from "../src/network.js";
import { simulate } from "../src/simulate.js";
import { parseTopology, type Topology } from "../src/topology.js";
import { memoryAddress, quick } from "./support/network.js";
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

async function overMemory(graph: object, experiment: Experiment): Promise<string[]> {
  const { topology, joinAs } = await inProcess(graph);
  const runs = await Promise.all(topology.peers.map(({ id }) => joinAs(id, { experiment })));
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
      const { writeFileSync } = await import("node:fs");
      writeFileSync(file, JSON.stringify({ ...settings, seed: 7 }));
      const { status, stdout, stderr } = murmur("up", `${topologies}ring-8.json`, file, "--json");
      expect(stderr).not.toMatch(/error/);
      expect(status).toBe(0);
      const { peers } = JSON.parse(stdout) as { peers: { modelDigest: string }[] };
      expect(peers.map((peer) => peer.modelDigest)).toEqual(expected);
    },
  );

  it("and another seed gives others", async () => {
    const settings = { trainer: "quadratic", rounds: 3 };
    const ring4 = { kind: "ring", peers: 4 };
    const topology = parseTopology({ graph: ring4 }, "ring");
    const first = await simulated(topology, parseExperiment({ ...settings, seed: 1 }));
    const second = await overMemory(ring4, parseExperiment({ ...settings, seed: 2 }));
    expect(second).not.toEqual(first);
  });
});
