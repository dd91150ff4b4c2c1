// Eight machines in one: every peer of ring-8 in a network namespace with an address of its own, behind a link of
// 20 Mbit/s, over real TCP. Trains digits there and in the simulator without faults, and compares the SHA-256 of every
// final model: nothing may be lost.
//
//     sudo node scripts/namespaces.mjs [MODE [ROUNDS]]
//
//     whole    the network stays whole; 60 rounds (the default)
//     link     after a third of the rounds one edge loses every packet for 30 s; 600 rounds
//     halves   after a third of the rounds the network falls into two halves, for as long as that third took and for
//              60 s at least, so that connections break; 600 rounds
//
// Needs Linux, root and iproute2 (ip and tc); takes away what it made, also after Ctrl-C. Run after a build.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { modelDigest } from "../dist/exchange/fingerprint.js";
import { parseTopology } from "../dist/graphs/topology.js";
import { parseExperiment } from "../dist/runs/experiment.js";
import { simulate } from "../dist/runs/simulate.js";
import { outputOf } from "./output-of.mjs";

const PEERS = 8;
const RATE = "20mbit";
/** Addresses for tests and documentation (RFC 2544), so that no real network is hidden. */
const hostOf = (id) => `198.18.77.${10 + id}`;
/** Between whom packets are lost, and for at least how long. */
const CUTS = {
  whole: undefined,
  link: { from: [3], to: [4], leastMs: 30_000, isShare: false },
  halves: { from: [0, 1, 2, 3], to: [4, 5, 6, 7], leastMs: 60_000, isShare: true },
};
/** The barrier waits while the network is cut. A connection on which nothing arrives for 7/12 of it counts as dead. */
const DEADLINE_SECONDS = 90;
/** Of the mean of all models from that of the run without faults, as a share of its norm. */
const MAX_DRIFT = 1e-5;
/** A network interface that no machine has. */
const NOBODY = "02:00:00:00:00:01";
const [mode = "whole", rounds = mode === "whole" ? 60 : 600] = process.argv
  .slice(2)
  .map((text, k) => (k === 0 ? text : Number(text)));
if (!(mode in CUTS) || !(rounds >= 3)) leave(`${Object.keys(CUTS).join(", ")}, then rounds from 3`);

const command = new URL("../dist/cli/main.js", import.meta.url).pathname;
// Names of network interfaces have at most 15 characters.
const tag = `mm${process.pid}`;
const bridge = `${tag}b`;
const namespaceOf = (id) => `${tag}n${id}`;

if (process.platform !== "linux" || process.getuid() !== 0) leave("network namespaces need Linux and root");
for (const tool of ["ip", "tc"]) {
  if (spawnSync(tool, ["-V"]).error) leave(`${tool} is missing: apt-get install iproute2`);
}

const folder = mkdtempSync(join(tmpdir(), "murmur-namespaces-"));
const children = [];
let isCleared = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    clear();
    process.exit(130);
  });
}
try {
  buildNetwork();
  const topologyFile = join(folder, "ring-8.json");
  const experimentFile = join(folder, "experiment.json");
  const graph = { kind: "ring", peers: PEERS };
  const hosts = Array.from({ length: PEERS }, (_, id) => ({ id, host: hostOf(id) }));
  const settings = {
    rounds,
    seed: 3,
    algorithm: "deepsqueeze",
    compressor: "sign",
    learningRate: 0.3,
    split: { kind: "shards", classesPerPeer: 2 },
    evaluateEvery: 0,
  };
  writeFileSync(topologyFile, JSON.stringify({ name: "ring-8", graph, peers: hosts }));
  writeFileSync(experimentFile, JSON.stringify(settings));
  const keys = spawnSync(process.execPath, [command, "keys", topologyFile], { encoding: "utf8" });
  if (keys.status !== 0) throw new Error(keys.stderr);

  const started = performance.now();
  const running = Promise.all(hosts.map(({ id }) => runPeer(id, topologyFile, experimentFile)));
  const [outcomes, cut] = await Promise.all([running, CUTS[mode] && cutNetwork(CUTS[mode])]);
  const seconds = (performance.now() - started) / 1000;

  const topology = parseTopology(JSON.parse(readFileSync(topologyFile, "utf8")), topologyFile);
  const simulation = await simulate(topology, parseExperiment(settings));
  const projections = [];
  for await (const { reports } of simulation.run()) {
    for (const { peer, projection } of reports) if (projection) projections[peer] = projection;
  }
  const expected = simulation.peers.map(({ model }) => modelDigest(model));
  simulation.dispose();

  for (const { peer, modelDigest: found, bytesSent, accuracy } of outcomes) {
    const verdict = found === expected[peer] ? "equal" : `NOT EQUAL to ${expected[peer]}`;
    const percent = (100 * accuracy).toFixed(1);
    console.log(
      `${hostOf(peer)}  peer ${peer}  ${percent} %  ${(bytesSent / 1e3).toFixed(0)} kB sent  ${found}  ${verdict}`,
    );
  }
  const isEqual = outcomes.every(({ peer, modelDigest: found }) => found === expected[peer]);
  const drift = distance(meanOf(hosts.map(({ id }) => lastProjection(id))), meanOf(projections));
  console.log(
    JSON.stringify({
      ...{ mode, peers: PEERS, rounds, rate: RATE, seconds: Number(seconds.toFixed(1)) },
      ...(cut && { cut, reconnects: outcomes.map(({ peer }) => reconnectsOf(peer)) }),
      drift,
      isEqual,
    }),
  );
  process.exitCode = isEqual && drift <= MAX_DRIFT ? 0 : 1;
} finally {
  clear();
}

