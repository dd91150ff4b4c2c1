/**
 * A ledger between a hostile neighbour and an honest one. The hostile one sends mutated frames, replays, frames of
 * other rounds and numbers, and frames for strangers; what the README of the exchange states must hold all the same.
 */
import { type CompressorSettings, createCompressor } from "../../src/compressors/index.js";
import { decodeFrame, encodeFrame, type Frame } from "../../src/exchange/frame.js";
import { createLedger, type Ledger, type Offer } from "../../src/exchange/ledger.js";
import { MAX_UNRELEASED_FRAMES } from "../../src/exchange/transport.js";
import { MalformedFrame, Unreachable } from "../../src/foundation/errors.js";
import { random } from "../../src/foundation/random.js";
import { createLayout } from "../../src/vectors/layout.js";
import { createVectorSpace } from "../../src/vectors/vector.js";
import type { Mutator } from "./mutate.js";

const [SELF, HOSTILE, HONEST, STRANGER] = [0, 1, 2, 7];
const ACTIONS = 40;
const LAST_ROUND = 1e6;
/** Beside those that the transport allows: one that has settled, and one that was handed out. */
const MOST_HELD = MAX_UNRELEASED_FRAMES + 2;

/** A real compressor's check, and payloads that pass it. */
export interface Codec {
  check(frame: Frame): void;
  readonly payloads: readonly Uint8Array[];
  readonly maximumPayloadBytes: number;
}

export function createCodec(settings: CompressorSettings): Codec {
  const layout = createLayout([{ name: "kernel", shape: [37] }]);
  const space = createVectorSpace(1 << 18);
  const compressor = createCompressor(settings, { layout, space });
  const vector = space.vector(layout.length);
  const payloads = [1, 2, 3].map((seed) => {
    for (let k = 0; k < vector.length; k++) vector[k] = random(seed, "vector").uniform(k) - 0.5;
    return compressor.squeeze(vector, random(seed)).slice();
  });
  const { maximumPayloadBytes } = compressor;
  return { check: ({ payload }) => compressor.check(payload), payloads, maximumPayloadBytes };
}

export interface Episode {
  accepted: number;
  refused: number;
}

function fail(what: string): never {
  throw new Error(`the ledger ${what}`);
}

