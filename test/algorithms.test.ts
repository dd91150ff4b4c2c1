import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { type CompressorSettings, compressorSettings } from "../src/compressors/index.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { normal, random } from "../src/foundation/random.js";
import type { Mixing } from "../src/graphs/mixing.js";
import { edgesIn } from "../src/graphs/sequence-mixing.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { createPlan } from "../src/runs/plan.js";
import { createSimulation } from "../src/runs/simulate.js";
import { createLayout, type Layout } from "../src/vectors/layout.js";
import {
  averaged,
  disagreement,
  largestGap,
  type Rows,
  rows,
  sum,
  topOfRows,
  zeros,
} from "./support/dense.js";
import { expectError } from "./support/errors.js";
import { functionTrainer, plainDescent } from "./support/trainers.js";

const length = 12;
const layout = createLayout([{ name: "x", shape: [length] }]);
const graph = (settings: object) => parseTopology({ graph: settings }, "test").mixing;
const ring = graph({ kind: "ring", peers: 6 });
const complete = graph({ kind: "complete", peers: 5 });
const compressor = (settings: object) => compressorSettings.parse(settings);
const exact = compressor({ kind: "identity" });
/** Half of the numbers. */
const top = compressor({ kind: "topk", ratio: 0.5 });
const C = (x: Rows) => topOfRows(x, length / 2);

const draws = random(7, "quadratics");
/** ∇f_i(x) = a (x − b_i): the peers' optima differ, and curvature by coordinate. */
const optimum = (peer: number, k: number) => normal(draws, peer * length + k);
const curvature = (k: number) => 0.5 + k / length;
const gradient = (peer: number, x: number, k: number) => curvature(k) * (x - optimum(peer, k));
const start = (k: number) => normal(random(8, "start"), k);

interface Course {
  readonly mixing: Mixing;
  readonly compressor?: CompressorSettings;
  readonly rounds: number;
  readonly rate?: number;
  readonly learningRate?: (round: number) => number;
  readonly gradient?: (peer: number, x: number, k: number, round: number) => number;
  /** Of `length` numbers; one vector where left out. */
  readonly layout?: Layout;
}

/** Models after a run of real peers. */
async function learn(algorithm: AlgorithmKind, course: Course): Promise<Float32Array[]> {
  const { mixing, compressor = exact, rounds, rate = 1, learningRate = () => 0.1 } = course;
  const own = course.gradient ?? gradient;
  const simulation = createSimulation({
    neighbours: mixing.neighbours,
    plan: {
      ...{ seed: 1, algorithm, compressor, rounds, learningRate, ...plainDescent },
      ...{ consensusRate: () => rate, closingRates: [], evaluateEvery: 0 },
      ...(mixing.sequence && { edgesIn: edgesIn(mixing, mixing.sequence, { rounds, closingRates: [] }) }),
    },
    trainers: Array.from({ length: mixing.peers }, (_, peer) =>
      functionTrainer(
        course.layout ?? layout,
        (model) => {
          for (let k = 0; k < length; k++) model[k] = start(k);
        },
        (point, k, round) => own(peer, point[k]!, k, round),
      ),
    ),
  });
  for await (const _ of simulation.run());
  return simulation.peers.map(({ model }) => model.slice());
}

/** What equations come to in float64, from a step that is given x, u and the number of the round. */
function referenceOf(
  { mixing, rounds, learningRate = () => 0.1 }: Course,
  step: (x: Float64Array[], u: Float64Array[], round: number) => Float64Array[],
): Float64Array[] {
  let x = rows(mixing.peers, length, (_, k) => Math.fround(start(k)));
  for (let round = 0; round < rounds; round++) {
    const u = rows(mixing.peers, length, (i, k) => -learningRate(round) * gradient(i, x[i]![k]!, k));
    x = step(x, u, round);
  }
  return x;
}

/** float32 over some tens of rounds. */
const TOLERANCE = 5e-6;
const falling = (round: number) => 0.1 / (1 + 0.05 * round);

