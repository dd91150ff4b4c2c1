// Plays random schedules over the simulated network, each from one integer, and checks what must always hold: the mean
// of all models moves only by the updates, no run hangs, no queue grows, equal seeds give equal logs, and at the barrier
// the models are those of a run without a network. See test/support/swarm.ts. No build is needed:
//
//   npm run -s swarm -- [COUNT [SEED]] [--without FAULT,…] [--peers N] [--rounds N]
//
// A seed that breaks a law is made smaller and printed as the command that plays it again; exit code 1.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    without: { type: "string", default: "" },
    peers: { type: "string" },
    rounds: { type: "string" },
  },
});
const [count = 100, first = 1] = positionals.map(Number);
const given = {
  without: values.without.split(",").filter((fault) => fault !== ""),
  ...(values.peers !== undefined && { peers: Number(values.peers) }),
  ...(values.rounds !== undefined && { rounds: Number(values.rounds) }),
};
const isReduced = process.argv.some((argument) => argument.startsWith("--"));

const { problemOf, scheduleOf, shrink, commandOf, describe } = await load();
const started = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const schedule = scheduleOf(seed, given);
  if (count === 1) console.log(describe(schedule));
  const problem = await problemOf(schedule);
  if (problem === undefined) continue;
  console.log(`seed ${seed}: ${problem}`);
  const reduction = isReduced ? given : await shrink(seed);
  const smallest = scheduleOf(seed, reduction);
  console.log(`smallest: ${describe(smallest)}: ${await problemOf(smallest)}`);
  console.log(commandOf(seed, reduction));
  process.exitCode = 1;
  break;
}
if (!process.exitCode) {
  const seconds = (performance.now() - started) / 1000;
  console.log(`seeds ${first} to ${first + count - 1} keep every law (${seconds.toFixed(1)} s)`);
}

/** The tests' own TypeScript, bundled. */
async function load() {
  const root = new URL("../", import.meta.url);
  const { outputFiles } = await build({
    entryPoints: [new URL("test/support/swarm.ts", root).pathname],
    ...{ bundle: true, platform: "node", format: "esm", packages: "external", write: false },
  });
  // Inside the project, so that its packages are found.
  const folder = new URL("node_modules/.cache/", root);
  mkdirSync(folder, { recursive: true });
  const bundle = new URL(`swarm-${process.pid}.mjs`, folder);
  writeFileSync(bundle, outputFiles[0].text);
  try {
    return await import(bundle.href);
  } finally {
    rmSync(bundle);
  }
}
