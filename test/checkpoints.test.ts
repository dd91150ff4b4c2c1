import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { type Checkpoint, requireSameRun } from "../src/checkpoint.js";
import { compressorSettings } from "../src/compressors/index.js";
import { GUARD_HISTORY } from "../src/exchange/guard.js";
import type { JournalRecord } from "../src/exchange/journal.js";
import { FileProblem, Interrupted, InvalidCheckpoint } from "../src/foundation/errors.js";
import type { Change } from "../src/graphs/changes.js";
import { parseTopology } from "../src/graphs/topology.js";
import type { SavedMembers } from "../src/membership/membership.js";
import { optimizerSettings } from "../src/optimizers/index.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { withoutTimes } from "../src/runs/log.js";
import { MAX_HEADER_BYTES, readCheckpoint, writeCheckpoint } from "../src/runs/node/checkpoints/file.js";
import { createCheckpointFolder } from "../src/runs/node/checkpoints/folder.js";
import { openJournal, readJournal } from "../src/runs/node/checkpoints/journal-file.js";
import { openCheckpoints } from "../src/runs/node/checkpoints/settings.js";
import { recordSimulation } from "../src/runs/node/record-simulation.js";
import { DRAFT_SUFFIX } from "../src/sinks/whole-file.js";
import { expectError, expectRejection } from "./support/errors.js";
import { topologyFor } from "./support/graphs.js";

const folders: string[] = [];
const newFolder = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "murmur-checkpoints-"));
  folders.push(folder);
  return folder;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const count = fc.nat({ max: 2 ** 32 - 1 });
/** Names of one of our records: `__proto__` is none of them, and JSON schemas leave it out. */
const key = fc.string().filter((text) => text !== "__proto__");
const payload = fc.uint8Array({ maxLength: 40 });
const half = {
  kind: fc.constantFrom("learning" as const, "closing" as const),
  round: count,
  step: fc.nat({ max: 255 }),
  payload,
};
const frame = fc.record(
  { ...half, exchange: count, notice: fc.uint8Array({ minLength: 1, maxLength: 20 }) },
  { requiredKeys: ["kind", "round", "step", "payload", "exchange"] },
);
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constantFrom("leave" as const, "return" as const), peer: fc.nat(9) }),
  fc.constant({
    kind: "join" as const,
    peer: { id: 9, listen: [], dial: [], peerId: "x" },
    neighbours: [0, 4],
  }),
);
const members: fc.Arbitrary<SavedMembers> = fc.record(
  {
    ...{ number: count, firstRound: count, newcomers: fc.array(count), changes: fc.array(change) },
    known: fc.array(fc.record({ peer: count, round: count, change })),
    topology: fc.constant({ graph: { kind: "ring", peers: 3 } }),
  },
  { requiredKeys: ["number", "firstRound", "newcomers", "changes", "known"] },
);
const exported: fc.Arbitrary<NonNullable<Checkpoint["exported"]>> = fc.record({
  card: fc.record({
    tensors: fc.array(fc.record({ name: fc.string(), shape: fc.array(count) })),
    localShapes: fc.dictionary(key, fc.array(count), { noNullPrototype: true }),
    frozenShapes: fc.dictionary(key, fc.array(count), { noNullPrototype: true }),
    about: fc.dictionary(key, fc.string(), { noNullPrototype: true }),
  }),
  point: fc.string(),
});
const anyCheckpoint: fc.Arbitrary<Checkpoint> = fc.record(
  {
    members,
    exported,
    peer: count,
    round: count,
    fingerprint: fc.dictionary(key, fc.string(), { noNullPrototype: true }),
    traffic: fc.constant([
      { neighbour: 3, bytesSent: 1, bytesReceived: 2, messagesSent: 3, messagesReceived: 4 },
    ]),
    scalars: fc.dictionary(key, fc.double(), { noNullPrototype: true }),
    vectors: fc.dictionary(key, fc.float32Array(), { noNullPrototype: true }),
    edges: fc.array(
      fc.record(
        {
          peer: count,
          exchange: count,
          theirRound: fc.integer({ min: -1, max: 9 }),
          isFinished: fc.boolean(),
          open: fc.record(half),
          unacknowledged: frame,
          arrived: fc.array(frame, { maxLength: 2 }),
          isLost: fc.constant(true),
          quarantine: fc.record({
            faults: fc.nat(),
            left: fc.nat(),
            guard: fc.record({
              history: fc.array(fc.nat()),
              next: fc.nat({ max: GUARD_HISTORY - 1 }),
              largest: fc.nat(),
            }),
          }),
        },
        { requiredKeys: ["peer", "exchange", "theirRound", "isFinished", "arrived", "quarantine"] },
      ),
      { maxLength: 3 },
    ),
    held: fc.array(fc.record({ kind: fc.constant("received" as const), peer: count, frame }), {
      maxLength: 2,
    }),
  },
  { requiredKeys: ["peer", "round", "fingerprint", "traffic", "scalars", "vectors", "edges", "held"] },
);
const someCheckpoint = (round: number, value = round): Checkpoint => ({
  ...{ peer: 0, round, fingerprint: { seed: "1" }, traffic: [], scalars: { x: Number.NaN } },
  ...{ vectors: { model: Float32Array.of(value, -0) }, edges: [], held: [] },
});
const record = (k: number): JournalRecord => ({ kind: "took", peers: [k] });

