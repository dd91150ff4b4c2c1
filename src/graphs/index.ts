/** Every kind of graph there is. Adding one: a file here, and a line in this list. */
import type { z } from "zod";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import { baseGraph } from "./base-graph.js";
import { chain } from "./chain.js";
import { complete } from "./complete.js";
import { edges } from "./edges.js";
import { equitopo } from "./equitopo.js";
import { erdosRenyi } from "./erdos-renyi.js";
import { expander } from "./expander.js";
import { exponential } from "./exponential.js";
import type { Graph, GraphKind } from "./graph.js";
import { hypercube } from "./hypercube.js";
import { margulis } from "./margulis.js";
import { onePeerExponential } from "./one-peer-exponential.js";
import { randomMatchings } from "./random-matchings.js";
import { randomRegular } from "./random-regular.js";
import { ring } from "./ring.js";
import { star } from "./star.js";
import { torus } from "./torus.js";

const kinds = [
  ring,
  torus,
  expander,
  exponential,
  hypercube,
  margulis,
  complete,
  star,
  chain,
  randomRegular,
  erdosRenyi,
  edges,
  onePeerExponential,
  baseGraph,
  randomMatchings,
  equitopo,
] as const;

/** Settings of any graph, distinguished by `kind`. */
export const graphSettings = settingsOfAny(kinds, ({ input }) =>
  typeof input === "string"
    ? `must say its size too, for example {"kind":"ring","peers":8}, not just ${JSON.stringify(input.slice(0, 40))}`
    : undefined,
);
/** Settings of one of the graphs. */
export type GraphSettings = z.output<typeof graphSettings>;

/**
 * Settings of a graph of this kind with this many peers, to be checked as any others.
 *
 * @throws InvalidTopology when no graph of this kind has that many
 */
export function sizedGraph(kind: string, peers: number): object {
  const known: GraphKind | undefined = kindOf(kinds, { kind });
  return (known?.sized?.(peers) as object | undefined) ?? { kind, peers };
}

/** The graph that these settings describe; the same settings always give the same graph. */
export function createGraph(settings: GraphSettings): Graph {
  return (kindOf(kinds, settings) as GraphKind).create(settings);
}

/** Eigenvalues of W with Metropolis weights in closed form; undefined where there is none for these settings. */
export function eigenvaluesOf(settings: GraphSettings): readonly number[] | undefined {
  return (kindOf(kinds, settings) as GraphKind).eigenvalues?.(settings);
}
