// The norm guard refuses bombs, and nothing that honest peers send.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import { type CompressorSettings, createCompressor } from "../src/compressors/index.js";
import type { Frame } from "../src/exchange/frame.js";
import {
  freshGuard,
  GUARD_FACTOR,
  GUARD_FIRST,
  GUARD_FIRST_FACTOR,
  GUARD_HISTORY,
  GUARD_LARGEST_FACTOR,
  GUARD_LIMIT,
  judgeNorms,
} from "../src/exchange/guard.js";
import type { Transport } from "../src/exchange/transport.js";
import { normal, random } from "../src/foundation/random.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import { metropolisMixing, pushMixing } from "../src/graphs/weights.js";
import { createMixingRule } from "../src/mixing-rules/index.js";
import { createLayout, type Layout } from "../src/vectors/layout.js";
import { createVectorSpace } from "../src/vectors/vector.js";
import { createGossip, everyCompressor } from "./support/gossip.js";
import { mixingFor } from "./support/graphs.js";

const layout = createLayout([
  { name: "kernel", shape: [9, 7] },
  { name: "bias", shape: [7] },
]);

/** Notes every pair of norm bounds that an edge's end would judge, in their order. */
function watched(
  boundOf: (frame: Frame) => number,
  isOneWay: boolean,
  judge: (edge: string, own: number, theirs: number) => void,
) {
  return (transport: Transport, id: number): Transport => {
    const first = isOneWay ? { own: 0 } : {};
    const halves = new Map<string, { own?: number; theirs?: number }>();
    const put = (peer: number, exchange: number, half: { own: number } | { theirs: number }) => {
      const pair = { ...first, ...halves.get(`${peer} ${exchange}`), ...half };
      halves.set(`${peer} ${exchange}`, pair);
      if (pair.own !== undefined && pair.theirs !== undefined) judge(`${id} ${peer}`, pair.own, pair.theirs);
    };
    return {
      ...transport,
      send(to, frame) {
        put(to, frame.exchange, { own: boundOf(frame) });
        transport.send(to, frame);
      },
      listen(listener) {
        transport.listen((event) => {
          if (event.kind === "frame") {
            put(event.peer, event.frame.exchange, { theirs: boundOf(event.frame) });
          }
          listener(event);
        });
      },
    };
  };
}

/** An algorithm's bounds of payloads, from outside its peers; undefined where it states none. */
function boundsOf(algorithm: AlgorithmKind, settings: CompressorSettings) {
  const space = createVectorSpace(1 << 21);
  const exact = createCompressor({ kind: "identity" }, { layout, space });
  const toolsFor = (layout: Layout) => {
    const used = algorithm.compresses ? settings : ({ kind: "identity" } as const);
    const compressor = createCompressor(used, { layout, space });
    const mixing = createMixingRule({ kind: "mean" }, { compressor, layout, space, edges: [] });
    return { layout, compressor, mixing };
  };
  const tools = toolsFor(layout);
  const model = space.vector(layout.length);
  const { check, normBound } = algorithm.create({ id: 0, model, space, edges: [], toolsFor, ...tools });
  if (check && !normBound) return undefined;
  const boundOf = normBound ?? tools.compressor.normBound;
  return ({ kind, payload, step, round }: Frame) =>
    kind === "closing" ? exact.normBound(payload) : boundOf(payload, step, round);
}

type Guard = ReturnType<typeof createGuard>;
const createGuard = (state = freshGuard()) => ({
  state,
  judge: (own: number, theirs: number) => judgeNorms(state, own, theirs),
});

/** Starts that are hard for a guard, with updates of very different sizes: a peer's are 10 times another's. */
const starts: Record<string, { offset: number; scale: number; silent?: number }> = {
  "random models": { offset: 0, scale: 0.01 },
  "equal models far from 0": { offset: 1000, scale: 1 },
  "models of zeros, of which one peer learns": { offset: 0, scale: 1, silent: 1 },
  "large models, tiny updates": { offset: 30, scale: 1e-6 },
};

const compressorsOf = (algorithm: AlgorithmKind) =>
  algorithm.compresses ? everyCompressor : everyCompressor.slice(0, 1);
const cases = Object.values<AlgorithmKind>(algorithms)
  .filter(({ sends }) => sends !== "nothing")
  .flatMap((algorithm) => compressorsOf(algorithm).map((compressor) => ({ algorithm, compressor })))
  .filter(({ algorithm, compressor }) => boundsOf(algorithm, compressor) !== undefined);

/** Runs honest peers, and gives every refusal and the largest ratio of a payload to the larger of own and median. */
async function honestRun(
  algorithm: AlgorithmKind,
  compressor: CompressorSettings,
  start: keyof typeof starts,
) {
  const { offset, scale, silent } = starts[start]!;
  const graph = createGraph(
    graphSettings.parse({ kind: "ring", peers: 5, directed: algorithm.needs.graph === "directed" }),
  );
  const mixing =
    algorithm.needs.graph === "directed" ? pushMixing(graph) : mixingFor(algorithm, metropolisMixing(graph));
  const guards = new Map<string, Guard>();
  const refusals: string[] = [];
  let judged = 0;
  const judge = (edge: string, own: number, theirs: number) => {
    if (!guards.has(edge)) guards.set(edge, createGuard());
    judged++;
    const reason = guards.get(edge)!.judge(own, theirs);
    if (reason) refusals.push(`${edge}: ${reason}`);
  };
  const gossip = createGossip({
    mixing,
    layout,
    algorithm,
    compressor,
    rate: 0.3,
    rounds: 40,
    closingRates: mixing.isDirected ? [] : [0.5, 0.5],
    initial: (peer, k) => (silent === undefined ? offset + (offset ? 0 : normal(random(peer), k)) : 0),
    // Each peer pulls its own way, the learning rate falls by a factor of 1000, and one peer in three is silent at times.
    update: (peer, k, round) =>
      silent !== undefined && peer !== silent
        ? 0
        : (round + peer) % 9 < 3
          ? 0
          : scale *
            10 ** -(round / 13) *
            10 ** ((peer % 3) / 2) *
            (normal(random(peer, "to"), k) + normal(random(peer, round), k)),
    wrap: watched(boundsOf(algorithm, compressor)!, mixing.isDirected ?? false, judge),
  });
  await gossip.finish();
  return { refusals, judged };
}

