import { describe, expect, it } from "vitest";
import type { AlgorithmKind, RoundSteps } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { mix } from "../src/algorithms/mix.js";
import { compressorSettings } from "../src/compressors/index.js";
import { stoppedClock } from "../src/foundation/clock.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { createGraph } from "../src/graphs/index.js";
import { optimalConsensusRate, spectrum } from "../src/graphs/spectrum.js";
import { metropolisMixing, pushMixing } from "../src/graphs/weights.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createPlan } from "../src/runs/plan.js";
import { createMemoryTransports } from "../src/transports/memory.js";
import { createLayout } from "../src/vectors/layout.js";
import { expectError, expectRejection } from "./support/errors.js";
import { createGossip } from "./support/gossip.js";
import { mixingFor } from "./support/graphs.js";
import { initialModel } from "./support/trainers.js";

const layout = createLayout([{ name: "x", shape: [40] }]);
const ring = metropolisMixing(createGraph({ kind: "ring", peers: 4 }));
const compressor = compressorSettings.parse({ kind: "sign" });

/** DeepSqueeze with so many payloads a round, whatever it declares. */
const own = (payloads: number, changes: Partial<AlgorithmKind> = {}): AlgorithmKind => ({
  ...algorithms.deepsqueeze,
  name: "own",
  ...changes,
  create: ({ model, space, compressor }) => ({
    state: { vectors: {}, scalars: {} },
    point: model,
    *round(update, { random }): RoundSteps {
      space.kernels.add(model.byteOffset, update.byteOffset, model.length);
      for (let k = 0; k < payloads; k++) {
        const shared = space.vector(model.length);
        shared.set(model);
        mix(compressor, model, yield compressor.squeeze(shared, random(k)));
      }
    },
  }),
});

describe("an algorithm of one's own", () => {
  it("runs as those of the index do, and its plan carries its name and rate", async () => {
    const algorithm = own(1);
    const { plan } = createPlan(
      parseExperiment({ compressor: "minmax" }),
      ring,
      initialModel(layout),
      algorithm,
    );
    expect(plan.consensusRate(0)).toBe(optimalConsensusRate(spectrum(ring)));
    expect(plan.fingerprint).toMatchObject({ algorithm: "own" });
    const gossip = createGossip({ mixing: ring, layout, algorithm, compressor, rate: 0.2, rounds: 40 });
    const before = gossip.consensusDistance();
    while (await gossip.round());
    expect(gossip.consensusDistance()).toBeLessThan(before);
  });

  it.each([0, 2])(
    "is refused in its first round where it yields %i times and declares 1",
    async (payloads) => {
      const gossip = createGossip({
        ...{ mixing: ring, layout, algorithm: own(payloads), compressor, rate: 0.2, rounds: 2 },
      });
      await expectRejection(gossip.round(), InvalidExperiment, { code: "wrong-steps" });
      await gossip.close();
    },
  );

  it("is refused on one-way edges unless it says that it works there", () => {
    const mixing = pushMixing(createGraph({ kind: "ring", peers: 4, directed: true }));
    const options = { mixing, layout, compressor, rate: 0.2, rounds: 2 };
    expectError(() => createGossip({ ...options, algorithm: own(1) }), InvalidExperiment, {
      code: "one-way-edge",
      peer: 0,
      neighbour: 1,
    });
  });
});

describe("a peer", () => {
  it("runs once", async () => {
    const { peers } = createGossip({
      mixing: ring,
      layout,
      algorithm: own(1),
      compressor,
      rate: 0.2,
      rounds: 2,
    });
    const [transport] = createMemoryTransports(4, 1000);
    // The harness has begun the run.
    expectError(() => peers[0]!.run({ transport: transport!, clock: stoppedClock }), InvalidExperiment, {
      code: "runs-once",
      peer: 0,
    });
  });
});

describe("a consensus rate that an algorithm does not use", () => {
  const kinds: AlgorithmKind[] = Object.values(algorithms);

  it("is named in a warning where it is set, and its bound is not", () => {
    for (const kind of kinds) {
      const { name, usesRate, sends } = kind;
      const { warnings } = createPlan(
        parseExperiment({ algorithm: name, consensusRate: 3 }),
        mixingFor(kind, ring),
        initialModel(layout),
      );
      const expected = usesRate
        ? [expect.stringMatching(/outside the stable range/)]
        : sends === "nothing"
          ? []
          : [expect.stringMatching(/does not use the consensus rate/)];
      expect(warnings).toEqual(expected);
    }
  });

  it("leaves the models to the bit as they are with another", async () => {
    const run = async (algorithm: AlgorithmKind, rate: number) => {
      const mixing = mixingFor(algorithm, ring);
      // As many as a range takes to reach from one model to the next.
      const gossip = createGossip({ mixing, layout, algorithm, compressor, rate, rounds: 20 });
      while (await gossip.round());
      return gossip.models.map((model) => [...model]);
    };
    // Models differ at the start here.
    for (const algorithm of kinds.filter(({ needs }) => !needs.equalStart)) {
      const [one, other] = [await run(algorithm, 0.1), await run(algorithm, 0.2)];
      if (algorithm.usesRate) expect(other).not.toEqual(one);
      else expect(other).toEqual(one);
    }
  });
});
