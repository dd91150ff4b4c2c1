import { Command, CommanderError } from "commander";
import { Interrupted, MurmurationError } from "../foundation/errors.js";
import { isOfFile, unwritten } from "../foundation/system-errors.js";
import { VERSION } from "../version.js";
import { createCommands } from "./commands.js";
import { fail, note } from "./console.js";
import { helpConfiguration } from "./help.js";
import { withHint } from "./hints.js";
import { interruptedExitCode } from "./interrupt.js";

/** Exit code of everything the user can fix: bad files, settings, names, diverged runs. */
const USER_ERROR = 2;

const program = new Command("murmur")
  .description("Decentralised training: peers on a graph train one model together, with no server.")
  .version(VERSION)
  .configureHelp(helpConfiguration)
  .configureOutput({
    outputError: (text) => fail(withHint(text, program)),
  })
  .exitOverride();
for (const command of createCommands()) {
  program.addCommand(command.copyInheritedSettings(program));
}

// A reader may leave, as `head` does: the command is over where it has nobody to print results to, and goes on where
// only its progress has no reader.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
process.stderr.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

const oneLine = ({ message }: Error) => message.replaceAll("\n", " ");

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : USER_ERROR;
  } else if (error instanceof Interrupted) {
    note(oneLine(error));
    process.exitCode = interruptedExitCode();
  } else if (error instanceof MurmurationError) {
    fail(oneLine(error));
    process.exitCode = error.exitCode;
  } else if (isOfFile(error)) {
    fail(`cannot use ${error.path}: ${unwritten(error)}`);
    process.exitCode = USER_ERROR;
  } else {
    throw error;
  }
}
