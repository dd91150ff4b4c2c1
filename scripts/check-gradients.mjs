// Every layer's gradients against central differences: `npm run -s check:gradients [-- --backend NAME] [--json]`.
//
// Layers × shapes × strides × paddings × batches × activations, on each backend that starts here. A case takes a random
// linear functional of the output for its loss; the gradients of inputs and weights must agree with differences of the
// layer's own loss along random directions, and outputs with float64 code of their own where there is some. Errors are
// relative: of a whole gradient, and of the largest output. “refused” is a layer that throws, as it must: it has no gradient.
// Exits with 1 where something is wrong. The last line is JSON, and the only one with --json.
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { loadTestCode } from "./test-code.mjs";

const { values: options } = parseArgs({
  options: {
    backend: { type: "string", multiple: true, default: [] },
    json: { type: "boolean", default: false },
  },
});
const { sweepBackends } = await loadTestCode("test/support/gradients/main.ts");

const print = options.json ? () => {} : console.log;
const sweeps = [];
for await (const { backend, rows, seconds } of sweepBackends(options.backend)) {
  sweeps.push({ backend, rows });
  const table = new Table({
    head: ["layer", "cases", "gradient", "output", backend],
    style: { head: [], border: [] },
  });
  for (const { layer, cases, gradient, output, verdict } of rows) {
    table.push([layer, cases, gradient.toExponential(1), output.toExponential(1), verdict]);
  }
  print(table.toString());
  for (const problem of rows.flatMap(({ problems }) => problems)) print(problem);
  const cases = rows.reduce((sum, row) => sum + row.cases, 0);
  print(`${backend}: ${cases} cases in ${seconds.toFixed(0)} s\n`);
}
console.log(JSON.stringify(sweeps));
if (sweeps.some(({ rows }) => rows.some(({ verdict }) => verdict === "wrong"))) process.exitCode = 1;
