/** What outlives a round, by name: all that a checkpoint must hold. */
import type { Vector } from "./vector.js";

/**
 * State in the peer's vector space. A checkpoint copies it out; to go on from one, set the vectors' numbers and the
 * scalars in place.
 */
export interface State {
  /** Vectors by name; the same names for the same settings. */
  readonly vectors: Readonly<Record<string, Vector>>;
  /** float64 numbers by name. */
  readonly scalars: Record<string, number>;
}

/** Scalars that lie in an array, in the order of their names: what is set by name is set there. */
export function namedNumbers(names: readonly string[], numbers: number[]): Record<string, number> {
  const scalars: Record<string, number> = {};
  for (const [k, name] of names.entries()) {
    Object.defineProperty(scalars, name, {
      enumerable: true,
      get: () => numbers[k],
      set: (value: number) => {
        numbers[k] = value;
      },
    });
  }
  return scalars;
}

/** Copies of arrays by name, for state that lies outside the vector space. */
export type NamedValues = Readonly<Record<string, Float32Array>>;

/** Tensors by name that are no part of the model vector. */
export interface TensorGroup {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Copies of their numbers. */
  read(): Promise<NamedValues>;
  /** @throws InvalidData names or lengths that are not theirs; nothing is changed then */
  write(values: NamedValues): void;
}

/** Names for vectors that belong to one edge each, for example `copy 3`. */
export function byPeer(
  name: string,
  edges: readonly { readonly peer: number }[],
  vectors: readonly Vector[],
): Record<string, Vector> {
  return Object.fromEntries(edges.map(({ peer }, k) => [`${name} ${peer}`, vectors[k]!]));
}

/** One state of several, whose names stand behind their owners'. Its scalars are those of the owners, not copies. */
export function joinStates(states: Readonly<Record<string, State>>): State {
  const vectors: Record<string, Vector> = {};
  const scalars: Record<string, number> = {};
  for (const [owner, state] of Object.entries(states)) {
    for (const [name, vector] of Object.entries(state.vectors)) vectors[`${owner}/${name}`] = vector;
    for (const name of Object.keys(state.scalars)) {
      Object.defineProperty(scalars, `${owner}/${name}`, {
        enumerable: true,
        get: () => state.scalars[name],
        set: (value: number) => {
          state.scalars[name] = value;
        },
      });
    }
  }
  return { vectors, scalars };
}
