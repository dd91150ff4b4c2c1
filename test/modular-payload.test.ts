import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { createModularPayload, MODULAR_BLOCK, widened } from "../src/algorithms/modular-payload.js";
import { MalformedPayload } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import { createGraph } from "../src/graphs/index.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { createLayout } from "../src/vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../src/vectors/vector.js";
import { expectError } from "./support/errors.js";
import { createGossip, largestDifference } from "./support/gossip.js";

function bench(length: number) {
  const space = createVectorSpace(spaceBytes(6, length, 1 << 16));
  const codec = createModularPayload(length, space);
  const vectors = [space.vector(length), space.vector(length), space.vector(length)] as const;
  return { codec, vectors, ranges: space.vector(codec.blocks), understood: space.bytes(codec.blocks) };
}

describe("numbers modulo a range", () => {
  it("are understood by everybody within the range, to the bit alike, and never wrongly by anybody", () => {
    let lost = 0;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 400 }),
        fc.nat(),
        fc.integer({ min: -20, max: 10 }),
        fc.double({ min: 0, max: 6, noNaN: true }),
        (length, seed, power, apart) => {
          const { codec, vectors, ranges, understood } = bench(length);
          const [sent, near, out] = vectors;
          const range = 2 ** power;
          ranges.fill(range);
          for (let k = 0; k < length; k++) {
            sent[k] = 3 * normal(random(seed, "sent"), k);
            near[k] = sent[k]! + apart * range * (2 * random(seed, "near").uniform(k) - 1);
          }
          const payload = codec.encode(sent, ranges).slice();
          expect(payload.length).toBe(codec.bytes);
          codec.check(payload);
          codec.decode(payload, sent, out, understood);
          expect(understood.every((verdict) => verdict === 1)).toBe(true);
          const rounded = out.slice();
          // Half a step of 2 · 1.2 · range / 14, or half of the finest one.
          expect(largestDifference(rounded, sent)).toBeLessThanOrEqual(0.086 * range + 3e-6);
          codec.decode(payload, near, out, understood);
          for (let block = 0; block < codec.blocks; block++) {
            const first = block * MODULAR_BLOCK;
            const count = codec.countOf(block);
            if (apart <= 1) expect(understood[block]).toBe(1);
            if (understood[block] === 0) lost++;
            else expect(out.slice(first, first + count)).toEqual(rounded.slice(first, first + count));
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(lost).toBeGreaterThan(50);
  });

  it("have these bytes", () => {
    const { codec, vectors, ranges } = bench(3);
    ranges.fill(7 / 1.2);
    vectors[0].set([1, -2, 19]);
    // A step of 1, the checksum, and the residues 1, 14 and 3.
    const hex = Buffer.from(codec.encode(vectors[0], ranges)).toString("hex");
    expect(hex.slice(0, 8)).toBe("0000803f");
    expect(hex.slice(16)).toBe("e103");
  });

  it("are refused where they cannot be any", () => {
    const { codec, vectors, ranges } = bench(MODULAR_BLOCK + 1);
    const good = codec.encode(vectors[0], ranges).slice();
    const step = good.slice();
    new DataView(step.buffer).setFloat32(0, Number.NaN, true);
    const negative = good.slice();
    new DataView(negative.buffer).setFloat32(0, -1, true);
    for (const payload of [good.slice(1), new Uint8Array(0), step, negative]) {
      expectError(() => codec.check(payload), MalformedPayload, { code: "modular-payload" });
    }
    codec.checkVerdicts(Uint8Array.of(0, 1));
    for (const verdicts of [[1], [1, 2], [0, 0, 0]]) {
      expectError(() => codec.checkVerdicts(Uint8Array.from(verdicts)), MalformedPayload, {
        code: "modular-verdicts",
      });
    }
  });

  it("are taken for no further away than a limit, however often a neighbour does not understand them", () => {
    let range = 0;
    for (let k = 0; k < 100; k++) range = widened(range);
    expect(range).toBe(1e6);
    expect(widened(0)).toBe(4e-6);
  });

  it("agree as exact gossip does, without a floor", async () => {
    const gossip = createGossip({
      mixing: metropolisMixing(createGraph({ kind: "ring", peers: 8 })),
      layout: createLayout([{ name: "x", shape: [300] }]),
      algorithm: algorithms.moniqua,
      compressor: { kind: "identity" },
      ...{ rate: 1, rounds: 200, offset: 10 },
    });
    const [before, mean] = [gossip.consensusDistance(), gossip.mean()];
    while (await gossip.round());
    expect(gossip.consensusDistance() / before).toBeLessThan(1e-9);
    expect(largestDifference(gossip.mean(), mean)).toBeLessThan(1e-4);
  });
});
