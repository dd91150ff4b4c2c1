/** Turns of tasks that share a thread. Async tasks interleave there, and a clock would count the others' work as each one's own. */
import { quiescence } from "./clock.js";
import type { Eventually } from "./eventually.js";

/** Does the work when it is its turn. */
export type InTurn = <Result>(work: () => Eventually<Result>) => Eventually<Result>;

/** For tasks that have a thread, or a machine, of their own. */
export const atOnce: InTurn = (work) => work();

/**
 * One task at a time, in the order of the calls. The next one begins once everything that follows the work of the one
 * before without waiting has been done.
 */
export function createTurns(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(quiescence).then(work);
    last = next.catch(() => {});
    return next;
  };
}
