/** Batches that several threads compute, each a part of them with its own copy of the model. */
import { InvalidExperiment } from "../foundation/errors.js";
import { together } from "../foundation/together.js";
import type { TensorGroup } from "../vectors/state.js";
import type { Vector } from "../vectors/vector.js";
import type { ModelShapes } from "./layers-checks.js";
import type { BatchPart, LayersComputation } from "./layers-computation.js";
import { type Buffers, joinTeam, type Thread, type ThreadsOption } from "./layers-threads.js";
import type { ModelWeights } from "./layers-weights.js";
import { MINIMUM_STEP_MACS, macsOf } from "./layers-work.js";

/** Fewest examples of a part. */
const MINIMUM_PART = 2;

/** A batch of a step. */
export interface Batch {
  readonly size: number;
  readonly features: Vector;
  readonly labels: Int32Array | Float32Array;
  /** A seed for each dropout layer. @param part of the batch, from 0 */
  noise(part: number): number[];
}

/** Computes batches, on one thread or several. */
export interface BatchComputation {
  /** Test batches that are computed side by side. */
  readonly width: number;
  /** Whether batches have to lie in shared memory. */
  readonly isShared: boolean;
  /** @returns the loss, penalties included */
  gradient(point: Vector, batch: Batch, out: Vector): Promise<number>;
  /** Outputs at `point` for at most `width` batches, in their order. */
  outputs(point: Vector, features: readonly Vector[]): Promise<readonly Float32Array[]>;
  frozen: TensorGroup;
  dispose(): void;
}

/** The caller's thread alone. */
export function undivided(own: LayersComputation, { upload, frozen }: ModelWeights): BatchComputation {
  return {
    width: 1,
    isShared: false,
    gradient: (point, batch, out) => own.gradient(point, partOf(batch, 0, 1), out),
    async outputs(point, features) {
      upload(point);
      return [await own.outputs(features[0]!)];
    },
    frozen,
    dispose() {},
  };
}

/**
 * Whether threads are of use for batches of this size.
 * @throws InvalidExperiment a model that keeps statistics of its batches, unless the threads are automatic
 */
export function isDivisible(
  { isAutomatic }: ThreadsOption,
  { layers, local }: ModelWeights,
  batchSize: number,
): boolean {
  const [statistics] = Object.keys(local.shapes);
  if (statistics === undefined) return !isAutomatic || macsOf(layers) * batchSize >= MINIMUM_STEP_MACS;
  if (isAutomatic) return false;
  throw new InvalidExperiment(
    `the model keeps statistics of whole batches in ${statistics}, and threads see parts of them: set trainer.threads to 1, or use group normalisation`,
    { code: "trainer-threads-with-statistics", field: "trainer.threads" },
  );
}

/**
 * The caller's thread and others. Parts are cut contiguously, and their gradients and losses are added in the order of the
 * parts: the same bits for the same number of threads.
 */
export function divided(
  own: LayersComputation,
  weights: ModelWeights,
  shapes: ModelShapes,
  { copy, count }: ThreadsOption,
): BatchComputation {
  const team = joinTeam(copy, count - 1);
  const alone = undivided(own, weights);
  const outputsPerExample = shapes.answers * shapes.outputs;
  // What a thread builds is replaced: a file may have other numbers.
  let isFrozenSent = Object.keys(weights.frozen.shapes).length === 0;

  const use = <Result>(work: (threads: readonly Thread[], buffer: Buffers) => Promise<Result>) =>
    team.use(async (threads, buffer) => {
      if (!isFrozenSent) {
        const values = await weights.frozen.read();
        await together(threads.map((thread) => thread.call("frozen", [values])));
        isFrozenSent = true;
      }
      return work(threads, buffer);
    });

  return {
    width: count,
    isShared: true,
    gradient(point, batch, out) {
      const parts = Math.min(count, Math.floor(batch.size / MINIMUM_PART));
      if (parts < 2) return alone.gradient(point, batch, out);
      return use(async (threads, buffer) => {
        const parameters = buffer("parameters", point.length);
        parameters.set(point);
        const gradients = threads.slice(0, parts - 1).map((_, k) => buffer(`gradient ${k}`, out.length));
        const others = gradients.map((gradient, k) =>
          threads[k]!.call("gradient", [parameters, partOf(batch, k + 1, parts), gradient]),
        );
        const losses = await together([own.gradient(point, partOf(batch, 0, parts), out), ...others]);
        for (const gradient of gradients) add(out, gradient);
        return losses.reduce((sum, loss) => sum + loss);
      });
    },
    outputs(point, [first, ...others]) {
      if (others.length === 0) return alone.outputs(point, [first!]);
      return use(async (threads, buffer) => {
        const parameters = buffer("parameters", point.length);
        parameters.set(point);
        const results = others.map((features, k) => {
          const examples = features.length / shapes.inputSize;
          return buffer(`outputs ${k}`, examples * outputsPerExample);
        });
        const calls = others.map((given, k) => {
          const features = buffer(`features ${k}`, given.length);
          features.set(given);
          return threads[k]!.call("outputs", [parameters, features, results[k]!]);
        });
        let ownOutputs: readonly Float32Array[] = [];
        const computed = alone.outputs(point, [first!]).then((outputs) => {
          ownOutputs = outputs;
        });
        await together([computed, ...calls]);
        // The buffers are the next trainer's.
        return [...ownOutputs, ...results.map((outputs) => outputs.slice())];
      });
    },
    frozen: {
      ...weights.frozen,
      write(values) {
        weights.frozen.write(values);
        isFrozenSent = false;
      },
    },
    dispose: team.leave,
  };
}

/** @param parts into which the batch is cut */
function partOf({ size, features, labels, noise }: Batch, part: number, parts: number): BatchPart {
  const first = Math.floor((part * size) / parts);
  const last = Math.floor(((part + 1) * size) / parts);
  const cut = <Numbers extends { length: number; subarray(first: number, last: number): Numbers }>(
    numbers: Numbers,
  ) => numbers.subarray((first * numbers.length) / size, (last * numbers.length) / size);
  return {
    features: cut(features),
    labels: labels instanceof Int32Array ? cut(labels) : cut(labels),
    share: (last - first) / size,
    isPenalised: part === 0,
    noise: noise(part),
  };
}

function add(into: Vector, other: Vector): void {
  for (let k = 0; k < into.length; k++) into[k]! += other[k]!;
}