describe("in honest runs", () => {
  it.each(cases.map((one) => [`${one.algorithm.name} with ${one.compressor.kind}`, one] as const))(
    "%s is never refused",
    async (_title, { algorithm, compressor }) => {
      for (const start of Object.keys(starts)) {
        const { refusals, judged } = await honestRun(algorithm, compressor, start);
        expect(refusals, start).toEqual([]);
        expect(judged).toBeGreaterThan(150);
      }
    },
  );
});

describe("a norm bomb", () => {
  const norm = fc.double({ min: 1e-6, max: 1e6, noNaN: true });

  it("is refused from the first exchange on, whatever the usual norm", () => {
    fc.assert(
      fc.property(
        norm,
        fc.nat({ max: 60 }),
        fc.constantFrom(1e30, 3.4e38, Number.POSITIVE_INFINITY),
        (usual, before, bomb) => {
          const guard = createGuard();
          for (let k = 0; k < before; k++) expect(guard.judge(usual, usual)).toBeUndefined();
          expect(guard.judge(usual, bomb)).toMatch(/exceeds/);
        },
      ),
    );
  });

  it("of 1000 times the usual is refused, and names both numbers", () => {
    const guard = createGuard();
    for (let k = 0; k < GUARD_FIRST; k++) guard.judge(2, 3);
    expect(guard.judge(2, 3000)).toBe(
      "its norm of up to 3.00e+3 exceeds 100 times what is usual on this edge: this peer's own is 2.00, the neighbour's median 3.00",
    );
  });

  it("is judged more generously while the neighbour has sent little but zeros", () => {
    const guard = createGuard();
    for (let k = 0; k < 10; k++) expect(guard.judge(1, 0)).toBeUndefined();
    expect(guard.judge(1, 1.1 * GUARD_FIRST_FACTOR)).toMatch(/exceeds 10000 times/);
    for (let k = 0; k < GUARD_FIRST; k++) expect(guard.judge(1, 0.9 * GUARD_FIRST_FACTOR)).toBeUndefined();
    const known = createGuard();
    for (let k = 0; k < GUARD_FIRST; k++) known.judge(1, 1);
    expect(known.judge(1, 0.9 * GUARD_FIRST_FACTOR)).toMatch(/exceeds 100 times/);
  });

  it("does not become usual by being sent again", () => {
    const guard = createGuard();
    for (let k = 0; k < GUARD_FIRST; k++) guard.judge(1, 1);
    for (let k = 0; k < 100; k++) expect(guard.judge(1, 1000)).toBeDefined();
    expect(guard.state.history).toEqual(new Array(GUARD_FIRST).fill(1));
  });

  it("is refused above 1e30 while there is nothing to compare with, and so is what is no number", () => {
    for (const zeros of [0, 3]) {
      const guard = createGuard();
      for (let k = 0; k < zeros; k++) expect(guard.judge(0, 0)).toBeUndefined();
      expect(guard.judge(0, 2 * GUARD_LIMIT)).toMatch(/nothing before it/);
      expect(guard.judge(0, Number.NaN)).toBeDefined();
      expect(guard.judge(0, GUARD_LIMIT)).toBeUndefined();
    }
  });
});

describe("the state", () => {
  it("is plain numbers, bounded, and all that decides", () => {
    const bound = fc.double({ min: 0, max: 1e9, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(bound, bound), { maxLength: 80 }), fc.nat({ max: 80 }), (pairs, cut) => {
        const whole = createGuard();
        const first = createGuard();
        const reasons = pairs.map(([own, theirs]) => whole.judge(own, theirs));
        const before = pairs.slice(0, cut).map(([own, theirs]) => first.judge(own, theirs));
        const rest = createGuard(JSON.parse(JSON.stringify(first.state)));
        const after = pairs.slice(cut).map(([own, theirs]) => rest.judge(own, theirs));
        expect([...before, ...after]).toEqual(reasons);
        expect(rest.state).toEqual(whole.state);
        expect(whole.state.history.length).toBeLessThanOrEqual(GUARD_HISTORY);
      }),
    );
  });

  it("follows the neighbour's last payloads", () => {
    const guard = createGuard();
    for (let k = 0; k < GUARD_HISTORY; k++) guard.judge(0, 1);
    for (let k = 0; k < GUARD_HISTORY; k++) guard.judge(0, 50);
    expect(guard.state.history).toEqual(new Array(GUARD_HISTORY).fill(50));
    expect(guard.judge(0, 50 * GUARD_FACTOR)).toBeUndefined();
    expect(guard.judge(0, 51 * GUARD_FACTOR)).toBeDefined();
  });

  it("lets differences grow again up to a few times what this peer has sent", () => {
    const guard = createGuard();
    guard.judge(1e5, 1e5);
    for (let k = 0; k < 2 * GUARD_HISTORY; k++) guard.judge(1e-3, 1e-3);
    expect(guard.judge(1e-3, GUARD_LARGEST_FACTOR * 1e5)).toBeUndefined();
    expect(guard.judge(1e-3, 1.1 * GUARD_LARGEST_FACTOR * 1e5)).toBeDefined();
  });
});