/** A bridge, and per peer a namespace that a cable of limited rate joins to it. */
function buildNetwork() {
  run("ip", "link", "add", bridge, "type", "bridge");
  run("ip", "link", "set", bridge, "up");
  for (let id = 0; id < PEERS; id++) {
    const namespace = namespaceOf(id);
    const outer = `${tag}v${id}`;
    const inside = (...words) => run("ip", "netns", "exec", namespace, ...words);
    run("ip", "netns", "add", namespace);
    run("ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", namespace);
    run("ip", "link", "set", outer, "master", bridge, "up");
    inside("ip", "addr", "add", `${hostOf(id)}/24`, "dev", "eth0");
    inside("ip", "link", "set", "lo", "up");
    inside("ip", "link", "set", "eth0", "up");
    const limit = ["root", "tbf", "rate", RATE, "burst", "32kbit", "latency", "400ms"];
    run("tc", "qdisc", "add", "dev", outer, ...limit);
    inside("tc", "qdisc", "add", "dev", "eth0", ...limit);
  }
}

/** What the peer of this number ends with. */
async function runPeer(id, topologyFile, experimentFile) {
  const program = ["netns", "exec", namespaceOf(id), process.execPath, command];
  const settings = ["--id", id, "--out", folder, "--deadline", DEADLINE_SECONDS, "--json"].map(String);
  const child = spawn("ip", [...program, "peer", topologyFile, experimentFile, ...settings]);
  children.push(child);
  const { code, stdout, stderr } = await outputOf(child);
  if (code !== 0) throw new Error(`peer ${id} ended with exit code ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

/** Cuts the network after a third of the rounds, and heals it. @returns what happened, for the verdict */
async function cutNetwork({ from, to, leastMs, isShare }) {
  let began;
  await until(() => {
    if (began === undefined && linesOf(0).length > 0) began = performance.now();
    return linesOf(0).length >= rounds / 3;
  });
  const cutMs = Math.max(leastMs, isShare ? performance.now() - began : 0);
  const pairs = from.flatMap((a) => to.map((b) => [a, b]));
  const change = (action) => {
    for (const [a, b] of [...pairs, ...pairs.map(([a, b]) => [b, a])])
      run("ip", "netns", "exec", namespaceOf(a), ...action(hostOf(b)));
  };
  const before = linesOf(0).length;
  change((host) => ["ip", "neigh", "replace", host, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent"]);
  await pause(cutMs);
  const during = linesOf(0).length - before;
  change((host) => ["ip", "neigh", "delete", host, "dev", "eth0"]);
  return { afterRound: before, seconds: Number((cutMs / 1000).toFixed(1)), roundsMeanwhile: during };
}

/** @throws Error a peer has ended before */
async function until(holds) {
  while (!holds()) {
    if (children.some(({ exitCode }) => exitCode !== null)) throw new Error("a peer ended before the cut");
    await pause(50);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The rounds in a peer's log. */
function linesOf(id) {
  const file = join(folder, `peer-${id}.jsonl`);
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.startsWith('{"type":"round"') && line.endsWith("}"));
}

/** How often connections of a peer came up again. */
function reconnectsOf(id) {
  return linesOf(id).reduce((sum, line) => sum + (JSON.parse(line).counters?.reconnects ?? 0), 0);
}

/** The projection of a peer's last model. */
function lastProjection(id) {
  const bytes = Buffer.from(JSON.parse(linesOf(id).at(-1)).projection, "base64");
  return new Float32Array(new Uint8Array(bytes).buffer);
}

function meanOf(vectors) {
  return Array.from(vectors[0], (_, k) => vectors.reduce((sum, v) => sum + v[k] / vectors.length, 0));
}

/** Of two vectors, as a share of the second one's norm. */
function distance(a, b) {
  return Math.hypot(...a.map((value, k) => value - b[k])) / Math.hypot(...b);
}

/** Takes everything away again, in whatever state it is. */
function clear() {
  if (isCleared) return;
  isCleared = true;
  for (const child of children) child.kill("SIGKILL");
  for (let id = 0; id < PEERS; id++) {
    // Its end of the cable goes with it, and the other end with that one.
    spawnSync("ip", ["netns", "delete", namespaceOf(id)]);
    spawnSync("ip", ["link", "delete", `${tag}v${id}`]);
  }
  spawnSync("ip", ["link", "delete", bridge]);
  rmSync(folder, { recursive: true, force: true });
}

function run(program, ...args) {
  const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return;
  clear();
  leave(`${program} ${args.join(" ")}: ${stderr.trim()}`);
}

function leave(reason) {
  console.error(`namespaces: ${reason}`);
  process.exit(2);
}
