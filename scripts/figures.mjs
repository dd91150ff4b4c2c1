// Published figures beside ours: every figure of the literature, and of float64 prototypes of its algorithms, that a
// processor reproduces in minutes, computed with this library's own peers, compressors and graphs. Seeds are fixed. Prints a
// Markdown table, progress on stderr; exits with 1 when one of ours is out of its tolerance. Run after a build:
//
//   node scripts/figures.mjs [--only consensus] [--json] [--jobs 2]
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const groups = ["consensus", "descent", "logistic", "choco", "learning", "compressors", "graphs"];

/** What no processor shows in minutes, or what this library has not. */
const leftOut = [
  "logistic regression on epsilon (400,000 × 2000, ten epochs): needs the data set",
  "ResNet-20 on CIFAR-10, ResNet-50 on ImageNet, language models: need a GPU and the data",
  "MNIST with 8 peers: scripts/edge-choco.mjs and scripts/bytes.mjs, with the data",
  "messages lost in one direction only: exchanges are numbered, and what is lost is sent again",
  "CHOCO with top 1 % after 12,000 rounds, 6e-12: sums of public copies in float32 end at 2.5e-11",
  "random-k scaled by d/k: not in this library",
  "the modular gossip of a prototype, 1e-19 after 100 rounds: Moniqua's range falls by 0.9 a round at most, and C by 0.81",
];

if (isMainThread) await main();
else await compute(workerData);

async function compute(group) {
  const { rows } = await import(`./figures/${group}.mjs`);
  for await (const row of rows()) parentPort.postMessage(row);
}

/** The rows of a group, computed in a thread of its own. */
function rowsOf(group) {
  const rows = [];
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: group });
    worker.on("message", (row) => {
      rows.push({ group, ...row });
      console.error(`${group}: ${row.figure}: ${shown(row.ours)}${row.isMet ? "" : ", short"}`);
    });
    worker.on("error", reject);
    worker.on("exit", () => resolve(rows));
  });
}

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      json: { type: "boolean", default: false },
      jobs: { type: "string", default: String(availableParallelism()) },
    },
  });
  const chosen = groups.filter((group) => group.includes(values.only));
  const left = [...chosen];
  const results = new Map();
  const run = async () => {
    for (let group = left.shift(); group; group = left.shift()) results.set(group, await rowsOf(group));
  };
  await Promise.all(Array.from({ length: Math.max(1, Number(values.jobs) || 1) }, run));
  const rows = chosen.flatMap((group) => results.get(group));
  const short = rows.filter(({ isMet }) => !isMet).length;
  if (values.json) console.log(JSON.stringify({ benchmark: "figures", short, rows, leftOut }));
  else print(rows, short);
  process.exitCode = short > 0 || rows.length === 0 ? 1 : 0;
}

function print(rows, short) {
  console.log("| figure | source | theirs | ours | tolerance | |");
  console.log("|---|---|--:|--:|--:|---|");
  for (const { figure, source, theirs, ours, tolerance, isMet } of rows) {
    console.log(
      `| ${[figure.replaceAll("|", "\\|"), source, shown(theirs), shown(ours), tolerance, isMet ? "ok" : "**short**"].join(" | ")} |`,
    );
  }
  console.log(`\n${rows.length - short} of ${rows.length} figures are within their tolerance. Left out:\n`);
  for (const reason of leftOut) console.log(`- ${reason}`);
}

function shown(value) {
  if (Array.isArray(value)) return value.map(shown).join(" to ");
  if (typeof value !== "number" || value === 0) return String(value);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e5 ? value.toExponential(2) : String(Number(value.toPrecision(5)));
}
