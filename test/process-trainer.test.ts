import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { modelDigest } from "../src/exchange/fingerprint.js";
import { Diverged, InvalidData, InvalidExperiment, TrainerFailed } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment, withoutLocations } from "../src/runs/experiment.js";
import { readModel } from "../src/runs/node/models.js";
import { simulate } from "../src/runs/simulate.js";
import { createTrainer } from "../src/trainers/index.js";
import { expectError, expectRejection } from "./support/errors.js";
import { ended, murmur } from "./support/processes.js";

const program = new URL("support/trainer-program.mjs", import.meta.url).pathname;
const graph = { kind: "complete", peers: 2 };

const scratch = mkdtempSync(join(tmpdir(), "murmur-process-"));
const at = (name: string) => join(scratch, name);
const pair = at("pair.json");
let folder: string;
const { TMPDIR } = process.env;
beforeAll(() => {
  process.env.TMPDIR = scratch;
  writeFileSync(pair, JSON.stringify({ graph }));
});
beforeEach(() => {
  folder = mkdtempSync(at("test-"));
});
afterEach(() => {
  // Shared folders are gone however a test ends.
  expect(readdirSync(scratch).filter((name) => name.startsWith("murmur-trainer-"))).toEqual([]);
});
afterAll(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  rmSync(scratch, { recursive: true });
});

const quadratic = { dimension: [9, 4], noise: 0.1, condition: 3 };
/** An experiment on quadratics, computed here or by the program. */
const here = (others: object = {}) => ({ trainer: { kind: "quadratic", ...quadratic }, ...run, ...others });
const there = (trainer: object = {}, others: object = {}) => ({
  trainer: { kind: "process", command: [process.execPath, program], options: quadratic, ...trainer },
  ...run,
  ...others,
});
const run = { rounds: 8, seed: 5, compressor: "qsgd", evaluateEvery: 4 };
const own = { update: "own" };
const threeSteps = { localSteps: 3, optimizer: "sgd" };

async function simulated(settings: object): Promise<{ digests: string[]; losses: unknown[] }> {
  const topology = parseTopology({ graph }, "pair");
  const simulation = await simulate(topology, parseExperiment(settings));
  const losses: unknown[] = [];
  try {
    for await (const { reports, meanEvaluation } of simulation.run()) {
      losses.push(
        reports.map(({ loss }) => loss),
        meanEvaluation,
      );
    }
    return { digests: simulation.peers.map(({ model }) => modelDigest(model)), losses };
  } finally {
    simulation.dispose();
  }
}

function fileOf(name: string, settings: object): string {
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(settings));
  return path;
}

async function savedDigests(saved: string): Promise<(string | undefined)[]> {
  const names = readdirSync(saved).sort();
  return Promise.all(names.map(async (name) => (await readModel(join(saved, name))).metadata.digest));
}

function started(trainer: object, peer = 2) {
  const experiment = parseExperiment(there(trainer));
  return createTrainer(experiment, { peer, peers: 4, seed: 1 });
}
const command = (...how: string[]) => [process.execPath, program, ...how];

describe("a program trains as the same trainer in this process does, to the bit", () => {
  it("gradients: simulated here, by murmur simulate, and by murmur up", async () => {
    // Without a closing consensus every peer has a model of its own.
    const open = { closingRounds: 0 };
    const expected = await simulated(here(open));
    expect(new Set(expected.digests).size).toBe(2);
    expect(await simulated(there({}, open))).toEqual(expected);

    const file = fileOf("experiment.json", there({}, open));
    const saved = join(folder, "models");
    const simulation = murmur("simulate", pair, file, "--json", "--save", saved);
    expect(simulation).toMatchObject({ status: 0 });
    expect(await savedDigests(saved)).toEqual(expected.digests);

    const { status, stdout } = murmur("up", pair, file, "--json");
    expect(status).toBe(0);
    const { peers } = JSON.parse(stdout) as { peers: { modelDigest: string }[] };
    expect(peers.map((peer) => peer.modelDigest)).toEqual(expected.digests);
  });

  it("updates of its own optimiser, over several local steps", async () => {
    const expected = await simulated(here(threeSteps));
    expect(await simulated(there(own, threeSteps))).toEqual(expected);
  });

  it("over a simulated network", async () => {
    const network = fileOf("network.json", { latencyMs: 3, computeMs: 9 });
    const timesOf = (settings: object) => {
      const file = fileOf("modelled.json", settings);
      const { status, stdout, stderr } = murmur("simulate", pair, file, "--network", network, "--json");
      expect(status, stderr).toBe(0);
      const { seconds: _, ...summary } = JSON.parse(stdout);
      return summary;
    };
    // The program has a state beside the model, which the trainer in this process has not.
    const pooled = { hasPooledStatistics: true };
    const { final, beforeClosing, ...summary } = timesOf(here(threeSteps));
    expect(timesOf(there(own, threeSteps))).toEqual({
      ...summary,
      ...(final && { final: { ...final, ...pooled } }),
      ...(beforeClosing && { beforeClosing: { ...beforeClosing, ...pooled } }),
    });
  });
});

