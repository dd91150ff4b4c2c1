/**
 * One peer's checkpoints in a folder: `round-120.checkpoint`, and beside it `round-120.journal` with what happened since.
 * The two newest checkpoints stay, so that one that is damaged costs rounds, not the run. Tensors that the run leaves as they
 * are lie beside them, once.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Checkpoint, CheckpointStore, Saved } from "../../../checkpoint.js";
import type { JournalRecord } from "../../../exchange/journal.js";
import { InvalidCheckpoint } from "../../../foundation/errors.js";
import { whyUnwritten } from "../../../foundation/system-errors.js";
import { makeFolder } from "../../../sinks/folders.js";
import { DRAFT_SUFFIX } from "../../../sinks/whole-file.js";
import { readCheckpoint, writeCheckpoint } from "./file.js";
import { writeFrozen } from "./frozen-file.js";
import { type JournalFile, openJournal, readJournal } from "./journal-file.js";

/** Checkpoints that stay in the folder. */
export const KEPT_CHECKPOINTS = 2;

/** How the names of checkpoints end. */
export const CHECKPOINT_SUFFIX = ".checkpoint";

const NAME = /^round-(\d+)\.(checkpoint|journal)$/;
/** Folder of a peer within the folder of a run's checkpoints. */
export const peerFolder = (folder: string, peer: number): string => join(folder, `peer-${peer}`);

export interface FolderOptions {
  /** Called with one line when something could not be written or read, and the run goes on without it. */
  readonly warn: (text: string) => void;
}

/** @throws FileProblem the folder cannot be made */
export async function createCheckpointFolder(
  folder: string,
  { warn }: FolderOptions,
): Promise<CheckpointStore> {
  for (const name of await makeFolder(folder)) {
    if (name.endsWith(DRAFT_SUFFIX)) await rm(join(folder, name), { force: true, recursive: true });
  }
  const pathOf = pathIn(folder);
  let journal: JournalFile | undefined;
  let journalRound = 0;
  let isBroken = false;

  /** From now on records go to the journal of this round, which is made when there is one. */
  const open = (round: number): void => {
    journal?.close();
    journal = undefined;
    journalRound = round;
  };
  const broken = (error: unknown): void => {
    if (!isBroken) {
      warn(
        `cannot write the journal in ${folder}: ${whyUnwritten(error)}; the run goes on, but cannot be resumed from here until the next checkpoint is written`,
      );
    }
    isBroken = true;
  };

  return {
    async load(latest = Number.POSITIVE_INFINITY) {
      const checkpoint = await newestCheckpoint(folder, { warn }, latest);
      if (!checkpoint) return undefined;
      const { round } = checkpoint;
      const journals = (await list(folder)).filter((each) => each.kind === "journal" && each.round >= round);
      const saved = { checkpoint, records: recordsOf(checkpoint, journals, pathOf) };
      open(Math.max(round, ...journals.map((each) => each.round)));
      return saved;
    },

    async save(checkpoint) {
      const { round } = checkpoint;
      const hasGap = isBroken;
      try {
        journal?.sync();
        open(round);
        isBroken = false;
      } catch (error) {
        broken(error);
      }
      const bytes = await writeCheckpoint(pathOf(round, "checkpoint"), checkpoint);
      const files = await list(folder);
      const kept = files
        .filter(({ kind }) => kind === "checkpoint")
        .map((each) => each.round)
        .sort((a, b) => b - a)
        // An earlier checkpoint leads nowhere across a gap in the journal.
        .slice(0, hasGap ? 1 : KEPT_CHECKPOINTS);
      for (const { round: old, kind } of files) {
        if (old < Math.min(...kept)) await rm(pathOf(old, kind), { force: true });
      }
      return bytes;
    },

    saveFrozen: (frozen) => writeFrozen(folder, frozen),

    append(record) {
      if (isBroken) return 0;
      try {
        journal ??= openJournal(pathOf(journalRound, "journal"));
        return journal.append(record);
      } catch (error) {
        broken(error);
        return 0;
      }
    },

    async close() {
      journal?.close();
      journal = undefined;
    },
  };
}

/**
 * Reads the newest good checkpoint of a peer's folder, which stays as it is; undefined where there is none.
 *
 * @param latest no checkpoint of a later round than this
 * @throws InvalidCheckpoint there are checkpoints, and none can be read
 */
export async function newestCheckpoint(
  folder: string,
  { warn }: FolderOptions,
  latest = Number.POSITIVE_INFINITY,
): Promise<Checkpoint | undefined> {
  const rounds = (await list(folder))
    .filter(({ kind, round }) => kind === "checkpoint" && round <= latest)
    .map(({ round }) => round);
  let last: InvalidCheckpoint | undefined;
  for (const round of rounds.sort((a, b) => b - a)) {
    try {
      const checkpoint = await readCheckpoint(pathIn(folder)(round, "checkpoint"));
      if (last) warn(`${last.message}; the checkpoint of round ${round} is used`);
      return checkpoint;
    } catch (error) {
      if (!(error instanceof InvalidCheckpoint)) throw error;
      last ??= error;
    }
  }
  if (last) throw last;
  return undefined;
}

const pathIn = (folder: string) => (round: number, kind: "checkpoint" | "journal") =>
  join(folder, `round-${round}.${kind}`);

/** What happened since a checkpoint, across the journals that follow each other, up to the first torn one. */
function recordsOf(
  { held }: Checkpoint,
  journals: readonly { readonly round: number }[],
  pathOf: (round: number, kind: "journal") => string,
): Saved["records"] {
  const records: JournalRecord[] = [...held];
  for (const { round } of [...journals].sort((a, b) => a.round - b.round)) {
    const read = readJournal(pathOf(round, "journal"));
    records.push(...read.records);
    if (read.isTorn) break;
  }
  return records;
}

async function list(folder: string) {
  return (await readdir(folder)).flatMap((name) => {
    const [, round, kind] = NAME.exec(name) ?? [];
    return round === undefined ? [] : [{ round: Number(round), kind: kind as "checkpoint" | "journal" }];
  });
}
