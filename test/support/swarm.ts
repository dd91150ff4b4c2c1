/**
 * Many small runs with whatever can go wrong at once, each drawn from one integer: which graph, algorithm and
 * compressor, whether rounds wait, and what the network does meanwhile. A seed that breaks a law is made smaller.
 */
import type { AlgorithmKind } from "../../src/algorithm.js";
import { algorithms } from "../../src/algorithms/index.js";
import type { Frame } from "../../src/exchange/frame.js";
import { participation } from "../../src/exchange/participation.js";
import { MurmurationError } from "../../src/foundation/errors.js";
import { normal, random } from "../../src/foundation/random.js";
import { createVirtualClock } from "../../src/foundation/virtual-clock.js";
import { createGraph, graphSettings } from "../../src/graphs/index.js";
import { metropolisMixing, pushMixing } from "../../src/graphs/weights.js";
import { roundLine } from "../../src/runs/log.js";
import type { Tamper } from "../../src/transports/simulated/lane.js";
import type { SimulatedNetwork } from "../../src/transports/simulated/network.js";
import { parseNetwork } from "../../src/transports/simulated/settings.js";
import { createLayout } from "../../src/vectors/layout.js";
import { createGossip, everyCompressor, type GossipOptions, largestDifference } from "./gossip.js";
import { overNetwork } from "./simulated.js";

/** What can go wrong. A schedule has some of them; making it smaller leaves them out one by one. */
export const FAULTS = [
  "jitter",
  "losses",
  "partition",
  "slow",
  "repeats",
  "bandwidth",
  "skipped",
  "closing",
] as const;
// A crash, with the disk or without it, is one more fault: its name here, its times in `Schedule`, and in `play` a
// `network.crash(id)` and another endpoint for a peer made from what was kept.
export type Fault = (typeof FAULTS)[number];

/** How much smaller than its seed a schedule is. */
export interface Reduction {
  readonly without: readonly Fault[];
  readonly peers?: number;
  readonly rounds?: number;
}

export interface Schedule {
  readonly seed: number;
  readonly graph: { readonly kind: string; readonly peers: number; readonly directed?: true };
  readonly algorithm: AlgorithmKind;
  readonly compressor: (typeof everyCompressor)[number];
  readonly rounds: number;
  /** Milliseconds after which rounds go on without late edges; they wait for every edge where left out. */
  readonly patienceMs: number | undefined;
  readonly faults: ReadonlySet<Fault>;
  readonly partition: { readonly from: number; readonly to: number; readonly groups: readonly number[][] };
  /** Shorter than a partition may be: then a neighbour may count as unreachable, and the run may end with that. */
  readonly reconnectMs: number;
}

/** Fewest that every graph has. */
const MIN_PEERS = 3;
const undirected = ["ring", "complete", "star", "chain", "exponential"];
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

/** Everything of a run, from one integer. */
export function scheduleOf(seed: number, { without, peers, rounds }: Reduction = { without: [] }): Schedule {
  const draws = random(seed, "swarm");
  let draw = 0;
  const uniform = () => draws.uniform(draw++);
  const upTo = (count: number) => Math.floor(count * uniform());
  const one = <T>(list: readonly T[]): T => list[upTo(list.length)]!;
  const algorithm: AlgorithmKind = one(Object.values(algorithms));
  const isDirected = algorithm.needs.graph === "directed" && uniform() < 0.5;
  const graph = { kind: isDirected ? "ring" : one(undirected), peers: MIN_PEERS + upTo(8) };
  const compressor = one(everyCompressor);
  const drawnRounds = 1 + upTo(10);
  const canSkip = !algorithm.needs.everyEdge && algorithm.steps <= 1;
  const patienceMs = uniform() < 0.7 ? 1 + upTo(40) : undefined;
  const drawn = FAULTS.filter(() => uniform() < 0.5);
  const from = 0.001 * upTo(100);
  const to = from + 0.001 * (1 + upTo(300));
  const split = 1 + upTo(3);
  const reconnectMs = uniform() < 0.8 ? 10_000 : 20 + upTo(100);
  const most = peers ?? graph.peers;
  return {
    ...{ seed, algorithm, compressor, reconnectMs },
    graph: { ...graph, peers: most, ...(isDirected && { directed: true as const }) },
    rounds: rounds ?? drawnRounds,
    patienceMs: canSkip ? patienceMs : undefined,
    faults: new Set(
      drawn.filter(
        (fault) => !without.includes(fault) && (fault !== "skipped" || !algorithm.needs.everyEdge),
      ),
    ),
    partition: { from, to, groups: [Array.from({ length: Math.min(split, most - 1) }, (_, id) => id)] },
  };
}

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
}

