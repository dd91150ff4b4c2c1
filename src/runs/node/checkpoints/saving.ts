/** One peer's run, saved as it goes. */
import { type Checkpointed, type CheckpointStore, type Saved, saveCheckpoint } from "../../../checkpoint.js";
import { createJournal, type Journal, type JournalRecord } from "../../../exchange/journal.js";
import { systemClock } from "../../../foundation/clock.js";
import type { Counters } from "../../../foundation/counters.js";
import { FileProblem } from "../../../foundation/errors.js";
import type { Neighbour } from "../../../graphs/mixing.js";
import type { Peer } from "../../../peer.js";

/** How a run is saved. */
export interface RunCheckpoints {
  readonly store: CheckpointStore;
  /** Rounds between two checkpoints, from 1. */
  readonly every: number;
  /** Goes on from the newest good checkpoint, where there is one. */
  readonly resume: boolean;
  /** Called with one line when a checkpoint cannot be written; the run goes on. */
  readonly warn: (text: string) => void;
}

export interface Saving {
  readonly journal: Journal;
  /** Rounds that were over in the checkpoint that the run goes on from; undefined in a new run. */
  readonly resumedFrom: number | undefined;
  /** A round is over, and its run waits. @param isLeaving whether the peer stops after it */
  roundIsOver(round: number, isLeaving: boolean): Promise<void>;
}

/**
 * Brings a peer to where it stopped, or saves where it begins.
 * @param saved what it goes on from; undefined where it begins
 * @throws InvalidCheckpoint, FileProblem nothing can be read, or written
 */
export async function createSaving(
  peer: Peer,
  neighbours: readonly Neighbour[],
  isBarrier: boolean,
  { store, every, warn }: RunCheckpoints,
  saved: Saved | undefined,
  counters: Counters,
): Promise<Saving> {
  if (saved) await peer.restore(saved.checkpoint);
  else await saveCheckpoint(peer, store);
  const { checkpoint, records = [] } = saved ?? {};
  const append = (record: JournalRecord) => counters.count("journalBytes", undefined, store.append(record));
  if (saved) counters.count("resumes");
  const journal = createJournal({ neighbours, edges: checkpoint?.edges ?? [], records, isBarrier, append });
  // The first round of which the journal does not hold all.
  const repeated = Math.max(0, ...records.map((record) => (record.kind === "offered" ? record.round : 0)));
  return {
    journal,
    resumedFrom: checkpoint?.round,
    async roundIsOver(round, isLeaving) {
      if (round < repeated) counters.count("replayedRounds");
      // What is computed again is on disk; and a run that is complete is computed again from its last rounds.
      if (journal.next() || round + 1 === peer.rounds) return;
      if ((round + 1) % every !== 0 && !isLeaving) return;
      const began = systemClock.now();
      counters.count("checkpointBytes", undefined, await saveOrWarn([peer], [store], warn));
      counters.count("checkpointMs", undefined, systemClock.now() - began);
      counters.count("checkpoints");
    },
  };
}

/**
 * Saves peers, each in its store. A run goes on without a checkpoint that cannot be written.
 * @returns bytes that were written
 */
export async function saveOrWarn(
  peers: readonly Checkpointed[],
  stores: readonly CheckpointStore[],
  warn: (text: string) => void,
): Promise<number> {
  let bytes = 0;
  try {
    for (const [k, store] of stores.entries()) bytes += await saveCheckpoint(peers[k]!, store);
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    warn(`${error.message}; the run goes on`);
  }
  return bytes;
}
