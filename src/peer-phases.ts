/** What a peer does beside learning rounds: before the first, after an evaluation, and after the last. */
import type { Passes } from "./algorithms/tree-reduction.js";
import { type DriveTools, drive } from "./drive.js";
import type { Stopper } from "./early-stopping.js";
import type { Exchanges } from "./exchange/exchanges.js";
import type { Eventually } from "./foundation/eventually.js";
import type { Parts } from "./peer-parts.js";
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

/** One round of the closing consensus. @returns false when the transport was closed meanwhile */
export function close(turn: Turn): Eventually<boolean> {
  const { options, parts, round } = turn;
  const steps = parts.closing[round - options.plan.rounds]!.round();
  const edges = options.plan.edgesIn?.(options.id, round) ?? options.neighbours;
  return drive(turn, { steps, count: 1, kind: "closing", round, edges, wait: "all" });
}
