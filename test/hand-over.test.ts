/** Peers of one thread hand their payloads over, and what comes of it is what comes of frames. */
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { createHandOver } from "../src/exchange/hand-over.js";
import { participation } from "../src/exchange/participation.js";
import { quiescence, stoppedClock } from "../src/foundation/clock.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import { metropolisMixing, pushMixing } from "../src/graphs/weights.js";
import type { RoundReport } from "../src/observing/report.js";
import type { Peer } from "../src/peer.js";
import { createMemoryTransports } from "../src/transports/memory.js";
import { createLayout } from "../src/vectors/layout.js";
import { createGossip, everyCompressor, type GossipOptions, gossipPeer } from "./support/gossip.js";
import { mixingFor } from "./support/graphs.js";

const everyAlgorithm = Object.values<AlgorithmKind>(algorithms);
const layout = createLayout([
  { name: "w", shape: [4, 6] },
  { name: "b", shape: [6] },
]);
const ROUNDS = 12;

function optionsFor(algorithm: AlgorithmKind): GossipOptions {
  const directed = algorithm.needs.graph === "directed";
  const graph = createGraph(graphSettings.parse({ kind: "ring", peers: 6, directed }));
  return {
    mixing: directed ? pushMixing(graph) : mixingFor(algorithm, metropolisMixing(graph)),
    ...{
      layout,
      algorithm,
      compressor: { kind: "sign", scope: "tensor", block: 256 },
      rate: 0.3,
      rounds: ROUNDS,
    },
    ...(!directed && { closingRates: [0.5, 0.9] }),
    update: (peer, k, round) => Math.sin(peer + 3 * k + round) / 10,
  };
}

/** Without what a clock says, and who came last. */
const untimed = (reports: readonly RoundReport[]) => reports.map(({ time: _, ...report }) => report);

/** Reports of every round, in lockstep, up to the end or to an error; models and states at the end. */
async function outcome(options: GossipOptions) {
  const gossip = createGossip(options);
  const reports: (readonly Partial<RoundReport>[])[] = [];
  let error: string | undefined;
  try {
    for (let round = await gossip.round(); round; round = await gossip.round()) reports.push(untimed(round));
  } catch (cause) {
    // All honest peers refuse it; whose figures are named is the order of microtasks.
    [error] = (cause as Error).message.split(": this peer's own");
  }
  void gossip.close();
  options.handOver?.close();
  if (error !== undefined) return { reports, error };
  const states = gossip.peers.map(({ state }) => structuredClone(state));
  return { reports, models: gossip.models.map((model) => model.slice()), states };
}

async function expectAlike(options: GossipOptions) {
  const overFrames = await outcome(options);
  const handedOver = await outcome({ ...options, handOver: createHandOver(1 << 16) });
  expect(handedOver).toEqual(overFrames);
  return overFrames;
}

describe("exchanges that are handed over come to what frames come to:", () => {
  it.each(everyAlgorithm.map(({ name }) => name))("%s", async (name) => {
    const algorithm = algorithms[name as keyof typeof algorithms];
    const { reports, models } = await expectAlike(optionsFor(algorithm));
    expect(models).toHaveLength(6);
    expect(reports.length).toBeGreaterThanOrEqual(ROUNDS);
  });

  it.each(everyCompressor.map((compressor) => ({ kind: compressor.kind, compressor })))(
    "deepsqueeze with $kind",
    async ({ compressor }) => {
      await expectAlike({ ...optionsFor(algorithms.deepsqueeze), compressor });
    },
  );

  it("where edges pause", async () => {
    const edges = participation(3, 0.5);
    const { models } = await expectAlike({ ...optionsFor(algorithms.deepsqueeze), edges });
    expect(models).toHaveLength(6);
  });

  it.each(everyAlgorithm.filter(({ sends }) => sends !== "nothing").map(({ name }) => name))(
    "%s with a payload that the norm guard refuses",
    async (name) => {
      const algorithm = algorithms[name as keyof typeof algorithms];
      const options = optionsFor(algorithm);
      const update = (peer: number, k: number, round: number) =>
        peer === 2 && round === 8 ? 1e7 : options.update!(peer, k, round);
      await expectAlike({ ...options, update });
    },
  );

  it("dpsgd, whose peer is refused for a while", async () => {
    const options = optionsFor(algorithms.dpsgd);
    const update = (peer: number, k: number, round: number) =>
      peer === 2 && round === 8 ? 1e7 : options.update!(peer, k, round);
    const { reports } = await expectAlike({ ...options, update });
    const refusals = reports.flat().filter(({ refused }) => refused);
    expect(refusals.map(({ peer }) => peer)).toEqual(expect.arrayContaining([1, 3]));
  });
});

it("goes on from checkpoints with the quarantines and norms of its edges", async () => {
  const options = optionsFor(algorithms.dpsgd);
  const update = (peer: number, k: number, round: number) =>
    peer === 2 && round === 8 ? 1e7 : options.update!(peer, k, round);
  const peersOf = () => Array.from({ length: 6 }, (_, id) => gossipPeer({ ...options, update }, id));
  /** Rounds of all peers, as many as there are or up to the one before `end`. */
  const run = async (peers: readonly Peer[], end = Number.POSITIVE_INFINITY) => {
    const handOver = createHandOver(1 << 16);
    const transports = createMemoryTransports(6, 1 << 16);
    const courses = peers.map((peer, k) =>
      peer.start({ transport: transports[k]!, clock: stoppedClock, handOver }),
    );
    const rounds: Partial<RoundReport>[][] = [];
    while (rounds.length < end) {
      const reports = await Promise.all(courses.map((course) => course.next()));
      if (!reports.every((report) => report !== undefined)) break;
      rounds.push(untimed(reports));
    }
    return rounds;
  };

  const [whole, first, second] = [peersOf(), peersOf(), peersOf()];
  const expected = await run(whole);
  const stop = 10;
  expect(expected[stop]![1]).toMatchObject({ peer: 1, quarantined: [2] });
  for (const peer of first) await peer.fingerprint();
  await run(first, stop);
  for (const [k, peer] of second.entries()) await peer.restore(structuredClone(first[k]!.snapshot({})));
  expect(await run(second)).toEqual(expected.slice(stop));
  expect(second.map(({ model }) => model)).toEqual(whole.map(({ model }) => model));
});

it("waits for halves that are yet to come, until the exchanges are closed", async () => {
  const handOver = createHandOver(1 << 16);
  const options = { ...optionsFor(algorithms.dpsgd), handOver };
  const peer = gossipPeer(options, 0);
  const [transport] = createMemoryTransports(6, 1 << 16);
  const next = peer.run({ transport: transport!, clock: stoppedClock, handOver }).next();
  expect(await Promise.race([next, quiescence().then(() => "waits")])).toBe("waits");
  handOver.close();
  expect((await next).done).toBe(true);
});
