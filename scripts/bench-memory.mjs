// What a peer's memory peaks at: `npm run -s bench:memory [parameters]`, 100 M unless told.
//
// One DeepSqueeze peer with sign and two neighbours learns for three rounds. Its trainer keeps nothing and its
// neighbours answer with what it sends, so that all that is counted is the peer's own: the growth of the process's
// largest resident size, in vectors of the model's size. Then the same with a closing consensus of two exact
// exchanges, which takes such a model part by part. Every case has a process of its own. Reads dist/. The last line is JSON.
import { execFileSync } from "node:child_process";
import { totalRounds } from "../dist/algorithms/closing.js";
import { deepsqueeze } from "../dist/algorithms/deepsqueeze.js";
import { noTraffic } from "../dist/exchange/transport.js";
import { systemClock } from "../dist/foundation/clock.js";
import { createPeer } from "../dist/peer.js";
import { stateless } from "../dist/trainers/trainer.js";
import { createLayout } from "../dist/vectors/layout.js";

const parameters = Number(process.argv[2] ?? 100_000_000);
const CLOSING = "--closing";

/** Answers for both neighbours with what was sent to them, in memory that is used again, as the libp2p transport does. */
function echoTransport() {
  const events = [];
  const spare = [];
  return {
    send(to, frame) {
      const { length } = frame.payload;
      const index = spare.findIndex(({ byteLength }) => byteLength >= length);
      const memory = index < 0 ? new ArrayBuffer(length) : spare.splice(index, 1)[0];
      const payload = new Uint8Array(memory, 0, length);
      payload.set(frame.payload);
      const release = () => spare.unshift(memory);
      events.push({ kind: "frame", peer: to, frame: { ...frame, payload }, release });
      events.push({ kind: "acknowledged", peer: to });
    },
    async next() {
      while (events.length === 0) await new Promise((resolve) => setImmediate(resolve));
      return events.shift();
    },
    refuse() {},
    traffic: noTraffic,
    async close() {},
  };
}

async function peakVectors(closingRates) {
  const trainer = {
    layout: createLayout([{ name: "weights", shape: [parameters] }]),
    initialize: (model) => model.fill(0.01),
    async gradient(_, out, step) {
      for (let k = 0; k < out.length; k++) out[k] = k % 7 === step ? -0.01 : 0;
      return 1;
    },
    evaluate: async () => ({ loss: 1 }),
    ...stateless,
    dispose() {},
  };
  const before = process.resourceUsage().maxRSS;
  const plan = {
    seed: 1,
    algorithm: deepsqueeze,
    compressor: { kind: "sign", scope: "tensor", block: 256 },
    rounds: 3,
    learningRate: () => 0.1,
    optimizer: { kind: "sgd", weightDecay: 0 },
    localSteps: 1,
    consensusRate: () => 0.5,
    closingRates,
    evaluateEvery: 0,
  };
  const peer = createPeer({
    id: 0,
    neighbours: [1, 2].map((peer) => ({ peer, weight: 1 / 3 })),
    plan,
    trainer,
  });
  let rounds = 0;
  for await (const { round } of peer.run({ transport: echoTransport(), clock: systemClock })) {
    rounds = round + 1;
    // The reader of events waits for ever; a run that is over need not.
    if (rounds === peer.rounds) break;
  }
  if (rounds !== totalRounds(plan, parameters)) throw new Error(`the peer stopped after round ${rounds}`);
  return ((process.resourceUsage().maxRSS - before) * 1024) / (4 * parameters);
}

if (process.argv.includes("--measure")) {
  console.log(await peakVectors(process.argv.includes(CLOSING) ? [0.5, 0.5] : []));
  process.exit(0);
} else {
  const measure = (...options) =>
    Number(
      execFileSync(process.execPath, [
        import.meta.filename ?? new URL(import.meta.url).pathname,
        String(parameters),
        "--measure",
        ...options,
      ]),
    );
  const learning = measure();
  const closing = measure(CLOSING);
  console.log(
    `${parameters.toLocaleString("en")} parameters, sign, two neighbours, in model-sized vectors: learning ${learning.toFixed(2)}, with a closing consensus ${closing.toFixed(2)}`,
  );
  console.log(JSON.stringify({ benchmark: "memory", parameters, learning, closing }));
}
