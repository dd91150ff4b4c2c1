import { readdir } from "node:fs/promises";
import type { Checkpoint, CheckpointStore } from "../../../checkpoint.js";
import { FileProblem, InvalidCheckpoint } from "../../../foundation/errors.js";
import { makeFolder } from "../../../sinks/folders.js";
import { CHECKPOINT_SUFFIX, createCheckpointFolder, peerFolder } from "./folder.js";

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

/** How an error ends that stops a run which has checkpoints. */
export const wayOn = (checkpoints: object | undefined): string =>
  checkpoints ? "; go on with --resume" : "";

/** Warns where a run that is to go on from its checkpoints has none. */
export async function warnOfStart(
  { folder, resume }: CheckpointSettings,
  warn: (text: string) => void,
): Promise<void> {
  if (!resume) return;
  const files = await readdir(folder, { recursive: true }).catch(() => []);
  if (files.some((name) => name.endsWith(CHECKPOINT_SUFFIX))) return;
  warn(`there are no checkpoints in ${folder}: the run starts with its first round`);
}

/** A store, and whose it is. */
export interface OwnedStore {
  readonly peer: number;
  readonly store: CheckpointStore;
}

/**
 * The newest checkpoints of all peers of a simulation that are of one round; none where there are none, or where the run
 * stopped while it wrote its first ones.
 *
 * @throws InvalidCheckpoint some peers have checkpoints that do not fit the others'
 */
export async function loadTogether(
  stores: readonly OwnedStore[],
  folder: string,
): Promise<readonly Checkpoint[]> {
  const load = async ({ store }: OwnedStore, latest?: number) => (await store.load(latest))?.checkpoint;
  const newest = await Promise.all(stores.map((each) => load(each)));
  const rounds = newest.flatMap((checkpoint) => checkpoint?.round ?? []);
  const round = Math.min(...rounds);
  const together = await Promise.all(
    stores.map((each, k) => (newest[k]?.round === round ? newest[k] : load(each, round))),
  );
  const checkpoints = together.flatMap((checkpoint) => (checkpoint?.round === round ? checkpoint : []));
  if (rounds.length > 0 && checkpoints.length === stores.length) return checkpoints;
  const earlier = await Promise.all(stores.map((each) => load(each, round - 1)));
  const isFirst = rounds.every((each) => each === round) && !earlier.some(Boolean);
  if (!isFirst) {
    const alone = newest.indexOf(undefined);
    const why = alone < 0 ? "they have no round in common" : `peer ${stores[alone]!.peer} has none`;
    throw new InvalidCheckpoint(
      `the checkpoints in ${folder} do not go together: ${why}; bring back what is missing, or start over in another folder`,
      { code: "checkpoints-apart", field: folder },
    );
  }
  return [];
}
