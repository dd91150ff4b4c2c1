import type { AlgorithmKind } from "../algorithm.js";

/** No exchange: every peer learns on its own data only. What the others must beat. */
export const alone: AlgorithmKind = {
  name: "alone",
  compresses: false,
  create: () => ({ name: "alone", state: {}, share: () => undefined, mix() {} }),
};
