/** Bytes and frames that a hostile neighbour or a damaged disk may bring, for all that reads them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decoderTargets } from "./fuzz-decoders.js";
import { createCodec, playLedger } from "./fuzz-ledger.js";
import { everyCompressor } from "./gossip.js";
import { createMutator } from "./mutate.js";

export interface Count {
  accepted: number;
  refused: number;
}

export interface Fuzzer {
  /** By what they were for. */
  readonly counts: Readonly<Record<string, Count>>;
  readonly inputs: number;
  /** One input for each decoder, and now and then a ledger's episode. @throws Error a law is broken; it has the input */
  next(): Promise<void>;
  close(): void;
}

/** Turns between two episodes of a ledger, which have about 20 frames each. */
const TURNS_PER_EPISODE = 40;

export async function createFuzzer(seed: number): Promise<Fuzzer> {
  const folder = mkdtempSync(join(tmpdir(), "murmuration-fuzz-"));
  const mutator = createMutator(seed);
  const targets = await decoderTargets(folder);
  const codecs = everyCompressor.map(createCodec);
  const counts: Record<string, Count> = {};
  const countOf = (name: string): Count => {
    counts[name] ??= { accepted: 0, refused: 0 };
    return counts[name];
  };
  let turns = 0;
  let inputs = 0;
  return {
    counts,
    get inputs() {
      return inputs;
    },
    async next() {
      for (const { name, corpus, refusal, oneIn, decode } of targets) {
        if (turns % oneIn !== 0) continue;
        const bytes = mutator.mutate(corpus);
        const count = countOf(name);
        inputs++;
        try {
          await decode(bytes, mutator);
          count.accepted++;
        } catch (error) {
          if (!(error instanceof refusal)) {
            throw new Error(`${name} on ${Buffer.from(bytes).toString("hex")}`, { cause: error });
          }
          count.refused++;
        }
      }
      if (turns % TURNS_PER_EPISODE === 0) {
        const episode = turns / TURNS_PER_EPISODE;
        const isBarrier = episode % 2 === 0;
        const name = `ledger, ${isBarrier ? "barrier" : "patience"}`;
        const { accepted, refused } = playLedger(codecs[episode % codecs.length]!, isBarrier, mutator);
        const count = countOf(name);
        count.accepted += accepted;
        count.refused += refused;
        inputs += accepted + refused;
      }
      turns++;
    },
    close: () => rmSync(folder, { recursive: true }),
  };
}
