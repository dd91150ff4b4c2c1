import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Diverged } from "../src/foundation/errors.js";
import { createGraph } from "../src/graphs/index.js";
import { parseTopology } from "../src/graphs/topology.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { readRun } from "../src/inspect/read.js";
import { viewRun } from "../src/inspect/view.js";
import { createPeerRecord, type PeerRoundFigures, recordRound } from "../src/observing/peer-record.js";
import { FEWEST_ROUNDS, otherCodes, problemCodes, type RunSubject } from "../src/observing/reason.js";
import { addRound, createSpans, meanOver } from "../src/observing/spans.js";
import { type RunVerdict, verdictOf } from "../src/observing/verdict.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { recordSimulation } from "../src/runs/node/record-simulation.js";
import { createPlan } from "../src/runs/plan.js";
import { createSimulation } from "../src/runs/simulate.js";
import { createVerdictWatch } from "../src/runs/verdict-watch.js";
import { parseNetwork } from "../src/transports/simulated/settings.js";
import { createLayout } from "../src/vectors/layout.js";
import { newFolder } from "./support/runs.js";
import { functionTrainer } from "./support/trainers.js";

const ring = parseTopology({ name: "ring-8", graph: { kind: "ring", peers: 8 } }, "test");
/** Digits of two classes a peer, learned in a second. */
const digits = { model: "softmax", rounds: 150, evaluateEvery: 25, projectEvery: 0, learningRate: 0.5 };
const quadratic = {
  trainer: { kind: "quadratic", dimension: 200 },
  ...{ rounds: 120, evaluateEvery: 20, projectEvery: 0, learningRate: 0.05 },
};

/** The verdict at the end of a run, which its logs must repeat; and the folder of those. */
async function run(settings: object, network?: object): Promise<{ verdict: RunVerdict; directory: string }> {
  const directory = join(newFolder(), "run");
  const { verdict } = await recordSimulation({
    topology: ring,
    experiment: parseExperiment(settings),
    ...{ directory, network: network && parseNetwork(network), warn() {} },
  });
  expect(verdictInLogs(directory)).toEqual(JSON.parse(JSON.stringify(verdict)));
  return { verdict: verdict!, directory };
}

const verdictInLogs = (directory: string): RunVerdict =>
  JSON.parse(JSON.stringify(viewRun(readRun(directory)).verdict));

const problemsOf = ({ reasons }: RunVerdict) =>
  reasons.filter(({ isProblem }) => isProblem).map(({ code }) => code);

/** Takes the lines of a peer's log from one on away. */
function cut(directory: string, peer: number, line: number): void {
  const file = join(directory, `peer-${peer}.jsonl`);
  writeFileSync(file, `${readFileSync(file, "utf8").split("\n").slice(0, line).join("\n")}\n`);
}

