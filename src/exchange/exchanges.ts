/**
 * Runs one peer's exchanges: what an algorithm yields goes into the ledger and out as frames; edge events come in, until
 * nothing is awaited any more.
 */
import type { Clock } from "../foundation/clock.js";
import type { Counters } from "../foundation/counters.js";
import { MalformedFrame, RoundTimeout } from "../foundation/errors.js";
import type { Eventually } from "../foundation/eventually.js";
import type { Neighbour } from "../graphs/mixing.js";
import type { Bytes } from "../vectors/vector.js";
import type { Frame, FrameKind } from "./frame.js";
import { type Journal, type OfferedRecord, payloadTag, type ReceivedRecord } from "./journal.js";
import { createLedger, type EdgeRecord, type LedgerOptions, type Refusal, type Waiting } from "./ledger.js";
import { createEdgePatience } from "./patience.js";
import { createRefusals } from "./refusals.js";
import { createReplay } from "./replay.js";
import type { Settled } from "./settlement.js";
import type { Closed, EdgeEvent, EdgeTraffic, Transport } from "./transport.js";
import { type Activity, chainFrom, type State, unknown, whomText } from "./waiting.js";

/** What one step of a round sends: the same payload on every edge, or one per edge. */
export type Outgoing = Bytes | ((edge: Neighbour) => Bytes);

/** How long a peer waits for its neighbours. */
export interface Patience {
  /** A step that takes longer than this ends the run, in milliseconds. */
  readonly deadlineMs: number;
  /**
   * Milliseconds after which a round goes on without the edges that are late; their exchanges settle in a later
   * round. Left out: the strict barrier, where a round waits for every edge.
   */
  readonly patienceMs?: number;
  /** k: a round waits for an edge's median time + k · MAD, and `patienceMs` at most. Only the latter where left out. */
  readonly patienceFactor?: number;
  /** Most rounds between the two halves of an exchange that moves models; any number where left out. */
  readonly staleness?: number | undefined;
}

/** Settings of `createExchanges`. */
export interface ExchangesOptions extends Omit<LedgerOptions, "isBarrier" | "staleness"> {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly patience: Patience;
  /** What makes the run outlive its process; its `keep` belongs to the transport. */
  readonly journal?: Journal | undefined;
  /** Counts refused frames; they are not counted when left out. */
  readonly counters?: Counters;
  /** How often this peer has halved η by now; never where left out. */
  readonly halvings?: () => number;
  /** What frames carry about the run's members; nothing where left out. */
  readonly members?: Members | undefined;
}

/** How news of a run's members travels: beside the payloads of a round's first step. */
export interface Members {
  /** What the frames of this round carry; undefined where nothing is new. Once a round. */
  notice(round: number): Bytes | undefined;
  /** What a neighbour's frame carried. @throws MalformedFrame */
  received(notice: Bytes): void;
  /** A notice of this peer, from its journal. */
  repeated(notice: Bytes): void;
  /** A neighbour has lost what it had. */
  lost(peer: number): void;
}

/** One step of a round. */
export interface Step {
  readonly kind: FrameKind;
  readonly round: number;
  readonly step: number;
  /** Those of `ready()` on which to exchange. */
  readonly edges: readonly Neighbour[];
  /** What to wait for: see `Ledger.await`. */
  readonly wait: Waiting;
}

/** What a wait came to. */
export interface Outcome {
  readonly settled: readonly Settled[];
  /** The transport was closed: nothing more will settle. */
  readonly isClosed: boolean;
}

