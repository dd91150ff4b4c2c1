import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { InvalidExperiment, TrainerFailed } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import { simulate } from "../src/runs/simulate.js";
import { createTrainer } from "../src/trainers/index.js";
import { expectError, expectRejection } from "./support/errors.js";
import { endAll, ended, type Finished, murmur, startMurmur, startNode } from "./support/processes.js";

const program = new URL("support/trainer-program.mjs", import.meta.url).pathname;
const scratch = mkdtempSync(join(tmpdir(), "murmur-parent-"));
const at = (name: string) => join(scratch, name);
const pair = at("pair.json");
const graph = { kind: "complete", peers: 2 };
let folder: string;
const { TMPDIR } = process.env;
const shared = () => readdirSync(scratch).filter((name) => name.startsWith("murmur-trainer-"));

beforeAll(async () => {
  process.env.TMPDIR = scratch;
  const addresses = await freeLoopbackAddresses(2);
  const peers = addresses.map((address, id) => ({ id, listen: [address] }));
  writeFileSync(pair, JSON.stringify({ graph, peers }));
  expect(murmur("keys", pair)).toMatchObject({ status: 0 });
});
beforeEach(() => {
  folder = mkdtempSync(at("test-"));
});
afterEach(() => {
  endAll();
  // Shared folders are gone however a test ends.
  expect(shared()).toEqual([]);
});
afterAll(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  rmSync(scratch, { recursive: true });
});

const quadratic = { dimension: [9, 4], noise: 0.1, condition: 3 };
// Without a closing consensus every peer has a model of its own.
const run = { rounds: 6, seed: 5, compressor: "qsgd", evaluateEvery: 4, closingRounds: 0, localSteps: 3 };
const here = { ...run, trainer: { kind: "quadratic", ...quadratic } };
const there = (trainer: object, others: object = {}) => ({
  ...run,
  trainer: { kind: "process", update: "own", options: quadratic, ...trainer },
  ...others,
});

function fileOf(name: string, settings: object): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(settings));
  return path;
}

interface Parent {
  readonly how?: string[];
  readonly trainer?: object;
  readonly others?: object;
}

/** A program that starts a peer of its own. */
function startParent(id: number, { how = [], trainer = {}, others }: Parent = {}) {
  const settings = there({ command: "fd:3", ...trainer }, others);
  const peer = ["peer", pair, fileOf(`parent-${id}.json`, settings), "--id", String(id), "--json"];
  const [what = "well", step = "0"] = how;
  return startNode(program, what, step, JSON.stringify(peer));
}

/** A peer that starts its program. */
function startChild(id: number) {
  const file = fileOf(`child-${id}.json`, there({ command: [process.execPath, program] }));
  return startMurmur("peer", pair, file, "--id", String(id), "--json");
}

async function digests(...peers: { finished: Promise<Finished> }[]): Promise<string[]> {
  const finished = await Promise.all(peers.map((peer) => peer.finished));
  return finished.map(({ status, stdout, stderr }) => {
    expect(status, stderr).toBe(0);
    return (JSON.parse(stdout) as { modelDigest: string }).modelDigest;
  });
}

/** What trainers in this process come to. */
async function expected(settings: object = here) {
  const simulation = await simulate(parseTopology({ graph }, "pair"), parseExperiment(settings));
  const rounds = [];
  for await (const round of simulation.run()) rounds.push(round);
  const models = simulation.peers.map(({ model }) => [...model]);
  simulation.dispose();
  return { rounds, models };
}

interface Report {
  readonly kind: string;
  readonly isLast: boolean;
  readonly loss?: number;
  readonly model: number[] | false;
}

const reportsIn = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Report);

