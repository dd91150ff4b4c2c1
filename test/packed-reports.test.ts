// Reports cross threads packed: nothing is lost, whatever a report has.
import fc from "fast-check";
import { expect, it } from "vitest";
import type { RoundReport } from "../src/observing/report.js";
import { packReports, unpackReports } from "../src/runs/node/workers/packed-reports.js";

/** Objects of the same kind as those that literals make. */
const record: typeof fc.record = (model: object, constraints: object = {}) =>
  fc.record(model, { noNullPrototype: true, ...constraints }) as never;
const number = fc.double({ noNaN: true });
const count = fc.nat();

const report: fc.Arbitrary<RoundReport> = record(
  {
    peer: count,
    round: count,
    kind: fc.constantFrom("learning" as const, "closing" as const),
    learningRate: number,
    consensusRate: number,
    modelNorm: number,
    traffic: fc.array(
      record({
        neighbour: count,
        bytesSent: count,
        bytesReceived: count,
        messagesSent: count,
        messagesReceived: count,
      }),
    ),
    time: record(
      {
        computeMs: number,
        compressMs: number,
        waitMs: number,
        mixMs: number,
        elapsedMs: number,
        waitedFor: count,
      },
      { requiredKeys: ["computeMs", "compressMs", "waitMs", "mixMs", "elapsedMs"] },
    ),
    loss: number,
    compressionError: number,
    residual: number,
    consensusEstimate: number,
    observed: record({ neighbour: count, distance: number }),
    warnings: fc.array(fc.string()),
    missed: fc.array(count),
    quarantined: fc.array(count),
    isReplayed: fc.constant(true as const),
    epoch: fc.constant({ number: 2, changes: [] }),
    refused: fc.array(record({ from: count, reason: fc.string() })),
    evaluation: record({ loss: number, accuracy: number }),
    iterateAverage: record({ loss: number }),
    agreedLoss: record({ meanLoss: number, bestRound: count }),
    counters: record({ resentFrames: count }),
    projection: fc.float32Array(),
  },
  {
    requiredKeys: ["peer", "round", "kind", "learningRate", "consensusRate", "modelNorm", "traffic", "time"],
  },
) as fc.Arbitrary<RoundReport>;

it("are what they were, with every field and no other", () => {
  fc.assert(
    fc.property(fc.array(report, { maxLength: 8 }), (reports) => {
      expect(unpackReports(structuredClone(packReports(reports)))).toStrictEqual(reports);
    }),
  );
});