/** The exchanges of one peer on all its edges: the ledger, run over a transport and a clock. */
export interface Exchanges {
  /** Whether the transport is open. @throws the error with which it was closed */
  isOpen(): boolean;
  /** Edges whose last exchange is over. */
  ready(): readonly Neighbour[];
  /** Edges on which the last round must exchange once more: their ends have not agreed on which exchange is the last. */
  unfinished(): readonly Neighbour[];
  /** Whether the last round is over on every edge. */
  isFinished(): boolean;
  /** Sends this peer's halves of a step. */
  offer(step: Step & { readonly outgoing: Outgoing }): void;
  /** Waits for the other halves. @throws RoundTimeout */
  wait(step: Step): Eventually<void>;
  /**
   * What has settled by the end of the wait, from this step or an earlier one; valid until the next wait.
   * @throws what made an edge fail: Unreachable, MalformedPayload, …
   */
  take(): Outcome;
  /** The neighbour that the last exchange waited for longest; undefined when it did not wait. */
  lastToArrive(): number | undefined;
  /**
   * What this peer does from now on, for its neighbours to know while they wait. A wait is noted here.
   * @param round the round that it is in; the same as before where left out
   */
  begin(activity: Activity, round?: number): void;
  /** Neighbours whose exchange is late. */
  late(): readonly number[];
  /** Neighbours whose exchanges do not count at present, after a fault. */
  quarantined(): readonly number[];
  /** The frames that were refused since the last call. */
  takeRefusals(): readonly Refusal[];
  /** Whether rounds are computed again, from the journal. */
  isReplaying(): boolean;
  /** Every edge as it is between two rounds, for a checkpoint. Payloads are not copied. */
  snapshot(): EdgesSnapshot;
  /** What has crossed each edge so far, in the order of the edges. */
  traffic(): readonly EdgeTraffic[];
}

/** What a checkpoint holds of a peer's edges. */
export interface EdgesSnapshot {
  readonly edges: readonly EdgeRecord[];
  /** Frames that were acknowledged and have not reached the ledger. */
  readonly held: readonly ReceivedRecord[];
}