describe("prepared runs", () => {
  it("healthy; and with one dead peer, whose log ends before the others'", async () => {
    const { verdict, directory } = await run(digits);
    expect(verdict).toMatchObject({ kind: "healthy", isOver: true });
    expect(verdict.text).toMatch(
      /^healthy: loss fell from 2\.69 to 0\.\d+, accuracy \d\d\.\d %; models agree \(distance .* %.*\); compression keeps up \(residual .*\); [\d.]+ kB sent per peer, 15\.\d times fewer than full models$/,
    );

    cut(directory, 3, 72);
    const dead = verdictInLogs(directory);
    expect(dead).toMatchObject({ kind: "unhealthy", isOver: true });
    expect(dead.reasons[0]).toMatchObject({ code: "peer-dead", peers: [3] });
    expect(dead.text).toMatch(
      /^not healthy: peer 3 is gone: its log ends after round 71, others reached round 154:/,
    );

    // While nobody has ended it may still run.
    for (const peer of [0, 1, 2, 4, 5, 6, 7]) cut(directory, peer, 73);
    expect(verdictInLogs(directory)).toMatchObject({ kind: "healthy", isOver: false });
    expect(verdictInLogs(directory).text).toMatch(/^so far healthy: /);
  });

  it("diverged: the run ends with the error, and its logs say the same", async () => {
    const directory = join(newFolder(), "run");
    const experiment = parseExperiment({
      ...{ ...digits, rounds: 60, learningRate: 30 },
      model: { kind: "mlp", hidden: [32] },
    });
    const running = recordSimulation({ topology: ring, experiment, directory, warn() {} });
    const { message } = (await running.catch((error: Error) => error)) as Error;
    await expect(running).rejects.toThrow(Diverged);
    const verdict = verdictInLogs(directory);
    expect(verdict).toMatchObject({ kind: "diverged", isOver: true });
    expect(verdict.text).toBe(`diverged: ${message}`);
  });

  it("diverged, although all numbers are finite", async () => {
    const { verdict } = await run({ ...digits, rounds: 60, learningRate: 1e30 });
    expect(verdict.kind).toBe("diverged");
    expect(verdict.text).toMatch(
      /training loss rose from 2\.69 to \S+: lower --learning-rate \(1e\+30 now\)$/,
    );
  });

  it("residual growing", async () => {
    const { verdict } = await run({ ...digits, algorithm: "deepsqueeze", compressor: "sign" });
    expect(verdict.kind).toBe("unhealthy");
    expect(problemsOf(verdict)).toEqual(["models-disagree", "residual-grows"]);
    expect(verdict.text).toMatch(
      /residual is 1\d\.\d × the model and grows \(\S+ halfway\): send more bits;/,
    );
  });

  it("one slow peer", async () => {
    const { verdict } = await run(quadratic, { computeMs: 10, slow: { peers: [3], factor: 5 } });
    expect(problemsOf(verdict)).toEqual(["peer-slow"]);
    expect(verdict.reasons[0]!.peers).toEqual([3]);

    const even = await run(quadratic, { computeMs: 10, latencyMs: 1, jitterMs: 3 });
    expect(even.verdict.kind).toBe("healthy");
    expect(even.verdict.text).toContain("no peer is slow");
  });

  it("a tail of disagreement that closing would end", async () => {
    const { verdict } = await run({ ...digits, closingRounds: 0 });
    expect(problemsOf(verdict)).toEqual(["models-disagree"]);
    expect(verdict.reasons[0]!.advice).toBe('set --closing-rounds to "auto"');
  });

  it("too few bits: η is as large as they let it be", async () => {
    const compressor = { kind: "topk", ratio: 0.002 };
    const { verdict } = await run({ ...digits, algorithm: "choco", compressor });
    expect(problemsOf(verdict)).toEqual(["models-disagree"]);
    expect(verdict.reasons[0]!.advice).toBe("send more bits");
  });

  it("too few rounds: models near each other still come nearer", async () => {
    const { verdict } = await run({ ...digits, rounds: 20, batchSize: 1, learningRate: 0.1 });
    expect(problemsOf(verdict)).toEqual(["models-disagree"]);
    expect(verdict.reasons[0]!.text).toMatch(/; their distance still falls$/);
    expect(verdict.reasons[0]!.advice).toBe("take more rounds");
    const longer = await run({ ...digits, rounds: 40, batchSize: 1, learningRate: 0.1 });
    expect(longer.verdict.kind).toBe("healthy");
  });

  it("too large γ", async () => {
    const { verdict } = await run({
      ...{ ...digits, rounds: 60, learningRate: 3 },
      model: { kind: "mlp", hidden: [32] },
    });
    expect(verdict.reasons[0]).toMatchObject({
      code: "learning-rate-too-large",
      advice: "lower --learning-rate (3 now)",
    });
  });

  it("too small η", async () => {
    const { verdict } = await run({ ...digits, consensusRate: 0.005 });
    expect(problemsOf(verdict)).toEqual(["models-disagree"]);
    expect(verdict.reasons[0]!.advice).toBe("raise --consensus-rate (0.005 now) or send more bits");
  });

  it("too large η", async () => {
    const { verdict } = await run({ ...digits, consensusRate: 1.6 });
    expect(verdict.reasons[0]).toMatchObject({ code: "consensus-rate-too-large" });
    // What follows from it has no other remedy.
    expect(verdict.reasons.flatMap(({ advice }) => advice ?? [])).toEqual([]);
  });

  it("a peer that drifts", async () => {
    const layout = createLayout([{ name: "x", shape: [32] }]);
    const trainers = Array.from({ length: 6 }, (_, peer) =>
      functionTrainer(
        layout,
        (model) => model.fill(1),
        (point, k) => point[k]! - (peer === 3 ? 40 : Math.sin(peer + k)),
      ),
    );
    const mixing = metropolisMixing(createGraph({ kind: "complete", peers: 6 }));
    const experiment = parseExperiment({
      rounds: 300,
      algorithm: "dpsgd",
      consensusRate: 0.1,
      closingRounds: 0,
    });
    const { plan } = createPlan(experiment, mixing, trainers[0]!);
    const watch = createVerdictWatch({ experiment, parameters: layout.length, isTimed: false });
    for await (const round of createSimulation({ neighbours: mixing.neighbours, plan, trainers }).run()) {
      watch.add(round);
    }
    const verdict = watch.conclude()!;
    expect(verdict.reasons[0]).toMatchObject({ code: "peer-drifts", peers: [3] });
    expect(problemsOf(verdict).filter((code) => code === "peer-drifts")).toHaveLength(1);
  });

  it("patience with a late peer", async () => {
    const settings = { ...quadratic, patience: 0.03 };
    const { verdict } = await run(settings, { computeMs: 10, slow: { peers: [3], factor: 6 } });
    expect(verdict.reasons[0]).toMatchObject({ code: "peer-late", peers: [3] });
    expect(problemsOf(verdict).filter((code) => code === "peer-late")).toHaveLength(1);
    expect(problemsOf(verdict)).not.toContain("peer-slow");
  });
});

