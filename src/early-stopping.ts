/**
 * When to stop learning, decided by all peers alike: after every evaluation they bring together the mean of their held-out
 * losses, the same to the bit at each of them, so that each decides for itself and all decide the same. The models
 * of the best evaluation may be kept; the closing consensus then makes one model of those.
 */
import { createTreeReduction, type Passes } from "./algorithms/tree-reduction.js";
import { sizeOf } from "./dataset.js";
import { InvalidExperiment } from "./foundation/errors.js";
import type { Neighbour } from "./graphs/mixing.js";
import type { Branch } from "./graphs/spanning-tree.js";
import type { Trainer } from "./trainers/trainer.js";
import type { NamedValues, State } from "./vectors/state.js";
import { type Bytes, spaceBytes, type Vector, type VectorSpace } from "./vectors/vector.js";

/** Which models the run ends with. */
export const keptModels = ["best", "last"] as const;

export interface EarlyStopping {
  /** Evaluations without improvement after which learning stops, from 1. */
  readonly patience: number;
  /** By how much less a mean loss must be to be an improvement, from 0. */
  readonly minimumImprovement: number;
  readonly keep: (typeof keptModels)[number];
}

/** What an evaluation of all peers came to. */
export interface AgreedLoss {
  /** Mean of all peers' held-out losses. */
  readonly meanLoss: number;
  /** Round of the least mean loss so far, from 0. */
  readonly bestRound: number;
  /** All peers stop learning. */
  readonly isLast?: true;
}

/** Steps of its exchanges come after those of `pooling.ts`. */
const FIRST_STEP = 2;
/** Larger losses count as this one, so that sums are finite. */
const LARGEST_LOSS = 1e300;

export interface Stopper {
  readonly payloadBytes: number;
  readonly state: State;
  /** Brings this evaluation's losses together. @param loss finite */
  passes(loss: number): Passes;
  /** What they came to. Keeps the model where it is the best so far. */
  conclude(round: number): Promise<AgreedLoss>;
  /** The model is that of the best evaluation again, where that is asked for. @returns whether it was another one */
  bringBack(): Promise<boolean>;
  /** Evaluations before this do not count: newcomers were not there. */
  forget(): void;
  has(step: number): boolean;
  /** @throws MalformedPayload */
  check(payload: Bytes, step: number, from: number): void;
}

export interface StopperOptions {
  readonly id: number;
  readonly edges: readonly Neighbour[];
  readonly branch: Branch | undefined;
  readonly plan: { readonly rounds: number; readonly stopping?: EarlyStopping };
  readonly trainer: Pick<Trainer, "stateShapes" | "state" | "restore">;
  /** What is evaluated. */
  readonly point: Vector;
  readonly space: VectorSpace;
}

type Keeping = Pick<StopperOptions, "plan" | "trainer"> & { readonly length: number };

/** Memory that a stopper takes. */
export function stopperBytes({ plan, trainer, length }: Keeping): number {
  if (plan.stopping?.keep !== "best") return 0;
  return [length, ...localSizes(trainer)].reduce((sum, size) => sum + spaceBytes(1, size, 0), 0);
}

const localSizes = ({ stateShapes = {} }: Pick<Trainer, "stateShapes">) =>
  Object.values(stateShapes).map(sizeOf);

/** @returns undefined where the plan does not stop early */
export function createStopper(options: StopperOptions): Stopper | undefined {
  const { id, edges, branch, plan, trainer, point, space } = options;
  const { stopping } = plan;
  if (!stopping) return undefined;
  if (!branch) {
    throw new InvalidExperiment(
      `peer ${id} stops early with all others and has no place in a tree of them: give createPeer its branch of spanningTree`,
      { code: "stopping-without-tree", peer: id },
    );
  }
  const keepsBest = stopping.keep === "best";
  const best = keepsBest ? space.vector(point.length) : undefined;
  const { stateShapes = {} } = trainer;
  const local = Object.fromEntries(
    Object.entries(keepsBest ? stateShapes : {}).map(([name, shape]) => [name, space.vector(sizeOf(shape))]),
  );
  const scalars = { ...fresh };
  /** Sum of losses, and how many there are. */
  const numbers = new Float64Array(2);
  const reduction = createTreeReduction({
    ...{ id, edges, branch, length: numbers.length, firstStep: FIRST_STEP },
    merge(into, other) {
      other.forEach((number, k) => {
        into[k]! += number;
      });
    },
    problemOf: ([sum, count]) =>
      Number.isFinite(sum) && Number.isSafeInteger(count) && count! > 0
        ? undefined
        : `${count} losses with a sum of ${sum}`,
  });

  const keep = async (): Promise<void> => {
    best?.set(point);
    const values: NamedValues = keepsBest ? await trainer.state() : {};
    for (const [name, vector] of Object.entries(local)) vector.set(values[name]!);
  };
  return {
    payloadBytes: reduction.payloadBytes,
    state: { vectors: { ...(best && { best }), ...prefixed(local) }, scalars },
    passes(loss) {
      numbers.set([Math.min(loss, LARGEST_LOSS), 1]);
      return reduction.reduce(numbers);
    },
    async conclude(round) {
      const meanLoss = numbers[0]! / numbers[1]!;
      scalars.isBest = meanLoss < scalars.leastLoss ? 1 : 0;
      if (scalars.isBest === 1) {
        await keep();
        Object.assign(scalars, { leastLoss: meanLoss, bestRound: round });
      }
      // Small improvements are kept, and do not win time.
      if (meanLoss < scalars.loss - stopping.minimumImprovement) {
        Object.assign(scalars, { loss: meanLoss, evaluationsSince: 0 });
      } else scalars.evaluationsSince++;
      const isLast = scalars.evaluationsSince >= stopping.patience;
      return { meanLoss, bestRound: scalars.bestRound, ...(isLast && { isLast }) };
    },
    async bringBack() {
      if (!best || scalars.isBest === 1 || scalars.bestRound < 0) return false;
      point.set(best);
      if (Object.keys(local).length > 0) await trainer.restore({ ...(await trainer.state()), ...local });
      scalars.isBest = 1;
      return true;
    },
    forget() {
      Object.assign(scalars, fresh);
    },
    has: reduction.has,
    check: reduction.check,
  };
}

/** Before the first evaluation. */
const fresh = {
  /** Of the evaluation whose models are kept. */
  leastLoss: Number.MAX_VALUE,
  bestRound: -1,
  isBest: 0,
  /** Of the last improvement that counts. */
  loss: Number.MAX_VALUE,
  evaluationsSince: 0,
};

const prefixed = (vectors: Readonly<Record<string, Vector>>): Record<string, Vector> =>
  Object.fromEntries(Object.entries(vectors).map(([name, vector]) => [`local ${name}`, vector]));
