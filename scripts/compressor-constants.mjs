// Constants of every compressor on normal numbers: `node scripts/compressor-constants.mjs [NUMBERS [DRAWS]]`, 100,000 numbers
// in one tensor and 10 draws unless told. Reads dist/; prints a Markdown table.
//
// The classes of biased compressors of Beznosikov et al. 2020, “On Biased Compression for Distributed Learning”,
// Definitions 2 to 4, measured for this vector, with C = E C(v) where C draws:
//
//     B¹(α, β)   α‖v‖² ≤ E‖C(v)‖² ≤ β⟨E C(v), v⟩
//     B²(γ, β)   max(γ‖v‖², E‖C(v)‖²/β) ≤ ⟨E C(v), v⟩
//     B³(δ)      E‖C(v) − v‖² ≤ (1 − 1/δ)‖v‖²
//
// The bound is the proven 1/δ for the worst vector of this layout, `Compressor.contraction`; 0 where there is none.
import { compressorSettings, createCompressor } from "../dist/compressors/index.js";
import { normal, random } from "../dist/foundation/random.js";
import { createLayout } from "../dist/vectors/layout.js";
import { createVectorSpace, spaceBytes } from "../dist/vectors/vector.js";

const count = Number(process.argv[2] ?? 100_000);
const draws = Number(process.argv[3] ?? 10);

/** The defaults of every kind, and settings that change what it is. */
const everyCompressor = [
  ...compressorSettings.options.map(({ shape }) => ({ kind: shape.kind.value })),
  { kind: "sign", scope: "block", block: 1024 },
  { kind: "minmax", bits: 2 },
  { kind: "qsgd", coding: "entropy" },
  { kind: "qsgd", levels: 4, unscaled: true },
  { kind: "topk", ratio: 0.1 },
  { kind: "topk", ratio: 0.1, values: "natural" },
  { kind: "topk", ratio: 0.1, scope: "block", block: 1024 },
  { kind: "topsign", ratio: 0.02 },
  { kind: "topsign", ratio: 0.1 },
];

const layout = createLayout([{ name: "numbers", shape: [count] }]);

function measure(written) {
  const space = createVectorSpace(spaceBytes(8, count, 1 << 22));
  const compressor = createCompressor(compressorSettings.parse(written), { layout, space });
  const { kernels } = space;
  const vector = space.vector(count);
  const out = space.vector(count);
  const stream = random(1, "constants");
  const numbers = Float32Array.from({ length: count }, (_, k) => normal(stream, k));
  const squares = (v) => kernels.sumOfSquares(v.byteOffset, count);
  const totals = { bytes: 0, error: 0, size: 0, inner: 0 };
  for (let draw = 0; draw < draws; draw++) {
    vector.set(numbers);
    out.fill(0);
    const payload = compressor.squeeze(vector, random(draw, "constants"));
    totals.bytes += payload.length / draws;
    totals.error += squares(vector) / draws;
    compressor.addTo(out, payload, 1);
    totals.size += squares(out) / draws;
    for (let k = 0; k < count; k++) totals.inner += (out[k] * numbers[k]) / draws;
  }
  vector.set(numbers);
  const norm = squares(vector);
  return {
    compressor: compressor.name,
    "bits per parameter": ((8 * totals.bytes) / count).toFixed(3),
    "1/δ": shown(1 - totals.error / norm),
    bound: shown(compressor.contraction),
    "B¹ α": shown(totals.size / norm),
    "B¹, B² β": shown(totals.size / totals.inner),
    "B² γ": shown(totals.inner / norm),
  };
}

const shown = (value) => String(Number(value.toPrecision(3)));
const line = (cells) => `| ${cells.join(" | ")} |`;

const rows = everyCompressor.map(measure);
const columns = Object.keys(rows[0]);
console.log(line(columns));
console.log(line(columns.map((name) => (name === "compressor" ? "---" : "--:"))));
for (const row of rows) console.log(line(Object.values(row)));
