import type { Eventually } from "./eventually.js";

/**
 * All values, in order; at once where all of them are there. What is being done for others is over before an error is thrown.
 *
 * @param release called when one fails, to end what the others wait for
 * @throws what the first of them, in order, that fails throws
 */
export function together<Value>(
  steps: readonly Eventually<Value>[],
  release?: () => unknown,
): Eventually<readonly Value[]> {
  return steps.some((step) => step instanceof Promise)
    ? settled(steps, release)
    : (steps as readonly Value[]);
}

async function settled<Value>(
  steps: readonly Eventually<Value>[],
  release: (() => unknown) | undefined,
): Promise<readonly Value[]> {
  try {
    return await Promise.all(steps);
  } catch (error) {
    release?.();
    const failed = (await Promise.allSettled(steps)).find(({ status }) => status === "rejected");
    throw failed ? (failed as PromiseRejectedResult).reason : error;
  }
}
