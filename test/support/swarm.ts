/**
 * Many small runs with whatever can go wrong at once, and the laws that hold in each of them all the same. A seed that
 * breaks a law is made smaller.
 */
import type { Patience } from "../../src/exchange/exchanges.js";
import type { Frame } from "../../src/exchange/frame.js";
import { participation } from "../../src/exchange/participation.js";
import { MurmurationError } from "../../src/foundation/errors.js";
import { normal, random } from "../../src/foundation/random.js";
import { createVirtualClock } from "../../src/foundation/virtual-clock.js";
import { createGraph, graphSettings } from "../../src/graphs/index.js";
import { metropolisMixing, pushMixing } from "../../src/graphs/weights.js";
import type { RoundReport } from "../../src/observing/report.js";
import type { Peer } from "../../src/peer.js";
import { roundLine } from "../../src/runs/log.js";
import { withModelledCompute } from "../../src/runs/modelled-compute.js";
import type { Trainer } from "../../src/trainers/trainer.js";
import type { Tamper } from "../../src/transports/simulated/lane.js";
import { createSimulatedNetwork, type SimulatedNetwork } from "../../src/transports/simulated/network.js";
import { parseNetwork } from "../../src/transports/simulated/settings.js";
import { createLayout } from "../../src/vectors/layout.js";
import {
  createGossip,
  type GossipOptions,
  gossipPeer,
  initialNumbers,
  largestDifference,
  largestOf,
  meanOf,
} from "./gossip.js";
import { type Disk, runThroughCrashes } from "./restarts.js";
import { MIN_PEERS, type Reduction, type Schedule, scheduleOf } from "./schedule.js";

const layout = createLayout([
  { name: "kernel", shape: [5, 7] },
  { name: "bias", shape: [3] },
]);
/** Relative to the largest number that travels; sums of float32. */
const ROUNDING = 1e-5;
/** Far longer than any wait of these runs, slow peers, partitions and losses included. */
const DEADLINE_MS = 4000;
/** An edge has one open exchange, whose frame is confirmed before the next one is sent. */
const LONGEST_QUEUE = 1;

export { commandOf, describe, type Schedule, scheduleOf } from "./schedule.js";

/** What a run came to. */
interface Played {
  /** Every report in the order of time, and the models. */
  readonly log: string;
  readonly models: readonly (readonly number[])[];
  /** The law that it breaks. */
  readonly problem?: string;
}

export interface SwarmOptions {
  /** Breaks the network, to see that the laws notice. */
  readonly sabotage?: (schedule: Schedule) => Tamper | undefined;
  /** Another disk for each peer that crashes. */
  readonly disk?: () => Disk;
}

/** Of so many schedules one is played twice, to see that a seed has one course. */
const PLAYED_TWICE = 4;

/** Plays a schedule. @returns the law that it breaks */
export async function problemOf(schedule: Schedule, options: SwarmOptions = {}): Promise<string | undefined> {
  const first = await play(schedule, options);
  if (first.problem !== undefined) return first.problem;
  if (schedule.seed % PLAYED_TWICE === 0) {
    const again = await play(schedule, options);
    if (again.log !== first.log) return "two runs of the seed have different logs";
  }
  if (schedule.patienceMs !== undefined || first.models.length === 0) return undefined;
  const lockstep = createGossip(gossipOf(schedule));
  while (await lockstep.round());
  const isEqual = lockstep.models.every((model, id) =>
    model.every((x, k) => Object.is(x, first.models[id]![k])),
  );
  return isEqual ? undefined : "the models at the barrier are not those of a run without a network";
}

function gossipOf({ seed, graph, algorithm, compressor, rounds, faults }: Schedule): GossipOptions {
  const made = createGraph(graphSettings.parse(graph));
  const mixing = graph.directed ? pushMixing(made) : metropolisMixing(made);
  const draws = random(seed, "updates");
  const canClose = algorithm.steps > 0 && algorithm.needs.graph !== "directed";
  return {
    ...{ mixing, layout, algorithm, compressor, seed, rounds },
    update: (peer, k, round) =>
      Math.fround(0.1 * normal(draws, (round * mixing.peers + peer) * layout.length + k)),
    // A late exchange takes the rate of its own round at both ends.
    rate: (round) => 0.4 / (1 + round),
    ...(faults.has("skipped") && { edges: participation(seed, 0.6) }),
    ...(faults.has("closing") && canClose && { closingRates: [0.5] }),
  };
}

function networkOf({ seed, graph, faults, partition, reconnectMs }: Schedule) {
  return parseNetwork({
    ...{ latencyMs: 2, computeMs: 3, redialMs: 5, maxViolations: 1e6, reconnectMs, seed },
    ...(faults.has("jitter") && { jitterMs: 15 }),
    ...(faults.has("losses") && { connectionLoss: 0.08 }),
    ...(faults.has("partition") && { partitions: [partition] }),
    ...(faults.has("slow") && { slow: { peers: [0, 2].filter((id) => id < graph.peers), factor: 12 } }),
    ...(faults.has("bandwidth") && { bandwidth: "200 kbit/s", uplink: "300 kbit/s" }),
  });
}

/** Sends every fifth frame, or the one before it, a second time. */
function repeats(seed: number): Tamper {
  const draws = random(seed, "repeat");
  let draw = 0;
  const before = new Map<string, Frame>();
  return (from, to, frame) => {
    const lane = `${from} ${to}`;
    const last = before.get(lane) ?? frame;
    before.set(lane, { ...frame, payload: frame.payload.slice() });
    const which = draws.uniform(draw++);
    return which < 0.1 ? [frame, frame] : which < 0.2 ? [last, frame] : frame;
  };
}

