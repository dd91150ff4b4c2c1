// Fuzzes everything that reads bytes of others, and the ledger: `npm run -s fuzz:frames [-- COUNT [SEED]]`, a million
// inputs unless told.
//
// Mutated bytes for the decoders of frames, the messages of a stream, heartbeats, hellos, refusals, saved models, checkpoints
// and journals; and, for ledgers with a real compressor's check, at the barrier and with patience, frames that are mutated,
// replayed and out of order. It fails when anything but a typed error comes out, a ledger breaks an invariant, an honest
// exchange does not settle where the rules allow it, an input takes longer than 2 s, or memory grows by more than 16 MiB
// after the first tenth. Equal seeds give equal inputs. See test/support/fuzz-frames.ts. No build is needed. The last
// line is JSON.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadTestCode } from "./test-code.mjs";

const LONGEST_MS = 2000;
const MOST_GROWN_BYTES = 16 << 20;
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");
const memory = () => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

const [count = 1_000_000, seed = 1] = process.argv.slice(2).map(Number);
const { createFuzzer } = await loadTestCode("test/support/fuzz-frames.ts");
const started = performance.now();
const fuzzer = await createFuzzer(seed);
let slowestMs = 0;
let before;
try {
  while (fuzzer.inputs < count) {
    const began = performance.now();
    await fuzzer.next();
    slowestMs = Math.max(slowestMs, performance.now() - began);
    if (slowestMs > LONGEST_MS) throw new Error(`an input took ${slowestMs} ms`);
    if (before === undefined && fuzzer.inputs >= count / 10) before = memory();
  }
} finally {
  fuzzer.close();
}
const grownBytes = memory() - before;
if (grownBytes > MOST_GROWN_BYTES) throw new Error(`memory grew by ${grownBytes} bytes`);
for (const [name, { accepted, refused }] of Object.entries(fuzzer.counts)) {
  console.log(
    `${name.padEnd(20)} ${String(accepted).padStart(8)} accepted ${String(refused).padStart(8)} refused`,
  );
}
const { inputs } = fuzzer;
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ fuzz: "frames", seed, inputs, seconds, slowestMs, grownBytes, failures: 0 }));