describe("an algorithm is its equations", () => {
  it("d2", async () => {
    const course = { mixing: ring, rounds: 25, rate: 0.8 };
    let before: Float64Array[] | undefined;
    const reference = referenceOf(course, (x, u) => {
      const psi = sum(x, u);
      const phi = sum(sum(psi, x), before ?? x, -1);
      before = psi;
      return sum(phi, disagreement(ring, phi), 0.8 / 2);
    });
    expect(largestGap(await learn(algorithms.d2, course), reference)).toBeLessThan(TOLERANCE);
  });

  it("d2 stays at the optimum, however long it runs: its correction takes in no rounding of the model", async () => {
    const course = { mixing: ring, rounds: 3000, rate: 0.8, learningRate: () => 0.02 };
    const models = await learn(algorithms.d2, course);
    for (let k = 0; k < length; k++) {
      // Of equal curvatures: the mean of the optima.
      const best = [0, 1, 2, 3, 4, 5].reduce((sum, peer) => sum + optimum(peer, k) / 6, 0);
      for (const model of models) expect(Math.abs(model[k]! - best)).toBeLessThan(2e-6);
    }
  });

  it("gradient-tracking", async () => {
    const course = { mixing: ring, rounds: 25, rate: 0.9 };
    let y = zeros(6, length);
    let before = zeros(6, length);
    const reference = referenceOf(course, (x, u) => {
      y = sum(sum(y, u), before, -1);
      before = u;
      const h = sum(x, y);
      y = sum(y, disagreement(ring, y), 0.9);
      return sum(h, disagreement(ring, h), 0.9);
    });
    expect(largestGap(await learn(algorithms["gradient-tracking"], course), reference)).toBeLessThan(
      TOLERANCE,
    );
  });

  it("lead, also while the learning rate falls", async () => {
    const course = { mixing: ring, rounds: 25, rate: 0.6, compressor: top, learningRate: falling };
    let h = zeros(6, length);
    let p = zeros(6, length);
    let d = zeros(6, length);
    const reference = referenceOf(course, (x, u, round) => {
      const gamma = falling(round);
      const y = sum(sum(x, u), d, -gamma);
      const q = C(sum(y, h, -1));
      const s = sum(p, disagreement(ring, q), -1);
      p = sum(p, disagreement(ring, q), -0.5);
      h = sum(h, q, 0.5);
      d = sum(d, s, 0.6 / (2 * gamma));
      return sum(sum(x, u), d, -gamma);
    });
    expect(largestGap(await learn(algorithms.lead, course), reference)).toBeLessThan(TOLERANCE);
  });

  it.each([
    ["beer", 1],
    ["motef", 0.1],
  ] as const)("%s", async (name, lambda) => {
    const course = { mixing: ring, rounds: 25, rate: 0.4, compressor: top };
    let [v, m, hx, hv] = [zeros(6, length), zeros(6, length), zeros(6, length), zeros(6, length)];
    const reference = referenceOf(course, (x, u) => {
      v = sum(v, disagreement(ring, hv), 0.4);
      const next = sum(m, sum(u, m, -1), lambda);
      v = sum(sum(v, next), m, -1);
      m = next;
      const y = sum(sum(x, disagreement(ring, hx), 0.4), v);
      hv = sum(hv, C(sum(v, hv, -1)));
      hx = sum(hx, C(sum(y, hx, -1)));
      return y;
    });
    expect(largestGap(await learn(algorithms[name], course), reference)).toBeLessThan(TOLERANCE);
  });

  it("dcd", async () => {
    const course = { mixing: ring, rounds: 25, rate: 0.5, compressor: top };
    let s = zeros(6, length);
    const reference = referenceOf(course, (x, u) => {
      const q = C(sum(u, s, 0.5));
      s = sum(s, disagreement(ring, q));
      return sum(x, q);
    });
    expect(largestGap(await learn(algorithms.dcd, course), reference)).toBeLessThan(TOLERANCE);
  });

  it("ecd, which is D-PSGD where nothing is lost", async () => {
    const course = { mixing: ring, rounds: 20, compressor: exact };
    let copy: Float64Array[] | undefined;
    const reference = referenceOf(course, (x, u, round) => {
      const t = round + 1;
      copy ??= x;
      const next = sum(sum(copy, disagreement(ring, copy)), u);
      const z = rows(6, length, (i, k) => (1 - t / 2) * x[i]![k]! + (t / 2) * next[i]![k]!);
      copy = rows(6, length, (i, k) => (1 - 2 / t) * copy![i]![k]! + (2 / t) * z[i]![k]!);
      return next;
    });
    expect(largestGap(await learn(algorithms.ecd, course), reference)).toBeLessThan(20 * TOLERANCE);
  });

  it("gasloc", async () => {
    const course = { mixing: ring, rounds: 25, rate: 0.4, compressor: top };
    let e = zeros(6, length);
    let before: Float64Array[] | undefined;
    const reference = referenceOf(course, (x, u) => {
      const y = sum(x, u);
      const v = sum(y, e);
      const q = C(v);
      e = sum(v, q, -1);
      const momentum = before ? sum(y, before, -1) : zeros(6, length);
      before = y;
      return sum(sum(y, disagreement(ring, q), 0.4), momentum, 0.5);
    });
    expect(largestGap(await learn(algorithms.gasloc, course), reference)).toBeLessThan(2 * TOLERANCE);
  });

  it("noloco", async () => {
    const course = { mixing: ring, rounds: 25, rate: 0.4, compressor: top };
    let [e, m] = [zeros(6, length), zeros(6, length)];
    const reference = referenceOf(course, (x, u) => {
      const v = sum(sum(x, u), e);
      const q = C(v);
      e = sum(v, q, -1);
      const pull = sum(u, disagreement(ring, q), 0.4);
      m = rows(6, length, (i, k) => 0.5 * m[i]![k]! + 0.7 * pull[i]![k]!);
      return sum(x, m);
    });
    expect(largestGap(await learn(algorithms.noloco, course), reference)).toBeLessThan(2 * TOLERANCE);
  });

  it("noloco in pairs, as the paper has it: means of displacements and of models apart", async () => {
    const pairs = graph({ kind: "random-matchings", peers: 6 });
    const course = { mixing: pairs, rounds: 25 };
    let m = zeros(6, length);
    const reference = referenceOf(course, (x, u, round) => {
      const partner = (i: number) => pairs.sequence!.neighbours(i, round)[0]!.peer;
      const mean = (of: Rows, i: number, k: number) => (of[i]![k]! + of[partner(i)]![k]!) / 2;
      m = rows(
        6,
        length,
        (i, k) => 0.5 * m[i]![k]! + 0.7 * mean(u, i, k) + 0.7 * (mean(x, i, k) - x[i]![k]!),
      );
      return sum(x, m);
    });
    expect(largestGap(await learn(algorithms.noloco, course), reference)).toBeLessThan(2 * TOLERANCE);
  });

  it("dpsgd in both orders", async () => {
    const course = { mixing: ring, rounds: 25, rate: 0.4 };
    const updateFirst = referenceOf(course, (x, u) => {
      const h = sum(x, u);
      return sum(h, disagreement(ring, h), 0.4);
    });
    expect(largestGap(await learn(algorithms.dpsgd, course), updateFirst)).toBeLessThan(TOLERANCE);
    const combineFirst = referenceOf(course, (x, u) => sum(sum(x, disagreement(ring, x), 0.4), u));
    const models = await learn(algorithms["dpsgd-combine-first"], course);
    expect(largestGap(models, combineFirst)).toBeLessThan(TOLERANCE);
    expect(largestGap(models, updateFirst)).toBeGreaterThan(0.01);
  });

  it("sparseloco", async () => {
    const course = { mixing: complete, rounds: 25, compressor: top };
    let e = zeros(5, length);
    const reference = referenceOf(course, (x, u) => {
      const p = sum(u, e, 0.95);
      e = sum(p, C(p), -1);
      return sum(x, averaged(C(p)));
    });
    expect(largestGap(await learn(algorithms.sparseloco, course), reference)).toBeLessThan(TOLERANCE);
  });

  it("moniqua, which is D-PSGD but for the rounding", async () => {
    const learningRate = (round: number) => 0.3 / (1 + 0.3 * round);
    const course = { mixing: ring, rounds: 300, rate: 0.7, learningRate };
    const reference = referenceOf(course, (x, u) => {
      const h = sum(x, u);
      return sum(h, disagreement(ring, h), 0.7);
    });
    expect(largestGap(await learn(algorithms.moniqua, course), reference)).toBeLessThan(0.01);
  });

  it("powergossip, of a matrix and a vector", async () => {
    const matrix = createLayout([
      { name: "matrix", shape: [2, 5] },
      { name: "vector", shape: [2] },
    ]);
    const course = { mixing: ring, rounds: 25, rate: 1, layout: matrix };
    const at = (i: number, j: number) => 5 * i + j;
    const unit = (v: number[]) => v.map((x) => x / Math.hypot(...v));
    const directions = new Map<string, number[]>();
    const reference = referenceOf(course, (x, u, round) => {
      const h = sum(x, u);
      const next = h.map((row) => row.slice());
      const isRight = round % 2 === 0;
      for (let a = 0; a < 6; a++) {
        for (const { peer: b, weight } of ring.neighbours[a]!) {
          if (b < a) continue;
          const first = random(0, "power", `${a} ${b} 0`);
          const w = directions.get(`${a} ${b}`) ?? unit([0, 1, 2, 3, 4].map((k) => first.uniform(k) - 0.5));
          const apart = (k: number) => h[b]![k]! - h[a]![k]!;
          const product = isRight
            ? [0, 1].map((i) => w.reduce((total, v, j) => total + apart(at(i, j)) * v, 0))
            : [0, 1, 2, 3, 4].map((j) => w.reduce((total, v, i) => total + apart(at(i, j)) * v, 0));
          for (let k = 0; k < length; k++) {
            const [i, j] = [Math.floor(k / 5), k % 5];
            const found = k >= 10 ? apart(k) : isRight ? product[i]! * w[j]! : w[i]! * product[j]!;
            next[a]![k]! += weight * found;
            next[b]![k]! -= weight * found;
          }
          directions.set(`${a} ${b}`, unit(product));
        }
      }
      return next;
    });
    // Directions pass on what rounding did to differences.
    expect(largestGap(await learn(algorithms.powergossip, course), reference)).toBeLessThan(2 * TOLERANCE);
  });

  it("artemis", async () => {
    const course = { mixing: complete, rounds: 25, compressor: top };
    let h = zeros(5, length);
    const reference = referenceOf(course, (x, u) => {
      const delta = C(sum(u, h, -1));
      const next = sum(sum(x, averaged(h)), averaged(delta));
      h = sum(h, delta, 0.1);
      return next;
    });
    expect(largestGap(await learn(algorithms.artemis, course), reference)).toBeLessThan(TOLERANCE);
  });

  it("mcm", async () => {
    const course = { mixing: complete, rounds: 25, compressor: compressor({ kind: "topk", count: 1 }) };
    const bound = (k: number) => Math.floor((k * length) / 5);
    const parts = Array.from({ length: 5 }, (_, k) => [bound(k), bound(k + 1)] as const);
    /** The largest number of each part. */
    const perPart = (v: Rows) =>
      v.map((row) => Float64Array.from(parts.flatMap((part) => [...topOfRows([row.slice(...part)], 1)[0]!])));
    let h = zeros(5, length);
    let [w, shown] = [zeros(1, length), zeros(1, length)];
    const reference = referenceOf(course, (x, u, round) => {
      if (round === 0) [w, shown] = [x.slice(0, 1), x.slice(0, 1)];
      const delta = perPart(sum(u, h, -1));
      w = sum(sum(w, averaged(h).slice(0, 1)), averaged(delta).slice(0, 1));
      h = sum(h, delta, 0.1);
      const down = perPart(sum(w, shown, -1));
      const next = sum(shown, down)[0]!;
      shown = sum(shown, down, 0.1);
      return rows(5, length, (_, k) => next[k]!);
    });
    expect(largestGap(await learn(algorithms.mcm, course), reference)).toBeLessThan(TOLERANCE);
  });

  it("all-reduce", async () => {
    const course = { mixing: complete, rounds: 25 };
    const reference = referenceOf(course, (x, u) => averaged(sum(x, u)));
    expect(largestGap(await learn(algorithms["all-reduce"], course), reference)).toBeLessThan(TOLERANCE);
  });

  it("ef-sgd", async () => {
    const course = { mixing: complete, rounds: 25, compressor: top };
    let e = zeros(5, length);
    const reference = referenceOf(course, (x, u) => {
      const p = sum(u, e);
      e = sum(p, C(p), -1);
      return sum(x, averaged(C(p)));
    });
    expect(largestGap(await learn(algorithms["ef-sgd"], course), reference)).toBeLessThan(TOLERANCE);
  });

  it("ecq-sgd", async () => {
    const course = { mixing: complete, rounds: 25, compressor: top };
    let h = zeros(5, length);
    const reference = referenceOf(course, (x, u) => {
      const q = C(sum(u, h, 0.2));
      h = sum(sum(sum(zeros(5, length), h, 0.9), u), q, -1);
      return sum(x, averaged(q));
    });
    expect(largestGap(await learn(algorithms["ecq-sgd"], course), reference)).toBeLessThan(TOLERANCE);
  });

  it("csgd", async () => {
    const course = { mixing: complete, rounds: 25, compressor: top };
    const reference = referenceOf(course, (x, u) => sum(x, averaged(C(u))));
    expect(largestGap(await learn(algorithms.csgd, course), reference)).toBeLessThan(TOLERANCE);
  });

  it("majority-vote", async () => {
    const course = {
      mixing: complete,
      rounds: 15,
      compressor: compressor({ kind: "sign" }),
      learningRate: () => 0.01,
    };
    const reference = referenceOf(course, (x, u) =>
      rows(5, length, (i, k) => {
        const votes = u.reduce((total, row) => total + Math.sign(row[k]!), 0);
        return x[i]![k]! + 0.01 * Math.sign(votes);
      }),
    );
    expect(largestGap(await learn(algorithms["majority-vote"], course), reference)).toBeLessThan(TOLERANCE);
  });

  it("comp-ams", async () => {
    const course = { mixing: complete, rounds: 25, compressor: top, learningRate: () => 0.05 };
    let [e, m, v, largest] = [zeros(5, length), zeros(5, length), zeros(5, length), zeros(5, length)];
    const reference = referenceOf(course, (x, u) => {
      const p = sum(e, u, -1 / 0.05);
      e = sum(p, C(p), -1);
      const g = averaged(C(p));
      m = rows(5, length, (i, k) => 0.9 * m[i]![k]! + 0.1 * g[i]![k]!);
      v = rows(5, length, (i, k) => 0.999 * v[i]![k]! + 0.001 * g[i]![k]! ** 2);
      largest = rows(5, length, (i, k) => Math.max(largest[i]![k]!, v[i]![k]!));
      return rows(5, length, (i, k) => x[i]![k]! - (0.05 * m[i]![k]!) / Math.sqrt(largest[i]![k]! + 1e-8));
    });
    // A small v̂ divides: rounding counts for more.
    expect(largestGap(await learn(algorithms["comp-ams"], course), reference)).toBeLessThan(20 * TOLERANCE);
  });

  it("diloco", async () => {
    const course = { mixing: complete, rounds: 25, compressor: top };
    let [e, v] = [zeros(5, length), zeros(5, length)];
    const reference = referenceOf(course, (x, u) => {
      const p = sum(u, e);
      e = sum(p, C(p), -1);
      const mean = averaged(C(p));
      v = sum(mean, v, 0.9);
      return sum(sum(x, mean, 0.7), v, 0.7 * 0.9);
    });
    expect(largestGap(await learn(algorithms.diloco, course), reference)).toBeLessThan(TOLERANCE);
  });
});

