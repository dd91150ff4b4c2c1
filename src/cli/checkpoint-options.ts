import type { Command } from "commander";
import { CHECKPOINT_ROUNDS, type CheckpointSettings } from "../runs/node/checkpoints/settings.js";
import { CHECKPOINTS } from "./help.js";
import { wholeNumber } from "./option-types.js";

/** `--checkpoints`, `--checkpoint-every` and `--resume`, the same for every command that trains. */
export function addCheckpointOptions(command: Command): void {
  command
    .optionsGroup(CHECKPOINTS)
    .option(
      "--checkpoints <folder>",
      "write checkpoints and journals there: the run can resume without loss after a crash or Ctrl-C",
    )
    .option(
      "--checkpoint-every <rounds>",
      `rounds between checkpoints; the journal covers those since the last one; default ${CHECKPOINT_ROUNDS}`,
      wholeNumber(1),
    )
    .option("--resume", "resume from the newest good checkpoint in the folder; start over if there is none")
    .optionsGroup("");
}

/** @throws through the command when an option is given without the folder that it needs */
export function checkpointSettings(
  command: Command,
  options: {
    readonly checkpoints?: string;
    readonly checkpointEvery?: number;
    readonly resume?: boolean;
  },
): CheckpointSettings | undefined {
  const { checkpoints: folder, checkpointEvery: every = CHECKPOINT_ROUNDS, resume = false } = options;
  if (folder !== undefined) return { folder, every, resume };
  if (resume || options.checkpointEvery !== undefined) {
    command.error("error: --resume and --checkpoint-every need --checkpoints <folder>");
  }
  return undefined;
}
