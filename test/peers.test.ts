import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { keysFolder, writeIdentity } from "../src/cli/key-files.js";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import { decodeIdentity, generateIdentity } from "../src/transports/libp2p/identity.js";
import { endAll, type Finished, murmur, startMurmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-peers-"));
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(endAll);

const quadratic = ["--trainer", "quadratic", "--evaluate-every", "0"];
/** Long enough to be stopped on the way. */
const long = [...quadratic, "--rounds", "4000"];

const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const lines = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

let files = 0;
function topologyFile(content: object): string {
  const path = join(scratch, `topology-${files++}.json`);
  writeFileSync(path, JSON.stringify(content));
  return path;
}

/** A topology file with keys and free ports on loopback, as `murmur keys` leaves it. */
async function readyTopology(graph: { kind: string; peers: number }): Promise<string> {
  const addresses = await freeLoopbackAddresses(graph.peers);
  const peers = [];
  const path = topologyFile({});
  for (const [id, address] of addresses.entries()) {
    const identity = await generateIdentity();
    await writeIdentity(keysFolder(path), id, identity, false);
    peers.push({ id, peerId: identity.peerId, listen: [address] });
  }
  writeFileSync(path, JSON.stringify({ graph, peers }));
  return path;
}

/** The same topology with one peer's fields changed, and the same keys. */
function changed(path: string, id: number, fields: object): { path: string; keys: string } {
  const content = read(path);
  Object.assign(content.peers[id], fields);
  return { path: topologyFile(content), keys: path.replace(/\.json$/, ".keys") };
}

function expectOneLine({ status, stdout, stderr }: Finished, says: RegExp): void {
  const errors = stderr.split("\n").filter((line) => line.startsWith("error:"));
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(says);
  expect(stdout).toBe("");
  expect(status).toBe(2);
}

const pair = { kind: "complete", peers: 2 };

describe("murmur keys", () => {
  it("says which key belongs on which machine, and takes the machines' names", () => {
    const path = topologyFile({ graph: { kind: "ring", peers: 4 } });
    const few = murmur("keys", path, "--hosts", "north,south");
    expectOneLine(few, /--hosts names 2 machines for 4 peers/);
    const { status, stdout } = murmur("keys", path, "--hosts", "north,north,south,192.0.2.7");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^north: peer-0.key, peer-1.key; murmur up topology-\d+.json --peers 0,1$/m);
    expect(stdout).toMatch(/^south: peer-2.key; .* --peers 2$/m);
    expect(stdout).toMatch(/^every machine gets topology-\d+.json as it is now.*ports from 4100 on$/m);
    expect(read(path).peers.map(({ dial }: { dial: string[] }) => dial)).toEqual([
      ["/dns/north/tcp/4100"],
      ["/dns/north/tcp/4101"],
      ["/dns/south/tcp/4102"],
      ["/ip4/192.0.2.7/tcp/4103"],
    ]);
    // The same again changes nothing; another machine needs the old address gone.
    expect(murmur("keys", path, "--hosts", "north,north,south,192.0.2.7").status).toBe(0);
    expectOneLine(
      murmur("keys", path, "--hosts", "north,north,south,east"),
      /peer 3 has addresses already, which --hosts does not change/,
    );
    const alone = topologyFile({ graph: { kind: "ring", peers: 4 } });
    expect(murmur("keys", alone).stdout).toMatch(/^all peers are on one machine, as far as .*--hosts/m);
  });

  const identityIn = (folder: string, id: number) =>
    decodeIdentity(readFileSync(join(folder, `peer-${id}.key`), "utf8"));

  it("makes a secret key per peer, names them in the topology, and keeps everything else there", () => {
    const content = {
      $schema: "./topology.schema.json",
      name: "three",
      graph: { kind: "complete", peers: 3 },
      weights: [
        [0.5, 0.25, 0.25],
        [0.25, 0.5, 0.25],
        [0.25, 0.25, 0.5],
      ],
      peers: [
        { id: 2, host: "192.0.2.7" },
        { id: 1, listen: ["/ip4/127.0.0.1/tcp/5000"] },
      ],
    };
    const path = topologyFile(content);
    const folder = path.replace(/\.json$/, ".keys");
    const { status, stdout } = murmur("keys", path, "--base-port", "7000", "--json");
    expect(status).toBe(0);

    const written = read(path);
    expect(JSON.parse(stdout)).toEqual(written.peers);
    expect({ ...written, peers: [] }).toEqual({ ...content, peers: [] });
    expect(written.peers).toEqual([
      { id: 0, peerId: identityIn(folder, 0).peerId, listen: ["/ip4/127.0.0.1/tcp/7000"] },
      { id: 1, peerId: identityIn(folder, 1).peerId, listen: ["/ip4/127.0.0.1/tcp/5000"] },
      {
        id: 2,
        peerId: identityIn(folder, 2).peerId,
        host: "192.0.2.7",
        listen: ["/ip4/0.0.0.0/tcp/7002"],
        dial: ["/ip4/192.0.2.7/tcp/7002"],
      },
    ]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);

    const before = readFileSync(path, "utf8");
    expect(murmur("keys", path).status).toBe(0);
    expect(readFileSync(path, "utf8")).toBe(before);

    expect(murmur("keys", path, "--force", "--peers", "1").status).toBe(0);
    const forced = read(path).peers;
    expect(forced[1].peerId).not.toBe(written.peers[1].peerId);
    expect(forced[1].peerId).toBe(identityIn(folder, 1).peerId);
    expect([forced[0], forced[2]]).toEqual([written.peers[0], written.peers[2]]);
  });

  it("leaves a peer alone whose key is elsewhere, and refuses a folder of other keys", async () => {
    const path = await readyTopology(pair);
    const before = readFileSync(path, "utf8");
    expect(murmur("keys", path, "--out", join(scratch, "elsewhere")).stderr).toMatch(
      /peer 0 .*left as it is/,
    );
    expect(readFileSync(path, "utf8")).toBe(before);
    expect(existsSync(join(scratch, "elsewhere"))).toBe(false);
    const other = await readyTopology(pair);
    expectOneLine(
      murmur("keys", path, "--out", other.replace(/\.json$/, ".keys")),
      /key of peer 0.*--out.*--force/,
    );
  });
});

