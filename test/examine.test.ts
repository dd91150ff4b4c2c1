import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { keysFolder, writeIdentity } from "../src/cli/key-files.js";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import type { EdgeVerdict, Sighting } from "../src/runs/node/examine.js";
import { generateIdentity } from "../src/transports/libp2p/identity.js";
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

interface Found {
  readonly status: number | null;
  readonly peers: readonly Sighting[];
  readonly edges: readonly EdgeVerdict[];
  /** What the first address of every peer answers. */
  readonly answers: readonly (string | undefined)[];
  /** The edges that fail, by their ends in order, with the layer. */
  readonly failures: readonly string[];
}

async function doctor(...args: string[]): Promise<Found> {
  const { status, stdout, stderr } = await startMurmur("doctor", ...args, "--json").finished;
  expect(stderr).not.toMatch(/error|warning/);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const peers: Sighting[] = lines.filter(({ kind }) => kind === "peer");
  const edges: EdgeVerdict[] = lines.filter(({ kind }) => kind === "edge");
  const failures = edges
    .filter(({ failed }) => failed !== undefined)
    .map(({ from, to, failed }) => `${[from, to].sort().join("-")} ${failed}`);
  return { status, peers, edges, answers: peers.map(({ addresses }) => addresses[0]?.answers), failures };
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
}
const close = (server: Server) => new Promise((resolve) => server.close(resolve));

