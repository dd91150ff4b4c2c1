import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import { endAll, type Finished, murmur, start } from "./support/processes.js";
import { client, lack, python } from "./support/python.js";

// Several processes load PyTorch at once, which takes long on a busy machine.
vi.setConfig({ testTimeout: 600_000 });

const support = new URL("support/", import.meta.url).pathname;
const reasons = {
  numpy: lack("numpy"),
  torch: lack("numpy", "torch"),
  jax: lack("numpy", "jax"),
  transformers: lack("numpy", "torch", "transformers", "accelerate"),
};

const scratch = mkdtempSync(join(tmpdir(), "murmur-python-"));
const at = (name: string) => join(scratch, name);
const pair = at("pair.json");
const { TMPDIR } = process.env;
beforeAll(async () => {
  process.env.TMPDIR = scratch;
  const addresses = await freeLoopbackAddresses(2);
  const peers = addresses.map((address, id) => ({ id, listen: [address] }));
  writeFileSync(pair, JSON.stringify({ graph: { kind: "complete", peers: 2 }, peers }));
  expect(murmur("keys", pair)).toMatchObject({ status: 0 });
});
afterEach(async () => {
  endAll();
  // Shared folders go however a test ends: the runtime of a killed program removes its own.
  const left = () => readdirSync(scratch).filter((name) => name.startsWith("murmur-trainer-"));
  while (left().length > 0) await new Promise(setImmediate);
});
afterAll(() => {
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  rmSync(scratch, { recursive: true });
});

const startPython = (program: string, ...args: string[]) =>
  start(
    "env",
    `PYTHONPATH=${client}`,
    `MURMUR_NODE=${process.execPath}`,
    python,
    `${support}${program}`,
    ...args,
  );

/** The JSON object that a program has printed. */
function printed<Outcome>({ status, stdout, stderr }: Finished): Outcome {
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Outcome;
}

async function both<Outcome>(startOne: (id: number) => { finished: Promise<Finished> }): Promise<Outcome[]> {
  const finished = await Promise.all([startOne(0), startOne(1)].map((each) => each.finished));
  return finished.map((each) => printed<Outcome>(each));
}

const run = { rounds: 6, seed: 5, localSteps: 3, evaluateEvery: 2, compressor: "qsgd", closingRounds: 0 };

describe("a PyTorch model of a Python program", () => {
  const { torch: reason } = reasons;
  interface Outcome {
    readonly digest: string;
    readonly own: string;
    readonly round: number;
    readonly report: { round: number; loss: number; evaluation: { loss: number }; bytes_sent: number };
  }
  const joined = (id: number, dtype = "float32", settings: object = {}) =>
    startPython(
      "torch_task.py",
      "join",
      dtype,
      pair,
      String(id),
      JSON.stringify({ experiment: run, ...settings }),
    );

  it.skipIf(reason).each(["float32", "bfloat16"])(
    `of %s is that of the same trainer program, to the bit ${reason ?? ""}`,
    async (dtype) => {
      const command = ["env", `PYTHONPATH=${client}`, python, `${support}torch_task.py`, "serve", dtype];
      const served = at(`served-${dtype}.json`);
      writeFileSync(served, JSON.stringify({ ...run, trainer: { kind: "process", update: "own", command } }));
      const { status, stdout, stderr } = murmur("up", pair, served, "--json");
      expect(status, stderr).toBe(0);
      const { peers } = JSON.parse(stdout) as { peers: { modelDigest: string; loss: number }[] };

      const outcomes = await both<Outcome>((id) => joined(id, dtype));
      expect(outcomes.map(({ digest }) => digest)).toEqual(peers.map(({ modelDigest }) => modelDigest));
      expect(outcomes.map(({ report }) => report.evaluation.loss)).toEqual(peers.map(({ loss }) => loss));
      for (const { digest, own, round, report } of outcomes) {
        expect(round).toBe(run.rounds);
        expect(report).toMatchObject({ round: run.rounds - 1, kind: "learning" });
        expect(report.loss).toBeGreaterThan(0);
        expect(report.bytes_sent).toBeGreaterThan(0);
        // The model in the program is the master copy where it has as many bits.
        if (dtype === "float32") expect(own).toBe(digest);
      }
    },
  );

  it.skipIf(reason)(`goes on after kill -9 from its checkpoint ${reason ?? ""}`, async () => {
    const whole = await both<Outcome>((id) => joined(id));
    const kept = { checkpoints: at("checkpoints"), arguments: ["--checkpoint-every", "2"] };
    const other = joined(1, "float32", kept);
    const first = await joined(0, "float32", { ...kept, dies_in: 5 }).finished;
    expect(first.status).toBe(null);
    const again = joined(0, "float32", { ...kept, resume: true });
    const outcomes = [again, other].map(async ({ finished }) => printed<Outcome>(await finished).digest);
    expect(await Promise.all(outcomes)).toEqual(whole.map(({ digest }) => digest));
  });
});