/** Runs a ledger over a transport and a clock. */
export function createExchanges(options: ExchangesOptions): Exchanges {
  const { id, edges, lastRound, transport, clock, patience, journal, counters, members } = options;
  const { deadlineMs, patienceMs, patienceFactor } = patience;
  const edgePatience = createEdgePatience(patienceMs ?? Number.POSITIVE_INFINITY, patienceFactor);
  /** When this peer offered its half of the exchange that is open, by neighbour. */
  const offeredAt = new Map<number, number>();
  const isBarrier = patienceMs === undefined;
  const ledger = createLedger({
    ...options,
    isBarrier,
    staleness: patience.staleness,
    ...(journal && { records: journal.edges }),
  });
  const lose = (peer: number): void => {
    ledger.lost(peer);
    members?.lost(peer);
  };
  const noticed = (notice: Bytes) => members?.repeated(notice);
  const replay = journal && createReplay({ id, edges, journal, ledger, isBarrier, lost: lose, noticed });
  /** Whether frames come and go: not while rounds are computed again from the journal. */
  let isLive = false;
  const outboxes = new Map<number, Uint8Array<ArrayBuffer>>();
  const refusals = createRefusals();
  let last: number | undefined;
  let closed: { readonly error?: unknown } | undefined;
  let wake: (() => void) | undefined;

  /** A copy that outlives the compressor's buffer. An edge has one open exchange, and so one copy. */
  const keep = ({ peer }: Neighbour, payload: Bytes): Bytes => {
    let memory = outboxes.get(peer);
    if (!memory || memory.length < payload.length) {
      memory = new Uint8Array(payload.length);
      outboxes.set(peer, memory);
    }
    const copy = memory.subarray(0, payload.length);
    copy.set(payload);
    return copy;
  };

  /** At the barrier, a payload for all edges stays where it is until every neighbour has it. */
  const payloadOf = (outgoing: Outgoing, edge: Neighbour): Bytes =>
    typeof outgoing === "function" ? keep(edge, outgoing(edge)) : isBarrier ? outgoing : keep(edge, outgoing);

  const apply = (event: EdgeEvent): void => {
    if (event.kind === "frame") {
      journal?.delivered(event.peer);
      const isDue = ledger.lacks(event.peer);
      if (ledger.received(event.peer, event.frame, event.release)) last = event.peer;
      if (isDue) edgePatience.took(event.peer, clock.now() - offeredAt.get(event.peer)!);
      refuse();
    } else if (event.kind === "acknowledged") {
      if (!isBarrier) journal?.write({ kind: "acknowledged", peer: event.peer });
      ledger.acknowledged(event.peer);
    } else if (event.kind === "down") {
      const { code, message: reason } = event.error;
      if (code === "banned") refusals.add({ from: event.peer, reason });
      ledger.down(event.peer, event.error);
    } else if (event.kind === "up") ledger.up(event.peer);
    else {
      journal?.write(event);
      lose(event.peer);
    }
  };
  /** What the frames of a step carry about the run's members. */
  const noticeFor = ({ kind, round, step }: Step): Bytes | undefined => {
    const repeated = replay?.takeNotice();
    if (repeated || !members || kind !== "learning" || step > 0 || replay?.isOn()) return repeated;
    const notice = members.notice(round);
    if (notice) journal?.write({ kind: "notice", notice });
    return notice;
  };
  const readNotices = (settled: readonly Settled[]): void => {
    for (const { edge, notice } of settled) {
      if (!notice) continue;
      try {
        members?.received(notice);
      } catch (error) {
        if (!(error instanceof MalformedFrame)) throw error;
        counters?.count("refusedPayload", edge.peer);
        refusals.add({ from: edge.peer, reason: error.message });
        transport.refuse(edge.peer, error.message);
      }
    }
  };
  const refuse = (): void => {
    for (const { counter, isVoid, ...refusal } of ledger.takeRefusals()) {
      counters?.count(counter, refusal.from);
      if (isVoid) counters?.count("quarantines", refusal.from);
      refusals.add(refusal);
      // A void exchange is over at both ends: the connection is of use.
      if (!isVoid) transport.refuse(refusal.from, refusal.reason);
    }
  };
  const listener = (event: EdgeEvent | Closed): void => {
    if (closed) return;
    try {
      if (event.kind === "closed") closed = event;
      else apply(event);
    } catch (error) {
      closed = { error };
    }
    wake?.();
  };

  const isOver = (wait: Step["wait"]): boolean =>
    closed !== undefined ||
    !ledger.isWaiting() ||
    ledger.obstacle() !== undefined ||
    (wait === "any" && (ledger.hasSettled() || ledger.unfinished().length > 0));

  /** Milliseconds until the next edge is late. A timer may fire a little early. */
  const untilLate = (): number => {
    const now = clock.now();
    const due = ledger.awaited().map((peer) => (offeredAt.get(peer) ?? now) + edgePatience.limit(peer) - now);
    return Math.max(1, Math.min(...due));
  };

  /** Resolves once nothing is awaited, or something stands in the way of it. */
  const over = async ({ round, wait }: Step): Promise<void> => {
    if (isOver(wait)) return;
    const timers: (() => void)[] = [];
    let isOverdue = false;
    await new Promise<void>((resolve) => {
      wake = () => {
        if (isOver(wait) || isOverdue) resolve();
      };
      const overdue = (): void => {
        isOverdue = true;
        wake?.();
      };
      if (deadlineMs < Number.POSITIVE_INFINITY) timers.push(clock.after(deadlineMs, overdue));
      if (patienceMs === undefined || wait !== "patient") return;
      const late = () => {
        ledger.tick(clock.now(), edgePatience.limit);
        wake?.();
        if (!isOver(wait)) timers.push(clock.after(untilLate(), late));
      };
      timers.push(clock.after(untilLate(), late));
    });
    wake = undefined;
    for (const cancel of timers) cancel();
    if (isOverdue) throw timeout(round);
  };

  let activity: Activity = "computing";
  let activeSince = clock.now();
  let activeRound: number | undefined;
  const begin = (next: Activity, round?: number): void => {
    activity = next;
    activeSince = clock.now();
    activeRound = round ?? activeRound;
  };
  const state = (): State => ({
    activity,
    forMs: clock.now() - activeSince,
    awaited: activity === "waiting" ? ledger.awaited() : [],
    round: activeRound,
  });
  const chain = () => chainFrom(id, state(), transport.waitsFor ?? unknown);

  const timeout = (round: number): RoundTimeout => {
    const missing = ledger.awaited();
    const [, ...others] = chain();
    const whom = whomText(others);
    const all = missing.length > 1 ? `peers ${missing.join(", ")}, longest for ${whom}` : `peer ${whom}`;
    return new RoundTimeout(
      `peer ${id} waited ${deadlineMs / 1000} s in round ${round + 1} for ${all}: check peer ${others.at(-1)?.peer}, or raise the deadline`,
      { code: "round-timeout", peer: id, neighbour: missing[0], round },
    );
  };

  const isOpen = (): boolean => {
    if (closed?.error) throw closed.error;
    return closed === undefined;
  };

  /** Whether rounds are computed again. Once they are not, frames come and go. */
  const repeats = (): boolean => {
    if (replay?.isOn()) return true;
    if (!isLive) goLive();
    return false;
  };
  const goLive = (): void => {
    isLive = true;
    replay?.end();
    for (const { to, frame } of ledger.unacknowledged()) transport.send(to, frame);
    transport.activity?.(state);
    transport.listen(listener);
  };

  /** What settles in a step that is computed again. */
  let repeated: readonly Settled[] | undefined;

  return {
    isOpen,
    ready: () => (repeats() && replay!.edges()) || ledger.ready(),
    unfinished: () => (repeats() && replay!.edges()) || ledger.unfinished(),
    isFinished: () => (repeats() ? replay!.round() !== lastRound : ledger.isFinished()),

    offer({ outgoing, ...current }) {
      const { kind, round, step, edges, wait } = current;
      const isRepeated = repeats();
      if (isRepeated) replay!.offers(edges);
      ledger.await(wait);
      const notice = noticeFor(current);
      const halvings = kind === "learning" ? options.halvings?.() : 0;
      const extras = { ...(halvings && { halvings }), ...(notice && { notice }) };
      const now = clock.now();
      const frames: { to: number; frame: Frame }[] = [];
      const tags: number[] = [];
      for (const edge of edges) {
        const payload = edge.direction === "in" ? nothing : payloadOf(outgoing, edge);
        if (journal) tags.push(payloadTag(payload));
        offeredAt.set(edge.peer, now);
        const frame = ledger.offered(edge, { kind, round, step, payload, ...extras }, now);
        if (frame) frames.push({ to: edge.peer, frame });
      }
      if (journal) {
        const record: OfferedRecord = { kind: "offered", round, step, peers: edges.map(peerOf), tags };
        if (isRepeated) replay!.offered(record);
        else journal.write(record);
      }
      if (isRepeated) return;
      for (const { to, frame } of frames) transport.send(to, frame);
      refuse();
      last = undefined;
    },

    async wait(step) {
      begin("waiting");
      repeated = repeats() ? replay!.settle() : undefined;
      // An obstacle may be gone again by now, and a wait that ended with it goes on.
      while (!repeated && !isOver(step.wait)) await over(step);
    },

    take() {
      if (repeated) {
        readNotices(repeated);
        return { settled: repeated, isClosed: false };
      }
      begin("mixing");
      const isClosed = !isOpen();
      const obstacle = ledger.obstacle();
      if (obstacle && !isClosed) throw obstacle;
      const settled = ledger.takeSettled();
      readNotices(settled);
      // After an early end the run goes on from the start of this step.
      const peers = [...settled.map(({ edge }) => edge.peer), ...ledger.takeVoided()];
      if (!isClosed) journal?.write({ kind: "took", peers });
      return { settled, isClosed };
    },

    begin,
    lastToArrive: () => last,
    late: () => [...ledger.late(), ...ledger.lostPeers()],
    quarantined: ledger.quarantined,
    takeRefusals: refusals.take,
    isReplaying: () => replay?.isOn() ?? false,
    snapshot: () => ({ edges: ledger.records(), held: journal?.held() ?? [] }),
    traffic: () => edges.map(({ peer }) => ({ neighbour: peer, ...transport.traffic(peer) })),
  };
}

const peerOf = ({ peer }: Neighbour): number => peer;

const nothing: Bytes = new Uint8Array(0);
