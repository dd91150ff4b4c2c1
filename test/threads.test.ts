import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { algorithms } from "../src/algorithms/index.js";
import { threadsOption } from "../src/cli/option-types.js";
import { compressorSettings, createCompressor } from "../src/compressors/index.js";
import { modelDigest } from "../src/exchange/fingerprint.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { random } from "../src/foundation/random.js";
import { parseTopology } from "../src/graphs/topology.js";
import { divided } from "../src/kernels/division.js";
import { PART } from "../src/kernels/reference/vector.js";
import { createReferenceKernels } from "../src/kernels/reference.js";
import { createSimdKernels } from "../src/kernels/simd.js";
import { createOptimizer, optimizerVectors } from "../src/optimizers/index.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { simulate } from "../src/runs/simulate.js";
import { MAX_PARAMETERS } from "../src/threads/board.js";
import { MAX_AUTO_THREADS, MAX_THREADS, MINIMUM_PARAMETERS, workerThreads } from "../src/threads/node.js";
import type { StartThreads, Threads } from "../src/threads/threads.js";
import { COMMON_MEMORY_BYTES, createSpaces, createVectorSpace, spaceBytes } from "../src/vectors/vector.js";
import { everyCompressor, fill, layoutOf } from "./support/compressor-cases.js";
import { expectError, expectRejection } from "./support/errors.js";
import { topologyFor } from "./support/graphs.js";
import { everyOptimizer } from "./support/optimizer-cases.js";
import { murmur } from "./support/processes.js";

// Workers load JavaScript, so the ones that start come from what was built.
const dist = new URL("../dist/", import.meta.url);
const built: typeof import("../src/threads/node.js") = await import(new URL("threads/node.js", dist).href);

/** Every call is divided, and into as many pieces as can be. */
const smallest = { minimumLength: 1, pieceLength: 1 };
const startThreads = (count: number): StartThreads => built.workerThreads(count, smallest);

const teams: Threads[] = [];
beforeAll(async () => {
  for (const count of [1, 2, 3]) teams.push(await startThreads(count)(0));
});
afterAll(() => {
  for (const team of teams) team.close();
});

/** What the same work leaves behind, by kernels: the reference, then SIMD with 1, 2 and 3 threads. */
function everywhere<Result>(
  bytes: number,
  act: (space: ReturnType<typeof createVectorSpace>) => Result,
): Result[] {
  const spaces = [
    createVectorSpace(bytes, createReferenceKernels),
    ...teams.map((team) => createVectorSpace(bytes, createSimdKernels, team)),
  ];
  return spaces.map(act);
}

function expectEqual<Result>([first, ...others]: readonly Result[]): void {
  for (const other of others) expect(other).toEqual(first);
}

/** Around where pieces of 1024, and of the compressors' blocks, begin and end. */
const lengths = [1, 1024, 1025, 8199];

describe("the bits are the same with any number of threads, and as the reference says", () => {
  it("starts as many as it was told to", () => {
    expect(teams.map(({ count, warning }) => ({ count, warning }))).toEqual(
      [1, 2, 3].map((count) => ({ count, warning: undefined })),
    );
  });

  it.each(everyCompressor)("for %j, what it sends, what it leaves and what it adds", (written) => {
    for (const length of lengths) {
      const layout = layoutOf(length, 7, 2 * length + 1);
      expectEqual(
        everywhere((1 << 20) + 64 * layout.length, (space) => {
          const compressor = createCompressor(compressorSettings.parse(written), { layout, space });
          const vector = space.vector(layout.length);
          const out = space.vector(layout.length);
          fill(vector, "gaussian", length);
          const payload = compressor.squeeze(vector, random(length)).slice();
          compressor.addTo(out, payload, 1 / 3);
          return { payload: modelOf(payload), vector: modelOf(vector), out: modelOf(out) };
        }),
      );
    }
  });

  it.each(everyOptimizer)("for three steps of %s", (_name, settings) => {
    for (const length of lengths) {
      expectEqual(
        everywhere(spaceBytes(2 + optimizerVectors(settings), length), (space) => {
          const [update, point] = [space.vector(length), space.vector(length)];
          const optimizer = createOptimizer(settings, { length, space });
          fill(point, "gaussian", 1);
          for (let t = 0; t < 3; t++) {
            fill(update, "gaussian", t + 2);
            optimizer.step(update, point, 0.1);
          }
          return [update, ...Object.values(optimizer.state.vectors)].map(modelOf);
        }),
      );
    }
  });

  it("for the sums of more numbers than one part has", () => {
    for (const length of [PART, PART + 1, 2 * PART + 13]) {
      expectEqual(
        everywhere(9 * length + (1 << 17), ({ kernels, vector }) => {
          const [a, b] = [vector(length), vector(length)];
          for (let k = 0; k < length; k++) {
            a[k] = Math.sin(k) * ((k % 7) + 1);
            b[k] = (k % 1009) / 7;
          }
          return [
            kernels.sumOfMagnitudes(a.byteOffset, length),
            kernels.sumOfSquares(a.byteOffset, length),
            kernels.squaredDistance(a.byteOffset, b.byteOffset, length),
          ];
        }),
      );
    }
  });

  it("for a number that is not finite in any piece", () => {
    const length = 5000;
    for (const at of [0, 1023, 1024, 4095, 4999]) {
      const results = everywhere(1 << 17, ({ kernels, vector }) => {
        const v = vector(length);
        const before = kernels.allFinite(v.byteOffset, length);
        v[at] = Number.NaN;
        return [before, kernels.allFinite(v.byteOffset, length)];
      });
      for (const result of results) expect(result).toEqual([1, 0]);
    }
  });

  it.each(Object.keys(algorithms))("for a whole run of %s", async (algorithm) => {
    const run = (count: number) =>
      digests(startThreads(count), {
        algorithm,
        compressor: algorithm === "choco" ? "sign" : "minmax",
        trainer: { kind: "quadratic", dimension: [3000, 17], noise: 0.1 },
        rounds: 3,
      });
    expectEqual([await run(1), await run(2), await run(3)]);
  });

  it("for a model that tfjs trains, which reads and writes the shared memory", async () => {
    const run = (count: number) =>
      digests(startThreads(count), {
        rounds: 2,
        compressor: "sign",
        split: { kind: "shards", classesPerPeer: 4 },
      });
    expectEqual([await run(1), await run(2)]);
  });
});

