import { describe, expect, it } from "vitest";
import { createLedger, type Ledger, type LedgerOptions } from "../src/exchange/ledger.js";
import { createFuzzer } from "./support/fuzz-frames.js";
import { createCodec, playLedger } from "./support/fuzz-ledger.js";
import { everyCompressor } from "./support/gossip.js";
import { createMutator } from "./support/mutate.js";

/** Enough for every decoder and ledger; npm run fuzz:frames has a million. */
const INPUTS = 20_000;

async function fuzz(seed: number, inputs: number) {
  const fuzzer = await createFuzzer(seed);
  try {
    while (fuzzer.inputs < inputs) await fuzzer.next();
    return fuzzer.counts;
  } finally {
    fuzzer.close();
  }
}

describe("mutated bytes and frames", () => {
  it("meet typed errors in every decoder, and ledgers that keep their invariants", async () => {
    const counts = await fuzz(1, INPUTS);
    expect(Object.keys(counts)).toEqual([
      ...[
        "frame",
        "messages",
        "heartbeat",
        "notice",
        "answer to join",
        "status",
        "hello",
        "refusal",
        "safetensors",
        "checkpoint",
        "journal",
      ],
      ...["ledger, barrier", "ledger, patience"],
    ]);
    // Both kinds of inputs come up: those that are still right, and those that are not.
    for (const [name, { accepted, refused }] of Object.entries(counts)) {
      expect(accepted, name).toBeGreaterThan(0);
      if (name !== "journal") expect(refused, name).toBeGreaterThan(0);
    }
  });

  it("are the same for the same seed", async () => {
    expect(await fuzz(3, 500)).toEqual(await fuzz(3, 500));
    expect(await fuzz(3, 500)).not.toEqual(await fuzz(4, 500));
  });

  const faults: Record<string, readonly [(ledger: Ledger) => Partial<Ledger>, RegExp]> = {
    "a ledger that keeps the memory of refused frames": [
      ({ received }) => ({ received: (from, frame) => received(from, frame, () => {}) }),
      /releases a refused frame 0 times/,
    ],
    "a ledger that settles at another rate": [
      ({ takeSettled }) => ({ takeSettled: () => takeSettled().map((each) => ({ ...each, rate: 2 })) }),
      /settles other pairs than its honest neighbour/,
    ],
    "a ledger that loses what has settled": [
      ({ takeSettled }) => ({ takeSettled: () => takeSettled().slice(1) }),
      /settles nothing with an honest neighbour|settles other pairs/,
    ],
  };
  it.each(Object.entries(faults))("bring to light %s", (_name, [fault, message]) => {
    const faulty = (options: LedgerOptions) => {
      const ledger = createLedger(options);
      return { ...ledger, ...fault(ledger) };
    };
    const codec = createCodec(everyCompressor[0]!);
    const mutator = createMutator(1);
    expect(() => {
      for (let episode = 0; episode < 50; episode++) playLedger(codec, false, mutator, faulty);
    }).toThrow(message);
  });
});
