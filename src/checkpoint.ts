/**
 * What a peer goes on from after its process has ended: everything that outlives a round, and where each edge stands.
 * A checkpoint is taken between two rounds; `exchange/journal.ts` covers the time since.
 */
import type { EdgesSnapshot } from "./exchange/exchanges.js";
import { compareFingerprints, type Fingerprint } from "./exchange/fingerprint.js";
import type { JournalRecord } from "./exchange/journal.js";
import { InvalidCheckpoint } from "./foundation/errors.js";
import type { SavedMembers } from "./membership/membership.js";
import type { RoundReport } from "./observing/report.js";
import type { ModelCard } from "./saved-model.js";
import type { NamedValues, TensorGroup } from "./vectors/state.js";

/** The state of one peer at the end of a round, from which its run can be resumed with the same bits. */
export interface Checkpoint extends EdgesSnapshot {
  readonly peer: number;
  /** Rounds that are over: the run goes on with this one. */
  readonly round: number;
  /** Of the run that it belongs to. */
  readonly fingerprint: Fingerprint;
  /** Model, and the state of algorithm, optimiser, trainer and observer, by name. */
  readonly vectors: Readonly<Record<string, Float32Array>>;
  /** float64 numbers by name. */
  readonly scalars: Readonly<Record<string, number>>;
  /** What has crossed the edges so far. */
  readonly traffic: RoundReport["traffic"];
  /** What makes a file of the model of it, for `murmur export`. */
  readonly exported?: {
    readonly card: ModelCard;
    /** Name of the vector that the peer evaluates. */
    readonly point: string;
  };
  /** Who takes part, while that may change. */
  readonly members?: SavedMembers;
}

/** What a store holds: the last good checkpoint, and what happened since. */
export interface Saved {
  readonly checkpoint: Checkpoint;
  readonly records: readonly JournalRecord[];
}

/** Where one peer keeps its checkpoints and its journal. */
export interface CheckpointStore {
  /**
   * Reads the newest good checkpoint; undefined where there is none.
   *
   * @param latest no checkpoint of a later round than this
   * @throws InvalidCheckpoint there are checkpoints, and none can be read
   */
  load(latest?: number): Promise<Saved | undefined>;
  /**
   * Saves a checkpoint and begins a new journal, the latter before the call returns its promise. Earlier checkpoints
   * stay good until this one is on disk. Its vectors must stay as they are until the promise resolves.
   * @returns its bytes
   * @throws FileProblem it cannot be written
   */
  save(checkpoint: Checkpoint): Promise<number>;
  /**
   * Keeps the tensors that the run leaves as they are, once, so that checkpoints need not have them. Without it, models of
   * these checkpoints cannot be exported.
   * @returns bytes that were written; 0 where they are there already
   * @throws FileProblem they cannot be written
   */
  saveFrozen?(frozen: Pick<TensorGroup, "shapes" | "read">): Promise<number>;
  /** Adds to the journal. The record survives this process once the call returns. @returns its bytes */
  append(record: JournalRecord): number;
  /** Closes the store's files. Resolves once everything written is kept. */
  close(): Promise<void>;
}

/** What a checkpoint is taken of. */
export interface Checkpointed {
  /** Tensors of the model that the run leaves as they are, where there are any. */
  readonly frozen?: Pick<TensorGroup, "shapes" | "read"> | undefined;
  /** What the trainer keeps between rounds. */
  trainerState(): Promise<NamedValues>;
  /** A checkpoint of the last round; its vectors are the live ones. @param own what `trainerState` returned */
  snapshot(own: NamedValues): Checkpoint;
}

/** Saves where a peer is, while its run waits at a report. @returns bytes of the checkpoint */
export async function saveCheckpoint(peer: Checkpointed, store: CheckpointStore): Promise<number> {
  const before = (peer.frozen && (await store.saveFrozen?.(peer.frozen))) ?? 0;
  const own = await peer.trainerState();
  // In one turn, so that no frame arrives between the snapshot and its journal.
  return before + (await store.save(peer.snapshot(own)));
}

/** @throws InvalidCheckpoint a checkpoint of another peer or run; the first difference is named */
export function requireSameRun(checkpoint: Checkpoint, peer: number, fingerprint: Fingerprint): void {
  if (checkpoint.peer !== peer) {
    throw new InvalidCheckpoint(
      `the checkpoint is of peer ${checkpoint.peer}, not of peer ${peer}: give each peer its own folder`,
      { code: "checkpoint-of-another-peer", peer },
    );
  }
  const [first] = compareFingerprints(checkpoint.fingerprint, fingerprint);
  if (!first) return;
  throw new InvalidCheckpoint(
    `the checkpoint of peer ${peer} belongs to another run: ${first.field} was ${first.theirs === undefined ? `${first.ours} and is not set` : `${first.ours} and is ${first.theirs}`}; resume with the same settings, or start over in another folder`,
    { code: "checkpoint-of-another-run", peer, field: first.field },
  );
}
