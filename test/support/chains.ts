import fc from "fast-check";
import { activityNames, type Chain, MAX_CHAIN } from "../../src/exchange/waiting.js";

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

/** Any chain that a heartbeat can carry: all but the last peer wait, and none is there twice. */
export const chains: fc.Arbitrary<Chain> = fc
  .tuple(
    fc.uniqueArray(fc.oneof(fc.nat({ max: 8 }), uint32), { minLength: 1, maxLength: MAX_CHAIN }),
    fc.constantFrom(...activityNames),
    fc.array(uint32, { minLength: MAX_CHAIN, maxLength: MAX_CHAIN }),
  )
  .map(([peers, last, times]) => {
    const [first, ...others] = peers.map((peer, place) => ({
      peer,
      activity: place === peers.length - 1 ? last : ("waiting" as const),
      forMs: times[place]!,
    }));
    return [first!, ...others];
  });
