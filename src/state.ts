import type { Vector } from "./vector.js";

/** What survives a round, by name: all that a snapshot must hold. */
export interface State {
  readonly vectors: Readonly<Record<string, Vector>>;
  readonly scalars: Record<string, number>;
}
