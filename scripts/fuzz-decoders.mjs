// Coverage-guided fuzzing of every decoder: `npm run -s fuzz [-- SECONDS [SEED]]`, 60 seconds unless told.
//
// Mutates payloads and keeps those that reach new blocks of code, or reach them in new orders of magnitude of often, as
// V8's own coverage counts them, in the compressors and the reference kernels. Every input goes to the SIMD kernels too.
// It fails when a decoder throws anything but MalformedPayload, touches the vector before it throws, adds a number that
// is not finite, or when the two kinds of kernels disagree. Reads dist/. The last line is JSON.
import { Session } from "node:inspector";
import { compressorSettings, createCompressor } from "../dist/compressors/index.js";
import { MalformedPayload } from "../dist/foundation/errors.js";
import { normal, random } from "../dist/foundation/random.js";
import { createReferenceKernels } from "../dist/kernels/reference.js";
import { createSimdKernels } from "../dist/kernels/simd.js";
import { createLayout } from "../dist/vectors/layout.js";
import { createVectorSpace } from "../dist/vectors/vector.js";

const seconds = Number(process.argv[2] ?? 60);
const draws = random(Number(process.argv[3] ?? 1), "fuzz");
let drawn = 0;
const below = (n) => Math.floor(draws.uniform(drawn++) * n);

const LENGTHS = [37, 90];
const layout = createLayout(LENGTHS.map((length, t) => ({ name: `tensor ${t}`, shape: [length] })));
/** Every compressor there is, and the settings of some that change what their decoders do. */
const TARGETS = [
  ...compressorSettings.options.map(({ shape }) => ({ kind: shape.kind.value })),
  { kind: "sign", scope: "block", block: 40 },
  { kind: "minmax", bits: 2 },
  { kind: "minmax", bits: 8 },
  { kind: "qsgd", levels: 1 },
  { kind: "qsgd", levels: 1, scope: "whole", coding: "entropy" },
  { kind: "qsgd", levels: 100, coding: "entropy" },
  { kind: "topk", ratio: 0.02, scope: "whole" },
  { kind: "topk", ratio: 0.1 },
  { kind: "topk", ratio: 0.5 },
  { kind: "topk", ratio: 0.2, values: "natural" },
  { kind: "topsign", count: 3, scope: "block", block: 16 },
];
const SCALE = 0.5;
const FILL = 1;

const session = new Session();
session.connect();
/** Asks the inspector, which answers at once. */
function ask(method, parameters) {
  let answer;
  session.post(method, parameters, (error, result) => {
    if (error) throw error;
    answer = result;
  });
  return answer;
}
ask("Profiler.enable");
ask("Profiler.startPreciseCoverage", { callCount: true, detailed: true });

/** What ran since the last call: blocks of code, each with the order of magnitude of its count. */
function takeCoverage() {
  const reached = [];
  for (const { url, functions } of ask("Profiler.takePreciseCoverage").result) {
    if (!/dist\/(compressors|kernels\/reference)/.test(url)) continue;
    for (const { ranges } of functions) {
      for (const { startOffset, endOffset, count } of ranges) {
        if (count) reached.push(`${url}:${startOffset}-${endOffset}:${Math.floor(Math.log2(count))}`);
      }
    }
  }
  return reached;
}

function makeTarget(written) {
  const sides = [createSimdKernels, createReferenceKernels].map((kernels) => {
    const space = createVectorSpace(1 << 19, kernels);
    const compressor = createCompressor(compressorSettings.parse(written), { layout, space });
    return { compressor, vector: space.vector(layout.length), out: space.vector(layout.length) };
  });
  const corpus = [0, 1].map((seed) => {
    const [{ compressor, vector }] = sides;
    const stream = random(seed, "vector");
    for (let k = 0; k < vector.length; k++) vector[k] = seed ? normal(stream, k) : k === 50 ? 1 : 0;
    return compressor.squeeze(vector, random(seed)).slice();
  });
  return { written, sides, corpus, seen: new Set(), accepted: 0, refused: 0 };
}

function decode({ compressor, out }, payload) {
  out.fill(FILL);
  try {
    compressor.addTo(out, payload, SCALE);
  } catch (error) {
    if (!(error instanceof MalformedPayload)) throw error;
    if (out.some((x) => x !== FILL)) throw new Error(`${compressor.name} wrote before it refused`);
    return "refused";
  }
  if (!out.every(Number.isFinite)) throw new Error(`${compressor.name} added a number that is not finite`);
  return Buffer.from(out.slice().buffer).toString("latin1");
}

const INTERESTING = [0, 1, 0x7f, 0x80, 0xff, 0x7c, 0xf2, 0xf3];

function mutate(corpus) {
  let payload = corpus[below(corpus.length)].slice();
  for (let turns = 1 + below(4); turns > 0; turns--) {
    const at = below(Math.max(1, payload.length));
    const other = corpus[below(corpus.length)];
    const act = below(8);
    if (act === 0) payload = payload.slice(0, at);
    else if (act === 1)
      payload = Uint8Array.from([...payload.slice(0, at), below(256), ...payload.slice(at)]);
    else if (act === 2) payload = Uint8Array.from([...payload.slice(0, at), ...other.slice(at)]);
    else if (act === 3) payload = Uint8Array.from([...payload.slice(0, at), ...payload.slice(at + 1)]);
    else if (act === 4) payload[at] = INTERESTING[below(INTERESTING.length)];
    else if (act === 5) payload[at] = below(256);
    else payload[at] ^= 1 << below(8);
  }
  return payload;
}

const targets = TARGETS.map(makeTarget);
const deadline = performance.now() + 1000 * seconds;
let inputs = 0;
while (performance.now() < deadline) {
  const target = targets[inputs % targets.length];
  const payload = inputs < 2 * targets.length ? target.corpus[inputs % 2] : mutate(target.corpus);
  inputs++;
  takeCoverage();
  let results;
  try {
    results = target.sides.map((side) => decode(side, payload));
    if (results[0] !== results[1]) throw new Error("SIMD and reference kernels disagree");
  } catch (error) {
    console.error(`${JSON.stringify(target.written)} on ${Buffer.from(payload).toString("hex")}`);
    throw error;
  }
  target[results[0] === "refused" ? "refused" : "accepted"]++;
  const before = target.seen.size;
  for (const block of takeCoverage()) target.seen.add(block);
  if (target.seen.size > before && inputs > 2 * targets.length) target.corpus.push(payload);
}

for (const { written, corpus, seen, accepted, refused } of targets) {
  console.log(
    `${JSON.stringify(written).padEnd(64)} ${String(accepted).padStart(7)} accepted ${String(refused).padStart(7)} refused ${String(seen.size).padStart(4)} places in the code, ${corpus.length} payloads kept`,
  );
}
console.log(JSON.stringify({ fuzz: "decoders", seconds, inputs, failures: 0 }));
