/**
 * What happens in one run of the swarm, drawn from one integer: which graph, algorithm and compressor, whether rounds
 * wait, what the network does meanwhile, and who crashes when.
 */
import type { AlgorithmKind } from "../../src/algorithm.js";
import { algorithms } from "../../src/algorithms/index.js";
import { random } from "../../src/foundation/random.js";
import { everyCompressor } from "./gossip.js";

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
  "crashes",
] as const;
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
  /** Rounds between checkpoints. */
  readonly every: number;
  /** By peer: virtual times of its crashes, and how long each lasts. Its disk outlives them. */
  readonly crashes: readonly (readonly { readonly at: number; readonly forMs: number }[])[];
}

/** Fewest that every graph has. */
export const MIN_PEERS = 3;
const undirected = ["ring", "complete", "star", "chain", "exponential"];
/** About how long a round takes where nothing goes wrong. */
const ROUND_MS = 12;

/** Everything of a run, from one integer. */
export function scheduleOf(seed: number, { without, peers, rounds }: Reduction = { without: [] }): Schedule {
  const draws = random(seed, "swarm");
  let draw = 0;
  const uniform = () => draws.uniform(draw++);
  const upTo = (count: number) => Math.floor(count * uniform());
  const one = <T>(list: readonly T[]): T => list[upTo(list.length)]!;
  const algorithm: AlgorithmKind = one(Object.values(algorithms));
  const isDirected = algorithm.needs.graph === "directed" && uniform() < 0.5;
  const drawnKind = one(undirected);
  const kind = algorithm.needs.graph === "complete" ? "complete" : drawnKind;
  const graph = { kind: isDirected ? "ring" : kind, peers: MIN_PEERS + upTo(5) };
  const compressor = one(everyCompressor);
  const drawnRounds = 1 + upTo(5);
  const canSkip = !algorithm.needs.everyEdge && algorithm.steps <= 1;
  const patienceMs = uniform() < 0.7 ? 1 + upTo(40) : undefined;
  const drawn = FAULTS.filter(() => uniform() < 0.5);
  const from = 0.001 * upTo(100);
  const to = from + 0.001 * (1 + upTo(300));
  const split = 1 + upTo(3);
  const reconnectMs = uniform() < 0.8 ? 10_000 : 20 + upTo(100);
  const most = peers ?? graph.peers;
  const every = 1 + upTo(4);
  const crashes = crashesOf(seed, graph.peers, drawnRounds, { from: 1000 * from, to: 1000 * to });
  const hasCrashes = drawn.includes("crashes") && !without.includes("crashes");
  return {
    ...{ seed, algorithm, compressor, reconnectMs, every },
    crashes: hasCrashes ? crashes : [],
    graph: { ...graph, peers: most, ...(isDirected && { directed: true as const }) },
    rounds: rounds ?? drawnRounds,
    patienceMs: canSkip ? patienceMs : undefined,
    faults: new Set(
      drawn.filter(
        (fault) =>
          !without.includes(fault) &&
          (fault !== "skipped" || !algorithm.needs.everyEdge) &&
          // Frames beside the one that is due are in the journal, and the simulated lane counts them as one.
          (fault !== "repeats" || !hasCrashes),
      ),
    ),
    partition: { from, to, groups: [Array.from({ length: Math.min(split, most - 1) }, (_, id) => id)] },
  };
}

/** Some peers crash, up to three times: while a partition lasts, at any time, or when the run is all but over. */
function crashesOf(seed: number, peers: number, rounds: number, partition: { from: number; to: number }) {
  return Array.from({ length: peers }, (_, id) => {
    const draws = random(seed, "crashes", id);
    const count = Math.max(0, Math.floor(6 * draws.uniform(0)) - 2);
    return Array.from({ length: count }, (_, k) => {
      const [when, where, long] = [1, 2, 3].map((which) => draws.uniform(3 * k + which)) as [
        number,
        number,
        number,
      ];
      const length = rounds * ROUND_MS;
      const [from, to] =
        when < 0.3 ? [partition.from, partition.to] : when < 0.7 ? [0, length] : [0.7 * length, 1.5 * length];
      return { at: Math.floor(from + where * (to - from)), forMs: 1 + Math.floor(90 * long) };
    });
  });
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
