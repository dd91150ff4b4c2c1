import { Command } from "commander";
import { z } from "zod";
import { type AlgorithmName, algorithms } from "../algorithms/index.js";
import { type CompressorSettings, compressorSettings } from "../compressors/index.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { Neighbour } from "../graphs/mixing.js";
import { createSimulation } from "../runs/simulate.js";
import { checked } from "../settings/check.js";
import { stateless, type Trainer } from "../trainers/trainer.js";
import { createLayout, type Layout } from "../vectors/layout.js";
import { print } from "./console.js";
import { readJson } from "./files.js";

const trajectory = z.object({
  name: z.string(),
  provenance: z.string().optional().describe("what made the trajectory, for the reader"),
  peers: z.int().min(1),
  weights: z.array(z.array(z.number())),
  consensusRate: z.number(),
  tensorShapes: z.array(z.array(z.int().nonnegative())),
  rounds: z.int().min(1),
  initialModels: z.base64(),
  updates: z.base64(),
  after: z.record(z.string(), z.base64()),
});

/** How well a recorded run was reproduced. */
export interface ReplayResult {
  readonly name: string;
  /** Largest |ours − reference| over every checkpoint, divided by the largest |reference|. */
  readonly maxRelativeError: number;
}

/**
 * Runs a reference trajectory through the real peers: every round adds the recorded updates and makes one
 * exchange of the algorithm that the name says, with compression per tensor.
 *
 * @throws FileProblem the file cannot be read
 * @throws InvalidExperiment it is no trajectory, or its name says no algorithm
 */
export async function replay(file: string): Promise<ReplayResult> {
  const { name, peers, weights, consensusRate, rounds, layout, ...recorded } = await readTrajectory(file);
  const { algorithm, compressor } = methodOf(name);
  const simulation = createSimulation({
    neighbours: neighboursOf(weights, peers, file),
    trainers: recordedTrainers(layout, peers, recorded),
    plan: {
      seed: 0,
      algorithm: algorithms[algorithm],
      compressor,
      rounds,
      learningRate: () => 1,
      optimizer: { kind: "sgd", weightDecay: 0 },
      localSteps: 1,
      consensusRate: () => consensusRate,
      closingRates: [],
      evaluateEvery: 0,
    },
  });

  let largestError = 0;
  let largestReference = 0;
  for await (const { round } of simulation.run()) {
    const reference = recorded.checkpoints.get(round + 1);
    if (!reference) continue;
    for (const { id, model } of simulation.peers) {
      for (let k = 0; k < layout.length; k++) {
        const expected = reference[id * layout.length + k]!;
        largestError = Math.max(largestError, Math.abs(model[k]! - expected));
        largestReference = Math.max(largestReference, Math.abs(expected));
      }
    }
  }
  return { name, maxRelativeError: largestError / largestReference };
}

/** A trajectory whose numbers are decoded, one model after the other. */
interface Trajectory
  extends Pick<z.output<typeof trajectory>, "name" | "peers" | "weights" | "consensusRate" | "rounds"> {
  readonly layout: Layout;
  readonly initialModels: Float32Array;
  /** By round, then by peer. */
  readonly updates: Float32Array;
  /** Models by the count of rounds after which they are. */
  readonly checkpoints: ReadonlyMap<number, Float32Array>;
}

async function readTrajectory(file: string): Promise<Trajectory> {
  const what = `trajectory ${file}`;
  const recorded = checked(trajectory, await readJson(file), { what }, InvalidExperiment);
  const { name, peers, weights, consensusRate, rounds } = recorded;
  const layout = createLayout(recorded.tensorShapes.map((shape, k) => ({ name: `tensor ${k}`, shape })));
  const size = layout.length;
  const read = (base64: string, what: string, models: number) => {
    const bytes = new Uint8Array(Buffer.from(base64, "base64"));
    if (bytes.length !== models * size * 4) {
      throw new InvalidExperiment(
        `trajectory ${file}: ${what} has ${bytes.length} bytes, and ${models} models of ${size} parameters take ${models * size * 4}`,
        { code: "trajectory-length", field: what },
      );
    }
    return new Float32Array(bytes.buffer);
  };
  return {
    ...{ name, peers, weights, consensusRate, rounds, layout },
    initialModels: read(recorded.initialModels, "initialModels", peers),
    updates: read(recorded.updates, "updates", rounds * peers),
    checkpoints: new Map(
      Object.entries(recorded.after).map(([round, base64]) => [
        Number(round),
        read(base64, `after ${round}`, peers),
      ]),
    ),
  };
}

/** Trainers whose gradients are the recorded updates. */
function recordedTrainers(
  layout: Layout,
  peers: number,
  { initialModels, updates }: Pick<Trajectory, "initialModels" | "updates">,
): Trainer[] {
  const size = layout.length;
  return Array.from({ length: peers }, (_, peer) => ({
    layout,
    initialize: (model) => model.set(initialModels.subarray(peer * size, (peer + 1) * size)),
    // Plain descent at the rate 1 adds what was recorded.
    async gradient(_, out, round) {
      const start = (round * peers + peer) * size;
      for (let k = 0; k < size; k++) out[k] = -updates[start + k]!;
      return 0;
    },
    evaluate: async () => ({ loss: 0 }),
    ...stateless,
    dispose() {},
  }));
}

/** Algorithm and compressor from a name such as `choco-topk10-ring8`. */
function methodOf(name: string): { algorithm: AlgorithmName; compressor: CompressorSettings } {
  const names = Object.keys(algorithms) as AlgorithmName[];
  const algorithm = names.find((each) => name === each || name.startsWith(`${each}-`));
  const compresses = algorithm !== undefined && algorithms[algorithm].compresses;
  const match = /^-(?:(sign)|topk(\d+(?:\.\d+)?))(?:-|$)/.exec(name.slice(algorithm?.length));
  const [, sign, percent] = match ?? [];
  if (algorithm === undefined || (compresses && !sign && !percent)) {
    const methods = names.map((each) =>
      algorithms[each].compresses ? `${each}-sign or ${each}-topk<percent>` : each,
    );
    throw new InvalidExperiment(`trajectory "${name}": the name must begin with ${methods.join(", ")}`, {
      code: "trajectory-name",
      field: "name",
    });
  }
  return {
    algorithm,
    compressor: compressorSettings.parse(
      percent ? { kind: "topk", ratio: Number(percent) / 100 } : { kind: "sign" },
    ),
  };
}

/** Edges where either direction has a weight, so that a reference with a non-symmetric W can be replayed too. */
function neighboursOf(weights: readonly (readonly number[])[], peers: number, file: string): Neighbour[][] {
  if (weights.length !== peers || weights.some((row) => row.length !== peers)) {
    throw new InvalidExperiment(`trajectory ${file}: weights must be ${peers} rows of ${peers} numbers`, {
      code: "trajectory-weights",
      field: "weights",
    });
  }
  return weights.map((row, i) =>
    row.flatMap((weight, j) =>
      j !== i && (weight !== 0 || weights[j]![i] !== 0) ? [{ peer: j, weight }] : [],
    ),
  );
}

export function replayCommand(): Command {
  return new Command("replay")
    .description("reproduce a recorded reference trajectory and print the largest relative error")
    .argument("<file>", "trajectory (JSON)")
    .action(async (file: string) => print(JSON.stringify(await replay(file))));
}
