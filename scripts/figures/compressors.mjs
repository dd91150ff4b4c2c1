// What compressors promise, measured on normal numbers: contraction, bias, variance and the size of a payload.
import { compressorSettings, createCompressor } from "../../dist/compressors/index.js";
import { normal, random } from "../../dist/foundation/random.js";
import { createLayout } from "../../dist/vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../../dist/vectors/vector.js";
import { SEED } from "./gossip.mjs";
import { atMost, CLOSED_FORM, factor, PROTOTYPE, row, within } from "./row.mjs";

const LENGTH = 1000;
const DRAWS = 1000;

export function* rows() {
  yield* contractions();
  yield* unbiased();
  yield* payloads();
}

const normals = (length = LENGTH) => {
  const draws = random(SEED, "numbers");
  return Float32Array.from({ length }, (_, k) => normal(draws, k));
};
const squares = (vector) => vector.reduce((sum, x) => sum + x * x, 0);
const whole = (kind, more) => ({ kind, scope: "whole", ...more });

/** C(v) once, and the error that `squeeze` leaves. */
function apply(settings, numbers, draw = 0) {
  const layout = createLayout([{ name: "numbers", shape: [numbers.length] }]);
  const space = createVectorSpace(spaceBytes(4, numbers.length, 1 << 20));
  const compressor = createCompressor(compressorSettings.parse(settings), { layout, space });
  const [vector, out] = [space.vector(numbers.length), space.vector(numbers.length)];
  const once = (draw) => {
    vector.set(numbers);
    const payload = compressor.squeeze(vector, random(SEED, "squeeze", draw));
    compressor.addTo(out.fill(0), payload, 1);
    return { out, error: squares(vector), bytes: payload.length };
  };
  return { ...once(draw), once };
}

function* contractions() {
  const numbers = normals();
  const size = squares(numbers);
  for (const ratio of [0.01, 0.1, 0.5]) {
    const { error } = apply({ kind: "topk", ratio }, numbers);
    yield row(`top ${100 * ratio} %: ‖C(v) − v‖²/‖v‖²`, CLOSED_FORM, 1 - ratio, error / size, atMost());
  }
  // Numbers of one magnitude attain the bound.
  const flat = apply({ kind: "topk", ratio: 0.1 }, new Float32Array(LENGTH).fill(1));
  yield row(
    "top 10 % of equal numbers: ‖C(v) − v‖²/‖v‖²",
    CLOSED_FORM,
    0.9,
    flat.error / LENGTH,
    within(1e-6),
  );
  const scale = numbers.reduce((sum, x) => sum + Math.abs(x), 0);
  const expected = 1 - scale ** 2 / LENGTH / size;
  const { error } = apply(whole("sign"), numbers);
  yield row("sign: ‖C(v) − v‖²/‖v‖² = 1 − ‖v‖₁²/(d‖v‖²)", CLOSED_FORM, expected, error / size, within(1e-6));
}

/** E C(v) and E‖C(v) − v‖² over draws. */
function moments(settings, numbers) {
  const { once } = apply(settings, numbers);
  const mean = new Float64Array(numbers.length);
  let [variance, second] = [0, 0];
  for (let draw = 0; draw < DRAWS; draw++) {
    const { out, error } = once(draw);
    for (let k = 0; k < mean.length; k++) mean[k] += out[k] / DRAWS;
    variance += error / DRAWS;
    second += squares(out) / DRAWS;
  }
  const size = squares(numbers);
  const bias = squares(mean.map((x, k) => x - numbers[k])) / size;
  return { bias, variance: variance / size, second: second / size };
}

function* unbiased() {
  const numbers = normals();
  for (const [levels, measured] of [[4, 5.3], [16, 0.66], [127]]) {
    const { bias, variance } = moments(whole("qsgd", { levels, unscaled: true }), numbers);
    const bound = Math.min(LENGTH / levels ** 2, Math.sqrt(LENGTH) / levels);
    const name = `QSGD s = ${levels}, d = 1000`;
    const most = "Alistarh et al. 2017, Lemma 3.1";
    yield row(`${name}: variance ω = E‖Q(v) − v‖²/‖v‖²`, most, bound, variance, atMost());
    if (measured) yield row(`${name}: ω on normal numbers`, PROTOTYPE, measured, variance, factor(1.1));
    // The mean of independent draws is off by ω over their count.
    yield row(
      `${name}: ‖mean of ${DRAWS} − v‖²/‖v‖², unbiased`,
      CLOSED_FORM,
      variance / DRAWS,
      bias,
      factor(1.3),
    );
  }
  const natural = moments({ kind: "natural" }, normals(20_000));
  const source = "Horváth et al. 2019, Theorem 1";
  yield row(
    "natural compression: second moment on normal numbers",
    PROTOTYPE,
    1.082,
    natural.second,
    within(2e-3),
  );
  yield row(
    `natural compression: ‖mean of ${DRAWS} − v‖²/‖v‖², unbiased`,
    CLOSED_FORM,
    natural.variance / DRAWS,
    natural.bias,
    factor(1.3),
  );
  // 4/3 of a power of two is the worst number: E C(v)² / v² = 9/8.
  const worst = moments({ kind: "natural" }, new Float32Array(LENGTH).fill(4 / 3));
  yield row(
    "natural compression: second moment of the worst number",
    source,
    9 / 8,
    worst.second,
    within(1e-3),
  );
}

/** Parameters of ResNet-20. */
const RESNET_20 = 272_474;
const MEGABYTE = 2 ** 20;

/** One tensor of that size. Theirs counts 32 bits for an index; here places are coded, or drawn from a key. */
function* payloads() {
  const numbers = normals(RESNET_20);
  for (const [name, settings, theirs] of [
    ["exact", { kind: "identity" }, 1.04],
    ["QSGD 8 bit", whole("qsgd", { levels: 127 }), 0.26],
    ["QSGD 4 bit", whole("qsgd", { levels: 7 }), 0.13],
    ["QSGD 2 bit", whole("qsgd", { levels: 1 }), 0.065],
    ["sign", { kind: "sign", scope: "tensor" }, 0.032],
    ["top 1 %", { kind: "topk", ratio: 0.01 }, 0.031],
    ["random 1 %", { kind: "randomk", ratio: 0.01 }, 0.031],
  ]) {
    const ours = apply(settings, numbers).bytes / MEGABYTE;
    yield row(
      `payload of ResNet-20, ${name}, MB`,
      "Koloskova et al. 2020, Table 1",
      theirs,
      ours,
      atMost(1.03),
    );
  }
}
