import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { watch } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { readTopology } from "../src/cli/files.js";
import { findIdentity, keysFolder, writeIdentity } from "../src/cli/key-files.js";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import { type Examination, examine } from "../src/runs/node/examine.js";
import { graphFingerprint } from "../src/runs/plan.js";
import { generateIdentity, type Identity } from "../src/transports/libp2p/identity.js";
import { endAll, startMurmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-examine-"));
afterAll(() => {
  endAll();
  rmSync(scratch, { recursive: true });
});

const settings = ["--trainer", "quadratic", "--evaluate-every", "0", "--rounds", "1000000"];
const ring = { kind: "ring", peers: 4 };

let files = 0;
/** A topology file with keys and free ports on loopback, and what differs from that at single peers. */
async function ready(changes: Record<number, object> = {}): Promise<string> {
  const path = join(scratch, `topology-${files++}.json`);
  const peers: object[] = [];
  for (const [id, address] of (await freeLoopbackAddresses(ring.peers)).entries()) {
    const identity = await generateIdentity();
    await writeIdentity(keysFolder(path), id, identity, false);
    peers.push({ id, peerId: identity.peerId, listen: [address], ...changes[id] });
  }
  writeFileSync(path, JSON.stringify({ graph: ring, peers }));
  return path;
}

const peersIn = (path: string): { listen: string[] }[] => JSON.parse(readFileSync(path, "utf8")).peers;
const portOf = (path: string, id: number) => Number(peersIn(path)[id]!.listen[0]!.split("/").at(-1));

interface Found extends Examination {
  /** What the first address of every peer answers. */
  readonly answers: readonly (string | undefined)[];
  /** The edges that fail, by their ends in order, with the layer. */
  readonly failures: readonly string[];
}

/** What `murmur doctor` finds with the keys in a folder. */
async function examined(
  path: string,
  options: { keys?: string; seed?: number; only?: number; deadlineMs?: number } = {},
): Promise<Found> {
  const { keys = keysFolder(path), seed, only, deadlineMs = 10_000 } = options;
  const topology = await readTopology(path);
  const identities = new Map<number, Identity>();
  for (const { id } of topology.peers) {
    const identity = only === undefined || only === id ? await findIdentity(keys, id) : undefined;
    if (identity) identities.set(id, identity);
  }
  const fingerprint = seed === undefined ? graphFingerprint(topology.mixing) : { seed: String(seed) };
  const found = await examine({ topology, identities, only, fingerprint, deadlineMs });
  const failures = found.edges
    .filter(({ failed }) => failed !== undefined)
    .map(({ from, to, failed }) => `${[from, to].sort().join("-")} ${failed}`);
  const answers = found.peers.map(({ addresses }) => addresses[0]?.answers);
  return { ...found, answers, failures };
}

/** Resolves when the logs of all peers have rounds. */
async function inRounds(folder: string): Promise<void> {
  const logs = [0, 1, 2, 3].map((id) => join(folder, `peer-${id}.jsonl`));
  const have = () => logs.every((log) => existsSync(log) && readFileSync(log, "utf8").split("\n").length > 4);
  for await (const _ of watch(folder)) if (have()) return;
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
}
const close = (server: Server) => new Promise((resolve) => server.close(resolve));

describe("murmur doctor, while all peers run", () => {
  let path: string;
  beforeAll(async () => {
    path = await ready();
    const logs = mkdtempSync(join(scratch, "logs-"));
    const begun = inRounds(logs);
    startMurmur("up", path, ...settings, "--out", logs);
    await begun;
  });
  afterAll(endAll);

  it("proves every peer, says which round it is in, and that all edges work", async () => {
    const { peers, edges, answers, failures } = await examined(path);
    expect(failures).toEqual([]);
    expect(answers).toEqual(["peer", "peer", "peer", "peer"]);
    for (const { state, round, chain, peer } of peers) {
      expect({ state, self: chain![0].peer }).toEqual({ state: "runs", self: peer });
      expect(round).toBeGreaterThan(0);
    }
    expect(edges.map(({ standIns }) => standIns)).toEqual([[], [], [], []]);
  });

  it("prints it as tables of 80 columns or as JSON lines, and exits with 0", async () => {
    const { status, stdout } = await startMurmur("doctor", path, ...settings).finished;
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^peer +round +address +answers *\n +0 +\d+ +\/ip4\/127.0.0.1\/tcp\/\d+ +this peer\n/,
    );
    expect(stdout).toMatch(/\n4 of 4 peers run; the edges work \(4 tried\)\n$/);
    expect(stdout).not.toContain("○");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    const lines = (await startMurmur("doctor", path, "--json").finished).stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).kind)).toEqual([
      ...Array(4).fill("peer"),
      ...Array(4).fill("edge"),
    ]);
  });

  it("names an address at which a peer that runs does not answer", async () => {
    const content = JSON.parse(readFileSync(path, "utf8"));
    [content.peers[1].listen[0]] = await freeLoopbackAddresses(1);
    const wrong = join(scratch, "wrong-port.json");
    writeFileSync(wrong, JSON.stringify(content));
    const { answers, failures, edges } = await examined(wrong, { keys: keysFolder(path) });
    expect(answers).toEqual(["peer", "nothing", "peer", "peer"]);
    expect(failures).toEqual(["0-1 TCP", "1-2 TCP"]);
    expect(edges[0]!.reason).toMatch(
      /^peer 1 runs, since peer [02] is connected to it, but not at .*: correct/,
    );
  });

  it("names a field in which they differ from what the files here say", async () => {
    const { peers, failures, edges } = await examined(path, { seed: 2 });
    expect(peers.map(({ state }) => state)).toEqual(Array(4).fill("another run"));
    expect(failures).toHaveLength(4);
    expect(edges[0]!.reason).toMatch(
      /"seed" is "2" here and "\d+" at peer 1: start both from the same files/,
    );
  });
});