/** @param make another ledger, to see that its faults are noticed */
export function playLedger(
  codec: Codec,
  isBarrier: boolean,
  { below, mutate }: Mutator,
  make = createLedger,
): Episode {
  const rate = (round: number) => 1 / (1 + round);
  const { check } = codec;
  const common = { rate, check, isBarrier, afterFault: "end", lastRound: LAST_ROUND } as const;
  const edgeTo = (peer: number) => ({ peer, weight: 0.3 });
  const ledger = make({ ...common, id: SELF!, edges: [edgeTo(HOSTILE!), edgeTo(HONEST!)] });
  const honest = createLedger({ ...common, id: HONEST!, edges: [edgeTo(SELF!)] });
  const episode: Episode = { accepted: 0, refused: 0 };
  const sent: Uint8Array[] = [];
  const settled = { ours: [] as string[], theirs: [] as string[] };
  let held = 0;
  let now = 0;
  let round = 0;
  let isViolated = false;
  const record = (peer: number) => ledger.records().find((each) => each.peer === peer)!;
  const payload = () => codec.payloads[below(codec.payloads.length)]!;
  const offer = (): Offer => ({ kind: "learning", round, step: 0, payload: payload() });
  const due = (): Frame => {
    const { exchange, arrived } = record(HOSTILE!);
    return { ...offer(), round: round + (isBarrier ? 0 : below(2)), exchange: exchange + arrived.length };
  };

  /** A frame of the hostile neighbour. */
  function receive(from: number, frame: Frame): void {
    let releases = 0;
    let isHeld = false;
    const before = JSON.stringify(ledger.records());
    const due = from === HOSTILE ? record(HOSTILE!).exchange + record(HOSTILE!).arrived.length : -1;
    const isTaken = ledger.received(from, frame, () => {
      releases++;
      if (isHeld) held--;
      isHeld = false;
    });
    isHeld = isTaken && releases === 0;
    if (isHeld) held++;
    episode[isTaken ? "accepted" : "refused"]++;
    if (!isTaken && releases !== 1) fail(`releases a refused frame ${releases} times`);
    // A frame that cannot be its half spends the number that is due.
    if (!isTaken && frame.exchange !== due && JSON.stringify(ledger.records()) !== before)
      fail("changes for a frame that it refuses");
    if (held > MOST_HELD) fail(`holds ${held} frames of one neighbour`);
  }

  const take = (): void => {
    for (const each of ledger.takeSettled()) {
      check({ ...offer(), exchange: 0, payload: each.theirs });
      if (each.edge.peer === HONEST) settled.ours.push(key(each.own, each.theirs, each.rate));
    }
    for (const each of honest.takeSettled()) settled.theirs.push(key(each.theirs, each.own, each.rate));
    for (const { from, reason } of ledger.takeRefusals()) {
      if (from === HONEST) fail(`refuses an honest frame: ${reason}`);
      isViolated ||= from === HOSTILE && reason.startsWith("sent ");
    }
  };

  /** Offers where an exchange may open, at both honest peers, and delivers what they send each other. */
  function turn(): void {
    take();
    if (isBarrier && (ledger.isWaiting() || honest.isWaiting())) return;
    round++;
    for (const edge of ledger.ready()) {
      const frame = ledger.offered(edge, offer(), now);
      if (edge.peer === HONEST && frame) deliver(honest, SELF!, frame, ledger, HONEST!);
    }
    for (const edge of honest.ready()) {
      const frame = honest.offered(edge, offer(), now);
      if (frame) deliver(ledger, HONEST!, frame, honest, SELF!);
    }
    take();
  }

  for (let action = 0; action < ACTIONS; action++) {
    const act = below(12);
    now += below(5);
    if (act < 3) turn();
    else if (act < 5) ledger.acknowledged(HOSTILE!);
    else if (act === 5) {
      const patience = below(10);
      ledger.tick(now, () => patience);
    } else if (act === 6 && !isBarrier) ledger[below(2) ? "up" : "down"](HOSTILE!, unreachable());
    else {
      const bytes = act === 7 && sent.length > 0 ? sent[below(sent.length)]! : encodeFrame(due());
      const changed = act > 10 ? mutate([bytes, ...sent.slice(0, 3)]) : bytes;
      if (sent.length < 8) sent.push(changed);
      try {
        receive(
          act === 8 ? [STRANGER!, HOSTILE!][below(2)]! : HOSTILE!,
          decodeFrame(changed, codec.maximumPayloadBytes),
        );
      } catch (error) {
        if (!(error instanceof MalformedFrame)) throw error;
        episode.refused++;
      }
    }
  }
  afterwards();
  return episode;

  /** The honest neighbour's exchanges settle as before, and the hostile one's where it has not broken a rule. */
  function afterwards(): void {
    ledger.up(HOSTILE!);
    take();
    if (!isViolated) finish();
    take();
    const before = settled.ours.length;
    for (let k = 0; k < 3; k++) {
      turn();
      if (isBarrier) finish();
    }
    take();
    // At the barrier a violation ends the run.
    const mayEnd = isBarrier && isViolated;
    if (!mayEnd && settled.ours.length < before + 2)
      fail("settles nothing with an honest neighbour afterwards");
    if (settled.ours.join() !== settled.theirs.join()) fail("settles other pairs than its honest neighbour");
  }

  /** The hostile neighbour does what is due. */
  function finish(): void {
    ledger.acknowledged(HOSTILE!);
    const { open, exchange, theirRound, arrived } = record(HOSTILE!);
    if (!open || arrived.length > 0) return;
    const frame = { ...offer(), round: isBarrier ? open.round : Math.max(round, theirRound + 1) };
    receive(HOSTILE!, { ...frame, exchange });
    take();
    if (frame.round <= LAST_ROUND && !isViolated && record(HOSTILE!).exchange !== exchange + 1) {
      fail("does not settle a frame that is due");
    }
  }
}

function deliver(to: Ledger, from: number, frame: Frame, sender: Ledger, receiver: number): void {
  to.received(from, frame, () => {});
  sender.acknowledged(receiver);
}

const key = (a: Uint8Array, b: Uint8Array, rate: number): string => `${a.join(" ")}|${b.join(" ")}|${rate}`;

const unreachable = () =>
  new Unreachable("peer 0 cannot reach peer 1: it was cut off", {
    code: "unreachable",
    peer: 0,
    neighbour: 1,
  });
