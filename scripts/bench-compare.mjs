// Ours and PyTorch side by side, one thread each, on the same machine: `npm run -s bench:compare`.
//
// PYTHON names an interpreter that has torch (python3 unless told). A number after it sets the parameters, a multiple
// of 512. The last line is JSON.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const PARAMETERS = process.argv[2] ?? "10000384";
const python = process.env.PYTHON ?? "python3";

/** The last line of what a program prints, parsed; ends this program with its last words where it fails. */
function lastLine(command, script, ...args) {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { status, stdout, stderr, error } = spawnSync(command, [path, ...args], {
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status === 0) return JSON.parse(stdout.trim().split("\n").at(-1));
  console.error(
    error ? `bench-compare: ${command} does not start: ${error.message}` : stderr.trim().split("\n").at(-1),
  );
  process.exit(1);
}

const theirs = lastLine(python, "compare-pytorch.py", PARAMETERS);
const ours = lastLine(process.execPath, "bench-kernels.mjs", "--size", PARAMETERS);

console.log(`${PARAMETERS} parameters, one thread, milliseconds; PyTorch ${theirs.version}`);
console.log("                        |  squeeze    PyTorch  times |    addTo    PyTorch  times |  both");
const results = [];
for (const { compressor, squeeze, addTo } of ours.results) {
  const torch = theirs.results[compressor];
  if (!torch) continue;
  const row = {
    compressor,
    squeezeMs: squeeze.ms,
    pytorchSqueezeMs: torch.squeezeMs,
    squeezeTimes: torch.squeezeMs / squeeze.ms,
    addToMs: addTo.ms,
    pytorchAddToMs: torch.addToMs,
    addToTimes: torch.addToMs / addTo.ms,
    bothTimes: (torch.squeezeMs + torch.addToMs) / (squeeze.ms + addTo.ms),
  };
  results.push(row);
  const cells = (ms, torchMs, times) =>
    `${ms.toFixed(2).padStart(9)} ${torchMs.toFixed(2).padStart(10)} ${times.toFixed(1).padStart(6)}`;
  console.log(
    `${compressor.padEnd(24)}|${cells(row.squeezeMs, row.pytorchSqueezeMs, row.squeezeTimes)} |${cells(row.addToMs, row.pytorchAddToMs, row.addToTimes)} |${row.bothTimes.toFixed(1).padStart(6)}`,
  );
}
console.log(JSON.stringify({ benchmark: "compare", parameters: Number(PARAMETERS), results }));
