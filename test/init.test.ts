import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, describe, expect, it } from "vitest";
import { ask, compose } from "../src/cli/init.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { murmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-init-"));
afterAll(() => rmSync(scratch, { recursive: true }));

describe("murmur init", () => {
  it("writes files that the other commands take, with schemas beside them, and never over others", () => {
    const folder = join(scratch, "mine");
    const flags = ["--graph", "torus", "--peers", "12", "--compressor", "sign", "--trainer", "quadratic"];
    const { status, stdout } = murmur("init", folder, ...flags, "--rounds", "3", "--yes");
    expect(status).toBe(0);
    expect(stdout).toMatch(/12 peers/);
    expect(readdirSync(folder).sort()).toEqual([
      "README.md",
      "experiment.json",
      "experiment.schema.json",
      "topology.json",
      "topology.schema.json",
    ]);
    const read = (name: string) => JSON.parse(readFileSync(join(folder, name), "utf8"));
    expect(read("topology.json")).toEqual({
      $schema: "./topology.schema.json",
      graph: { kind: "torus", rows: 3, columns: 4 },
    });
    expect(read("experiment.json")).toMatchObject({
      $schema: "./experiment.schema.json",
      compressor: "sign",
    });
    // No command evaluates what this trainer makes.
    expect(readFileSync(join(folder, "README.md"), "utf8")).not.toContain("murmur evaluate");
    const run = murmur("simulate", join(folder, "topology.json"), join(folder, "experiment.json"), "--json");
    expect(JSON.parse(run.stdout)).toMatchObject({ rounds: 3, compressor: "sign(tensor)" });

    const before = readFileSync(join(folder, "topology.json"), "utf8");
    const again = murmur("init", folder, "--yes");
    expect(again.stderr).toMatch(/^error: .* already has topology\.json, .*: choose another folder\n$/);
    expect(again.status).toBe(2);
    expect(readFileSync(join(folder, "topology.json"), "utf8")).toBe(before);
  });

  it("writes nothing where something given cannot be", () => {
    for (const [args, says] of [
      [["--graph", "rin"], /ring/],
      [["--graph", "hypercube", "--peers", "12"], /power of two/],
      [["--compressor", "sing"], /sign/],
    ] as const) {
      const folder = join(scratch, "never");
      const { status, stderr } = murmur("init", folder, ...args, "--yes");
      expect(stderr).toMatch(says);
      expect(stderr.trim().split("\n")).toHaveLength(1);
      expect(status).toBe(2);
      expect(readdirSync(scratch)).not.toContain("never");
    }
  });

  it.each([
    ["ring", 5],
    ["chain", 5],
    ["star", 5],
    ["complete", 5],
    ["exponential", 9],
    ["torus", 12],
    ["hypercube", 16],
    ["margulis", 16],
    ["expander", 12],
    ["random-regular", 12],
    ["erdos-renyi", 12],
  ])("sizes a %s for %i peers", (graph, peers) => {
    const { topology } = compose({ settings: { graph }, peers });
    expect(parseTopology(topology, "topology").graph.peers).toBe(peers);
  });

  it("asks for what was not given, and again where an answer cannot be", async () => {
    const input = new PassThrough();
    const output = new PassThrough();
    const answers = ["rng", "star", "many", "6", "", "qsgd", "fast", "0.5", ""];
    let shown = "";
    output.setEncoding("utf8").on("data", (text: string) => {
      shown += text;
      // One answer per question.
      if (text.endsWith("] ")) input.write(`${answers.shift()}\n`);
    });
    const given = await ask({ settings: { rounds: 7 } }, input, output);
    expect(answers).toEqual([]);
    expect(shown).not.toMatch(/rounds \[/);
    expect(shown).toMatch(/did you mean "ring"/);
    const { topology, experiment } = compose(given);
    expect(topology.graph).toEqual({ kind: "star", peers: 6 });
    expect(parseExperiment(experiment)).toMatchObject({
      algorithm: "edge-choco",
      compressor: { kind: "qsgd" },
      rounds: 7,
      learningRate: 0.5,
      seed: 1,
    });
  });
});