describe("a program's state", () => {
  const counting = { options: { ...quadratic, countsSteps: true } };

  it("is that of a checkpoint when the run goes on", async () => {
    const whole = await simulated(there(counting));
    expect(whole).not.toEqual(await simulated(there()));
    const settings = (...how: string[]) =>
      fileOf("resumed.json", there({ ...counting, command: command(...how) }));
    const checkpoints = ["--checkpoints", join(folder, "saved"), "--checkpoint-every", "3"];
    const first = murmur("simulate", pair, settings("exit", "5"), ...checkpoints);
    expect(first).toMatchObject({ status: 2 });
    const models = join(folder, "models");
    const again = murmur("simulate", pair, settings(), ...checkpoints, "--resume", "--save", models);
    expect(again.status, again.stderr).toBe(0);
    expect(new Set(await savedDigests(models))).toEqual(new Set(whole.digests));
  });

  it("comes back as it was given", async () => {
    const trainer = await started(counting);
    const state = { steps: Float32Array.of(7), half: Float32Array.of(-0.25) };
    await trainer.restore(state);
    expect(await trainer.state()).toEqual(state);
    await expectRejection(trainer.restore({ other: Float32Array.of(7) }), InvalidData, {
      code: "trainer-refuses-state",
      peer: 2,
    });
    expect(await trainer.state()).toEqual(state);
    trainer.dispose();
  });

  it("goes into the file of a model where it belongs to it, and comes back from there", async () => {
    const models = join(folder, "models");
    const file = fileOf("counting.json", there({ ...counting, update: "gradient" }, { closingRounds: 0 }));
    expect(murmur("simulate", pair, file, "--save", models)).toMatchObject({ status: 0 });
    const path = join(models, "peer-1.safetensors");
    const { tensors } = await readModel(path);
    expect(tensors.map(({ name }) => name)).toEqual(["x1", "x2", "half"]);
    const experiment = parseExperiment(there(counting, { weights: path }));
    const trainer = await createTrainer(experiment, { peer: 0, peers: 2, seed: 5 });
    const model = new Float32Array(trainer.layout.length);
    trainer.initialize(model);
    expect([...model]).toEqual([...tensors[0]!.values, ...tensors[1]!.values]);
    expect(await trainer.state()).toEqual({ steps: Float32Array.of(0), half: tensors[2]!.values });
    trainer.dispose();
  });

  it.each([
    ["length", "state"],
    ["shape", "shape"],
  ])("of another %s than it says is refused", async (what, how) => {
    const trainer = await started({ command: command(how) });
    await expectRejection(trainer.state(), TrainerFailed, { code: `trainer-state-${what}`, peer: 2 });
    trainer.dispose();
  });
});

describe("a program that does not start as it must", () => {
  it.each([
    ["exit-at-once", "trainer-ended", /exit code 3 .*"no module named torch"/],
    ["garbage-first", "trainer-garbage", /"Loading data…"/],
    ["no-version", "trainer-no-version", /"another"/],
    ["version", "trainer-version", /version 2/],
    ["no-initial", "trainer-initial-length", /wrote 0 numbers .* 13 parameters/],
    ["initial", "trainer-initial-length", /wrote 12 numbers/],
    ["huge", "trainer-model-size", /2147483648/],
    ["twice", "trainer-reply", /names a tensor twice/],
    ["long-name", "trainer-reply", /256/],
  ])("%s: %s", async (how, code, says) => {
    const error = await expectRejection(started({ command: command(how) }), TrainerFailed, { code, peer: 2 });
    expect(error.message).toMatch(says);
  });

  it("is not there", async () => {
    const missing = started({ command: ["no-such-program"] });
    await expectRejection(missing, TrainerFailed, { code: "trainer-not-started", peer: 2 });
  });

  it("is silent longer than its deadline", async () => {
    const silent = started({ command: command("silent"), deadlines: { start: 0.05 } });
    await expectRejection(silent, TrainerFailed, { code: "trainer-timeout", peer: 2 });
  });
});