describe("on a complete graph", () => {
  const kinds = Object.values<AlgorithmKind>(algorithms).filter(({ needs }) => needs.graph === "complete");

  it.each(kinds.map((kind) => [kind.name, kind] as const))(
    "%s keeps all models equal to the bit, with stochastic compressors too",
    async (_, kind) => {
      for (const settings of [top, compressor({ kind: "qsgd" }), compressor({ kind: "ternary" })]) {
        const [first, ...others] = await learn(kind, { mixing: complete, rounds: 6, compressor: settings });
        for (const model of others) expect(model).toEqual(first);
      }
    },
  );

  it.each(kinds.map(({ name }) => name))("%s refuses any other graph by name", (algorithm) => {
    const plan = () =>
      createPlan(parseExperiment({ algorithm }), ring, { layout, initialize: (model) => model.fill(1) });
    const expected = { code: "algorithm-needs-complete-graph", field: "algorithm" };
    expectError(plan, InvalidExperiment, expected);
  });
});

describe("where the peers' data differ", () => {
  /** ‖x_i − x*‖ of the peer that is furthest away. x* is the mean of the optima: curvatures are equal. */
  const furthest = async (algorithm: AlgorithmKind, course: Partial<Course> = {}) => {
    const models = await learn(algorithm, { mixing: ring, rounds: 400, learningRate: () => 0.2, ...course });
    const best = averaged(rows(6, length, optimum))[0]!;
    return Math.max(...models.map((model) => Math.hypot(...best.map((value, k) => value - model[k]!))));
  };

  it("D-PSGD stops short of the optimum with a constant learning rate, and these do not", async () => {
    expect(await furthest(algorithms.dpsgd)).toBeGreaterThan(0.5);
    for (const name of ["d2", "gradient-tracking"] as const) {
      expect(await furthest(algorithms[name]), name).toBeLessThan(1e-4);
    }
    for (const name of ["lead", "beer"] as const) {
      const course = { compressor: top, rate: 0.4, rounds: 1500, learningRate: () => 0.1 };
      expect(await furthest(algorithms[name], course), name).toBeLessThan(1e-3);
    }
  });
});

