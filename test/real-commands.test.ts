// What people really type, and where they write to: one test for each situation that others met.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InvalidTopology } from "../src/foundation/errors.js";
import { isOfFile, unread, unwritten } from "../src/foundation/system-errors.js";
import { parseTopologyFile } from "../src/graph-formats/index.js";
import { problemWithAddress } from "../src/graphs/addresses.js";
import { parseTopology } from "../src/graphs/topology.js";
import { makeFolder, makeFolders } from "../src/sinks/folders.js";
import { expectError } from "./support/errors.js";
import { scratchFolder } from "./support/files.js";
import { type Finished, murmur, startMurmur } from "./support/processes.js";

const { folder: scratch, file } = scratchFolder();
const graph = { kind: "ring", peers: 3 };
const ring = file("ring.json", { graph });

/** One line of complaint, without the words of the system. */
function sentence({ status, stderr }: Finished): string {
  expect(status, stderr).toBe(2);
  const complaint = stderr.split("\n").filter((line) => line.startsWith("error: "));
  expect(complaint).toHaveLength(1);
  expect(stderr).not.toMatch(/\n\s+at |E[A-Z]{4,}\b/);
  return complaint[0]!;
}

const ADDRESSES: [string, RegExp][] = [
  ["/ip4/192.0.2.7/udp/4001/quic-v1", /do not speak QUIC; use TCP/],
  ["/ip4/192.0.2.7/udp/4001/quic-v1/webtransport", /do not speak WebTransport/],
  ["/ip4/192.0.2.7/udp/4001/webrtc-direct", /do not speak WebRTC/],
  ["/ip4/192.0.2.7/udp/4001", /do not speak UDP/],
  ["/ip4/192.0.2.7", /no port/],
  ["/ip4/192.0.2.7/tcp", /no port/],
  ["/ip4/192.0.2.7/tcp/0", /port 0/],
  ["/ip4/192.0.2.7/tcp/65536", /port 65536 is not from 1 to 65535/],
  ["/ip4/192.0.2.7/tcp/http", /port http/],
  ["/ip6zone/eth0/ip6/fe80::1/tcp/4001", /zone/],
  ["/ip6/fe80::1%eth0/tcp/4001", /zone/],
  ["/ip6/192.0.2.7/tcp/4001", /no IPv6 address/],
  ["/ip4/192.0.2.700/tcp/4001", /no IPv4 address/],
  ["/ip4/example.org/tcp/4001", /no IPv4 address; .*dns4/],
  ["/http/example.org/tcp/4001", /begins with none of ip4/],
  ["/ip4/192.0.2.7/tcp/4001/http", /\/http after the port is unknown/],
];

describe("addresses", () => {
  it.each(ADDRESSES)("as %s are refused in our words", (address, says) => {
    for (const field of ["listen", "dial"]) {
      const { message } = expectError(
        () => parseTopology({ graph, peers: [{ id: 0, [field]: [address] }] }, "test"),
        InvalidTopology,
        { code: "invalid-setting", field: `peers[0].${field}[0]` },
      );
      expect(message).toMatch(says);
    }
  });

  it.each([
    "/ip4/192.0.2.7/tcp/1",
    "/ip4/0.0.0.0/tcp/65535",
    "/ip6/::/tcp/4001",
    "/ip6/2001:db8::7/tcp/4001/ws",
    "/dns/example.org/tcp/443/wss",
    "/dns4/example.org/tcp/443/tls/ws",
    "/dns6/example.org/tcp/443/tls/sni/example.org/ws",
    "/ip4/192.0.2.7/tcp/4001/p2p/12D3KooWExample",
    "/memory/7",
    "/unix/%2Ftmp%2Fpeer.sock",
  ])("as %s are taken", (address) => {
    expect(problemWithAddress(address)).toBeUndefined();
  });

  it("are each one peer's, and named once", () => {
    const topologyOf = (peers: object[]) =>
      parseTopology({ graph, peers: peers.map((peer, id) => ({ id, ...peer })) }, "test");
    const [a, b] = ["/ip4/127.0.0.1/tcp/4001", "/ip4/127.0.0.1/tcp/4002"];
    const any = "/ip4/0.0.0.0/tcp/4001";
    const code = "address-of-two-peers";
    expectError(() => topologyOf([{ listen: [a] }, { listen: [a] }]), InvalidTopology, {
      code,
      peer: 1,
      neighbour: 0,
    });
    expectError(() => topologyOf([{ listen: [a] }, { listen: [`${a}/ws`] }]), InvalidTopology, { code });
    expectError(() => topologyOf([{ dial: [b] }, { listen: [a], dial: [b] }]), InvalidTopology, { code });
    const north = { host: "north" };
    const at = (port: number) => [`/dns4/north/tcp/${port}`];
    expectError(
      () =>
        topologyOf([
          { ...north, listen: [any], dial: at(1) },
          { ...north, listen: [a], dial: at(2) },
        ]),
      InvalidTopology,
      { code },
    );
    expectError(() => topologyOf([{ listen: [a, a] }]), InvalidTopology, {
      code: "address-repeated",
      peer: 0,
    });
    // One port of two machines is two places.
    topologyOf([
      { ...north, listen: [any], dial: at(1) },
      { host: "south", listen: [any], dial: at(2) },
    ]);
    topologyOf([
      { listen: [any], dial: at(1) },
      { listen: [any], dial: ["/dns4/south/tcp/1"] },
    ]);
    topologyOf([{ listen: [a, b] }, { listen: ["/ip4/127.0.0.1/tcp/4003"] }]);
  });

  it("that cannot be used stop keys, up, peer and doctor before anything is made or started", () => {
    const topology = file("quic/quic.json", { graph, peers: [{ id: 1, listen: [ADDRESSES[0]![0]] }] });
    const before = readFileSync(topology, "utf8");
    for (const args of [["keys"], ["up"], ["peer", "--id", "1"], ["doctor"]]) {
      const [command, ...others] = args;
      expect(sentence(murmur(command!, topology, ...others))).toMatch(/do not speak QUIC/);
    }
    expect(readFileSync(topology, "utf8")).toBe(before);
    expect(existsSync(join(scratch, "quic/quic.keys"))).toBe(false);
  });

  it("beyond the last port make no keys", () => {
    const topology = file("ports/ring.json", { graph });
    expect(sentence(murmur("keys", topology, "--base-port", "65534"))).toMatch(/port 65536/);
    expect(existsSync(join(scratch, "ports/ring.keys"))).toBe(false);
  });
});

