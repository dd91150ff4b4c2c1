// How fast every compressor is, next to memory.copy in the same memory: `npm run -s bench:kernels [-- --quick]`.
//
// Reads dist/. One run: for 272 k (ResNet-20), 10 M and 100 M parameters in one tensor, the median over several
// rounds in which every measured call takes its turn, so that whatever else the machine does meanwhile falls on all of
// them. `--quick` leaves 100 M out, `--size N` takes N parameters only, `--only KIND` one kind of compressor.
// Bytes that must move: what the format cannot do without reading or writing once, counted here per number; a
// scale that belongs to the whole tensor takes one reading more. The copy's bytes are the vector read and written.
// `--threads N` instead sets N threads beside one, in turns, for 10 M parameters: what is limited by the memory gains
// little, and with no core free nothing does. The last line is JSON.
import { parseArgs } from "node:util";
import { deepsqueeze } from "../dist/algorithms/deepsqueeze.js";
import { compressorSettings, createCompressor } from "../dist/compressors/index.js";
import { normal, random } from "../dist/foundation/random.js";
import { createReferenceKernels } from "../dist/kernels/reference.js";
import { createSimdKernels } from "../dist/kernels/simd.js";
import { createMixingRule } from "../dist/mixing-rules/index.js";
import { workerThreads } from "../dist/threads/node.js";
import { createLayout } from "../dist/vectors/layout.js";
import { createVectorSpace } from "../dist/vectors/vector.js";
import { createBareKernels } from "./bare-memory.mjs";

/** Compressors, and what of a vector of float32 a squeeze must read before it can write (1 when a scale needs it all). */
const CASES = [
  { name: "identity", written: { kind: "identity" } },
  { name: "sign, block 256", written: { kind: "sign", scope: "block" } },
  { name: "sign, tensor", written: { kind: "sign" }, readsAhead: 1 },
  { name: "float16", written: { kind: "float16" } },
  { name: "min–max 4 bit", written: { kind: "minmax", bits: 4 } },
  { name: "min–max 4 bit, block 64", written: { kind: "minmax", bits: 4, block: 64 } },
  { name: "min–max 4 bit, nearest", written: { kind: "minmax", bits: 4, rounding: "nearest" } },
  { name: "min–max 8 bit", written: { kind: "minmax", bits: 8 } },
  { name: "QSGD 7 levels", written: { kind: "qsgd" } },
  { name: "QSGD, entropy coded", written: { kind: "qsgd", coding: "entropy" } },
  { name: "natural", written: { kind: "natural" } },
  { name: "ternary", written: { kind: "ternary" } },
  { name: "top-k 1 %", written: { kind: "topk", ratio: 0.01 }, sparse: true },
  { name: "random-k 1 %", written: { kind: "randomk", ratio: 0.01 }, sparse: true },
];

const SCALE = 0.37;

const median = (times) => times.toSorted((a, b) => a - b)[times.length >> 1];

/** A space with its own memory.copy, and a compressor of each case in it. */
function workplace(cases, length, createKernels, threads) {
  const layout = createLayout([{ name: "weights", shape: [length] }]);
  let memory;
  // Payloads and their staging take less than two vectors for identity, and less than one for any other.
  const capacity = 4 * length * (5 + 0.75 * cases.length) + (1 << 22);
  const space = createVectorSpace(
    Math.min(capacity, 2 ** 32 - (1 << 17)),
    (given) => {
      memory = given;
      return createKernels(given);
    },
    threads,
  );
  const vectors = { source: space.vector(length), vector: space.vector(length), out: space.vector(length) };
  // Normal numbers, drawn once for the first million and then repeated with other sizes.
  const stream = random(7, "bench");
  const { source } = vectors;
  const drawn = Math.min(length, 1_000_003);
  for (let k = 0; k < drawn; k++) source[k] = 0.05 * normal(stream, k);
  for (let k = drawn; k < length; k += drawn) source.set(source.subarray(0, Math.min(drawn, length - k)), k);
  const bare = threads ? undefined : createBareKernels(memory);
  const copyVector = () => bare.copy(vectors.vector.byteOffset, source.byteOffset, 4 * length);
  const compressors = cases.map(({ written }) =>
    createCompressor(compressorSettings.parse(written), { layout, space }),
  );
  return { layout, space, ...vectors, bare, copyVector, compressors };
}

function timed(act) {
  const started = performance.now();
  act();
  return performance.now() - started;
}