describe("murmur doctor, while some peers run", () => {
  afterEach(endAll);
  const waits = /is not reachable yet/;

  it("fails the edges of a peer that is down, or whose port another program has", async () => {
    const path = await ready();
    await Promise.all(["0", "2"].map((id) => startMurmur("peer", path, ...settings, "--id", id).says(waits)));
    const down = await examined(path);
    expect(down.answers).toEqual(["peer", "nothing", "peer", "nothing"]);
    expect(down.peers.map(({ state }) => state)).toEqual(["runs", "free", "runs", "free"]);
    expect(down.peers[0]).not.toHaveProperty("round");
    expect(down.failures).toEqual(["0-1 peers", "0-3 peers", "1-2 peers", "2-3 peers"]);
    const reason = "peer 1 does not run, and others do: start it";
    expect(down.edges[0]).toMatchObject({ standIns: [1], reason });
    // As that peer, about to start, everything is as it should be.
    expect((await examined(path, { only: 1 })).failures).toEqual([]);

    const web = createHttpServer((_, response) => response.end("hello"));
    await listen(web, portOf(path, 1));
    const foreign = await examined(path);
    const { status, stdout } = await startMurmur("doctor", path).finished;
    await close(web);
    expect(foreign.answers).toEqual(["peer", "foreign", "peer", "nothing"]);
    expect(foreign.peers[1]).toMatchObject({ state: "blocked" });
    expect(foreign.peers[1]).not.toHaveProperty("isPlayed");
    expect(foreign.failures).toEqual(["0-1 Noise", "0-3 peers", "1-2 Noise", "2-3 peers"]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/fails at Noise: .*an HTTP server answers there \(“HTTP\/1.1 400 Bad Request”\)/);
    expect(stdout).toMatch(/\n4 of 4 edges would not work\n$/);
  });

  it("finds a peer of another run, by the files and by what its neighbour states", async () => {
    const path = await ready();
    const one = startMurmur("peer", path, ...settings, "--id", "0", "--seed", "1");
    const other = startMurmur("peer", path, ...settings, "--id", "1", "--seed", "2");
    await Promise.all([one.says(/refused peer 1/), other.says(/refused peer 0/)]);

    const known = await examined(path, { seed: 1 });
    expect(known.peers.map(({ state }) => state)).toEqual(["runs", "another run", "free", "free"]);
    expect(known.edges[0]).toMatchObject({
      failed: "fingerprint",
      reason: expect.stringMatching(/"seed" is "1" here and "2" at peer 1/),
    });
    const { edges } = await examined(path);
    expect(edges[0]).toMatchObject({
      failed: "peers",
      reason: expect.stringMatching(/^peer 1 is not connected to peer 0: .*"seed" is "2" here/),
    });
  });

  it("tells a process that is stopped from one that is not there, and one key from another", async () => {
    const path = await ready();
    const content = JSON.parse(readFileSync(path, "utf8"));
    // Peers 2 and 3 have each other's addresses.
    [content.peers[2].listen, content.peers[3].listen] = [content.peers[3].listen, content.peers[2].listen];
    const swapped = join(scratch, "swapped.json");
    writeFileSync(swapped, JSON.stringify(content));
    const [stopped, third] = ["0", "2"].map((id) => startMurmur("peer", path, ...settings, "--id", id));
    await Promise.all([stopped!.says(waits), third!.says(waits)]);
    stopped!.process.kill("SIGSTOP");
    const found = await examined(swapped, { keys: keysFolder(path), deadlineMs: 2000 });
    expect(found.peers.map(({ state }) => state)).toEqual(["silent", "free", "free", "blocked"]);
    expect(found.answers).toEqual(["silent", "nothing", "nothing", "other"]);
    expect(found.peers[0]!.addresses[0]!.reason).toMatch(
      /accepts connections and does not answer within 2 s/,
    );
    expect(found.peers[3]!.addresses[0]!.reason).toMatch(/^peer 2 answers there, with its own key/);
    // What could work, were it not that neither of its ends runs at its address.
    expect(found.failures).toEqual(["0-1 Noise", "0-3 Noise", "2-3 Noise"]);
  });
});

