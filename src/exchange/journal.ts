/**
 * What happens between two checkpoints, in the order in which it happened. A round is a pure function of the state before
 * it and of two things that come from outside: on which edges it exchanges, and which exchanges have settled when it
 * goes on. With these in the journal, and the neighbours' payloads, a peer that starts again from its checkpoint
 * computes the same rounds again to the bit, and is where it was when it stopped.
 *
 * Two rules make that safe at any instant. A frame is in the journal before the neighbour gets its acknowledgement, and
 * a decision is in the journal before any frame leaves that depends on it.
 */
import type { Neighbour } from "../graphs/mixing.js";
import type { Bytes } from "../vectors/vector.js";
import type { Frame } from "./frame.js";
import type { EdgeRecord } from "./ledger.js";
import type { EdgePosition } from "./transport.js";

/** A step of a round began: on these edges, with payloads of these tags. */
export interface OfferedRecord {
  readonly kind: "offered";
  readonly round: number;
  readonly step: number;
  readonly peers: readonly number[];
  /** By edge: `payloadTag` of what was sent. */
  readonly tags: readonly number[];
}

/** The step went on, with the exchanges of these edges settled or void. */
export interface TookRecord {
  readonly kind: "took";
  readonly peers: readonly number[];
}

/** A frame of this neighbour is here for good. */
export interface ReceivedRecord {
  readonly kind: "received";
  readonly peer: number;
  readonly frame: Frame;
}

/** This neighbour starts again without what it had; nothing is exchanged with it any more. */
export interface LostRecord {
  readonly kind: "lost";
  readonly peer: number;
}

/** What the frames of the step that begins next carry about the run's members. */
export interface NoticeRecord {
  readonly kind: "notice";
  readonly notice: Bytes;
}

/** What this peer does, or goes by, in an order of its own. */
export type DecisionRecord = OfferedRecord | TookRecord | LostRecord | NoticeRecord;

/**
 * This neighbour has this peer's last frame. With patience only: at the barrier a step goes on once every neighbour has its
 * frame.
 */
export interface AcknowledgedRecord {
  readonly kind: "acknowledged";
  readonly peer: number;
}

/** A line of the journal: a decision of this peer, a received frame, or an acknowledgement. */
export type JournalRecord = DecisionRecord | ReceivedRecord | AcknowledgedRecord;

/** What a run goes on from. */
export interface JournalOptions {
  /** This peer's ends of its edges. */
  readonly neighbours: readonly Neighbour[];
  /** Edges as the checkpoint has them; empty in a new run. */
  readonly edges: readonly EdgeRecord[];
  /** What happened after the checkpoint. */
  readonly records: readonly JournalRecord[];
  /** Whether a step ends only once every neighbour has acknowledged its frame. */
  readonly isBarrier: boolean;
  /** Writes a record; it survives this process once the call returns. It must copy the payload. */
  readonly append: (record: JournalRecord) => void;
}

/** A peer's journal: first what is to be computed again, then what happens from there on. */
export interface Journal {
  readonly edges: readonly EdgeRecord[];
  /** Where the transport goes on with a neighbour. */
  position(peer: number): EdgePosition;
  /** For the transport: a frame is about to be acknowledged. */
  keep(peer: number, frame: Frame): void;
  /** The oldest frame that was kept for this neighbour has reached the ledger. */
  delivered(peer: number): void;
  /** Frames that were kept and have not reached the ledger, for a checkpoint. */
  held(): readonly ReceivedRecord[];
  /** The decision that is to be repeated next; undefined once the peer is where it stopped. */
  next(): DecisionRecord | undefined;
  /** The decision was repeated. */
  advance(): void;
  /** The next frame of this neighbour from before the stop. */
  frame(peer: number): Frame | undefined;
  /** Neighbours that have acknowledged the last frame that was sent to them before the stop. */
  acknowledged(): readonly number[];
  /** Appends a record. */
  write(record: DecisionRecord | AcknowledgedRecord): void;
}