describe("murmur peer, where it cannot take part, says why in one line and exits with 2", () => {
  it("without a key", async () => {
    const path = await readyTopology(pair);
    rmSync(path.replace(/\.json$/, ".keys/peer-1.key"));
    expectOneLine(murmur("peer", path, ...quadratic, "--id", "1"), /peer 1 has no key.*murmur keys.*--keys/);
  });

  it("with a damaged key", async () => {
    const path = await readyTopology(pair);
    writeFileSync(path.replace(/\.json$/, ".keys/peer-1.key"), "not a key\n");
    expectOneLine(murmur("peer", path, ...quadratic, "--id", "1"), /peer-1\.key.*not an Ed25519 private key/);
  });

  it("with another peer's key", async () => {
    const path = await readyTopology(pair);
    const folder = path.replace(/\.json$/, ".keys");
    writeFileSync(join(folder, "peer-1.key"), readFileSync(join(folder, "peer-0.key")));
    expectOneLine(murmur("peer", path, ...quadratic, "--id", "1"), /key of peer 1 belongs to/);
  });

  it("without identities in the topology, or a number that is none", () => {
    const path = topologyFile({ graph: pair });
    const keys = join(scratch, "some.keys");
    expect(murmur("keys", topologyFile({ graph: pair }), "--out", keys).status).toBe(0);
    expectOneLine(
      murmur("peer", path, ...quadratic, "--id", "0", "--keys", keys),
      /no peerId for peer 0.*murmur keys/,
    );
    expectOneLine(murmur("peer", path, "--id", "2"), /no peer 2.*0 to 1/);
    expectOneLine(murmur("peer", path), /--id/);
  });

  it("when its port is in use", async () => {
    const path = await readyTopology(pair);
    const port = Number(read(path).peers[0].listen[0].split("/").at(-1));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const refused = murmur("peer", path, ...quadratic, "--id", "0");
    await new Promise((resolve) => server.close(resolve));
    expectOneLine(refused, /peer 0 cannot listen on .*in use.*another port/);
  });

  it("when nobody is at its neighbour's address, after its deadline", async () => {
    const path = await readyTopology(pair);
    expectOneLine(
      murmur("peer", path, ...quadratic, "--id", "0", "--deadline", "1"),
      /peer 0 waited 1 s for peer 1 \(nothing listens at its address.*murmur doctor/,
    );
  });

  it("when its neighbour runs something else; both name the field", async () => {
    const path = await readyTopology(pair);
    const other = startMurmur("peer", path, ...quadratic, "--id", "1", "--seed", "2");
    const one = startMurmur("peer", path, ...quadratic, "--id", "0", "--seed", "1");
    expectOneLine(await one.finished, /"seed" is "1" here and "2" at peer 1.*same files/);
    expectOneLine(await other.finished, /"seed" is "2" here and "1" at peer 0/);
  });

  it("when a process with its key takes part already", async () => {
    const path = await readyTopology({ kind: "chain", peers: 3 });
    // Peer 2 is missing, so that 0 and 1 are connected and wait.
    const first = startMurmur("peer", path, ...quadratic, "--id", "0");
    const middle = startMurmur("peer", path, ...quadratic, "--id", "1");
    await middle.says(/peer 0 is connected/);
    const [address] = await freeLoopbackAddresses(1);
    const twin = changed(path, 0, { listen: [address] });
    const second = startMurmur("peer", twin.path, "--keys", twin.keys, ...quadratic, "--id", "0");
    expectOneLine(await second.finished, /peer 0 already runs in another process.*stop that one/);
    await middle.says(/refused peer 0/);
    first.process.kill("SIGINT");
    middle.process.kill("SIGINT");
    expect((await first.finished).status).not.toBe(2);
    expect((await middle.finished).status).toBe(130);
  });

  it("and warns of a key that others can read", async () => {
    const path = await readyTopology(pair);
    chmodSync(path.replace(/\.json$/, ".keys/peer-0.key"), 0o644);
    const { stderr } = murmur("peer", path, ...quadratic, "--id", "0", "--deadline", "1");
    expect(stderr).toMatch(/warning: others can read the key .*chmod 600/);
  });
});

describe("murmur peer", () => {
  it("trains with its neighbour, in whatever order they start, and both end with what the simulator finds", async () => {
    const path = await readyTopology(pair);
    const out = join(scratch, "two-peers");
    const args = [...quadratic, "--rounds", "5", "--out", out, "--json"];
    const late = startMurmur("peer", path, "--id", "1", ...args);
    await late.says(/neighbours 0: joining/);
    const ends = await Promise.all([startMurmur("peer", path, "--id", "0", ...args).finished, late.finished]);
    expect(ends.map(({ status }) => status)).toEqual([0, 0]);
    const [one, other] = ends.map(({ stdout }) => JSON.parse(stdout));
    expect(one).toMatchObject({ peer: 0, modelDigest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(other.bytesSent).toBeGreaterThan(0);
    expect(one.verdict).toMatchObject({ kind: "unknown", reasons: expect.any(Array) });
    const log = lines(join(out, "peer-0.jsonl"));
    expect(log.at(-1)).toEqual({ type: "end", outcome: "completed" });
    expect(log.filter(({ type }) => type === "round")).toHaveLength(one.rounds);
    expect(murmur("inspect", out).status).toBe(0);
    expect(murmur("peer", path, "--id", "0", ...args).stderr).toMatch(/peer-0\.jsonl already exists/);
  });

  it("stopped with Ctrl-C leaves a log that says so; its neighbour says who is missing", async () => {
    const path = await readyTopology(pair);
    const out = join(scratch, "stopped");
    const peer = (id: number, ...more: string[]) =>
      startMurmur("peer", path, "--id", String(id), ...long, "--out", out, ...more);
    const one = peer(0);
    // The other is in a hurry, so the first has to listen before it starts.
    await one.says(/peer 1 is not reachable yet/);
    const other = peer(1, "--deadline", "4");
    await one.says(/peer 0 \d+\/4\d+ /);
    one.process.kill("SIGINT");
    const end = await one.finished;
    expect(end.stderr).toMatch(/peer 0 stopped after round \d+: Ctrl-C/);
    expect(end.status).toBe(130);
    expect(lines(join(out, "peer-0.jsonl")).at(-1)).toEqual({
      type: "end",
      outcome: "stopped",
      reason: "Ctrl-C",
    });
    // Whichever wait began first: the one for a frame of its round, or the one for a connection.
    expectOneLine(
      await other.finished,
      /peer 1 waited 4 s (for peer 0 to connect|in round \d+ for peer 0, which has been unreachable for [\d.]+ s: check peer 0)/,
    );
    expect(lines(join(out, "peer-1.jsonl")).at(-1)).toMatchObject({ type: "end", outcome: "stopped" });
  });

  it.each([
    ["its last round", 1],
    ["the round before its last", 2],
  ])(
    "killed with %s in its log and started again is served by its neighbour, and both end as if nothing had happened",
    async (_, fromEnd) => {
      const path = await readyTopology(pair);
      const args = [...quadratic, "--rounds", "60", "--json"];
      const { peers: calm } = JSON.parse(murmur("up", path, ...args).stdout);
      const digests = calm.map(({ modelDigest }: { modelDigest: string }) => modelDigest);

      const out = join(scratch, `killed-${fromEnd}`);
      const lasting = ["--out", out, "--checkpoints", `${out}-checkpoints`, "--resume", "--deadline", "20"];
      const peer = (id: number) => startMurmur("peer", path, "--id", String(id), ...args, ...lasting);
      const [one, other] = [peer(0), peer(1)];
      const log = join(out, "peer-1.jsonl");
      const line = `"round":${calm[1].rounds - fromEnd},`;
      while (!existsSync(log) || !readFileSync(log, "utf8").includes(line))
        await new Promise((resolve) => setImmediate(resolve));
      other.process.kill("SIGKILL");
      await other.finished;
      const ends = await Promise.all([one.finished, peer(1).finished]);
      expect(ends.map(({ status }) => status)).toEqual([0, 0]);
      expect(ends.map(({ stdout }) => JSON.parse(stdout).modelDigest)).toEqual(digests);
      expect(lines(log).at(-1)).toEqual({ type: "end", outcome: "completed" });
    },
  );
});

describe("murmur up", () => {
  const childrenOf = (pid: number) =>
    execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map(Number);
  const lives = (pid: number) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };

  it("runs the topology's peers with their keys and addresses, and leaves logs", async () => {
    const path = await readyTopology({ kind: "ring", peers: 3 });
    const out = join(scratch, "up");
    const { status, stdout, stderr } = murmur("up", path, ...quadratic, "--rounds", "5", "--out", out);
    expect(stderr).not.toMatch(/error|warning/);
    expect(status).toBe(0);
    expect(stdout).toMatch(/held-out loss +consensus +closed/);
    expect(stdout.match(/[0-9a-f]{64}/g)).toHaveLength(3);
    expect(readdirSync(out).sort()).toEqual(["graph.jsonl", "peer-0.jsonl", "peer-1.jsonl", "peer-2.jsonl"]);
    for (const name of readdirSync(out)) {
      expect(lines(join(out, name)).at(-1)).toEqual({ type: "end", outcome: "completed" });
    }
    // A busy machine may make an edge slow, and inspect says so; nothing else is to be said.
    expect(murmur("inspect", out).stderr.replace(/^warning: .* that edge or peer is slow\n/gm, "")).toBe("");
    expect(murmur("doctor", out).stdout.replace(/^peer \d was at the end of .*\n/gm, "")).toMatch(
      /^(nothing wrong\n)?$/,
    );
    expect(stdout).toMatch(/goodput [\d.]+ % of wall time/);
    // The run ends with what its logs open with.
    expect(murmur("inspect", out).stdout.split("\n")[0]).toBe(stdout.trimEnd().split("\n").at(-1));
    expect(stdout).toMatch(/^no verdict: \d learning rounds show no trend; .* sent per peer/m);
    expect(stderr).toMatch(/^consensus rate η [\d.]+ \(auto\)$/m);
    expect(murmur("up", path, ...quadratic, "--out", out).stderr).toMatch(/^error: .*not empty.*\n$/);
  });

  it.each([
    ["SIGINT", "Ctrl-C", 130],
    ["SIGTERM", "SIGTERM", 143],
  ] as const)("stops all peers on %s, and their logs say so", async (name, reason, code) => {
    const out = join(scratch, name);
    const up = startMurmur("up", topologyFile({ graph: { kind: "ring", peers: 3 } }), ...long, "--out", out);
    await up.says(/3 peers \d+\/4000/);
    const children = childrenOf(up.process.pid!);
    expect(children).toHaveLength(3);
    up.process.kill(name);
    const { status, stderr } = await up.finished;
    expect(status).toBe(code);
    expect(stderr).toMatch(new RegExp(`all peers stopped after \\d+ rounds: ${reason}`));
    expect(children.filter(lives)).toEqual([]);
    for (const name of readdirSync(out)) {
      expect(lines(join(out, name)).at(-1)).toEqual({ type: "end", outcome: "stopped", reason });
    }
  });

  it("shows which peer crashed and how, and stops the others", async () => {
    const out = join(scratch, "crashed");
    const up = startMurmur("up", topologyFile({ graph: { kind: "ring", peers: 3 } }), ...long, "--out", out);
    await up.says(/3 peers \d+\/4000/);
    const children = childrenOf(up.process.pid!);
    process.kill(children[1]!, "SIGKILL");
    const { status, stderr } = await up.finished;
    expect(status).toBe(2);
    expect(stderr).toMatch(/error: peer 1 was killed \(SIGKILL\).*; the other peers were stopped/);
    expect(children.filter(lives)).toEqual([]);
    expect(lines(join(out, "peer-0.jsonl")).at(-1)).toEqual({
      type: "end",
      outcome: "stopped",
      reason: "peer 1 failed",
    });
  });

  it("shows why a peer could not begin", async () => {
    const path = await readyTopology({ kind: "ring", peers: 3 });
    const port = Number(read(path).peers[2].listen[0].split("/").at(-1));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const refused = murmur("up", path, ...quadratic);
    await new Promise((resolve) => server.close(resolve));
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(
      /error: peer 2 cannot listen on .*in use.*; the other peers were stopped\n$/,
    );
  });

  it("ends its peers even when it is killed itself", async () => {
    const up = startMurmur(
      "up",
      topologyFile({ graph: { kind: "ring", peers: 3 } }),
      ...long,
      "--out",
      join(scratch, "orphans"),
    );
    await up.says(/3 peers \d+\/4000/);
    up.process.kill("SIGKILL");
    await up.finished;
    // Each log gets its last line when its peer ends.
    const log = join(scratch, "orphans", "peer-2.jsonl");
    while (lines(log).at(-1)?.type !== "end") await new Promise((resolve) => setImmediate(resolve));
    expect(lines(log).at(-1)).toMatchObject({
      outcome: "stopped",
      reason: "the process that started it is gone",
    });
  });
});

describe("--allow-different-data", () => {
  it("joins peers that learn from tables of their own; doctor compares with it or without", async () => {
    const path = await readyTopology(pair);
    const settings = (power: number) => {
      const rows = Array.from({ length: 30 }, (_, k) => `${k ** power},${k % 2 ? "cat" : "dog"}`);
      const file = join(scratch, `own-${power}.csv`);
      writeFileSync(file, ["x,species", ...rows].join("\n"));
      return ["--data", "csv", "--data.path", file, "--split", "iid", "--rounds", "2"];
    };
    const allow = "--allow-different-data";
    const one = startMurmur("peer", path, ...settings(1), "--id", "0", allow);
    await one.says(/peer 1 is not reachable yet/);
    expect(murmur("doctor", path, ...settings(2), "--id", "1", allow).status).toBe(0);
    const { status, stdout } = murmur("doctor", path, ...settings(2), "--id", "1");
    expect(status).toBe(1);
    expect(stdout).toMatch(/fails at fingerprint: "data" is .*: start both with --allow-different-data/);
    const up = startMurmur("up", path, ...settings(2), "--peers", "1", allow);
    const ends = await Promise.all([one, up].map(({ finished }) => finished));
    expect(ends.map(({ status }) => status)).toEqual([0, 0]);
  });
});

describe("murmur doctor", () => {
  it("tries edges with peers that run and peers that do not, and disturbs none", async () => {
    const path = await readyTopology({ kind: "chain", peers: 3 });
    const args = [...quadratic, "--rounds", "3", "--json"];
    const waiting = startMurmur("peer", path, ...args, "--id", "1");
    await waiting.says(/peer \d is not reachable yet/);

    const well = murmur("doctor", path, ...args, "--id", "0");
    expect(well.status).toBe(0);
    const [self, other, edge] = well.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect([self.state, other.state]).toEqual(["free", "runs"]);
    expect(edge).toMatchObject({ from: 0, to: 1, standIns: [0] });
    expect(edge).not.toHaveProperty("failed");

    const ill = murmur("doctor", path, ...quadratic, "--rounds", "4", "--id", "0");
    expect(ill.stdout).toMatch(/0 → 1 fails at fingerprint: "rounds" is "4" here and "3" at peer 1/);
    expect(ill.status).toBe(1);

    const others = ["0", "2"].map((id) => startMurmur("peer", path, ...args, "--id", id));
    const ends = await Promise.all([waiting, ...others].map(({ finished }) => finished));
    expect(ends.map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(ends[0]!.stderr).not.toMatch(/refused peer/);
  });
});