/** Plays a schedule, and again. @returns the law that it breaks */
export async function problemOf(schedule: Schedule, options: SwarmOptions = {}): Promise<string | undefined> {
  const first = await play(schedule, options);
  if (first.problem !== undefined) return first.problem;
  const again = await play(schedule, options);
  if (again.log !== first.log) return "two runs of the seed have different logs";
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

async function play(schedule: Schedule, { sabotage }: SwarmOptions): Promise<Played> {
  const { seed, rounds, patienceMs, faults } = schedule;
  const clock = createVirtualClock();
  const options = gossipOf(schedule);
  const tamper = sabotage?.(schedule) ?? (faults.has("repeats") ? repeats(seed) : undefined);
  let network: SimulatedNetwork | undefined;
  const made = (each: SimulatedNetwork) => {
    network = each;
  };
  const gossip = createGossip({
    ...options,
    ...overNetwork(clock, networkOf(schedule), { ...(tamper && { tamper }), made }),
    patience: { deadlineMs: DEADLINE_MS, ...(patienceMs !== undefined && { patienceMs }) },
  });
  const lines: string[] = [];
  const start = gossip.mean();
  const reports: number[] = [];
  try {
    await clock.run(
      gossip.finish((report) => {
        reports[report.peer] = (reports[report.peer] ?? 0) + 1;
        lines.push(JSON.stringify([clock.now(), report.peer, roundLine(report)]));
      }),
      () => network!.describe(),
    );
  } catch (error) {
    if (!(error instanceof MurmurationError)) throw error;
    const log = [...lines, error.message].join("\n");
    const mayEnd = error.code === "unreachable" && faults.has("partition") && schedule.reconnectMs < 10_000;
    return { log, models: [], ...(!mayEnd && { problem: `the run ended: ${error.message}` }) };
  }
  const models = gossip.models.map((model) => [...model]);
  const log = [...lines, JSON.stringify(models)].join("\n");
  const expected = start.map((x, k) => {
    let sum = x;
    for (let round = 0; round < rounds; round++) {
      for (const id of models.keys()) sum += options.update!(id, k, round) / models.length;
    }
    return sum;
  });
  const drift = largestDifference(gossip.mean(), expected) / gossip.largest();
  const total = rounds + (options.closingRates?.length ?? 0);
  const problem =
    drift > ROUNDING
      ? `the mean moved by ${drift.toExponential(1)} of the largest number beside its updates`
      : network!.longestQueue() > LONGEST_QUEUE
        ? `${network!.longestQueue()} frames were queued in one direction of an edge`
        : reports.some((count) => count !== total)
          ? `peers reported ${reports.join(", ")} rounds of ${total}`
          : undefined;
  return { log, models, ...(problem !== undefined && { problem }) };
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

/** The command that plays a schedule again. */
export function commandOf(seed: number, { without, peers, rounds }: Reduction): string {
  return [
    `npm run -s swarm -- 1 ${seed}`,
    ...(without.length > 0 ? [`--without ${without.join(",")}`] : []),
    ...(peers === undefined ? [] : [`--peers ${peers}`]),
    ...(rounds === undefined ? [] : [`--rounds ${rounds}`]),
  ].join(" ");
}

/** One line on what a schedule is. */
export function describe({ graph, algorithm, compressor, rounds, patienceMs, faults }: Schedule): string {
  const name = `${graph.directed ? "directed " : ""}${graph.kind}`;
  const waits = patienceMs === undefined ? "barrier" : `patience ${patienceMs} ms`;
  return `${name} of ${graph.peers}, ${algorithm.name}, ${compressor.kind}, ${rounds} rounds, ${waits}, ${[...faults].join(" + ") || "no faults"}`;
}
