import type { Checkpoint, CheckpointStore } from "../../../checkpoint.js";
import { FileProblem } from "../../../foundation/errors.js";
import { makeFolder } from "../../../sinks/folders.js";
import { createCheckpointFolder, peerFolder } from "./folder.js";

/** Rounds between two checkpoints, where the user names no number. */
export const CHECKPOINT_ROUNDS = 10;

/** How a run is saved, as users write it. */
export interface CheckpointSettings {
  /** Of all peers of the run; each has a folder of its own in it. */
  readonly folder: string;
  /** Rounds between two checkpoints, from 1. */
  readonly every: number;
  /** Goes on from the newest good checkpoint. A peer without one starts over. */
  readonly resume: boolean;
}

/**
 * The store of one peer.
 * @throws FileProblem the folder cannot be made, or holds checkpoints that the run does not go on from
 */
export async function openCheckpoints(
  { folder, resume }: CheckpointSettings,
  peer: number,
  warn: (text: string) => void,
): Promise<CheckpointStore> {
  const own = peerFolder(folder, peer);
  const names = await makeFolder(own);
  if (!resume && names.length > 0) {
    throw new FileProblem(
      `${own} holds checkpoints of an earlier run: go on from them with --resume, or name another folder`,
      { code: "checkpoints-exist", peer, field: own },
    );
  }
  return createCheckpointFolder(own, { warn });
}

/**
 * The newest checkpoints of all peers of a simulation that are of one round; none where a peer has no checkpoint.
 * @throws InvalidCheckpoint a peer has checkpoints, and none that fits the others'
 */
export async function loadTogether(stores: readonly CheckpointStore[]): Promise<readonly Checkpoint[]> {
  const newest = await Promise.all(stores.map((store) => store.load()));
  if (newest.some((saved) => saved === undefined)) return [];
  const round = Math.min(...newest.map((saved) => saved!.checkpoint.round));
  const together = await Promise.all(
    stores.map(async (store, k) =>
      newest[k]!.checkpoint.round === round ? newest[k] : await store.load(round),
    ),
  );
  const checkpoints = together.flatMap((saved) =>
    saved?.checkpoint.round === round ? saved.checkpoint : [],
  );
  return checkpoints.length === stores.length ? checkpoints : [];
}