describe("a program that starts its peer", () => {
  it("trains as the same trainer elsewhere does, to the bit, and sees every round", async () => {
    const reports = [0, 1].map((id) => join(folder, `reports-${id}`));
    const inPlace = { how: ["returns-model"], trainer: { paths: { reports: reports[0]! } } };
    const started = [
      startParent(0, inPlace),
      startParent(1, { trainer: { paths: { reports: reports[1]! } } }),
    ];
    const [a, b] = await digests(...started);
    expect(await digests(startParent(0), startChild(1))).toEqual([a, b]);
    expect(a).not.toBe(b);
    const { rounds, models } = await expected();
    for (const [id, path] of reports.entries()) {
      const seen = reportsIn(path);
      expect(seen.map(({ loss }) => loss)).toEqual(rounds.map(({ reports }) => reports[id]!.loss));
      expect(seen.map(({ model }) => model)).toEqual([...Array(run.rounds - 1).fill(false), models[id]]);
    }
  });

  it("sees the model before the closing consensus and after it", async () => {
    const reports = join(folder, "reports");
    const others = { closingRounds: 2 };
    await digests(startParent(0, { others, trainer: { paths: { reports } } }), startParent(1, { others }));
    const { rounds, models } = await expected({ ...here, ...others });
    const seen = reportsIn(reports);
    expect(seen.map(({ kind }) => kind)).toEqual(rounds.map(({ kind }) => kind));
    const [before, ...closing] = seen.slice(run.rounds - 1).map(({ model }) => model);
    expect(before).not.toEqual(models[0]);
    expect(closing).toEqual([...closing.slice(1).fill(false), models[0]]);
  });

  it("sees that all peers stop early, which needs evaluations", async () => {
    const reports = join(folder, "reports");
    const earlyStopping = { patience: 2, minimumImprovement: 1e9 };
    const others = { rounds: 40, evaluateEvery: 2, earlyStopping };
    await digests(startParent(0, { others, trainer: { paths: { reports } } }), startParent(1, { others }));
    const { rounds, models } = await expected({ ...here, ...others });
    expect(rounds.length).toBeLessThan(others.rounds);
    const seen = reportsIn(reports);
    expect(seen.map(({ isLast }) => isLast)).toEqual(rounds.map((_, k) => k === rounds.length - 1));
    expect(seen.at(-1)!.model).toEqual(models[0]);
    const blind = expected(there({ command: [process.execPath, program, "no-evaluation"] }, others));
    await expectRejection(blind, InvalidExperiment, { code: "stopping-without-evaluation" });
  });

  it("may give no loss, and evaluate nothing", async () => {
    const log = join(folder, "log");
    const file = fileOf("quiet.json", there({ command: [process.execPath, program, "no-evaluation"] }));
    const quiet = murmur("simulate", pair, file, "--json", "--out", log);
    expect(quiet.status, quiet.stderr).toBe(0);
    expect(readFileSync(join(log, "peer-0.jsonl"), "utf8")).not.toContain('"evaluation":');
    const { models } = await expected();
    const lossless = await expected(there({ command: [process.execPath, program, "no-loss"] }));
    expect(lossless.models).toEqual(models);
    expect(lossless.rounds.flatMap(({ reports }) => reports.map(({ loss }) => loss))).not.toContain(
      expect.any(Number),
    );
    const gradients = { command: [process.execPath, program, "no-loss"], update: "gradient" };
    const refused = expected(there(gradients, { localSteps: 1 }));
    await expectRejection(refused, TrainerFailed, { code: "trainer-no-loss" });
  });
});

describe("a peer whose program", () => {
  it("is killed ends, and leaves nothing", async () => {
    const pid = join(folder, "pid");
    const parent = startParent(0, { how: ["hang", "0"], trainer: { paths: { pid } } });
    const other = startChild(1);
    await parent.says(/peer 1 is connected/);
    parent.process.kill("SIGKILL");
    await parent.finished;
    await ended(Number(readFileSync(pid, "utf8")));
    other.process.kill("SIGKILL");
    await other.finished;
    // The other one was killed, too: what it left is removed by the next one that starts.
    const next = await createTrainer(parseExperiment(there({ command: [process.execPath, program] })), {
      ...{ peer: 0, peers: 2, seed: 5 },
    });
    expect(shared()).toHaveLength(1);
    next.dispose();
  });

  it.each([
    ["closes the connection", ["exit", "1"], {}, /closed the connection in step: see why it ended/],
    ["gives no sign of life", ["mute", "0"], { silence: 0.5 }, /gave no sign of life for 0\.5 s/],
  ])("%s ends with that", async (_, how, deadlines, says) => {
    const parent = startParent(0, { how, trainer: { deadlines } });
    const other = startParent(1);
    await parent.says(says);
    await parent.finished;
    other.process.kill("SIGTERM");
    await other.finished;
  });

  it("is not there, or serves several peers, is refused", async () => {
    const file = fileOf("none.json", there({ command: "fd:9" }));
    const { status, stderr } = murmur("simulate", pair, file);
    expect(status).toBe(2);
    expect(stderr).toMatch(/trainer\.command is fd:9, and this process was started without a socket there/);
    const simulation = ["simulate", pair, fileOf("both.json", there({ command: "fd:3" }))];
    const both = startNode(program, "well", "0", JSON.stringify(simulation));
    expect((await both.finished).stderr).toMatch(/trainer\.command is fd:3 for several peers/);
    for (const command of ["fd:2", "fd:", "python3"]) {
      expectError(() => parseExperiment(there({ command })), InvalidExperiment, { code: "invalid-setting" });
    }
  });
});