describe("a checkpoint's file", () => {
  it("gives back what was written, to the bit", async () => {
    const path = join(await newFolder(), "a.checkpoint");
    await fc.assert(
      fc.asyncProperty(anyCheckpoint, async (checkpoint) => {
        await writeCheckpoint(path, checkpoint);
        expect(await readCheckpoint(path)).toEqual(checkpoint);
      }),
      { numRuns: 50 },
    );
    expect(readdirSync(join(path, ".."))).toEqual(["a.checkpoint"]);
  });

  it("is refused when it is cut off anywhere, or has any other byte", async () => {
    const path = join(await newFolder(), "a.checkpoint");
    await writeCheckpoint(path, someCheckpoint(7));
    const good = readFileSync(path);
    for (let length = 0; length < good.length; length += 7) {
      writeFileSync(path, good.subarray(0, length));
      await expectRejection(readCheckpoint(path), InvalidCheckpoint, {
        code: "checkpoint-damaged",
        field: path,
      });
    }
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at]! ^= 1 << (at % 8);
      writeFileSync(path, bad);
      await expectRejection(readCheckpoint(path), InvalidCheckpoint, { code: "checkpoint-damaged" });
    }
  });

  it("takes no memory for a header that is too long", async () => {
    const path = join(await newFolder(), "a.checkpoint");
    await writeCheckpoint(path, someCheckpoint(7));
    const bytes = readFileSync(path);
    bytes.writeUInt32LE(MAX_HEADER_BYTES + 1, bytes.indexOf("\n") + 1);
    writeFileSync(path, bytes);
    const { message } = await expectRejection(readCheckpoint(path), InvalidCheckpoint);
    expect(message).toMatch(/header of 16777217 bytes/);
  });

  it("is refused by name for another peer or run", () => {
    const checkpoint = someCheckpoint(3);
    requireSameRun(checkpoint, 0, { seed: "1" });
    const other = { code: "checkpoint-of-another-peer", peer: 2 };
    expectError(() => requireSameRun(checkpoint, 2, { seed: "1" }), InvalidCheckpoint, other);
    const details = { code: "checkpoint-of-another-run", field: "seed" };
    expectError(() => requireSameRun(checkpoint, 0, { seed: "2" }), InvalidCheckpoint, details);
  });
});

