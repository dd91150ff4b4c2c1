// Goes through every interleaving of sends, losses, crashes and new starts that two or three peers can have within a budget
// of rounds and faults, over the ledger, journal and exchanges that ship: see test/support/ledger-check.ts. Prints how many
// states there are. No build is needed:
//
//   npm run -s check:ledger -- [PEERS [DEPTH]]
//
// DEPTH is the most actions of a course; every one to its end where left out. A violation comes with a shortest course
// that leads to it; exit code 1.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const [peers, depth] = process.argv.slice(2).map(Number);
const { checkLedger, everyCourse } = await load();
for (const count of peers ? [peers] : [2, 3]) {
  for (const { name, course, budget } of everyCourse(count)) {
    const started = performance.now();
    const result = await checkLedger(course, { ...budget, ...(depth && { depth }) });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const { states, peerStates, transitions, violation } = result;
    console.log(
      `${name}: ${states} states (${peerStates} of single peers), ${transitions} transitions, depth ${result.depth}${result.isComplete ? ", all" : ""}, ${seconds} s`,
    );
    if (!violation) continue;
    console.log([violation.what, ...violation.course].join("\n  "));
    process.exitCode = 1;
  }
}

/** The tests' own TypeScript, bundled. */
async function load() {
  const root = new URL("../", import.meta.url);
  const { outputFiles } = await build({
    entryPoints: [new URL("test/support/ledger-courses.ts", root).pathname],
    ...{ bundle: true, platform: "node", format: "esm", packages: "external", write: false },
  });
  // Inside the project, so that its packages are found.
  const folder = new URL("node_modules/.cache/", root);
  mkdirSync(folder, { recursive: true });
  const bundle = new URL(`check-ledger-${process.pid}.mjs`, folder);
  writeFileSync(bundle, outputFiles[0].text);
  try {
    return await import(bundle.href);
  } finally {
    rmSync(bundle);
  }
}
