import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { BackendDescription } from "../src/backends/describe.js";
import { withoutTimes } from "../src/runs/log.js";
import { scratchFolder } from "./support/files.js";

const root = new URL("..", import.meta.url).pathname;
const { folder: scratch, file } = scratchFolder();

/** Runs the built command as a user would, in a folder of its own. */
function murmur(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "dist/cli/main.js"), ...args], {
    cwd: scratch,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status, stdout, stderr };
}

const ring4 = join(root, "topologies/ring-4.json");
const quick = ["--trainer", "quadratic", "--rounds", "6", "--evaluate-every", "3"];

describe("murmur, given something it cannot use, says what to change in one line and exits with 2", () => {
  const cases: [what: string, args: () => string[], says: RegExp][] = [
    ["no file", () => ["simulate", "nowhere.json"], /nowhere\.json.*no such file/],
    ["a file that is no JSON", () => ["simulate", file("broken.json", "{ graph")], /broken\.json.*JSON/],
    ["an unknown graph", () => ["topology", file("rng.json", { graph: { kind: "rin", peers: 4 } })], /ring/],
    [
      "a misspelt key",
      () => ["topology", file("key.json", { graf: { kind: "ring", peers: 4 } })],
      /graf.*did you mean "graph"/,
    ],
    [
      "a disconnected graph",
      () => [
        "topology",
        file("cut.json", {
          graph: {
            kind: "edges",
            edges: [
              [0, 1],
              [2, 3],
            ],
          },
        }),
      ],
      /no path joins peers \[0, 1\] to \[2, 3\]/,
    ],
    [
      "weights whose row is off",
      () => [
        "topology",
        file("weights.json", {
          graph: { kind: "edges", edges: [[0, 1]] },
          weights: [
            [0.5, 0.4],
            [0.4, 0.6],
          ],
        }),
      ],
      /row 0/,
    ],
    [
      "an unknown algorithm",
      () => ["simulate", ring4, "--algorithm", "deepsqeeze"],
      /did you mean "deepsqueeze"/,
    ],
    ["an unknown compressor", () => ["simulate", ring4, "--compressor", "sing"], /compressor.*sign/],
    [
      "a setting of another compressor",
      () => ["simulate", ring4, "--compressor", "sign", "--compressor.bits", "4"],
      /compressor.*bits/,
    ],
    ["a rate that is no number", () => ["simulate", ring4, "--learning-rate", "fast"], /--learning-rate/],
    ["no rounds", () => ["simulate", ring4, "--rounds", "0"], /rounds/],
    [
      "an experiment with a misspelt key",
      () => ["simulate", ring4, file("experiment.json", { rouns: 3 })],
      /experiment\.json.*did you mean "rounds"/,
    ],
    [
      "a network with a misspelt key",
      () => ["simulate", ring4, "--network", file("network.json", { latencyms: 3 })],
      /network\.json.*did you mean "latencyMs"/,
    ],
    [
      "a network of another graph",
      () => ["simulate", ring4, "--network", file("edge.json", { edges: [{ between: [0, 2] }] })],
      /peers 0 and 2/,
    ],
    ["an unknown option", () => ["simulate", ring4, "--ruonds", "3"], /--rounds/],
    ["an unknown command", () => ["simluate"], /simulate/],
    ["an empty folder to inspect", () => ["inspect", scratch], /no logs/],
    ["no folder to inspect", () => ["inspect", "nowhere"], /nowhere/],
    ["a trajectory without a method", () => ["replay", file("x.json", { name: "adam" })], /x\.json|adam/],
  ];
  it.each(cases)("%s", (_what, args, says) => {
    const { status, stdout, stderr } = murmur(...args());
    expect(stderr).toMatch(says);
    expect(stderr.trim().split("\n")).toHaveLength(1);
    expect(stderr).toMatch(/^error: /);
    expect(stdout).toBe("");
    expect(status).toBe(2);
  });

  it("writes nothing when the settings are wrong", () => {
    const out = join(scratch, "never");
    expect(murmur("simulate", ring4, "--out", out, "--compressor", "none").status).toBe(2);
    expect(existsSync(out)).toBe(false);
  });
});

