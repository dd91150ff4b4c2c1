import type { AlgorithmContext, LayoutTools } from "../algorithm.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { layoutOfPart } from "../vectors/layout.js";
import type { Vector } from "../vectors/vector.js";

/** The part of the parameters whose server a peer is. */
export interface ServedPart extends LayoutTools {
  readonly length: number;
  /** The part of a model-sized vector. */
  of(vector: Vector): Vector;
}

/**
 * On a complete graph of n peers, n parts of the parameters, by the number of the peer that serves them.
 * @throws InvalidExperiment fewer parameters than peers
 */
export function partOfEachServer({
  id,
  edges,
  layout,
  toolsFor,
}: AlgorithmContext): ReadonlyMap<number, ServedPart> {
  const servers = [id, ...edges.map(({ peer }) => peer)].sort((a, b) => a - b);
  if (servers.length > layout.length) {
    throw new InvalidExperiment(
      `a model of ${layout.length} parameters cannot be shared by ${servers.length} servers: use fewer peers, or another algorithm`,
      { code: "more-servers-than-parameters", field: "algorithm" },
    );
  }
  const bound = (k: number) => Math.floor((k * layout.length) / servers.length);
  return new Map(
    servers.map((peer, k) => {
      const [first, end] = [bound(k), bound(k + 1)];
      const of = (vector: Vector) => vector.subarray(first, end);
      return [peer, { length: end - first, of, ...toolsFor(layoutOfPart(layout, first, end)) }] as const;
    }),
  );
}

/** Most bytes of a payload of any part. */
export function mostBytes(parts: ReadonlyMap<number, ServedPart>): number {
  return Math.max(...[...parts.values()].map(({ compressor }) => compressor.maximumPayloadBytes));
}
