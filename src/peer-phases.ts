/** What a peer exchanges: before the first round, in learning rounds, after an evaluation, and after the last. */
import type { Passes } from "./algorithms/tree-reduction.js";
import { type DriveTools, drive } from "./drive.js";
import type { Stopper } from "./early-stopping.js";
import type { Exchanges, Step } from "./exchange/exchanges.js";
import { type Eventually, whenThere } from "./foundation/eventually.js";
import { random } from "./foundation/random.js";
import type { Neighbour } from "./graphs/mixing.js";
import type { Parts, PeerOptions } from "./peer-parts.js";
import { type Draft, remeasure, type Turn } from "./peer-report.js";

/** Newcomers take a neighbour's model. @returns false when the transport was closed meanwhile */
export function greet(round: number, { welcome }: Parts, tools: DriveTools): Eventually<boolean> {
  const { edges, steps: count } = welcome;
  if (edges.length === 0) return true;
  return drive(tools, { steps: welcome.round(), count, kind: "welcome", round, edges, wait: "all" });
}

/**
 * Where peers may stop early: what all of them make of an evaluation. Learning that is over leaves the model that is kept.
 * @returns false when the transport was closed meanwhile
 */
export function judge(turn: Turn, report: Draft): Eventually<boolean> {
  const { stopper } = turn.parts;
  const { evaluation, kind } = report;
  return stopper && evaluation && kind === "learning" ? agree(turn, stopper, report, evaluation.loss) : true;
}

async function agree(turn: Turn, stopper: Stopper, report: Draft, loss: number): Promise<boolean> {
  const { options, parts, exchanges, round } = turn;
  if (!Number.isFinite(loss)) parts.diverged(round, "held-out loss", loss);
  if (!(await reduce(round, stopper.passes(loss), exchanges))) return false;
  const agreedLoss = await stopper.conclude(round);
  const isOver = agreedLoss.isLast || round === options.plan.rounds - 1;
  if (isOver && (await stopper.bringBack())) await remeasure(turn, report);
  report.agreedLoss = agreedLoss;
  return true;
}

/** Brings together what all peers hold. @returns false when the transport was closed meanwhile */
export async function reduce(
  round: number,
  passes: Passes | undefined,
  exchanges: Exchanges,
): Promise<boolean> {
  if (!passes) return true;
  if (!exchanges.isOpen()) return false;
  for (let next = passes.next(); !next.done; ) {
    const { edges, step, outgoing } = next.value;
    const exchange = { kind: "reduction", round, step, edges, wait: "all" } as const;
    exchanges.offer({ ...exchange, outgoing });
    await exchanges.wait(exchange);
    const { settled, isClosed } = exchanges.take();
    if (isClosed) return false;
    next = passes.next(settled);
  }
  return true;
}

/** One learning round of the algorithm. @returns false when the transport was closed meanwhile */
export function gossip(turn: Turn): Eventually<boolean> {
  const { options, exchanges, round } = turn;
  const { plan } = options;
  const ready = exchanges.ready();
  const edges = plan.edges || plan.edgesIn ? working(options, ready, round) : ready;
  const isConnected = exchange(turn, edges, "patient");
  const isLast = round === plan.rounds - 1 && plan.algorithm.steps > 0;
  return isLast ? whenThere(isConnected, (isOpen) => isOpen && meet(turn)) : isConnected;
}

/** Those of a peer's edges that work in a round, with their weights of it. */
function working(options: PeerOptions, edges: readonly Neighbour[], round: number): readonly Neighbour[] {
  return edges.flatMap((edge) => {
    const isOff = options.plan.edges?.(options.id, edge.peer, round) === false;
    return isOff ? [] : (edgeOf(options, edge, round) ?? []);
  });
}

/** Where rounds go on without late edges, the ends of an edge may be rounds apart; they meet after the last one. */
async function meet(turn: Turn): Promise<boolean> {
  const { options, parts, exchanges, round } = turn;
  for (let again = 1; !exchanges.isFinished(); again++) {
    parts.update.fill(0);
    const unfinished = exchanges
      .unfinished()
      .map((edge) => edgeOf(options, edge, round) ?? { ...edge, weight: 0 });
    if (!(await exchange(turn, unfinished, "any", again))) return false;
  }
  return true;
}

/** @param attempt numbers that the draws depend on beside the round */
function exchange(
  turn: Turn,
  edges: readonly Neighbour[],
  wait: Step["wait"],
  ...attempt: number[]
): Eventually<boolean> {
  const { options, parts, round } = turn;
  const { id, plan } = options;
  const { algorithm, update, rate, observer } = parts;
  const steps = algorithm.round(update, {
    edges,
    round,
    learningRate: plan.learningRate(round),
    consensusRate: rate(round),
    random: (...key) => random(plan.seed, "squeeze", id, round, ...attempt, ...key),
  });
  const count = plan.algorithm.steps;
  return drive(turn, { steps, count, kind: "learning", round, edges, wait, settled: observer.see });
}

/** One round of the closing consensus. @returns false when the transport was closed meanwhile */
export function close(turn: Turn): Eventually<boolean> {
  const { options, parts, round } = turn;
  const steps = parts.closing[round - options.plan.rounds]!.round();
  const edges = options.plan.edgesIn?.(options.id, round) ?? options.neighbours;
  return drive(turn, { steps, count: 1, kind: "closing", round, edges, wait: "all" });
}

/** An edge with its weight of a round; undefined where it does not work in it. */
function edgeOf({ id, plan }: PeerOptions, edge: Neighbour, round: number): Neighbour | undefined {
  return plan.edgesIn ? plan.edgesIn(id, round).find(({ peer }) => peer === edge.peer) : edge;
}

/**
 * The weight of an exchange: of the earlier of its two rounds, alike at both ends. An algorithm for directed edges takes
 * its shares away when it sends them, so there the sender's round counts.
 */
export function weighedBy(options: PeerOptions) {
  const isGiven = options.plan.algorithm.needs.graph === "directed";
  return (edge: Neighbour, own: number, theirs: number): Neighbour =>
    edgeOf(options, edge, isGiven ? theirs : Math.min(own, theirs)) ?? { ...edge, weight: 0 };
}
