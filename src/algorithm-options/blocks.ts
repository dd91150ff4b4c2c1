import { z } from "zod";
import type { Algorithm, AlgorithmContext, AlgorithmKind, LayoutTools, Sighting } from "../algorithm.js";
import type { AlgorithmOption } from "../algorithm-option.js";
import { InvalidExperiment } from "../foundation/errors.js";
import { layoutOfPart } from "../vectors/layout.js";
import { joinStates, type State } from "../vectors/state.js";
import type { Vector } from "../vectors/vector.js";

/** Most blocks of a model: each has a compressor of its own. */
export const MAX_BLOCKS = 256;

const settings = z
  .int()
  .min(1)
  .max(MAX_BLOCKS)
  .default(1)
  .describe("K: a round exchanges one of K blocks of the parameters, in turn; 1: the whole model");

/**
 * Rotating blocks: round t exchanges block t mod K of the parameters, and payloads are 1/K as large. Each block has an
 * algorithm of its own, for which the K rounds from one turn to the next are one round with K times as many local steps:
 *
 *     x_b ← x_b + u_b, p_b ← p_b + u_b      while another block has its turn
 *     z_b ← A_b(z_b, p_b + u_b), p_b ← 0, x_b ← z_b      in its turn
 *
 * with z_b the block as its algorithm A_b keeps it, p_b the pending updates and x_b = z_b + p_b, where gradients are
 * taken. So any algorithm works as it is, also one whose update is not simply added. With K = 1 it is that algorithm, to
 * the bit.
 *
 * Both ends of an edge must exchange the same block: rounds wait for every edge, and an edge that is skipped leaves the
 * block to its next turn.
 *
 * @see Douillard et al. 2025, “Streaming DiLoCo with Overlapping Communication”, which synchronises one fragment of the
 *   model after another
 */
export const blocks: AlgorithmOption<typeof settings> = {
  settings,
  apply: (kind, count) => (count === 1 ? kind : inBlocks(kind, count)),
};

/** The kind in this many blocks, also in one. */
export function inBlocks(kind: AlgorithmKind, count: number): AlgorithmKind {
  return {
    ...kind,
    vectors: (degree) => kind.vectors(degree) + 2,
    parts: (degree) => count * (kind.parts?.(degree) ?? 1),
    // The rest restarts from the model, as gradients see it; that is where a mass would be lost.
    keeps: kind.needs.graph === "directed" ? [] : keptByBlocks(kind, count),
    needs: { ...kind.needs, sameRound: true },
    create: (context) => createBlocks(kind, count, context),
  };
}

const nameOf = (b: number) => `block ${b}`;

const keptByBlocks = ({ keeps = [] }: AlgorithmKind, count: number): string[] =>
  Array.from({ length: count }, (_, b) => keeps.map((name) => `${nameOf(b)}/${name}`)).flat();

interface Block {
  /** Of the block's first number, and of the first one after it. */
  readonly first: number;
  readonly end: number;
  readonly tools: LayoutTools;
  readonly algorithm: Algorithm;
}

function createBlocks(kind: AlgorithmKind, count: number, context: AlgorithmContext): Algorithm {
  const { model, space } = context;
  const { kernels } = space;
  const base = space.vector(model.length);
  base.set(model);
  const pending = space.vector(model.length);
  const all = split(kind, count, context, base);
  const active = (round: number) => all[round % count]!;
  const names = Object.fromEntries(all.map(({ algorithm }, b) => [nameOf(b), algorithm.state] as const));
  // 0 before the first round on a graph: until then the model may be set from outside.
  const scalars = { begun: 0 };
  const own: State = { vectors: { base, pending }, scalars };
  const show = ({ first, algorithm }: Block) => model.set(algorithm.point, first);
  for (const block of all) show(block);
  return {
    state: joinStates({ ...names, own }),
    point: model,
    maximumPayloadBytes: Math.max(...all.map((block) => payloadBytes(kind, block))),
    *round(update, { round, ...rest }) {
      if (scalars.begun === 0) {
        // What is shown of a weighted state is not the model that it was made of.
        if (kind.needs.graph === "symmetric") base.set(model);
        scalars.begun = 1;
      }
      const block = active(round);
      for (const { first, end } of all) {
        if (first === block.first) continue;
        kernels.add(pending.byteOffset + 4 * first, update.byteOffset + 4 * first, end - first);
        kernels.add(model.byteOffset + 4 * first, update.byteOffset + 4 * first, end - first);
      }
      const { first, end, algorithm } = block;
      kernels.add(update.byteOffset + 4 * first, pending.byteOffset + 4 * first, end - first);
      pending.fill(0, first, end);
      const turn = Math.floor(round / count);
      const steps = algorithm.round(update.subarray(first, end), { round: turn, ...rest });
      try {
        let next = steps.next();
        for (; !next.done; next = steps.next(yield next.value)) show(block);
      } finally {
        steps.return();
        show(block);
      }
    },
    check(payload, step, round, from) {
      const { algorithm, tools } = active(round);
      if (!algorithm.check) tools.compressor.check(payload);
      else algorithm.check(payload, step, Math.floor(round / count), from);
    },
    ...boundOf(all, active),
    ...(all[0]!.algorithm.observe && { observe: () => joinSightings(all) }),
  };
}

/** @throws InvalidExperiment more blocks than parameters */
function split(kind: AlgorithmKind, count: number, context: AlgorithmContext, base: Vector): Block[] {
  const { layout } = context;
  if (count > layout.length) {
    throw new InvalidExperiment(
      `a model of ${layout.length} parameters cannot be cut into ${count} blocks: set blocks to ${layout.length} or less`,
      { code: "too-many-blocks", field: "blocks" },
    );
  }
  const bound = (b: number) => Math.floor((b * layout.length) / count);
  return Array.from({ length: count }, (_, b) => {
    const [first, end] = [bound(b), bound(b + 1)];
    const tools = context.toolsFor(layoutOfPart(layout, first, end));
    const algorithm = kind.create({ ...context, ...tools, model: base.subarray(first, end) });
    return { first, end, tools, algorithm };
  });
}

const payloadBytes = ({ extraPayloadBytes = 0 }: AlgorithmKind, { algorithm, tools }: Block) =>
  algorithm.maximumPayloadBytes ?? tools.compressor.maximumPayloadBytes + extraPayloadBytes;

/** None where the algorithm states none. */
function boundOf(all: readonly Block[], active: (round: number) => Block): Pick<Algorithm, "normBound"> {
  const [{ algorithm }] = all as [Block];
  if (algorithm.check && !algorithm.normBound) return {};
  return {
    normBound(payload, step, round) {
      const { algorithm, tools } = active(round);
      return (algorithm.normBound ?? tools.compressor.normBound)(
        payload,
        step,
        Math.floor(round / all.length),
      );
    },
  };
}

/** Squares of blocks add up. */
function joinSightings(all: readonly Block[]): Sighting {
  const sightings = all.map(({ algorithm }) => algorithm.observe!());
  const { consensus, distances } = sightings[0]!;
  return {
    ...(consensus !== undefined && {
      consensus: sightings.reduce((sum, sighting) => sum + (sighting.consensus ?? 0), 0),
    }),
    ...(distances && {
      distances: distances.map((_, k) => Math.hypot(...sightings.map((sighting) => sighting.distances![k]!))),
    }),
  };
}
