import { z } from "zod";
import type { AlgorithmKind } from "../algorithm.js";
import type { AlgorithmOption } from "../algorithm-option.js";
import { MAX_ROUND } from "../exchange/frame.js";
import { joinStates } from "../vectors/state.js";

const settings = z
  .union([
    z.literal("none"),
    z.strictObject({
      from: z
        .int()
        .min(0)
        .max(MAX_ROUND)
        .default(0)
        .describe("first round whose model counts; 0 is Polyak's mean, a later one a tail average"),
      every: z
        .int()
        .min(1)
        .max(MAX_ROUND)
        .default(1)
        .describe("rounds from one model that counts to the next"),
    }),
  ])
  .default("none")
  .describe("mean of a peer's models over the rounds, which is evaluated beside the model; { from, every }");

/**
 * Iterate averaging: the mean of the models after the rounds `from`, `from + every`, …, which is evaluated beside the
 * model and does not move it. Before the first of them it is the model itself.
 *
 *     x̄ ← x̄ + (x − x̄) / n
 *
 * @see Polyak, Juditsky 1992, “Acceleration of Stochastic Approximation by Averaging” (`from` 0); Rakhlin, Shamir,
 *   Sridharan 2012 (tail); Granziol et al. 2021, “Iterate Averaging Helps” (Gadam: Adam, weight decay and a sparse tail)
 */
export const averaging: AlgorithmOption<typeof settings> = {
  settings,
  apply: (kind, chosen) => (chosen === "none" ? kind : withAverage(kind, chosen)),
};

const withAverage = (
  kind: AlgorithmKind,
  { from, every }: { readonly from: number; readonly every: number },
): AlgorithmKind => ({
  ...kind,
  vectors: (degree) => kind.vectors(degree) + 1,
  keeps: [
    ...(kind.keeps ?? []).map((name) => `algorithm/${name}`),
    ...["average", "models", "next"].map((name) => `averaging/${name}`),
  ],
  create(context) {
    const { space } = context;
    const { kernels } = space;
    const inner = kind.create(context);
    const { point, ...others } = inner;
    const { byteOffset, length } = point;
    const average = space.vector(length);
    average.set(point);
    const scalars = { models: 0, next: from };
    return {
      point,
      ...others,
      average,
      state: joinStates({ algorithm: inner.state, averaging: { vectors: { average }, scalars } }),
      *round(update, round) {
        yield* inner.round(update, round);
        if (scalars.models === 0) average.set(point);
        if (round.round < scalars.next) return;
        scalars.next = round.round + every;
        const share = 1 / ++scalars.models;
        kernels.addScaled(average.byteOffset, average.byteOffset, length, -share);
        kernels.addScaled(average.byteOffset, byteOffset, length, share);
      },
    };
  },
});
