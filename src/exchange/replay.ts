/**
 * Repeats what a journal has: the same decisions and the same exchanges, without any frame coming or going, until the
 * peer is where it stopped.
 */
import { InvalidCheckpoint } from "../foundation/errors.js";
import type { Neighbour } from "../graphs/mixing.js";
import type { Bytes } from "../vectors/vector.js";
import { fromJournal } from "./account.js";
import type { Journal, OfferedRecord } from "./journal.js";
import type { Ledger } from "./ledger.js";
import type { Settled } from "./settlement.js";

export interface Replay {
  /** Whether there is a decision left to repeat. */
  isOn(): boolean;
  /** The edges of the step that begins next; undefined when none does. What precedes it is repeated first. */
  edges(): readonly Neighbour[] | undefined;
  /** What the frames of that step carry about the run's members, once. */
  takeNotice(): Bytes | undefined;
  /** The round of that step. */
  round(): number | undefined;
  /** This peer is about to offer on these edges: their last frames were acknowledged. */
  offers(edges: readonly Neighbour[]): void;
  /** @throws InvalidCheckpoint what was offered is not what the journal has */
  offered(record: OfferedRecord): void;
  /** What settled in the step; undefined where the peer stopped before it did. */
  settle(): readonly Settled[] | undefined;
  /** The peer is where it stopped: hands the ledger the frames that came after its last decision. */
  end(): void;
}

export interface ReplayOptions {
  readonly id: number;
  readonly edges: readonly Neighbour[];
  readonly journal: Journal;
  readonly ledger: Ledger;
  readonly isBarrier: boolean;
  /** A neighbour is lost. */
  readonly lost: (peer: number) => void;
  readonly noticed: (notice: Bytes) => void;
}

export function createReplay({
  id,
  edges,
  journal,
  ledger,
  isBarrier,
  lost,
  noticed,
}: ReplayOptions): Replay {
  let notice: Bytes | undefined;
  /** Repeats what happened between two steps, or while one waited. */
  const repeatEvents = (): void => {
    for (let next = journal.next(); next; next = journal.next()) {
      if (next.kind === "lost") lost(next.peer);
      else if (next.kind === "notice") {
        notice = next.notice;
        noticed(notice);
      } else return;
      journal.advance();
    }
  };
  const nextOffer = (): OfferedRecord | undefined => {
    const next = journal.next();
    return next?.kind === "offered" ? next : undefined;
  };
  /** @returns whether there was one */
  const handOver = (peer: number): boolean => {
    const frame = journal.frame(peer);
    if (frame) ledger.received(peer, frame, fromJournal);
    return frame !== undefined;
  };
  /** Once nothing is left to repeat, the last frames count as acknowledged where they were. */
  const acknowledge = (): void => {
    if (!journal.next()) for (const peer of journal.acknowledged()) ledger.acknowledged(peer);
  };
  acknowledge();
  return {
    isOn: () => journal.next() !== undefined,
    edges() {
      repeatEvents();
      const next = nextOffer();
      return next && edges.filter(({ peer }) => next.peers.includes(peer));
    },
    round: () => nextOffer()?.round,
    takeNotice() {
      const taken = notice;
      notice = undefined;
      return taken;
    },

    offers(some) {
      for (const { peer } of some) ledger.acknowledged(peer);
    },

    offered(record) {
      requireSame(id, nextOffer(), record);
      journal.advance();
      acknowledge();
    },

    settle() {
      repeatEvents();
      const next = journal.next();
      if (next?.kind !== "took") return undefined;
      journal.advance();
      for (const peer of next.peers) if (ledger.lacks(peer)) handOver(peer);
      // A step at the barrier ends once all its frames are acknowledged.
      if (isBarrier) for (const { to } of ledger.unacknowledged()) ledger.acknowledged(to);
      acknowledge();
      ledger.takeVoided();
      return ledger.takeSettled();
    },

    end() {
      for (const { peer } of edges) while (handOver(peer));
    },
  };
}

/** @throws InvalidCheckpoint the round that is computed again is not the one that was sent */
function requireSame(id: number, recorded: OfferedRecord | undefined, repeated: OfferedRecord): void {
  const { round, step } = repeated;
  const isSame =
    round === recorded?.round &&
    step === recorded.step &&
    recorded.tags.every((tag, k) => tag === repeated.tags[k]);
  if (isSame) return;
  throw new InvalidCheckpoint(
    `peer ${id} cannot resume: round ${round + 1}, computed again, differs from what it has sent: this backend is not deterministic, or data or version changed; use those of the run, or start the run again`,
    { code: "replay-differs", peer: id, round },
  );
}