describe("a journal's file", () => {
  const anyRecord: fc.Arbitrary<JournalRecord> = fc.oneof(
    fc.record({ kind: fc.constant("received" as const), peer: count, frame }),
    fc.record({ kind: fc.constant("took" as const), peers: fc.array(count) }),
    fc.record({ kind: fc.constantFrom("acknowledged" as const, "lost" as const), peer: count }),
    fc.record({ kind: fc.constant("notice" as const), notice: fc.uint8Array({ maxLength: 40 }) }),
    fc
      .record({ round: count, step: fc.nat({ max: 255 }), pairs: fc.array(fc.tuple(count, count)) })
      .map(({ round, step, pairs }) => ({
        ...{ kind: "offered" as const, round, step },
        ...{ peers: pairs.map(([peer]) => peer), tags: pairs.map(([, tag]) => tag) },
      })),
  );

  it("gives back its records, also when its end is torn at any byte, and goes on behind the last whole one", async () => {
    const path = join(await newFolder(), "a.journal");
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRecord, { minLength: 1, maxLength: 5 }),
        fc.nat(),
        anyRecord,
        async (records, cut, more) => {
          rmSync(path, { force: true });
          const journal = openJournal(path);
          const ends = records.map((each) => {
            journal.append(each);
            return readFileSync(path).length;
          });
          journal.close();
          expect(readJournal(path)).toEqual({ records, isTorn: false });
          const length = cut % (ends.at(-1)! + 1);
          truncateSync(path, length);
          const whole = ends.filter((end) => end <= length).length;
          const isTorn = length > (ends[whole - 1] ?? 0);
          expect(readJournal(path)).toEqual({ records: records.slice(0, whole), isTorn });
          const again = openJournal(path);
          again.append(more);
          again.close();
          expect(readJournal(path).records).toEqual([...records.slice(0, whole), more]);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("a folder of checkpoints", () => {
  async function filled() {
    const folder = await newFolder();
    const warnings: string[] = [];
    const open = () => createCheckpointFolder(folder, { warn: (text) => warnings.push(text) });
    const store = await open();
    for (const round of [0, 10, 20]) {
      await store.save(someCheckpoint(round));
      store.append(record(round));
    }
    await store.close();
    return { folder, warnings, open };
  }

  it("keeps the two newest, and gives back the newest with what happened since", async () => {
    const { folder, warnings, open } = await filled();
    expect(readdirSync(folder).sort()).toEqual([
      "round-10.checkpoint",
      "round-10.journal",
      "round-20.checkpoint",
      "round-20.journal",
    ]);
    const store = await open();
    expect(await store.load()).toEqual({ checkpoint: someCheckpoint(20), records: [record(20)] });
    store.append(record(21));
    await store.close();
    expect((await (await open()).load())!.records).toEqual([record(20), record(21)]);
    expect(warnings).toEqual([]);
  });

  it("goes back to the earlier one where the newest is damaged, with all that happened since, and says so", async () => {
    const { folder, warnings, open } = await filled();
    truncateSync(join(folder, "round-20.checkpoint"), 100);
    const saved = await (await open()).load();
    expect(saved).toEqual({ checkpoint: someCheckpoint(10), records: [record(10), record(20)] });
    expect(warnings).toEqual([expect.stringMatching(/round-20\.checkpoint is torn.*round 10 is used/)]);
    truncateSync(join(folder, "round-10.checkpoint"), 3);
    await expectRejection((await open()).load(), InvalidCheckpoint, { code: "checkpoint-damaged" });
  });

  it("goes on without a journal that cannot be written, and is whole again with the next checkpoint", async () => {
    const { folder, warnings, open } = await filled();
    const store = await open();
    await store.load();
    mkdirSync(join(folder, "round-30.journal"));
    await store.save(someCheckpoint(30));
    store.append(record(1));
    store.append(record(2));
    expect(warnings).toEqual([expect.stringMatching(/^cannot write the journal in .*; the run goes on/)]);
    rmSync(join(folder, "round-30.journal"), { recursive: true });
    await store.save(someCheckpoint(40));
    store.append(record(3));
    await store.close();
    // What lies before the gap leads nowhere.
    expect(readdirSync(folder).sort()).toEqual(["round-40.checkpoint", "round-40.journal"]);
    expect(await (await open()).load()).toEqual({ checkpoint: someCheckpoint(40), records: [record(3)] });
  });

  it("keeps the last good checkpoint when a new one cannot be written", async () => {
    const { folder, open } = await filled();
    const store = await open();
    await store.load();
    mkdirSync(join(folder, `round-30.checkpoint.${process.pid}${DRAFT_SUFFIX}`));
    await expectRejection(store.save(someCheckpoint(30)), FileProblem, {
      code: "checkpoint-not-written",
      round: 30,
    });
    store.append(record(30));
    await store.close();
    const saved = await (await open()).load();
    expect(saved).toEqual({ checkpoint: someCheckpoint(20), records: [record(20), record(30)] });
  });

  it("drops what a killed process left of a checkpoint", async () => {
    const { folder, open } = await filled();
    writeFileSync(join(folder, `round-30.checkpoint.1${DRAFT_SUFFIX}`), "half of a");
    expect(await (await open()).load()).toEqual({ checkpoint: someCheckpoint(20), records: [record(20)] });
    expect(readdirSync(folder).some((name) => name.endsWith(DRAFT_SUFFIX))).toBe(false);
  });

  it("is not mixed with another run's", async () => {
    const { folder } = await filled();
    const settings = { folder, every: 10, resume: false };
    mkdirSync(join(folder, "peer-1"));
    writeFileSync(join(folder, "peer-1", "round-0.checkpoint"), "");
    const details = { code: "checkpoints-exist", peer: 1 };
    await expectRejection(
      openCheckpoints(settings, 1, () => {}),
      FileProblem,
      details,
    );
  });
});

describe("a simulation that is interrupted and resumed", () => {
  const ring4 = parseTopology({ graph: { kind: "ring", peers: 4 } }, "test");
  const quadratic = {
    trainer: { kind: "quadratic", dimension: 24, noise: 0.1 },
    rounds: 30,
    evaluateEvery: 5,
  };

  /** The logs of a run, in parts that end after these rounds. */
  async function logsOf(settings: object, ends: readonly number[]): Promise<string[][]> {
    const folder = await newFolder();
    const directory = join(folder, "run");
    const experiment = parseExperiment({ ...quadratic, ...settings });
    const topology = topologyFor(algorithms[experiment.algorithm], ring4);
    for (const [part, end] of [...ends, Number.POSITIVE_INFINITY].entries()) {
      const stop = new AbortController();
      const checkpoints = { folder: join(folder, "checkpoints"), every: 7, resume: part > 0 };
      const run = recordSimulation({
        ...{ topology, experiment, directory, checkpoints, signal: stop.signal, warn() {} },
        onRound: ({ round }) => round + 1 === end && stop.abort("test"),
      });
      if (end < Number.POSITIVE_INFINITY) await expectRejection(run, Interrupted, { round: end - 1 });
      else await run;
    }
    return readdirSync(directory).map((name) =>
      readFileSync(join(directory, name), "utf8")
        .trimEnd()
        .split("\n")
        .filter((line) => !line.includes('"type":"resumed"'))
        .map(withoutTimes),
    );
  }

  // push-sum is in test/resume.test.ts, on a directed graph.
  const undirected = Object.keys(algorithms).filter((name) => name !== "push-sum");
  for (const [first, algorithm] of undirected.entries()) {
    it(`with ${algorithm} writes the logs of one that was not, whatever its compressor and optimiser`, async () => {
      const compressors = compressorSettings.options.map(({ shape }) => shape.kind.value);
      const optimizers = optimizerSettings.options.map(({ shape }) => shape.kind.value);
      // Four of them each, so that all algorithms together have every one.
      expect(4 * undirected.length).toBeGreaterThanOrEqual(Math.max(compressors.length, optimizers.length));
      for (let k = 4 * first; k < 4 * (first + 1); k++) {
        const settings = {
          algorithm,
          compressor: compressors[k % compressors.length],
          optimizer: optimizers[k % optimizers.length],
          seed: k,
        };
        expect(await logsOf(settings, [10, 20])).toEqual(await logsOf(settings, []));
      }
    });
  }

  it("may have stopped in its closing consensus", async () => {
    const settings = { algorithm: "dpsgd" };
    expect(await logsOf(settings, [31])).toEqual(await logsOf(settings, []));
  });
});

describe("a simulation that is resumed", () => {
  const ring4 = parseTopology({ graph: { kind: "ring", peers: 4 } }, "test");
  const experiment = parseExperiment({ trainer: { kind: "quadratic", dimension: 8 }, rounds: 30 });

  async function run(folder: string, resume: boolean, end: number) {
    const stop = new AbortController();
    const warnings: string[] = [];
    const running = recordSimulation({
      ...{ topology: ring4, experiment, signal: stop.signal },
      checkpoints: { folder, every: 5, resume },
      warn: (text) => warnings.push(text),
      onRound: ({ round }) => round + 1 === end && stop.abort("test"),
    });
    await expectRejection(running, Interrupted, { round: end - 1 });
    return warnings;
  }

  it("is refused where a peer has lost its checkpoints, and those of the others stay", async () => {
    const folder = await newFolder();
    await run(folder, false, 20);
    rmSync(join(folder, "peer-2"), { recursive: true });
    const before = readdirSync(join(folder, "peer-1"));
    const again = recordSimulation({
      ...{ topology: ring4, experiment, warn() {} },
      checkpoints: { folder, every: 5, resume: true },
    });
    await expectRejection(again, InvalidCheckpoint, { code: "checkpoints-apart", field: folder });
    expect(readdirSync(join(folder, "peer-1"))).toEqual(before);
  });

  it("begins, with a warning, where there is nothing to go on from", async () => {
    const folder = join(await newFolder(), "misspelt");
    const warning = `there are no checkpoints in ${folder}: the run starts with its first round`;
    expect(await run(folder, true, 3)).toContain(warning);
    expect(await run(folder, true, 5)).not.toContain(warning);
  });

  it("begins again where it stopped while it wrote its first checkpoints", async () => {
    const folder = await newFolder();
    await run(folder, false, 3);
    rmSync(join(folder, "peer-2"), { recursive: true });
    await run(folder, true, 4);
  });
});
