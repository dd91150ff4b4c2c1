import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { parseTopology } from "../src/graphs/topology.js";
import { DEFAULT_BASE_PORT } from "../src/runs/node/addresses.js";
import { murmur } from "./support/processes.js";

const folder = mkdtempSync(join(tmpdir(), "murmur-members-"));
const file = join(folder, "topology.json");
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = () => parseTopology(readFileSync(file, "utf8"), file);

describe("members of a topology file", () => {
  beforeEach(() => {
    rmSync(join(folder, "topology.keys"), { recursive: true, force: true });
    writeFileSync(file, JSON.stringify({ graph: { kind: "ring", peers: 4 } }));
    expect(murmur("keys", file).status).toBe(0);
  });

  it("grow by a peer with the next number, a key, an address and the command that starts it", () => {
    const { status, stdout, stderr } = murmur("grow", file, "--edges", "0,2");
    expect(status, stderr).toBe(0);
    expect(stdout).toContain(`murmur peer ${file} --id 4 --join`);
    const { graph, peers } = read();
    expect(graph.edges).toEqual([
      [0, 1],
      [0, 3],
      [0, 4],
      [1, 2],
      [2, 3],
      [2, 4],
    ]);
    expect(peers[4]!.peerId).toMatch(/^12D3/);
    expect(peers[4]!.listen).toEqual([`/ip4/127.0.0.1/tcp/${DEFAULT_BASE_PORT + 4}`]);
    // Its key is the one that the file names.
    expect(murmur("keys", file).status).toBe(0);
    expect(read().peers[4]!.peerId).toBe(peers[4]!.peerId);
  });

  it("leave for good, and the graph is described without them", () => {
    const { status, stdout, stderr } = murmur("leave", file, "--id", "2", "--json");
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      peer: 2,
      before: { peers: 4 },
      after: { peers: 3, edges: 2 },
    });
    expect(read().peers[2]!.left).toBe(true);
    const again = murmur("leave", file, "--id", "2");
    expect(again.status).toBe(2);
    expect(again.stderr).toContain("peer 2 does not take part in the run");
  });

  it("stay as they are where a change would disconnect them, or is not one", () => {
    const before = readFileSync(file, "utf8");
    writeFileSync(file, before.replace("ring", "chain"));
    const chain = readFileSync(file, "utf8");
    const cut = murmur("leave", file, "--id", "1");
    expect(cut.status).toBe(2);
    expect(cut.stderr).toMatch(/^error: .*stays as it is: .*no path joins peers \[0\] to \[2, 3\]/);
    expect(murmur("grow", file, "--edges", "9").stderr).toContain(
      "peer 9, a neighbour of new peer 4, does not take part",
    );
    expect(murmur("leave", file, "--id", "7").status).toBe(2);
    expect(readFileSync(file, "utf8")).toBe(chain);
  });

  it("that have left start no new run", () => {
    expect(murmur("leave", file, "--id", "2").status).toBe(0);
    for (const command of ["simulate", "up"]) {
      const { status, stderr } = murmur(command, file, "--rounds", "1");
      expect(status).toBe(2);
      expect(stderr).toContain("is the graph of a run that peers 2 have left");
    }
    const both = murmur("peer", file, "--id", "0", "--join", "--resume", "--checkpoints", folder);
    expect(both.status).toBe(2);
    expect(both.stderr).toContain("--resume with checkpoints or --join without");
  });
});