/** Median milliseconds of squeeze, addTo and the copies between them, per case. */
function measure(cases, length, rounds, createKernels) {
  const { copyVector, compressors, vector, out } = workplace(cases, length, createKernels);
  const times = cases.map(() => ({ squeeze: [], addTo: [], bytes: 0 }));
  const copies = [];
  const warm = createKernels === createSimdKernels ? 1 : 0;
  for (let round = -warm; round < rounds; round++) {
    compressors.forEach((compressor, c) => {
      const copyMs = timed(copyVector);
      let payload;
      const squeezeMs = timed(() => {
        payload = compressor.squeeze(vector, random(round, "squeeze"));
      });
      const addMs = timed(() => compressor.addTo(out, payload, SCALE));
      if (round < 0) return;
      copies.push(copyMs);
      times[c].squeeze.push(squeezeMs);
      times[c].addTo.push(addMs);
      times[c].bytes = payload.length;
    });
  }
  return {
    copyMs: median(copies),
    results: times.map(({ squeeze, addTo, bytes }) => ({
      squeezeMs: median(squeeze),
      addToMs: median(addTo),
      bytes,
    })),
  };
}

/** A DeepSqueeze round between two neighbours, sign with a scale per tensor: its parts in median milliseconds. */
function measureRound(length, rounds) {
  const { layout, space, source, vector, out, copyVector } = workplace([], length, createSimdKernels);
  const compressor = createCompressor(compressorSettings.parse({ kind: "sign" }), { layout, space });
  const edges = [1, 2].map((peer) => ({ peer, weight: 1 / 3 }));
  const mixing = createMixingRule({ kind: "mean" }, { compressor, layout, space, edges });
  const algorithm = deepsqueeze.create({ id: 0, model: out, layout, space, compressor, mixing, edges });
  const update = space.vector(length);
  out.set(source);
  const payloads = edges.map(({ peer }) => {
    vector.set(source);
    return compressor.squeeze(vector, random(peer)).slice();
  });
  const parts = { copy: [], encode: [], check: [], mix: [], round: [] };
  for (let round = 0; round < rounds; round++) {
    parts.copy.push(timed(copyVector));
    const steps = algorithm.round(update, {
      edges,
      round: 0,
      learningRate: 0,
      consensusRate: 0.5,
      random: () => random(round),
    });
    let own;
    const encode = timed(() => {
      own = steps.next().value;
    });
    const check = timed(() => {
      for (const payload of payloads) compressor.check(payload);
    });
    const settled = edges.map((edge, k) => ({ edge, own, theirs: payloads[k], rate: 0.5 }));
    const mix = timed(() => steps.next(settled));
    parts.encode.push(encode);
    parts.check.push(check);
    parts.mix.push(mix);
    parts.round.push(encode + check + mix);
  }
  return Object.fromEntries(Object.entries(parts).map(([part, times]) => [`${part}Ms`, median(times)]));
}

/**
 * What the memory itself takes for a hundredth of the numbers at places known beforehand, in median milliseconds:
 * reading them, and adding to them. A sparse addTo also has to check its payload and to find the places.
 */
function measureScatter(length, rounds) {
  const { space, source, out, bare, copyVector } = workplace([], length, createSimdKernels);
  const count = Math.floor(length / 100);
  const stream = random(3, "places");
  const addresses = space.bytes(4 * count);
  new Uint32Array(space.buffer, addresses.byteOffset, count).set(
    Uint32Array.from(
      { length: count },
      (_, k) => out.byteOffset + 4 * Math.floor(100 * (k + stream.uniform(k))),
    ),
  );
  const parts = { copy: [], read: [], add: [] };
  for (let round = -1; round < rounds; round++) {
    const copy = timed(copyVector);
    const read = timed(() => bare.sumAt(addresses.byteOffset, count));
    copyVector();
    const add = timed(() => bare.addAt(addresses.byteOffset, count, source.byteOffset));
    if (round < 0) continue;
    parts.copy.push(copy);
    parts.read.push(read);
    parts.add.push(add);
  }
  return Object.fromEntries(Object.entries(parts).map(([part, times]) => [`${part}Ms`, median(times)]));
}

/** Median milliseconds of the vector kernels and of every compressor with one thread and with `threads`, in turns. */
function measureThreads(cases, length, rounds, threads) {
  const places = [undefined, threads].map((shared) => workplace(cases, length, createSimdKernels, shared));
  const acts = new Map();
  const act = (name, prepare, run) => acts.set(name, { prepare, run, times: places.map(() => []) });
  for (const name of ["add", "addScaled", "moveTo"]) {
    act(name, undefined, ({ space, vector, out }) =>
      space.kernels[name](out.byteOffset, vector.byteOffset, length, SCALE),
    );
  }
  for (const name of ["sumOfSquares", "sumOfMagnitudes", "allFinite"]) {
    act(name, undefined, ({ space, vector }) => space.kernels[name](vector.byteOffset, length));
  }
  cases.forEach(({ name }, c) => {
    const renew = ({ vector, source }) => vector.set(source);
    act(`${name}: squeeze`, renew, (place) => {
      place.payload = place.compressors[c].squeeze(place.vector, random(1, "squeeze"));
    });
    act(`${name}: addTo`, undefined, (place) => place.compressors[c].addTo(place.out, place.payload, SCALE));
  });
  for (let round = -1; round < rounds; round++) {
    for (const { prepare, run, times } of acts.values()) {
      places.forEach((place, p) => {
        prepare?.(place);
        const ms = timed(() => run(place));
        if (round >= 0) times[p].push(ms);
      });
    }
  }
  return [...acts].map(([name, { times }]) => {
    const [oneMs, manyMs] = times.map(median);
    return { name, parameters: length, threads: threads.count, oneMs, manyMs, speedUp: oneMs / manyMs };
  });
}

