/**
 * Peers over a simulated network, each at its own pace on a virtual clock. Their rounds are put together afterwards:
 * what a round of the whole graph came to is what each peer had after it, whenever that was.
 */
import { createVirtualClock, type VirtualClock } from "../foundation/virtual-clock.js";
import type { Neighbour } from "../graphs/mixing.js";
import type { RoundReport } from "../observing/report.js";
import type { Peer } from "../peer.js";
import type { Trainer } from "../trainers/trainer.js";
import { createConditions } from "../transports/simulated/conditions.js";
import { createSimulatedNetwork } from "../transports/simulated/network.js";
import type { NetworkSettings } from "../transports/simulated/settings.js";
import type { NamedValues } from "../vectors/state.js";
import { type Evaluator, evaluateMean } from "./evaluators.js";
import { withModelledCompute } from "./modelled-compute.js";
import type { SimulationRound } from "./round.js";
import { createRoundSums, type RoundSums } from "./round-sums.js";

/** A virtual clock, and what runs on it. */
export interface OwnPace {
  readonly clock: VirtualClock;
  /** The trainer of a peer, whose gradients take the time that the network's settings give it. */
  trainer(trainer: Trainer, peer: number): Trainer;
  /** Runs the peers to their end. @param evaluators of the mean model */
  run(peers: readonly Peer[], evaluators: readonly Evaluator[]): AsyncGenerator<SimulationRound, void>;
}

/**
 * @param localSteps gradients in a round
 * @throws InvalidNetwork settings that do not fit the graph
 */
export function createOwnPace(
  settings: NetworkSettings,
  neighbours: readonly (readonly Neighbour[])[],
  localSteps: number,
): OwnPace {
  const clock = createVirtualClock();
  const { computeMs } = createConditions(settings, neighbours);
  return {
    clock,
    trainer: (trainer, peer) => withModelledCompute(trainer, clock, computeMs(peer) / localSteps),
    run: (peers, evaluators) => run({ clock, settings, neighbours, peers, evaluators }),
  };
}

interface RunOptions {
  readonly clock: VirtualClock;
  readonly settings: NetworkSettings;
  readonly neighbours: readonly (readonly Neighbour[])[];
  readonly peers: readonly Peer[];
  readonly evaluators: readonly Evaluator[];
}

/** A round of which some peers have reported. */
interface Open {
  readonly reports: RoundReport[];
  readonly sums: RoundSums;
  /** Of the peers that have reported, where the round evaluates. */
  readonly statistics: NamedValues[];
}

async function* run({
  clock,
  settings,
  neighbours,
  peers,
  evaluators,
}: RunOptions): AsyncGenerator<SimulationRound, void> {
  const maximumPayloadBytes = Math.max(...peers.map((peer) => peer.largestPayloadBytes));
  const network = createSimulatedNetwork({ clock, settings, neighbours, maximumPayloadBytes });
  const patience = { deadlineMs: settings.roundDeadlineMs };
  const open = new Map<number, Open>();
  const complete: (Open & { readonly atMs: number })[] = [];
  let wake = () => {};

  const follow = async (peer: Peer): Promise<void> => {
    const transport = network.endpoint(peer.id);
    for await (const report of peer.run({ transport, clock, patience })) {
      const { round } = report;
      const entry = open.get(round) ?? { reports: [], sums: createRoundSums(peer.point), statistics: [] };
      open.set(round, entry);
      entry.sums.add(peer.point);
      if (report.evaluation) {
        const own = peer.statistics();
        entry.statistics.push(own instanceof Promise ? await clock.during(0, () => own) : own);
      }
      entry.reports.push(report);
      if (entry.reports.length < peers.length) continue;
      open.delete(round);
      complete.push({ ...entry, atMs: clock.now() });
      wake();
    }
  };
  let hasEnded = false;
  const all = Promise.all(peers.map(follow)).then(() => {
    hasEnded = true;
  });
  all.catch(() => {});
  try {
    while (!hasEnded || complete.length > 0) {
      const next = complete.shift();
      if (next) yield await concluded(next, evaluators);
      else
        await clock.run(
          Promise.race([all, new Promise<void>((resolve) => (wake = resolve))]),
          network.describe,
        );
    }
  } finally {
    for (const { id } of peers) network.crash(id);
  }
}

async function concluded(
  { reports, sums, statistics, atMs }: Open & { readonly atMs: number },
  evaluators: readonly Evaluator[],
): Promise<SimulationRound> {
  const byPeer = reports.toSorted((a, b) => a.peer - b.peer);
  const { round, kind, evaluation } = byPeer[0]!;
  const { mean, ...observed } = sums.conclude();
  const evaluated = evaluation && (await evaluateMean(evaluators, { mean, statistics }));
  return { ...{ round, kind, reports: byPeer, ...observed }, ...evaluated, elapsedMs: atMs };
}