describe("a peer of a Python program", () => {
  const { numpy: reason } = reasons;
  interface Outcome {
    readonly digest?: string;
    readonly x: number[];
    readonly error?: string;
    readonly message: string;
    readonly exit_code: number | null;
    readonly is_process_left: boolean;
    readonly is_folder_left: boolean;
  }
  const settings = { rounds: 4, evaluateEvery: 1, compressor: "identity" };
  const joined = (id: number, how = "well", others: object = {}) =>
    startPython("peer_numpy.py", pair, String(id), how, JSON.stringify({ ...settings, ...others }));

  it.skipIf(reason)(`has the model after the closing consensus ${reason ?? ""}`, async () => {
    const [a, b] = await both<Outcome>(joined);
    expect(a!.digest).toHaveLength(64);
    for (const [k, x] of a!.x.entries()) expect(x).toBeCloseTo(b!.x[k]!, 6);
    expect([a, b]).toMatchObject([0, 1].map(() => ({ is_process_left: false, is_folder_left: false })));
  });

  it.skipIf(reason).each([
    ["killed", "PeerFailed", /^peer 0 was killed \(SIGKILL\)/, -9],
    ["interrupted", "KeyboardInterrupt", /^$/, null],
    ["closed", "PeerFailed", /^peer 0 was closed after round 2 of 4, and its neighbours wait for it/, null],
    ["diverged", "PeerFailed", /returned an update with NaN at number 2 of tensor x/, 2],
    ["raises", "RuntimeError", /^no data to evaluate with$/, null],
  ])(`that is or has %s ends with that alone ${reason ?? ""}`, async (how, error, says, code) => {
    const other = joined(1);
    const outcome = printed<Outcome>(await joined(0, how).finished);
    expect(outcome).toMatchObject({ error, exit_code: code });
    expect(outcome.message).toMatch(says);
    expect(outcome).toMatchObject({ is_process_left: false, is_folder_left: false });
    other.process.kill("SIGKILL");
    await other.finished;
  });

  it.skipIf(reason)(`raises what the runtime reports ${reason ?? ""}`, async () => {
    const outcome = printed<Outcome>(await joined(0, "well", { rounds: 0 }).finished);
    expect(outcome).toMatchObject({ error: "PeerFailed", exit_code: 2 });
    expect(outcome.message).toMatch(/^peer 0 ended with exit code 2: .*rounds/);
  });
});

describe("a pytree of JAX", () => {
  const { jax: reason } = reasons;
  interface Outcome {
    readonly digest: string;
    readonly own: string;
    readonly first: number;
    readonly last: number;
    readonly types: string[];
  }
  it.skipIf(reason).each(["float32", "bfloat16"])(`of %s learns ${reason ?? ""}`, async (dtype) => {
    const outcomes = await both<Outcome>((id) =>
      startPython("peer_jax.py", dtype, pair, String(id), JSON.stringify(run)),
    );
    for (const { digest, own, first, last, types } of outcomes) {
      expect(types).toEqual([dtype]);
      expect(last).toBeLessThan(first / 2);
      if (dtype === "float32") expect(own).toBe(digest);
    }
  });
});

describe("a model in Hugging Face's Trainer", () => {
  const { transformers: reason } = reasons;
  interface Outcome {
    readonly steps: number;
    readonly is_same: boolean;
    readonly weights: number[][];
  }
  const settings = { rounds: 3, localSteps: 2, compressor: "identity", closingRounds: "auto" };
  const trained = (id: number, steps: number) =>
    startPython(
      "peer_hugging_face.py",
      pair,
      String(id),
      String(steps),
      JSON.stringify(settings),
      at(`hf-${id}`),
    );

  it.skipIf(reason)(`agrees with its neighbour's, and is saved ${reason ?? ""}`, async () => {
    // The trainer would make more steps than the run has.
    const outcomes = await both<Outcome>((id) => trained(id, 9));
    for (const { steps, is_same } of outcomes) expect([steps, is_same]).toEqual([6, true]);
    const [a, b] = outcomes.map(({ weights }) => weights.flat());
    for (const [k, weight] of a!.entries()) expect(weight).toBeCloseTo(b![k]!, 5);
  });

  it.skipIf(reason)(`must make all steps of the run ${reason ?? ""}`, async () => {
    const outcomes = await both<{ error: string }>((id) => trained(id, 5));
    for (const { error } of outcomes)
      expect(error).toMatch(/makes 5 steps, and the run needs 6 \(3 rounds of 2\)/);
  });
});

it.skipIf(lack("mypy"))(`the client's types are complete ${lack("mypy") ?? ""}`, () => {
  const { status, stdout } = spawnSync(
    python,
    ["-m", "mypy", "--strict", "--cache-dir", at("mypy"), client],
    {
      encoding: "utf8",
    },
  );
  expect(status, stdout).toBe(0);
});