const subject: RunSubject = {
  ...{ payloads: "compressed", steps: 1, isRateFound: true, closes: true, isNew: true, isTimed: false },
};

/** A round as a report or a line of a log has it. */
function round(at: number, figures: Partial<PeerRoundFigures> = {}): PeerRoundFigures {
  return {
    ...{ round: at, kind: "learning", loss: 1, learningRate: 0.1, consensusRate: 0.5, modelNorm: 10 },
    ...{
      residual: 0.01,
      traffic: [
        {
          neighbour: 1,
          bytesSent: 9 * (at + 1),
          bytesReceived: 0,
          messagesSent: at + 1,
          messagesReceived: 0,
        },
      ],
    },
    time: { computeMs: 1, compressMs: 0, waitMs: 0, mixMs: 0 },
    ...figures,
  };
}

function judged(rounds: readonly PeerRoundFigures[], about: RunSubject = subject): RunVerdict {
  const record = createPeerRecord(0, 100);
  for (const each of rounds) recordRound(record, each);
  record.end = { outcome: "completed" };
  return verdictOf({ subject: about, peers: [record] })!;
}

describe("a verdict", () => {
  const falling = (at: number) => ({ loss: 2 / (1 + at / 10) });

  it("is not healthy where accuracy was better than chance and is not any more", () => {
    const accuracies = [0.3, 0.8, 0.9, 0.1];
    const verdict = judged(
      Array.from({ length: 40 }, (_, at) =>
        round(at, {
          ...falling(at),
          ...((at + 1) % 10 === 0 && { evaluation: { loss: 1, accuracy: accuracies[(at + 1) / 10 - 1]! } }),
        }),
      ),
    );
    expect(verdict).toMatchObject({ kind: "unhealthy", reasons: [{ code: "quality-fell" }, {}, {}] });
    expect(verdict.text).toContain(
      "accuracy fell from 90.0 % (round 30) to 10.0 %: lower --learning-rate (0.1 now)",
    );
  });

  it("judges by a metric of which less is better, the same way", () => {
    const metric = { name: "rmse", better: "lower" as const };
    const errors = [3, 1, 0.5, 9];
    const rounds = Array.from({ length: 40 }, (_, at) =>
      round(at, {
        ...falling(at),
        ...((at + 1) % 10 === 0 && {
          evaluation: { loss: 1, metric, metrics: { rmse: errors[(at + 1) / 10 - 1]! } },
        }),
      }),
    );
    expect(judged(rounds).text).toContain("rmse rose from 0.5 (round 30) to 9");
    expect(judged(rounds.slice(0, 30)).text).toContain("rmse 0.5");
  });

  it("takes a model that has learned before for what it is", () => {
    const rounds = Array.from({ length: 40 }, (_, at) => round(at, { loss: 0.01 + 0.0005 * at }));
    expect(judged(rounds).kind).toBe("diverged");
    expect(judged(rounds, { ...subject, isNew: false }).kind).toBe("healthy");
    const resumed = Array.from({ length: 40 }, (_, k) => round(400 + k, { loss: 0.16 - 0.0001 * k }));
    expect(judged(resumed).kind).toBe("healthy");
    expect(judged(resumed.map((each, at) => ({ ...each, round: at }))).kind).toBe("unhealthy");
  });

  it("sees no trend in a few rounds, and a loss that is not finite in one", () => {
    const rounds = Array.from({ length: FEWEST_ROUNDS - 1 }, (_, at) => round(at, { residual: 50 }));
    expect(judged(rounds)).toMatchObject({ kind: "unknown" });
    expect(judged(rounds).text).toContain(`${FEWEST_ROUNDS - 1} learning rounds show no trend`);
    expect(judged([round(0, { loss: Number.NaN })]).kind).toBe("diverged");
    expect(verdictOf({ subject, peers: [createPeerRecord(0, 1)] })).toBeUndefined();
  });

  it("names one remedy once, and every problem before what is well", () => {
    const verdict = judged(
      Array.from({ length: 64 }, (_, at) => round(at, { ...falling(at), residual: at })),
    );
    expect(verdict.text).toMatch(
      /^not healthy: residual is \S+ × the model and grows .*: send more bits; .* sent per peer/,
    );
    const places = verdict.reasons.map(({ isProblem }) => isProblem);
    expect(places).toEqual([...places].sort((a, b) => Number(b) - Number(a)));
    for (const { code } of verdict.reasons) expect([...problemCodes, ...otherCodes]).toContain(code);
  });

  it("counts a round that a restart repeats once, and traffic that begins anew after what was there", () => {
    const once = judged([...Array(40).keys()].map((at) => round(at, falling(at))));
    const twice = judged(
      [...Array(20).keys(), ...[10, 11, 12], ...Array.from({ length: 20 }, (_, k) => 20 + k)].map((at) =>
        round(at, falling(at)),
      ),
    );
    expect({ ...twice, text: "" }).toMatchObject({ kind: once.kind, isOver: true });
    const record = createPeerRecord(0, 100);
    for (const at of [0, 1, 2]) recordRound(record, round(at));
    recordRound(record, { ...round(0), round: 3 });
    expect(record).toMatchObject({ bytesSent: 36, learningMessages: 4 });
  });

  it("needs memory that does not grow with the run", () => {
    const sizeAfter = (rounds: number) => {
      const record = createPeerRecord(0, 100);
      for (let at = 0; at < rounds; at++) recordRound(record, round(at, { missed: [at % 3] }));
      return JSON.stringify(record).length;
    };
    expect(sizeAfter(20_000)).toBeLessThan(1.5 * sizeAfter(100));
  });
});

describe("spans", () => {
  it("keep the mean of all rounds, and of each half to within a span", () => {
    const values = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(values, (all) => {
        const spans = createSpans();
        for (const x of all) addRound(spans, { x });
        const mean = (some: readonly number[]) => some.reduce((sum, x) => sum + x, 0) / some.length;
        expect(meanOver(spans, "x", 0, 1)).toBeCloseTo(mean(all), 10);
        expect(spans.filled.length).toBeLessThanOrEqual(16);
        expect(spans.filled.reduce((sum, { rounds }) => sum + rounds, 0)).toBe(all.length);
        expect(meanOver(spans, "y", 0, 1)).toBeUndefined();
      }),
    );
    const line = createSpans();
    for (let k = 0; k < 1000; k++) addRound(line, { x: k });
    expect(meanOver(line, "x", 0.5, 1)).toBeGreaterThan(700);
    expect(meanOver(line, "x", 0, 0.5)).toBeLessThan(300);
  });
});