describe("places to write to", () => {
  const run = join(scratch, "run");
  const nowhere = join(scratch, "nope-folder/x");
  const short = ["--split", "iid", "--rounds", "2"];

  it.skipIf(!existsSync("/proc/self"))(
    "where the system makes no folders end in a sentence, not in a wait",
    async () => {
      const place = "/proc/murmur";
      await expect(makeFolder(place)).rejects.toThrow(
        /cannot make folder \/proc\/murmur: no folder can be made there/,
      );
      await expect(makeFolder(`${place}/a/b`)).rejects.toThrow(/no folder can be made there/);
      for (const option of ["--save", "--out"]) {
        expect(sentence(murmur("simulate", ring, ...short, option, place))).toContain(
          "no folder can be made there",
        );
      }
      const fresh = file("fresh.json", { graph });
      expect(sentence(murmur("keys", fresh, "--out", place))).toContain("no folder can be made there");
      expect(sentence(murmur("init", place))).toContain("no folder can be made there");
    },
  );

  it("that are not there, or are something else, are named with the way out", () => {
    expect(murmur("simulate", ring, ...short, "--out", run).status).toBe(0);
    expect(sentence(murmur("split", ring, "--split", "iid", "--out", nowhere))).toMatch(
      /cannot write .*nope-folder\/x: its folder does not exist; make it first/,
    );
    for (const option of ["--html", "--csv"]) {
      expect(sentence(murmur("inspect", run, option, nowhere))).toMatch(
        /its folder does not exist; make it first/,
      );
      expect(sentence(murmur("inspect", run, option, run))).toMatch(/it is a folder; name a file/);
    }
    for (const option of ["--tensorboard", "--mlflow"]) {
      expect(sentence(murmur("inspect", run, option, join(ring, "x")))).toMatch(
        /a part of its path is a file/,
      );
    }
    expect(sentence(murmur("topology", nowhere))).toMatch(/cannot read .*: there is no such file or folder/);
    expect(sentence(murmur("topology", scratch))).toMatch(/it is a folder/);
  });

  it("say what the system means", () => {
    const error = (code: string, syscall = "open") =>
      Object.assign(new Error(`${code}: words`), { code, syscall, path: "x" });
    for (const code of [
      "EACCES",
      "EPERM",
      "ENOSPC",
      "EDQUOT",
      "EROFS",
      "EMFILE",
      "EIO",
      "ENAMETOOLONG",
      "ELOOP",
      "EBUSY",
    ]) {
      for (const text of [unread(error(code)), unwritten(error(code))]) {
        expect(text).not.toContain(code);
        expect(text).toMatch(/^[^;]+; [^;]+$/);
      }
    }
    expect(unread(error("ENOENT"))).not.toBe(unwritten(error("ENOENT")));
    expect(unwritten(error("ENOENT", "mkdir"))).toContain("no folder can be made there");
    // Others keep their words, in one line.
    expect(unwritten(new Error("one\ntwo"))).toBe("one");
    expect(isOfFile(error("EIO"))).toBe(true);
    expect(isOfFile(new Error("other"))).toBe(false);
  });

  it("are made with all that is above them, by several at a time", () => {
    const deep = join(scratch, "a/b/c");
    makeFolders(deep);
    makeFolders(deep);
    expect(existsSync(deep)).toBe(true);
    expect(() => makeFolders(join(ring, "x"))).toThrow(/ENOTDIR/);
    expect(() => makeFolders(ring)).toThrow(/EEXIST/);
  });

  it("are left as they were by a run that is interrupted", async () => {
    const models = join(scratch, "models");
    const up = startMurmur(
      "up",
      ring,
      "--split",
      "iid",
      "--rounds",
      "100000",
      "--evaluate-every",
      "0",
      "--save",
      models,
    );
    await up.says(/rounds\/s/);
    expect(existsSync(models)).toBe(true);
    up.process.kill("SIGINT");
    const { status } = await up.finished;
    expect(status).toBe(130);
    expect(existsSync(models)).toBe(false);
  });
});

