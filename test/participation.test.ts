import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Participation, participation } from "../src/exchange/participation.js";

const peers = 12;
const pairs = Array.from({ length: peers }, (_, a) =>
  Array.from({ length: a }, (_, b) => [a, b] as const),
).flat();
const shares = fc.double({ min: 0.05, max: 1, noNaN: true });
const any = fc.oneof(
  shares,
  shares.map((share): Participation => ({ peers: share })),
);

describe("participation", () => {
  it("is the same at both ends, and the same again", () => {
    fc.assert(
      fc.property(any, fc.integer(), fc.nat(1e6), (share, seed, round) => {
        const [works, again] = [participation(seed, share), participation(seed, share)];
        for (const [a, b] of pairs) {
          expect(works(a, b, round)).toBe(works(b, a, round));
          expect(again(a, b, round)).toBe(works(a, b, round));
        }
      }),
    );
  });

  it("of peers works on all edges between those that take part, and on no others", () => {
    fc.assert(
      fc.property(shares, fc.integer(), fc.nat(1e6), (share, seed, round) => {
        const works = participation(seed, { peers: share });
        const on = pairs.filter(([a, b]) => works(a, b, round));
        const members = [...new Set(on.flat())];
        expect(2 * on.length).toBe(members.length ** 2 - members.length);
      }),
    );
  });

  it.each([
    ["edges", 0.5, 0.5],
    ["peers", { peers: 0.5 }, 0.25],
  ])("works on the share of %s in the long run", (_, share, expected) => {
    const works = participation(3, share);
    let on = 0;
    for (let round = 0; round < 4000; round++) if (works(2, 7, round)) on++;
    // Five standard deviations of a coin thrown so often.
    expect(Math.abs(on / 4000 - expected)).toBeLessThan(5 * Math.sqrt(0.25 / 4000));
  });

  it("of everything leaves nothing out", () => {
    for (const share of [1, { peers: 1 }]) {
      expect(pairs.every(([a, b]) => participation(1, share)(a, b, 0))).toBe(true);
    }
  });
});