describe("a program that breaks the protocol in a step", () => {
  const cases: [how: string, code: string, says: RegExp][] = [
    ["garbage", "trainer-garbage", /"step 1 of 10"/],
    ["exit", "trainer-ended", /exit code 7 in step; .*"reading batch \| \[31mout of memory \[0m"/],
    ["hang", "trainer-timeout", /0\.4 s for step/],
    ["nan", "trainer-not-finite", /gradient with NaN at number 3 of tensor x1/],
    ["length", "trainer-length", /wrote 12 numbers/],
    ["truncate", "trainer-length", /left 1 in/],
    ["reply", "trainer-reply", /"small"/],
    ["throw", "trainer-reports", /no data for this step/],
    ["flood", "trainer-line-too-long", /16777216/],
  ];

  it.each(cases)("%s: %s", async (how, code, says) => {
    const pid = join(folder, "pid");
    // It never answers, so any deadline passes; a step that is answered has the usual one.
    const isSilent = how === "hang";
    const deadlines = isSilent ? { step: 0.4 } : {};
    const trainer = await started({ command: command(how, isSilent ? "0" : "1"), paths: { pid }, deadlines });
    const [point, out] = [new Float32Array(13), new Float32Array(13)];
    if (!isSilent) expect(await trainer.gradient(point, out, 0)).toBeGreaterThan(0);
    const before = out.slice();
    const step = trainer.gradient(point, out, 1);
    const error = await expectRejection(step, TrainerFailed, { code, peer: 2 });
    expect(error.message).toMatch(says);
    if (how !== "nan") expect(out).toEqual(before);
    if (how !== "throw") {
      // Killed, and of no further use.
      await ended(Number(readFileSync(pid, "utf8")));
      await expectRejection(trainer.evaluate(point), TrainerFailed, { code, peer: 2 });
    }
    trainer.dispose();
  });

  it("replies twice: the next request finds that", async () => {
    const trainer = await started({ command: command("twice-replied") });
    const [point, out] = [new Float32Array(13), new Float32Array(13)];
    await trainer.gradient(point, out, 0);
    const next = trainer.gradient(point, out, 1);
    await expectRejection(next, TrainerFailed, { code: "trainer-garbage", peer: 2 });
    trainer.dispose();
  });

  it("diverges as any trainer does, where its loss is not finite", async () => {
    const diverging = simulated(there({ command: command("diverge", "2") }));
    await expectRejection(diverging, Diverged, { code: "diverged", round: 2 });
  });

  it("ends murmur simulate and murmur up in one line, with exit code 2 and no model", async () => {
    const file = fileOf("exits.json", there({ command: command("exit", "3") }));
    for (const verb of ["simulate", "up"]) {
      const saved = join(folder, verb);
      const { status, stdout, stderr } = murmur(verb, pair, file, "--json", "--save", saved);
      expect(status).toBe(2);
      expect(stdout).toBe("");
      const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatch(
        /the trainer program of peer \d ended with exit code 7 in step.*out of memory/,
      );
      expect(existsSync(saved) ? readdirSync(saved) : []).toEqual([]);
    }
  });
});

describe("settings of a program", () => {
  it("that is closed has ended, and takes nothing more", async () => {
    const pid = join(folder, "pid");
    const trainer = await started({ paths: { pid } });
    trainer.dispose();
    await expectRejection(trainer.evaluate(new Float32Array(13)), TrainerFailed, { code: "trainer-closed" });
    await ended(Number(readFileSync(pid, "utf8")));
  });

  it("count for neighbours but where its files and time are concerned", async () => {
    const alike = (trainer: object) => withoutLocations(parseExperiment(there(trainer))).trainer;
    const places = { command: ["other"], paths: { data: "here" }, deadlines: { step: 3 } };
    expect(alike(places)).toEqual(alike({}));
    expect(alike(own)).not.toEqual(alike({}));
    expect(alike({ options: { batch: 3 } })).not.toEqual(alike({}));
    const trainer = await started({ paths: { data: "SHA-256 of all", model: "an MLP" } });
    expect(await trainer.fingerprint?.()).toEqual({ data: "SHA-256 of all", trainedModel: "an MLP" });
    trainer.dispose();
  });

  it.each([
    ["trainer.command", { command: [] }],
    ["trainer.command", { command: [""] }],
    ["trainer.command[1]", { command: ["python3", "a\0b"] }],
    ["trainer.deadlines.step", { deadlines: { step: 604_801 } }],
    ["trainer.deadlines.close", { deadlines: { close: 0 } }],
    ["trainer.update", { update: "both" }],
  ])("are checked: %s", (field, trainer) => {
    expectError(() => parseExperiment(there(trainer)), InvalidExperiment, { code: "invalid-setting", field });
  });

  it("refuse an optimiser that its own makes useless", async () => {
    const settings = there(own, { optimizer: "adam" });
    await expectRejection(simulated(settings), InvalidExperiment, { code: "optimizer-not-used" });
  });

  it("refuse peers that start from different models", async () => {
    const different = simulated(there({ command: command("start") }));
    await expectRejection(different, InvalidExperiment, { code: "different-start", peer: 0, neighbour: 1 });
  });
});
