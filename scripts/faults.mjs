// Real peers under real faults: eight processes on loopback train digits, each with checkpoints. While they run, one after the
// other is killed (SIGKILL) and started again, or stopped (SIGSTOP) and continued. The final models must be those of a
// run without faults, to the bit, since nothing is lost.
//
//     node scripts/faults.mjs kill [EVERY_SECONDS [FOR_SECONDS [ROUNDS]]]     default 5 60 3000
//     node scripts/faults.mjs stop [EVERY_SECONDS [FOR_SECONDS [ROUNDS]]]     each for 10 s; default 15 60 3000
//     node scripts/faults.mjs restart [EVERY_SECONDS [FOR_SECONDS [ROUNDS]]]  default 5 60 3000
//
// `restart` is what others do: a peer that is killed stops all of them, and all start again. Compare its seconds and its
// goodput, the share of time in useful steps, with those of `kill`. The last line is JSON. Run after a build.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { modelDigest } from "../dist/exchange/fingerprint.js";
import { parseTopology } from "../dist/graphs/topology.js";
import { parseExperiment } from "../dist/runs/experiment.js";
import { simulate } from "../dist/runs/simulate.js";
import { outputOf } from "./output-of.mjs";

const PEERS = 8;
const STOP_MS = 10_000;
const CHECKPOINT_ROUNDS = 20;
const [mode = "kill", every = mode === "stop" ? 15 : 5, duration = 60, rounds = 3000] = process.argv
  .slice(2)
  .map((text, k) => (k === 0 ? text : Number(text)));
if (!["kill", "stop", "restart"].includes(mode)) {
  console.error("faults: kill, stop or restart, then seconds between faults, seconds of faults, rounds");
  process.exit(2);
}

const command = new URL("../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "murmuration-faults-"));
const children = new Map();
process.on("exit", () => {
  for (const child of children.values()) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
process.on("SIGINT", () => process.exit(130));

const settings = {
  ...{ rounds, seed: 3, algorithm: "deepsqueeze", compressor: "sign", learningRate: 0.1, evaluateEvery: 0 },
  split: { kind: "shards", classesPerPeer: 2 },
};
const topologyFile = join(folder, "ring-8.json");
const experimentFile = join(folder, "experiment.json");
const ports = await freePorts(PEERS);
const peers = ports.map((port, id) => ({ id, listen: [`/ip4/127.0.0.1/tcp/${port}`] }));
writeFileSync(topologyFile, JSON.stringify({ name: "ring-8", graph: { kind: "ring", peers: PEERS }, peers }));
writeFileSync(experimentFile, JSON.stringify(settings));
const keys = spawnSync(process.execPath, [command, "keys", topologyFile], { encoding: "utf8" });
if (keys.status !== 0) throw new Error(keys.stderr);

let faults = 0;
let isOver = false;
const started = performance.now();
const outcomes = mode === "restart" ? keepAllRunning() : Promise.all(peers.map(({ id }) => keepRunning(id)));
void disturb();
const summaries = await outcomes;
isOver = true;
const seconds = (performance.now() - started) / 1000;

const topology = parseTopology(JSON.parse(readFileSync(topologyFile, "utf8")), topologyFile);
const simulation = await simulate(topology, parseExperiment(settings));
for await (const _ of simulation.run());
const expected = simulation.peers.map(({ model }) => modelDigest(model));
simulation.dispose();
const logs = peers.map(({ id }) => readLog(id));
for (const { peer, accuracy, modelDigest: found } of summaries) {
  const { useful, restarts, again } = logs[peer];
  const verdict = found === expected[peer] ? "equal to the run without faults" : "NOT EQUAL";
  console.log(
    `peer ${peer}  ${(100 * accuracy).toFixed(1)} %  ${restarts} restarts, ${again} rounds computed again, ${((100 * useful) / 1000 / seconds).toFixed(1)} % useful  ${verdict}`,
  );
}
const isEqual = summaries.every(({ peer, modelDigest: found }) => found === expected[peer]);
const goodput = logs.reduce((sum, { useful }) => sum + useful / 1000 / seconds / PEERS, 0);
console.log(
  JSON.stringify({
    mode,
    every,
    peers: PEERS,
    rounds,
    faults,
    seconds: Number(seconds.toFixed(1)),
    goodput,
    isEqual,
  }),
);
process.exit(isEqual ? 0 : 1);

/** Starts a peer, again and again, until it is done. */
async function keepRunning(id) {
  for (;;) {
    const { code, stdout, stderr } = await runOnce(id);
    if (code === 0) return JSON.parse(stdout);
    if (code !== null) throw new Error(`peer ${id} ended with exit code ${code}: ${stderr.slice(-2000)}`);
  }
}

/** Starts all peers, again and again, until they are done. */
async function keepAllRunning() {
  for (;;) {
    const { code, stdout, stderr } = await runOnce();
    if (code === 0) return JSON.parse(stdout).peers;
    if (!/killed \(SIGKILL\)/.test(stderr))
      throw new Error(`ended with exit code ${code}: ${stderr.slice(-2000)}`);
  }
}

/** One peer, or all of them where no id is given. */
function runOnce(id) {
  const saving = [
    "--checkpoints",
    join(folder, "checkpoints"),
    "--checkpoint-every",
    String(CHECKPOINT_ROUNDS),
  ];
  const who = id === undefined ? ["up"] : ["peer", "--id", String(id)];
  const words = [command, ...who, topologyFile, experimentFile, "--json", "--threads", "1"];
  const child = spawn(process.execPath, [...words, "--out", join(folder, "run"), ...saving, "--resume"]);
  children.set(id, child);
  return outputOf(child).finally(() => children.delete(id));
}

/** One peer after the other, in an order that is not that of the ring. */
async function disturb() {
  await pause(every);
  for (let turn = 0; !isOver && turn * every < duration; turn++) {
    const child = children.get((turn * 3) % PEERS);
    if (mode === "restart") {
      const { stdout } = spawnSync("pgrep", ["-P", String(children.get(undefined)?.pid)], {
        encoding: "utf8",
      });
      const pids = stdout.split("\n").filter(Boolean).map(Number);
      if (pids.length === PEERS) {
        faults++;
        process.kill(pids[(turn * 3) % PEERS], "SIGKILL");
      }
    } else if (child) {
      faults++;
      child.kill(mode === "kill" ? "SIGKILL" : "SIGSTOP");
      if (mode === "stop") setTimeout(() => child.kill("SIGCONT"), STOP_MS);
    }
    await pause(every);
  }
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, 1000 * seconds).unref?.());
}

/** Milliseconds of useful work, restarts, and rounds that were computed again, from a peer's log. */
function readLog(id) {
  const lines = readFileSync(join(folder, "run", `peer-${id}.jsonl`), "utf8")
    .trim()
    .split("\n")
    .map(parse);
  const all = lines.filter(({ type }) => type === "round");
  return {
    useful: all.reduce((sum, { time }) => sum + time.computeMs + time.compressMs + time.mixMs, 0),
    restarts: lines.filter(({ type }) => type === "resumed").length,
    again: all.filter(({ isReplayed }) => isReplayed).length,
  };
}

function parse(line) {
  return JSON.parse(line);
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
    }),
  );
  const found = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return found;
}