/** The peers of a schedule, from their start to the end of the last one's run. */
async function runPeers(
  { seed, patienceMs, faults, crashes, every, ...schedule }: Schedule,
  options: GossipOptions,
  { tamper, disk }: { readonly tamper: Tamper | undefined; readonly disk: SwarmOptions["disk"] },
  seen: (now: number, report: RoundReport) => void,
) {
  const clock = createVirtualClock();
  const settings = networkOf({ ...schedule, seed, patienceMs, faults, crashes, every });
  const { neighbours } = options.mixing;
  const isSlow = (id: number) => settings.slow?.peers?.includes(id) ?? false;
  const compute = (trainer: Trainer, id: number) =>
    withModelledCompute(trainer, clock, settings.computeMs * (isSlow(id) ? settings.slow!.factor : 1));
  const make = (id: number) => gossipPeer({ ...options, compute }, id);
  const first = neighbours.map((_, id) => make(id));
  const maximumPayloadBytes = Math.max(...first.map(({ largestPayloadBytes }) => largestPayloadBytes));
  const network = createSimulatedNetwork({
    ...{ clock, settings, neighbours, maximumPayloadBytes, ...(tamper && { tamper }) },
  });
  const patience: Patience = { deadlineMs: DEADLINE_MS, ...(patienceMs !== undefined && { patienceMs }) };
  const report = (each: RoundReport) => seen(clock.now(), each);
  const lives = first.map(async (peer, id) => {
    if (crashes.length > 0) {
      let isFirst = true;
      const made = () => {
        if (!isFirst) return make(id);
        isFirst = false;
        return peer;
      };
      return runThroughCrashes({
        ...{ id, network, clock, patience, every, seen: report, disk: disk?.() },
        ...{ neighbours: neighbours[id]!, crashes: crashes[id]!, make: made },
      });
    }
    const reports: RoundReport[] = [];
    for await (const each of peer.run({ transport: network.endpoint(id), clock, patience })) {
      reports.push(each);
      report(each);
    }
    return { peer, reports };
  });
  return { network, lives: await clock.run(Promise.all(lives), network.describe) };
}

async function play(schedule: Schedule, { sabotage, disk }: SwarmOptions): Promise<Played> {
  const { seed, faults } = schedule;
  const options = gossipOf(schedule);
  const tamper = sabotage?.(schedule) ?? (faults.has("repeats") ? repeats(seed) : undefined);
  const lines: string[] = [];
  try {
    const { network, lives } = await runPeers(schedule, options, { tamper, disk }, (now, report) => {
      lines.push(JSON.stringify([now, report.peer, roundLine(report)]));
    });
    const peers = lives.map(({ peer }) => peer);
    const models = peers.map(({ model }) => [...model]);
    const problem = driftOf(options, peers) ?? unfinished(options, network, lives);
    return {
      log: [...lines, JSON.stringify(models)].join("\n"),
      models,
      ...(problem !== undefined && { problem }),
    };
  } catch (error) {
    if (!(error instanceof MurmurationError)) throw error;
    const log = [...lines, error.message].join("\n");
    const isApart = faults.has("partition") || faults.has("crashes");
    const mayEnd = error.code === "unreachable" && isApart && schedule.reconnectMs < 10_000;
    return { log, models: [], ...(!mayEnd && { problem: `the run ended: ${error.message}` }) };
  }
}

/** How the mean of all models moved beside the updates, where it did. */
function driftOf(
  { seed, update, rounds, algorithm }: GossipOptions,
  peers: readonly Peer[],
): string | undefined {
  if (algorithm.movesMean) return undefined;
  const initial = peers.map((_, id) => initialNumbers(seed!, id));
  const expected = Array.from({ length: layout.length }, (_, k) => {
    let sum = 0;
    for (const id of peers.keys()) {
      sum += Math.fround(initial[id]!(k));
      for (let round = 0; round < rounds; round++) sum += update!(id, k, round);
    }
    return sum / peers.length;
  });
  const models = peers.map(({ model }) => model);
  const drift = largestDifference(meanOf(models, layout.length), expected) / largestOf(peers);
  if (drift <= ROUNDING) return undefined;
  return `the mean moved by ${drift.toExponential(1)} of the largest number beside its updates`;
}

function unfinished(
  { rounds, closingRates = [] }: GossipOptions,
  network: SimulatedNetwork,
  lives: readonly { readonly reports: readonly RoundReport[] }[],
): string | undefined {
  if (network.longestQueue() > LONGEST_QUEUE) {
    return `${network.longestQueue()} frames were queued in one direction of an edge`;
  }
  const total = rounds + closingRates.length;
  const reports = lives.map(({ reports }) => reports.length);
  if (reports.every((count) => count === total)) return undefined;
  return `peers reported ${reports.join(", ")} rounds of ${total}`;
}

/** The smallest schedule found that breaks a law as well. Leaves out faults, then peers, then rounds. */
export async function shrink(seed: number, options: SwarmOptions = {}): Promise<Reduction> {
  const breaks = async (reduction: Reduction) =>
    (await problemOf(scheduleOf(seed, reduction), options)) !== undefined;
  let smallest: Reduction = { without: [] };
  const attempt = async (smaller: Reduction): Promise<boolean> => {
    if (!(await breaks(smaller))) return false;
    smallest = smaller;
    return true;
  };
  for (const fault of scheduleOf(seed).faults) {
    await attempt({ ...smallest, without: [...smallest.without, fault] });
  }
  const { graph, rounds } = scheduleOf(seed);
  for (let peers = MIN_PEERS; peers < graph.peers; peers++) if (await attempt({ ...smallest, peers })) break;
  for (let fewer = 1; fewer < rounds; fewer++) if (await attempt({ ...smallest, rounds: fewer })) break;
  return smallest;
}