describe("murmur tune", () => {
  it("finds the range and the rate to take, as tables and as JSON", () => {
    const args = ["tune", ring4, ...quick, "--compressor", "sign"];
    const { status, stdout, stderr } = murmur(...args);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ring-4: 4 peers/);
    expect(stdout.trim().split("\n").at(-1)).toMatch(/^stable up to η = [\d.]+; take consensusRate /);
    expect(stderr).toMatch(/rounds with η = /);
    const tuning = JSON.parse(murmur(...args, "--json").stdout);
    expect(tuning.rates).toHaveLength(12);
    expect(tuning.rates.some(({ isStable }: { isStable: boolean }) => isStable)).toBe(true);
    expect(tuning.trained.length).toBeGreaterThan(1);
    for (const { loss, rounds } of tuning.trained) {
      expect(rounds).toBe(6);
      expect(loss).toBeGreaterThan(0);
    }
    const first = ({ initial }: { initial?: number }) => initial ?? tuning.consensusRate;
    expect(first(tuning.consensusRate)).toBeLessThanOrEqual(tuning.stableUpTo);
  });

  it("refuses an algorithm that has no rate, and a peer that has nobody to disagree with", () => {
    const { status, stderr } = murmur("tune", ring4, ...quick, "--algorithm", "push-sum");
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: algorithm push-sum does not use the consensus rate: .* choose another/);
    const alone = murmur("tune", file("one.json", { graph: { kind: "complete", peers: 1 } }), ...quick);
    expect(alone.status).toBe(2);
    expect(alone.stderr).toMatch(/^error: a single peer exchanges nothing/);
  });
});