describe("murmur doctor, while no peer runs", () => {
  it("stands in for those of this machine at the ports that they would have, and marks it", async () => {
    const path = await ready();
    const { status, stdout } = await startMurmur("doctor", path, ...settings).finished;
    expect(status).toBe(0);
    expect(stdout.match(/nothing; free for murmur up/g)).toHaveLength(4);
    expect(stdout).not.toContain("✓");
    expect(stdout).toMatch(/\n○ tried by the doctor in place of a peer that does not run\n/);
    expect(stdout).toMatch(/\nno peer runs; the edges would work \(4 tried\): start .*\n$/);
  });

  it("fails edges to another machine that cannot be reached", async () => {
    const [closed] = await freeLoopbackAddresses(1);
    const path = await ready({ 1: { host: "another-machine.invalid", dial: [closed] } });
    const { peers, failures, edges } = await examined(path);
    expect(peers[0]).toMatchObject({ state: "free", isPlayed: true });
    expect(peers[1]).toMatchObject({ state: "absent", addresses: [{ address: closed, answers: "nothing" }] });
    expect(failures).toEqual(["0-1 TCP", "1-2 TCP"]);
    expect(edges[0]!.reason).toMatch(/nothing listens there \(connection refused\)/);
  });

  it("fails edges of a port on which a process hangs", async () => {
    const path = await ready();
    const sockets: Socket[] = [];
    const hung = createServer((socket) => sockets.push(socket));
    await listen(hung, portOf(path, 2));
    const { peers, failures } = await examined(path, { deadlineMs: 1000 });
    for (const socket of sockets) socket.destroy();
    await close(hung);
    expect(peers.map(({ state }) => state)).toEqual(["free", "free", "silent", "free"]);
    expect(failures).toEqual(["1-2 Noise", "2-3 Noise"]);
  });

  it("says what it cannot prove where a machine has its own key alone", async () => {
    const path = await ready();
    const alone = join(scratch, "alone.keys");
    await writeIdentity(alone, 0, (await findIdentity(keysFolder(path), 0))!, false);
    const greeter = createServer((socket) => socket.resume().end("\x13/multistream/1.0.0\n", "latin1"));
    await listen(greeter, portOf(path, 2));
    const { peers, edges, untried } = await examined(path, { keys: alone });
    await close(greeter);
    expect(peers.map(({ state }) => state)).toEqual(["free", "absent", "unproven", "absent"]);
    expect(edges.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [0, 3],
    ]);
    expect(untried).toEqual([
      [1, 2],
      [2, 3],
    ]);
  });
});