describe("memories of updates", () => {
  it("take away what different data do to compression: Artemis and MCM reach the optimum, compressed SGD does not", async () => {
    // The optimum is the mean of the peers': their curvatures are equal.
    const best = averaged(rows(5, length, optimum))[0]!;
    const course = {
      mixing: complete,
      ...{ rounds: 400, compressor: top, learningRate: () => 0.2 },
    };
    const error = async (algorithm: AlgorithmKind) => {
      const [model] = await learn(algorithm, course);
      return Math.hypot(...best.map((value, k) => value - model![k]!));
    };
    expect(await error(algorithms.csgd)).toBeGreaterThan(0.1);
    expect(await error(algorithms.artemis)).toBeLessThan(1e-4);
    expect(await error(algorithms.mcm)).toBeLessThan(1e-4);
  });
});

describe("error feedback", () => {
  // f(x, y) = ε|x + y| + |x − y|: the sign of its gradient is ±(1, −1), which never leaves the line x + y = const, while
  // the optimum is 0 (Karimireddy et al. 2019, counter-example 3).
  const step = 0.02;
  const counterExample = (point: Float32Array, k: number): number => {
    const [x, y] = [point[0]!, point[1]!];
    return 0.5 * Math.sign(x + y) + (k === 0 ? 1 : -1) * Math.sign(x - y || 1);
  };
  const pair = createLayout([{ name: "x", shape: [2] }]);
  const run = async (algorithm: AlgorithmKind) => {
    const two = graph({ kind: "complete", peers: 2 });
    const simulation = createSimulation({
      neighbours: two.neighbours,
      plan: {
        ...{ seed: 1, algorithm, compressor: compressor({ kind: "sign", scope: "tensor" }), rounds: 1500 },
        ...{
          learningRate: () => step,
          ...plainDescent,
          consensusRate: () => 1,
          closingRates: [],
          evaluateEvery: 0,
        },
      },
      trainers: [0, 1].map(() => functionTrainer(pair, (model) => model.set([1, 1]), counterExample)),
    });
    for await (const _ of simulation.run());
    const [model] = simulation.peers.map(({ model }) => model);
    return Math.abs(model![0]! + model![1]!);
  };

  it("reaches the optimum where the sign of the gradient never points to it", async () => {
    expect(await run(algorithms.csgd)).toBeGreaterThan(1.9);
    expect(await run(algorithms["ef-sgd"])).toBeLessThan(0.3);
  });
});

describe("majority vote", () => {
  it("converges with 3 adversaries of 7 that send the opposite of their gradient", async () => {
    const seven = graph({ kind: "complete", peers: 7 });
    const noise = random(3, "noise");
    const errors = async (adversaries: number) => {
      const models = await learn(algorithms["majority-vote"], {
        ...{
          mixing: seven,
          rounds: 1500,
          compressor: compressor({ kind: "sign" }),
          learningRate: () => 0.003,
        },
        gradient: (peer, x, k, round) => {
          const noisy = x + 0.3 * normal(noise, (round * 7 + peer) * length + k);
          return peer < adversaries ? -noisy : noisy;
        },
      });
      return Math.hypot(...models[6]!);
    };
    expect(await errors(0)).toBeLessThan(0.2);
    expect(await errors(3)).toBeLessThan(0.5);
    expect(await errors(4)).toBeGreaterThan(2);
  });
});