const pad = (text, width) => String(text).padStart(width);
const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean" },
    size: { type: "string" },
    only: { type: "string" },
    threads: { type: "string" },
  },
});
const sizes = options.size
  ? [Number(options.size)]
  : [272_474, 10_000_000, ...(options.quick ? [] : [100_000_000])];
const cases = CASES.filter(({ written }) => !options.only || written.kind === options.only);
const report = [];

if (options.threads) {
  const length = options.size ? Number(options.size) : 10_000_000;
  const threads = await workerThreads(Number(options.threads))(length);
  if (threads.warning) console.log(threads.warning);
  console.log(`${length.toLocaleString("en")} parameters, 1 thread and ${threads.count} in turns, ms`);
  for (const line of measureThreads(cases, length, 15, threads)) {
    report.push(line);
    const columns = [line.oneMs.toFixed(3), line.manyMs.toFixed(3), `${line.speedUp.toFixed(2)} ×`];
    console.log(`${line.name.padEnd(34)}${columns.map((column) => pad(column, 10)).join("")}`);
  }
  threads.close();
} else {
  for (const length of sizes) measureSize(length);
}
console.log(JSON.stringify({ benchmark: "kernels", results: report }));

function measureSize(length) {
  const rounds = length < 1e6 ? 101 : length < 5e7 ? 15 : 3;
  const { copyMs, results } = measure(cases, length, rounds, createSimdKernels);
  // The reference is for reading, not for speed: once is enough.
  const reference =
    options.quick || options.size || length > 1e7
      ? undefined
      : measure(cases, length, 1, createReferenceKernels);
  const copyGBs = (8 * length) / copyMs / 1e6;
  console.log(
    `\n${length.toLocaleString("en")} parameters; memory.copy ${copyMs.toFixed(3)} ms, ${copyGBs.toFixed(1)} GB/s`,
  );
  console.log(
    "                        | squeeze   ms   GB/s  ratio × copy  reference ms | addTo    ms   GB/s  ratio × copy  reference ms",
  );
  cases.forEach(({ name, readsAhead = 0, sparse }, c) => {
    const { squeezeMs, addToMs, bytes } = results[c];
    // A sparse compressor's choice needs one reading; what it keeps is written, and cleared where it was.
    const squeezeBytes = sparse
      ? (name.startsWith("top") ? 4 * length : 0) + 2 * bytes
      : (8 + 4 * readsAhead) * length + bytes;
    const addToBytes = sparse ? 3 * bytes : 8 * length + bytes;
    const line = { compressor: name, parameters: length, payloadBytes: bytes, copyMs };
    const columns = [
      [squeezeMs, squeezeBytes, reference?.results[c].squeezeMs],
      [addToMs, addToBytes, reference?.results[c].addToMs],
    ].map(([ms, mustMove, referenceMs], which) => {
      const gigabytes = mustMove / ms / 1e6;
      line[which ? "addTo" : "squeeze"] = {
        ms,
        gigabytesPerSecond: gigabytes,
        ratio: gigabytes / copyGBs,
        timesCopy: ms / copyMs,
        ...(referenceMs !== undefined && { referenceMs }),
      };
      return [
        pad(ms.toFixed(3), 11),
        pad(gigabytes.toFixed(1), 6),
        pad((gigabytes / copyGBs).toFixed(2), 6),
        pad((ms / copyMs).toFixed(2), 6),
        pad(referenceMs?.toFixed(1) ?? "–", 13),
      ].join(" ");
    });
    report.push(line);
    console.log(`${name.padEnd(24)}|${columns.join(" |")}`);
  });
  if (!options.only || options.only.endsWith("k")) {
    const scatter = measureScatter(length, rounds);
    report.push({ scatter: "bare, 1 % of the numbers", parameters: length, ...scatter });
    const [read, add] = [scatter.readMs, scatter.addMs].map((ms) => (ms / scatter.copyMs).toFixed(2));
    console.log(`1 % of the numbers at known places, in copies: reading them ${read}, adding to them ${add}`);
  }
  if (!options.only || options.only === "sign") {
    const round = measureRound(length, rounds);
    report.push({ round: "deepsqueeze, sign, two neighbours", parameters: length, ...round });
    const parts = ["encode", "check", "mix", "round"].map(
      (part) => `${part} ${(round[`${part}Ms`] / round.copyMs).toFixed(2)}`,
    );
    console.log(`DeepSqueeze round with sign and two neighbours, in copies: ${parts.join(", ")}`);
  }
}
