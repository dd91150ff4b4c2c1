// Eight machines in one: every peer of ring-8 in a network namespace with an address of its own, behind a link of
// 20 Mbit/s, over real TCP. Trains digits there and in the simulator, and compares the SHA-256 of every final model.
//
//     sudo node scripts/namespaces.mjs [rounds]
//
// Needs Linux, root and iproute2 (ip and tc); takes away what it made, also after Ctrl-C. Run after a build.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
const rounds = Number(process.argv[2] ?? 60);

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
  const outcomes = await Promise.all(hosts.map(({ id }) => runPeer(id, topologyFile, experimentFile)));
  const seconds = (performance.now() - started) / 1000;

  const topology = parseTopology(JSON.parse(readFileSync(topologyFile, "utf8")), topologyFile);
  const simulation = await simulate(topology, parseExperiment(settings));
  for await (const _ of simulation.run());
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
  console.log(
    JSON.stringify({ peers: PEERS, rounds, rate: RATE, seconds: Number(seconds.toFixed(1)), isEqual }),
  );
  process.exitCode = isEqual ? 0 : 1;
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
  const inside = ["netns", "exec", namespaceOf(id), process.execPath, command];
  const child = spawn("ip", [...inside, "peer", topologyFile, experimentFile, "--id", String(id), "--json"]);
  children.push(child);
  const { code, stdout, stderr } = await outputOf(child);
  if (code !== 0) throw new Error(`peer ${id} ended with exit code ${code}: ${stderr}`);
  return JSON.parse(stdout);
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