/** Exact content: NaN and −0 included, in any buffer. */
function modelOf(array: Float32Array | Uint8Array): string {
  return Buffer.from(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)).toString("base64");
}

async function digests(startThreads: StartThreads, settings: object): Promise<string[]> {
  const experiment = parseExperiment(settings);
  const ring = parseTopology({ graph: { kind: "ring", peers: 3 } }, "ring");
  const simulation = await simulate(topologyFor(algorithms[experiment.algorithm], ring), experiment, {
    startThreads,
  });
  for await (const _ of simulation.run());
  simulation.dispose();
  return simulation.peers.map(({ model }) => modelDigest(model));
}

describe("the work is shared", () => {
  it("divides only kernels that there are", () => {
    const space = createVectorSpace(1 << 16);
    for (const { name } of divided) expect(space.kernels[name]).toBeTypeOf("function");
  });

  it("has room for the parameters of every kernel that is divided", () => {
    const space = createVectorSpace(1 << 16);
    const counts = divided.map(({ name }) => (space.kernels[name] as () => void).length);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(Math.max(...counts)).toBeLessThanOrEqual(MAX_PARAMETERS);
  });

  it("other threads do some of the pieces", () => {
    const length = 1 << 20;
    const memory = new WebAssembly.Memory({ initial: 200, maximum: 200, shared: true });
    const kernels = createSimdKernels(memory);
    let own = 0;
    const counting = {
      ...kernels,
      add(out: number, v: number, count: number) {
        own++;
        kernels.add(out, v, count);
      },
    };
    const shared = teams[1]!.share(counting, memory);
    let calls = 0;
    // One call may be over before a thread wakes; not all of so many.
    while (own === calls * (length / 1024) && calls < 1000) {
      shared.add(1 << 16, 1 << 22, length);
      calls++;
    }
    expect(own).toBeLessThan(calls * (length / 1024));
  });

  it("leaves short calls to the caller", async () => {
    const threads = await built.workerThreads(2)(0);
    const space = createVectorSpace(1 << 16, createSimdKernels, {
      ...threads,
      share: (kernels, memory) => {
        const shared = threads.share({ ...kernels, add: () => void calls++ }, memory);
        return shared;
      },
    });
    let calls = 0;
    space.kernels.add(0, 0, 1000);
    threads.close();
    expect(calls).toBe(1);
  });
});