describe("options", () => {
  it("with a dot that are misspelt get a suggestion", () => {
    for (const [given, meant] of [
      ["--compresor.bits", "--compressor.bits"],
      ["--compressor.bitz", "--compressor.bits"],
      ["--data.pth", "--data.path"],
      ["--early-stoping.patience", "--early-stopping.patience"],
    ]) {
      expect(sentence(murmur("simulate", ring, given!, "3"))).toContain(`did you mean "${meant}"?`);
    }
  });

  it("with a wrong value are named as they were typed", () => {
    const experiment = file("experiment.json", { compressor: { kind: "minmax", bits: 99 } });
    expect(sentence(murmur("simulate", ring, "--peer-weights", "x"))).toMatch(
      /^error: --peer-weights cannot be "x"/,
    );
    expect(
      sentence(murmur("simulate", ring, "--data.test-share", "3", "--data", "csv", "--data.path", "x")),
    ).toMatch(/^error: --data\.test-share must be less than 1, not 3/);
    // What the file says is the file's.
    expect(sentence(murmur("simulate", ring, experiment, "--rounds", "2"))).toMatch(
      /experiment file .*: compressor\.bits/,
    );
    expect(sentence(murmur("simulate", ring, experiment, "--rounds", "-1"))).toMatch(
      /^error: .*compressor\.bits|--rounds/,
    );
  });

  it("of early stopping that cannot come true are warned of", () => {
    const patient = ["--rounds", "4", "--evaluate-every", "2", "--early-stopping.patience", "2"];
    expect(murmur("simulate", ring, "--split", "iid", ...patient).stderr).toMatch(
      /warning: early stopping waits for 2 evaluations .*, 2 rounds apart, and there are 4 rounds/,
    );
    const fewer = [...patient.slice(0, -1), "1"];
    expect(murmur("simulate", ring, "--split", "iid", ...fewer).stderr).not.toContain("early stopping waits");
  });
});

describe("the doctor without keys", () => {
  it("checks the data all the same", () => {
    const data = ["--data", "csv", "--data.path"];
    expect(sentence(murmur("doctor", ring, ...data, join(scratch, "no.csv")))).toMatch(
      /there is no such file/,
    );
    const table = file(
      "pets.csv",
      ["a,b,class", ...Array.from({ length: 30 }, (_, k) => `${k},1,k${k % 2}`)].join("\n"),
    );
    const { status, stderr } = murmur("doctor", ring, ...data, table, "--split", "iid");
    expect(status).toBe(2);
    expect(stderr).toContain("data csv: 3 peers have 8 to 8 training examples each");
    expect(stderr).toContain(
      "warning: data csv: the same number in all training examples is in 1 of 2 columns (b)",
    );
    expect(stderr).toMatch(/^error: there are no keys in /m);
    const tooMany = file("many.json", { graph: { kind: "ring", peers: 40 } });
    expect(sentence(murmur("doctor", tooMany, ...data, table, "--split", "iid"))).not.toContain("keys");
  });
});

describe("edge lists of other tools", () => {
  const edges = ["0 1", "1 2", "0 2"];
  const read = async (name: string, lines: readonly string[]) => {
    const { graph, peers } = await parseTopologyFile(lines.join("\n"), name);
    return [graph.edges.length, peers.map((peer) => peer.name)];
  };

  it("that begin with a count of nodes have no node of that number", async () => {
    expect((await read("graph.edges", ["3", ...edges]))[0]).toBe(3);
    expect((await read("graph.edges", edges))[0]).toBe(3);
  });

  it("that name their columns have no nodes of these names", async () => {
    const named = edges.map((line) => line.replace(" ", ",").replace(/\d/g, "lab$&"));
    expect(await read("graph.csv", ["source,target", ...named])).toEqual([3, ["lab0", "lab1", "lab2"]]);
    expect(await read("graph.csv", ["from,to"])).toEqual([1, ["from", "to"]]);
  });
});

describe("experiment files", () => {
  it("with a byte order mark are read", () => {
    const experiment = file("bom.json", `\uFEFF${JSON.stringify({ rounds: 2, split: "iid" })}`);
    expect(murmur("simulate", ring, experiment).status).toBe(0);
  });
});
