import { describe, expect, it } from "vitest";
import type { AlgorithmKind } from "../src/algorithm.js";
import { algorithms } from "../src/algorithms/index.js";
import type { CompressorSettings } from "../src/compressors/index.js";
import { MAX_FAULTS, QUARANTINE_EXCHANGES } from "../src/exchange/account.js";
import type { Frame } from "../src/exchange/frame.js";
import type { Transport } from "../src/exchange/transport.js";
import { MalformedPayload } from "../src/foundation/errors.js";
import { createGraph, graphSettings } from "../src/graphs/index.js";
import { metropolisMixing } from "../src/graphs/weights.js";
import { createLayout } from "../src/vectors/layout.js";
import { createGossip } from "./support/gossip.js";

const ring = metropolisMixing(createGraph(graphSettings.parse({ kind: "ring", peers: 6 })));
const layout = createLayout([{ name: "x", shape: [24] }]);
const HOSTILE = 2;
const exact: CompressorSettings = { kind: "identity" };

const floats = (value: number) => {
  const bytes = new Uint8Array(4 * layout.length);
  new Float32Array(bytes.buffer).fill(value);
  return bytes;
};

/** A ring whose peer 2 sends what `harm` makes of its frames to peer 3; the others are honest. */
async function attacked(
  algorithm: AlgorithmKind,
  harm: (frame: Frame, send: (frame: Frame) => void) => void,
  rounds = 40,
) {
  const wrap = (transport: Transport, id: number): Transport => ({
    ...transport,
    send(to, frame) {
      if (id !== HOSTILE || to !== 3) transport.send(to, frame);
      else harm(frame, (sent) => transport.send(to, sent));
    },
  });
  const gossip = createGossip({
    ...{ mixing: ring, layout, algorithm, compressor: exact, rate: 0.5, rounds, wrap },
    update: (peer, k, round) => Math.sin(peer + k + round) / 10,
  });
  const reports = await gossip.finish();
  return { reports, of3: reports[3]!, models: gossip.models };
}

const attacks: Record<string, (frame: Frame) => Frame> = {
  "a norm bomb": (frame) => ({ ...frame, payload: floats(3.4e38) }),
  "a payload a thousand times its usual size": (frame) => ({ ...frame, payload: floats(3e3) }),
  "a NaN": (frame) => ({ ...frame, payload: floats(Number.NaN) }),
  "an infinite number": (frame) => ({ ...frame, payload: floats(Number.POSITIVE_INFINITY) }),
  "a payload that is cut off": (frame) => ({ ...frame, payload: frame.payload.subarray(1) }),
  "another round": (frame) => ({ ...frame, round: frame.round + 3 }),
  "another kind": (frame) => ({ ...frame, kind: "closing" }),
};

describe("an authenticated neighbour that sends", () => {
  for (const [name, harm] of Object.entries(attacks)) {
    it(`${name} once: the run goes on, its exchanges are void for a while, and the report names it`, async () => {
      const { reports, of3, models } = await attacked(algorithms.dpsgd, (frame, send) =>
        send(frame.round === 10 ? harm(frame) : frame),
      );
      expect(reports.every((each) => each.length === 40)).toBe(true);
      expect(of3[10]!.refused).toMatchObject([{ from: HOSTILE }]);
      const quarantined = of3.flatMap((each) => (each.quarantined ? each.round : []));
      expect(quarantined).toEqual(Array.from({ length: QUARANTINE_EXCHANGES - 1 }, (_, k) => 10 + k));
      expect(of3[10]!.counters).toMatchObject({ quarantines: 1 });
      for (const id of [0, 1, 3, 4, 5]) expect(models[id]!.every((x) => Math.abs(x) < 10)).toBe(true);
      for (const id of [0, 1, 4, 5]) expect(reports[id]!.some((each) => each.quarantined)).toBe(false);
    });
  }

  it("an earlier frame again is refused and counted; nothing else happens", async () => {
    const before = await attacked(algorithms.dpsgd, (frame, send) => send(frame));
    let last: Frame | undefined;
    const { of3, models } = await attacked(algorithms.dpsgd, (frame, send) => {
      if (frame.round === 10) send(last!);
      last = { ...frame, payload: frame.payload.slice() };
      send(frame);
    });
    expect(of3.flatMap(({ refused }) => refused ?? [])).toMatchObject([{ from: HOSTILE }]);
    expect(of3.some((each) => each.quarantined)).toBe(false);
    expect(models.map((model) => [...model])).toEqual(before.models.map((model) => [...model]));
  });

  it("nothing but bombs counts for nothing until the end, after a number of faults", async () => {
    const { reports, of3 } = await attacked(
      algorithms.dpsgd,
      (frame, send) => send({ ...frame, payload: floats(3.4e38) }),
      MAX_FAULTS + 5,
    );
    expect(reports[3]).toHaveLength(MAX_FAULTS + 5);
    expect(of3.at(-1)!.quarantined).toEqual([HOSTILE]);
    expect(of3.flatMap(({ refused }) => refused ?? [])).toHaveLength(MAX_FAULTS + 5);
  });

  it("a bomb on an edge with state of its own counts for nothing from then on, and the run goes on", async () => {
    const { of3, models } = await attacked(algorithms["edge-choco"], (frame, send) =>
      send(frame.round === 10 ? { ...frame, payload: floats(3.4e38) } : frame),
    );
    expect(of3).toHaveLength(40);
    expect(of3.at(-1)!.quarantined).toEqual([HOSTILE]);
    expect(models[3]!.every((x) => Math.abs(x) < 10)).toBe(true);
  });

  it("a bomb ends the run of an algorithm that needs every edge, with its name", async () => {
    const run = attacked(algorithms.choco, (frame, send) =>
      send(frame.round === 10 ? { ...frame, payload: floats(3.4e38) } : frame),
    );
    await expect(run).rejects.toThrow(MalformedPayload);
    await expect(run).rejects.toThrow(/^peer 2 sent a payload in round 11 that is refused: /);
  });
});