describe("spaces for many peers", () => {
  const bytes = 1 << 20;

  it("lie side by side in one memory, until it is full", () => {
    const create = createSpaces({ count: 3 });
    const [a, b] = [create(bytes), create(bytes)];
    expect(b.buffer).toBe(a.buffer);
    const [first, second] = [a.vector(1000), b.vector(1000)];
    first.fill(1);
    expect(second.every((value) => value === 0)).toBe(true);
    expect(second.byteOffset).toBeGreaterThanOrEqual(first.byteOffset + first.byteLength);
    create(COMMON_MEMORY_BYTES / 2);
    expect(create(COMMON_MEMORY_BYTES / 2).buffer).not.toBe(a.buffer);
  });

  it("have a memory of their own where they are large, or there is one", () => {
    const create = createSpaces({ count: 3 });
    expect(create(bytes).buffer.byteLength).toBeGreaterThanOrEqual(COMMON_MEMORY_BYTES);
    const large = create(COMMON_MEMORY_BYTES / 2 + 1);
    expect(large.buffer.byteLength).toBeLessThan(COMMON_MEMORY_BYTES);
    const one = createSpaces({ count: 1 })(bytes);
    expect(one.buffer.byteLength).toBeLessThan(2 * bytes);
  });

  it.each([1, 3])("lie in shared memory where somebody else looks at them, for %d", (count) => {
    expect(createSpaces({ count })(bytes).buffer).toBeInstanceOf(ArrayBuffer);
    expect(createSpaces({ count, isShared: true })(bytes).buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it("have a shared memory each where several threads do the work", () => {
    const create = createSpaces({ count: 3, threads: teams[1]! });
    const [a, b] = [create(bytes), create(bytes)];
    expect(a.buffer).not.toBe(b.buffer);
    expect(a.buffer).toBeInstanceOf(SharedArrayBuffer);
  });
});

describe("threads come and go with the run", () => {
  const script = (body: string) => `
    import { createVectorSpace } from ${JSON.stringify(new URL("index.js", dist).href)};
    import { workerThreads } from ${JSON.stringify(new URL("node.js", dist).href)};
    import { createSimdKernels } from ${JSON.stringify(new URL("kernels/simd.js", dist).href)};
    const threads = await workerThreads(3, { minimumLength: 1, pieceLength: 1 })(1);
    const space = createVectorSpace(1 << 20, createSimdKernels, threads);
    const v = space.vector(100_000);
    space.kernels.add(v.byteOffset, v.byteOffset, v.length);
    ${body}
    console.log(threads.count);
  `;
  const node = (body: string) => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["--input-type=module", "--eval", script(body)],
      { encoding: "utf8", timeout: 60_000 },
    );
    return { status, stdout, error: /^Error: .*/m.exec(stderr)?.[0] };
  };

  it.each([
    ["nobody closes them", ""],
    ["they are closed", "threads.close();"],
  ])("a process ends though %s", (_when, body) => {
    expect(node(body)).toEqual({ status: 0, stdout: "3\n", error: undefined });
  });

  it("a process ends when it fails", () => {
    expect(node('throw new Error("on purpose");')).toEqual({
      status: 1,
      stdout: "",
      error: "Error: on purpose",
    });
  });

  it("a simulation that cannot be made ends them", async () => {
    let closed = 0;
    const start: StartThreads = async (parameters) => ({
      ...(await startThreads(1)(parameters)),
      share() {
        throw new InvalidExperiment("no room", { code: "no-room" });
      },
      close: () => closed++,
    });
    await expectRejection(digests(start, { trainer: "quadratic" }), InvalidExperiment, { code: "no-room" });
    expect(closed).toBe(1);
  });

  it("one thread computes, and says why, where no other starts", async () => {
    // Beside the sources there is no JavaScript for a worker to load.
    const { count, warning } = await workerThreads(2)(0);
    expect(count).toBe(1);
    expect(warning).toMatch(/using one thread: .*worker\.js/);
    expect(warning).not.toContain("\n");
  });
});

describe("how many", () => {
  it.each([0, -1, 1.5, Number.NaN, MAX_THREADS + 1, 10_000, "many", undefined])("is not %s", (count) => {
    expectError(() => workerThreads(count as number), InvalidExperiment, { code: "thread-count" });
  });

  it("may be the most there can be", () => {
    expect(workerThreads(MAX_THREADS)).toBeTypeOf("function");
  });

  it("auto is one for a small model, and the free cores up to a limit for a large one", async () => {
    const counts = async (parameters: number, processes: number) => {
      const threads = await built.workerThreads("auto", { processes })(parameters);
      threads.close();
      return threads.count;
    };
    expect(await counts(MINIMUM_PARAMETERS - 1, 1)).toBe(1);
    expect(await counts(MINIMUM_PARAMETERS, 10_000)).toBe(1);
    const { availableParallelism } = await import("node:os");
    expect(await counts(MINIMUM_PARAMETERS, 1)).toBe(Math.min(MAX_AUTO_THREADS, availableParallelism()));
  });

  it("is read from the command line, which refuses anything else in one line", () => {
    const option = threadsOption();
    const read = (text: string) => option.parseArg!(text, undefined);
    expect(["auto", "1", "64"].map(read)).toEqual(["auto", 1, 64]);
    for (const text of ["0", "1.5", "65", "10000", "many", ""]) {
      expect(() => read(text)).toThrow(/1 to 64, or auto$/);
    }
    const { status, stderr } = murmur("simulate", "topologies/ring-4.json", "--threads", "many");
    expect(status).not.toBe(0);
    expect(stderr).toMatch(
      /^error: option '--threads <count>' argument 'many' is invalid.*1 to 64, or auto\n$/,
    );
  });
});