/** A journal that replays the records of an earlier process, then appends its own. */
export function createJournal(options: JournalOptions): Journal {
  const { edges, records, append } = options;
  const decisions = records.filter(isDecision);
  const frames = new Map<number, Frame[]>();
  for (const record of records) {
    if (record.kind === "received") listOf(frames, record.peer).push(record.frame);
  }
  const positions = positionsOf(options);
  const held = new Map<number, ReceivedRecord[]>();
  let repeated = 0;
  return {
    edges,
    position: (peer) => positions.get(peer) ?? { sent: 0, received: 0 },
    keep(peer, frame) {
      const record = { kind: "received", peer, frame } as const;
      append(record);
      listOf(held, peer).push(record);
    },
    delivered(peer) {
      listOf(held, peer).shift();
    },
    held() {
      const before = [...frames].flatMap(([peer, list]) =>
        list.map((frame): ReceivedRecord => ({ kind: "received", peer, frame })),
      );
      return [...before, ...[...held.values()].flat()];
    },
    next: () => decisions[repeated],
    advance() {
      repeated++;
    },
    frame: (peer) => listOf(frames, peer).shift(),
    acknowledged: () => acknowledgedIn(records),
    write: append,
  };
}

const isDecision = (record: JournalRecord): record is DecisionRecord =>
  record.kind !== "received" && record.kind !== "acknowledged";

/** Neighbours that acknowledged a frame and were sent none since. */
function acknowledgedIn(records: readonly JournalRecord[]): readonly number[] {
  const peers = new Set<number>();
  for (const record of records) {
    if (record.kind === "acknowledged") peers.add(record.peer);
    else if (record.kind === "offered") for (const peer of record.peers) peers.delete(peer);
  }
  return [...peers];
}

/** How many frames each neighbour has and this peer holds when the run goes on. */
function positionsOf({
  neighbours,
  edges,
  records,
  isBarrier,
}: JournalOptions): ReadonlyMap<number, EdgePosition> {
  const next = new Map<number, number>();
  const sent = new Map<number, number>();
  const received = new Map<number, number>();
  for (const { peer, exchange, open, unacknowledged, arrived } of edges) {
    next.set(peer, exchange + (open ? 1 : 0));
    sent.set(peer, unacknowledged?.exchange ?? next.get(peer)!);
    received.set(peer, exchange + arrived.length);
  }
  for (const record of records) {
    if (record.kind === "received") received.set(record.peer, (received.get(record.peer) ?? 0) + 1);
    else if (record.kind === "acknowledged") sent.set(record.peer, next.get(record.peer) ?? 0);
    else if (record.kind === "offered") {
      for (const peer of record.peers) {
        sent.set(peer, next.get(peer) ?? 0);
        next.set(peer, (next.get(peer) ?? 0) + 1);
      }
    } else if (isBarrier && record.kind === "took") for (const [peer, count] of next) sent.set(peer, count);
  }
  return new Map(
    neighbours.map(({ peer, direction }) => [
      peer,
      {
        sent: direction === "in" ? 0 : (sent.get(peer) ?? 0),
        received: direction === "out" ? 0 : (received.get(peer) ?? 0),
      },
    ]),
  );
}

function listOf<Value>(map: Map<number, Value[]>, key: number): Value[] {
  const list = map.get(key) ?? [];
  map.set(key, list);
  return list;
}

/** Bytes of a payload that its tag reads. */
const TAGGED_BYTES = 4096;

/** A uint32 that differs between payloads of different content, with high probability; it reads few bytes of a long one. */
export function payloadTag(payload: Bytes): number {
  const stride = Math.max(1, Math.floor(payload.length / TAGGED_BYTES));
  let tag = Math.imul(0x811c9dc5 ^ payload.length, 0x01000193);
  for (let k = 0; k < payload.length; k += stride) tag = Math.imul(tag ^ payload[k]!, 0x01000193);
  return tag >>> 0;
}