describe("a run that diverges", () => {
  it("stops, names peer and round, keeps its logs and exits with 2", () => {
    const out = join(scratch, "diverged");
    const { status, stderr } = murmur(
      "simulate",
      ring4,
      ...quick,
      "--rounds",
      "400",
      "--learning-rate",
      "1000",
      "--out",
      out,
    );
    expect(status).toBe(2);
    expect(stderr).toMatch(/error: peer \d+ diverged in round \d+/);
    const lines = readFileSync(join(out, "peer-0.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.at(-1)).toMatchObject({ type: "end", outcome: "stopped" });
    const inspected = murmur("inspect", out);
    expect(inspected.status).toBe(0);
    expect(inspected.stdout).toContain("diverged");
  });

  it("was warned of when η is outside the stable range, and that the rate guard halved it", () => {
    const far = ["--algorithm", "dpsgd", "--consensus-rate", "1.8", "--rounds", "100"];
    const { status, stderr } = murmur("simulate", ring4, ...quick, ...far);
    expect(status).toBe(0);
    expect(stderr).toMatch(/warning: consensus rate 1\.8 is outside the stable range \(0, 1\.5/);
    expect(stderr).toMatch(
      /warning: consensus rate η = 1\.8 is too large: .* halves it to 0\.9 .*\(reported by /,
    );
  });
});

describe("a run", () => {
  /** All log lines of a folder, without the times. */
  const logsOf = (folder: string) =>
    readdirSync(folder)
      .sort()
      .map((name) => [
        name,
        readFileSync(join(folder, name), "utf8").split("\n").map(withoutTimes).join("\n"),
      ]);

  it("gives byte-identical logs for the same seed, times apart, and others for another", () => {
    const [first, second, other] = ["first", "second", "other"].map((name) => join(scratch, name));
    const args = ["--trainer.noise", "0.1", "--compressor", "qsgd"];
    expect(murmur("simulate", ring4, ...quick, ...args, "--seed", "7", "--out", first!).status).toBe(0);
    expect(murmur("simulate", ring4, ...quick, ...args, "--seed", "7", "--out", second!).status).toBe(0);
    expect(murmur("simulate", ring4, ...quick, ...args, "--seed", "8", "--out", other!).status).toBe(0);
    expect(logsOf(first!)).toHaveLength(5);
    expect(logsOf(second!)).toEqual(logsOf(first!));
    expect(logsOf(other!)).not.toEqual(logsOf(first!));
  });

  it("is not written over an earlier one", () => {
    const out = join(scratch, "once");
    expect(murmur("simulate", ring4, ...quick, "--out", out).status).toBe(0);
    const { status, stderr } = murmur("simulate", ring4, ...quick, "--out", out);
    expect(status).toBe(2);
    expect(stderr).toContain("not empty");
  });

  it("prints its summary as JSON, with nothing else on stdout", () => {
    const { stdout } = murmur(
      "simulate",
      ring4,
      ...quick,
      "--json",
      "--algorithm",
      "deepsqueeze",
      "--compressor",
      "minmax",
      "--compressor.bits",
      "8",
    );
    const summary = JSON.parse(stdout);
    expect(summary).toMatchObject({
      algorithm: "deepsqueeze",
      compressor: "minmax(8 bit, block=256)",
      rounds: 6,
    });
    expect(summary.final.consensusDistance).toBeLessThan(summary.beforeClosing.consensusDistance);
  });

  it("ends with its verdict, which its logs open with, and with 2 where it has diverged", () => {
    const out = join(scratch, "judged");
    const settings = ["--trainer", "quadratic", "--rounds", "40", "--learning-rate", "2.5"];
    const { status, stdout, stderr } = murmur("simulate", ring4, ...settings, "--out", out);
    expect(status).toBe(2);
    const last = stdout.trimEnd().split("\n").at(-1);
    expect(last).toMatch(
      /^diverged: the training loss rose from \S+ to \S+: lower --learning-rate \(2\.5 now\)$/,
    );
    expect(stderr).toMatch(/^consensus rate η [\d.]+ \(auto\)$/m);
    const { status: read, stdout: shown } = murmur("inspect", out);
    expect(read).toBe(0);
    expect(shown.split("\n")[0]).toBe(last);
    // Where exports are asked for, they are what comes of it.
    for (const option of ["--html", "--csv", "--tensorboard", "--mlflow"]) {
      expect(murmur("inspect", out, option, `exported${option}`)).toMatchObject({ status: 0, stdout: "" });
    }

    const asJson = murmur("simulate", ring4, ...settings, "--json");
    expect(asJson.status).toBe(2);
    const { verdict } = JSON.parse(asJson.stdout);
    expect(verdict).toMatchObject({ kind: "diverged", isOver: true, text: last });
    expect(verdict.reasons[0]).toMatchObject({ code: "diverged", isProblem: true });
    expect(JSON.parse(murmur("inspect", out, "--json").stdout.trimEnd().split("\n").at(-1)!)).toMatchObject({
      verdict,
    });
  });

  it("can be over a simulated network, whose time the summary has, as text and as JSON", () => {
    const network = file("slow.json", { computeMs: 100, latencyMs: 50 });
    const args = ["simulate", ring4, ...quick, "--closing-rounds", "0", "--network", network];
    // 6 rounds of 100 ms, and two latencies each.
    expect(murmur(...args).stdout).toMatch(/modelled time: 1\.2 s/);
    const summary = JSON.parse(murmur(...args, "--json").stdout);
    expect(summary.modelled.seconds).toBeCloseTo(1.2, 9);
  });

  it("can be described in a file, with options over it", () => {
    const experiment = file("run.json", {
      algorithm: "choco",
      compressor: "topk",
      trainer: "quadratic",
      rounds: 4,
    });
    const { stdout } = murmur("simulate", ring4, experiment, "--rounds", "3", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      algorithm: "choco",
      compressor: "topk(0.01, tensor)",
      rounds: 3,
    });
  });

  it("takes an edge list as its topology", () => {
    const { status, stdout } = murmur("topology", file("edges.txt", "# a path\n0 1\n1, 2\n"), "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ peers: 3, edges: 2 });
  });
});

describe("murmur, given a graph file of another tool", () => {
  const offices = () => file("offices.dot", 'graph { north -- "süd west" -- b -- north }');

  it("shows the names of the peers", () => {
    const { status, stdout } = murmur("topology", offices());
    expect(status).toBe(0);
    expect(stdout).toMatch(/names\s.*0 north/);
    expect(stdout).toContain("1 süd west");
    const { stdout: json } = murmur("topology", offices(), "--json");
    expect(JSON.parse(json)).toMatchObject({ peers: 3, edges: 3, names: ["north", "süd west", "b"] });
  });

  it("writes it in the format of an ending, and over no file", () => {
    const shown = murmur("topology", offices(), "--to", "offices.graphml");
    expect(shown.stdout).toContain("written: offices.graphml");
    const refused = murmur("topology", offices(), "--to", "offices.graphml");
    expect(refused).toMatchObject({ status: 2, stdout: "" });
    expect(refused.stderr).toMatch(/^error: cannot write offices\.graphml: it already exists.*\n$/);
    expect(murmur("topology", "offices.graphml", "--to", "offices-again.json").status).toBe(0);
    const written = JSON.parse(readFileSync(join(scratch, "offices-again.json"), "utf8"));
    expect(written.peers.map(({ name }: { name: string }) => name)).toEqual(["north", "süd west", "b"]);
    const unknown = murmur("topology", offices(), "--to", "offices.xyz");
    expect(unknown.stderr).toMatch(/^error: no format has the ending of offices\.xyz.*\n$/);
  });

  it("leaves weights out when asked to, and reads the format that is named", () => {
    const path = file("far.list", "a b 7\nb c 9\n");
    expect(murmur("topology", path)).toMatchObject({ status: 2 });
    expect(murmur("topology", path, "--no-weights", "--format", "edge-list").status).toBe(0);
  });

  it("runs on it, and the logs have the names", () => {
    expect(murmur("simulate", offices(), ...quick, "--out", "named").status).toBe(0);
    const [header] = readFileSync(join(scratch, "named/peer-1.jsonl"), "utf8").split("\n");
    expect(JSON.parse(header!).topology.names).toEqual(["north", "süd west", "b"]);
  });

  it("keeps keys and addresses out of it", () => {
    for (const args of [["keys"], ["leave", "--id", "1"], ["grow", "--edges", "0"]]) {
      const { status, stderr } = murmur(args[0]!, offices(), ...args.slice(1));
      expect(status).toBe(2);
      expect(stderr).toMatch(/^error: .*offices\.dot has no place for keys and addresses: .*\n$/);
    }
  });
});

describe("murmur doctor", () => {
  it("says of every backend whether it starts and how to get it, as --backend does", () => {
    const { status, stdout } = murmur("doctor", "--json");
    expect(status).toBe(0);
    const { backends } = JSON.parse(stdout) as { backends: BackendDescription[] };
    expect(backends.map(({ name }) => name)).toEqual(["node-gpu", "node", "webgpu", "wasm", "cpu"]);
    for (const { state, detail, remedy } of backends) {
      expect(["available", "missing", "broken"]).toContain(state);
      expect(detail).not.toBe("");
      expect(remedy === undefined).toBe(state === "available");
    }
    const stateOf = (wanted: string) => backends.find(({ name }) => name === wanted)!.state;
    expect([stateOf("wasm"), stateOf("cpu")]).toEqual(["available", "available"]);

    const task = ["--split", "iid", "--rounds", "1", "--evaluate-every", "0"];
    const absent = backends.find(({ state }) => state !== "available");
    if (absent) {
      const refused = murmur("simulate", ring4, ...task, "--backend", absent.name);
      expect(refused.status).toBe(2);
      expect(refused.stderr).toContain(`backend ${absent.name} does not start: ${absent.detail}; `);
    }
    const best = backends.find(({ state }) => state === "available")!;
    const { stderr } = murmur("simulate", ring4, ...task, "--backend", "auto");
    expect(stderr).toContain(`backend ${best.name}: ${best.detail}`);
    for (const { name, detail } of backends.slice(0, backends.indexOf(best))) {
      expect(stderr).toContain(`backend ${name} unavailable: ${detail}`);
    }
  });
});

describe("murmur doctor on the folder of a run", () => {
  it("says what its logs say is wrong, and nothing where nothing is", () => {
    const out = join(scratch, "examined");
    const settings = ["--trainer", "quadratic", "--rounds", "4", "--evaluate-every", "0"];
    expect(murmur("simulate", ring4, ...settings, "--out", out).status).toBe(0);
    expect(murmur("doctor", out)).toMatchObject({ status: 0, stdout: "nothing wrong\n", stderr: "" });

    const log = join(out, "peer-2.jsonl");
    const lines = readFileSync(log, "utf8").trimEnd().split("\n");
    const counters = { refusedPayload: 3, violations: 3 };
    const end = {
      outcome: "stopped",
      reason: "Ctrl-C",
      counters,
      edgeCounters: [{ neighbour: 1, ...counters }],
    };
    writeFileSync(log, `${[...lines.slice(0, -1), JSON.stringify({ type: "end", ...end })].join("\n")}\n`);
    const { status, stdout } = murmur("doctor", out);
    expect(status).toBe(1);
    const [first, second, ...others] = stdout.trimEnd().split("\n");
    expect(first).toBe("peer 2 stopped: Ctrl-C");
    expect(second).toMatch(
      /^peer 2 refused 3 frames with a malformed payload of peer 1: run the same version/,
    );
    expect(others).toEqual([]);
    const findings = murmur("doctor", out, "--json").stdout.trimEnd().split("\n");
    expect(findings.map((line) => JSON.parse(line).text)).toEqual([first, second]);

    // The same counts, by peer, after the rounds.
    const last = JSON.parse(murmur("inspect", out, "--json").stdout.trimEnd().split("\n").at(-1)!);
    expect(last).toMatchObject({ run: "examined", goodput: null, waits: { waits: 0 } });
    expect(last.peers[2]).toMatchObject({ peer: 2, counters: { "refused payload": 3, violations: 3 } });
    expect(murmur("inspect", out).stdout).toMatch(/^peer +refused payload +violations\n +2 +3 +3$/m);
  });
});

describe("--help of peer and up", () => {
  it("explains which waits derive from the deadline", () => {
    for (const command of ["peer", "up"]) {
      const { stdout } = murmur(command, "--help", "running");
      expect(stdout.replace(/\s+/g, " ")).toMatch(
        /--deadline <seconds> how long a peer waits .* default 600\. Bounds the first connection, .* heartbeats and pauses are shares of it/,
      );
    }
  });
});

describe("murmur split", () => {
  it("prints class by peer, and writes every peer's examples once", () => {
    const out = join(scratch, "split.json");
    const { stdout } = murmur("split", ring4, "--split", "dirichlet", "--out", out);
    expect(stdout.trim().split("\n")).toHaveLength(5);
    const { peers, seed } = JSON.parse(readFileSync(out, "utf8")) as { peers: number[][]; seed: number };
    expect(seed).toBe(1);
    const count = peers.flat().length;
    expect(peers.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    const table = JSON.parse(murmur("split", ring4, "--split", "dirichlet", "--json").stdout) as {
      peers: number[][];
    };
    expect(table.peers.map((row) => row.reduce((sum, one) => sum + one, 0))).toEqual(
      peers.map((indices) => indices.length),
    );
    const again = murmur("split", ring4, "--split", "iid", "--out", out);
    expect(again.status).toBe(2);
    expect(again.stderr).toContain("already exists");
  });

  it("reads back what it wrote: the same table, and the same run to the bit", () => {
    const out = join(scratch, "split-again.json");
    const drawn = ["--split", "dirichlet", "--split.alpha", "0.3"];
    const read = ["--split", "file", "--split.path", out];
    const { stdout } = murmur("split", ring4, ...drawn, "--out", out);
    expect(murmur("split", ring4, ...read).stdout).toBe(stdout);
    const result = (split: string[]) => {
      const { stdout: text } = murmur("simulate", ring4, ...split, "--rounds", "3", "--json");
      const { seconds: _, ...summary } = JSON.parse(text) as { seconds: number };
      return summary;
    };
    expect(result(read)).toEqual(result(drawn));
  });

  it("refuses a split for other peers in one line", () => {
    const split = ["--split", "file", "--split.path", file("two.json", { peers: [[0], [1]] })];
    const { status, stderr } = murmur("simulate", ring4, ...split);
    expect(status).toBe(2);
    expect(stderr.trim()).toMatch(/^.*split file .* is for 2 peers, not 4: regenerate it.*$/);
  });
});