describe("murmur doctor, while all peers run", () => {
  let path: string;
  beforeAll(async () => {
    path = await ready();
    await startMurmur("up", path, ...settings).says(/4 peers \d+\/1000000|kernels|round/);
  });
  afterAll(endAll);

  it("proves every peer, says which round it is in, and that all edges work", async () => {
    const { status, peers, edges, answers, failures } = await doctor(path, ...settings);
    expect({ status, failures }).toEqual({ status: 0, failures: [] });
    expect(answers).toEqual(["peer", "peer", "peer", "peer"]);
    for (const { state, round, chain, peer, seenBy } of peers) {
      expect({ state, self: chain![0].peer }).toEqual({ state: "runs", self: peer });
      expect(round).toBeGreaterThan(0);
      // Whichever end asked, its neighbour is connected to it.
      if (seenBy !== undefined) expect([1, 3]).toContain(Math.abs(seenBy - peer));
    }
    expect(edges.map(({ standIns }) => standIns)).toEqual([[], [], [], []]);
  });

  it("needs no experiment for that, and prints it as tables", async () => {
    const { status, stdout } = await startMurmur("doctor", path).finished;
    expect(status).toBe(0);
    expect(stdout).toMatch(/^peer +round +address +answers\n +0 +\d+ +\/ip4\/127.0.0.1\/tcp\/\d+ +this peer\n/);
    expect(stdout).toMatch(/\n4 of 4 peers run; the edges work \(4 tried\)\n$/);
    expect(stdout).not.toContain("○");
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("names an address at which a peer that runs does not answer", async () => {
    const content = JSON.parse(readFileSync(path, "utf8"));
    [content.peers[1].listen[0]] = await freeLoopbackAddresses(1);
    const wrong = join(scratch, "wrong-port.json");
    writeFileSync(wrong, JSON.stringify(content));
    const { status, answers, failures, edges } = await doctor(wrong, "--keys", keysFolder(path));
    expect(status).toBe(1);
    expect(answers).toEqual(["peer", "nothing", "peer", "peer"]);
    expect(failures).toEqual(["0-1 TCP", "1-2 TCP"]);
    expect(edges[0]!.reason).toMatch(/^peer 1 runs, since peer [02] is connected to it, but not at .*: correct/);
  });

  it("names a field in which they differ from what the files here say", async () => {
    const { status, peers, failures, edges } = await doctor(path, ...settings, "--seed", "2");
    expect(status).toBe(1);
    expect(peers.map(({ state }) => state)).toEqual(Array(4).fill("another run"));
    expect(failures).toHaveLength(4);
    expect(edges[0]!.reason).toMatch(/"seed" is "2" here and "1" at peer 1: start both from the same files/);
  });
});

describe("murmur doctor, while some peers run", () => {
  afterEach(endAll);
  const waits = /is not there yet/;

  it("fails the edges of a peer that is down, or whose port another program has", async () => {
    const path = await ready();
    await startMurmur("up", path, ...settings, "--peers", "0,2,3", "--deadline", "60").says(/./);
    const up = startMurmur("peer", path, ...settings, "--id", "1");
    await up.says(/peer 0 is connected|joining/);
    up.process.kill("SIGKILL");
    await up.finished;

    const down = await doctor(path);
    expect(down.status).toBe(1);
    expect(down.answers).toEqual(["peer", "nothing", "peer", "peer"]);
    expect(down.peers[1]!.state).toBe("free");
    expect(down.failures).toEqual(["0-1 peers", "1-2 peers"]);
    expect(down.edges[0]).toMatchObject({ standIns: [1], reason: "peer 1 does not run, and others do: start it" });
    // As that peer, about to start, everything is as it should be.
    expect(await doctor(path, "--id", "1")).toMatchObject({ status: 0, failures: [] });

    const web = createHttpServer((_, response) => response.end("hello"));
    await listen(web, portOf(path, 1));
    const foreign = await doctor(path);
    await close(web);
    expect(foreign.status).toBe(1);
    expect(foreign.answers).toEqual(["peer", "foreign", "peer", "peer"]);
    expect(foreign.peers[1]).toMatchObject({ state: "blocked" });
    expect(foreign.peers[1]).not.toHaveProperty("isPlayed");
    expect(foreign.failures).toEqual(["0-1 Noise", "1-2 Noise"]);
    expect(foreign.edges[0]!.reason).toMatch(/an HTTP server answers there \(“HTTP\/1.1 400 Bad Request”\)/);
  });

  it("finds a peer of another run, by the files and by what its neighbour states", async () => {
    const path = await ready();
    const one = startMurmur("peer", path, ...settings, "--id", "0");
    const other = startMurmur("peer", path, ...settings, "--id", "1", "--seed", "2");
    await Promise.all([one.says(/refused peer 1/), other.says(/refused peer 0/)]);

    const known = await doctor(path, ...settings);
    expect(known.status).toBe(1);
    expect(known.peers.map(({ state }) => state)).toEqual(["runs", "another run", "free", "free"]);
    expect(known.edges[0]).toMatchObject({
      failed: "fingerprint",
      reason: expect.stringMatching(/"seed" is "\d+" here and "2" at peer 1/),
    });

    const unknown = await doctor(path);
    expect(unknown.status).toBe(1);
    expect(unknown.edges[0]).toMatchObject({
      failed: "peers",
      reason: expect.stringMatching(/^peer 1 is not connected to peer 0: .*"seed" is "2" here/),
    });
    expect(waits.test((one.process.kill("SIGINT"), await one.finished).stderr)).toBe(true);
  });

  it("tells a process that is stopped from one that is not there, and one key from another", async () => {
    const path = await ready();
    const content = JSON.parse(readFileSync(path, "utf8"));
    // Peers 2 and 3 have each other's addresses.
    [content.peers[2].listen, content.peers[3].listen] = [content.peers[3].listen, content.peers[2].listen];
    writeFileSync(path.replace("topology", "swapped"), JSON.stringify(content));
    const [stopped, third] = ["0", "2"].map((id) => startMurmur("peer", path, ...settings, "--id", id));
    await Promise.all([stopped!.says(waits), third!.says(waits)]);
    stopped!.process.kill("SIGSTOP");
    const swapped = path.replace("topology", "swapped");
    const found = await doctor(swapped, "--keys", keysFolder(path), "--timeout", "1");
    expect(found.status).toBe(1);
    expect(found.peers.map(({ state }) => state)).toEqual(["silent", "free", "absent", "blocked"]);
    expect(found.answers).toEqual(["silent", "nothing", "nothing", "other"]);
    expect(found.peers[0]!.addresses[0]!.reason).toMatch(/accepts connections and does not answer within 1 s/);
    expect(found.peers[3]!.addresses[0]!.reason).toMatch(/^peer 2 answers there, with its own key/);
    expect(found.failures).toHaveLength(4);
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
    const { peers, edges } = await doctor(path);
    expect(peers.map(({ state, isPlayed }) => [state, isPlayed])).toEqual(Array(4).fill(["free", true]));
    for (const { standIns } of edges) expect(standIns).toHaveLength(2);
  });

  it("fails edges to another machine that cannot be reached", async () => {
    const [closed] = await freeLoopbackAddresses(1);
    const path = await ready({ 1: { host: "another-machine.invalid", dial: [closed] } });
    const { status, peers, failures, edges } = await doctor(path);
    expect(status).toBe(1);
    expect(peers[1]).toMatchObject({ state: "absent", addresses: [{ address: closed, answers: "nothing" }] });
    expect(failures).toEqual(["0-1 TCP", "1-2 TCP"]);
    expect(edges[0]!.reason).toMatch(/nothing listens there \(connection refused\)/);
  });

  it("fails edges of a port on which a process hangs", async () => {
    const path = await ready();
    const sockets: Socket[] = [];
    const hung = createServer((socket) => sockets.push(socket));
    await listen(hung, portOf(path, 2));
    const { status, peers, failures } = await doctor(path, "--timeout", "1");
    for (const socket of sockets) socket.destroy();
    await close(hung);
    expect(status).toBe(1);
    expect(peers.map(({ state }) => state)).toEqual(["free", "free", "silent", "free"]);
    expect(failures).toEqual(["1-2 Noise", "2-3 Noise"]);
  });

  it("says what it cannot prove where a machine has its own key alone", async () => {
    const path = await ready();
    const alone = join(scratch, "alone.keys");
    await writeIdentity(alone, 0, await generateIdentity(), false);
    const own = readFileSync(join(keysFolder(path), "peer-0.key"));
    writeFileSync(join(alone, "peer-0.key"), own);
    const sockets: Socket[] = [];
    const greeter = createServer((socket) => {
      sockets.push(socket);
      socket.end("\x13/multistream/1.0.0\n", "latin1");
    });
    await listen(greeter, portOf(path, 2));
    const { peers, edges } = await doctor(path, "--keys", alone);
    for (const socket of sockets) socket.destroy();
    await close(greeter);
    expect(peers.map(({ state }) => state)).toEqual(["free", "absent", "unproven", "absent"]);
    expect(edges.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [0, 3],
    ]);
  });
});
