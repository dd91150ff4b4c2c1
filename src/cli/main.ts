#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { Interrupted, MurmurationError } from "../foundation/errors.js";
import { VERSION } from "../version.js";
import { compareCommand } from "./compare.js";
import { fail, note } from "./console.js";
import { demoCommand } from "./demo.js";
import { deployCommand } from "./deploy.js";
import { doctorCommand } from "./doctor.js";
import { evaluateCommand } from "./evaluate.js";
import { exportCommand } from "./export.js";
import { helpConfiguration } from "./help.js";
import { withHint } from "./hints.js";
import { initCommand } from "./init.js";
import { inspectCommand } from "./inspect.js";
import { keysCommand } from "./keys.js";
import { growCommand, leaveCommand } from "./members.js";
import { peerCommand } from "./peer.js";
import { predictCommand } from "./predict.js";
import { replayCommand } from "./replay.js";
import { schemaCommand } from "./schema.js";
import { simulateCommand } from "./simulate.js";
import { splitCommand } from "./split.js";
import { topologyCommand } from "./topology.js";
import { tuneCommand } from "./tune.js";
import { upCommand } from "./up.js";

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
for (const command of [
  initCommand(),
  upCommand(),
  peerCommand(),
  keysCommand(),
  doctorCommand(),
  deployCommand(),
  growCommand(),
  leaveCommand(),
  simulateCommand(),
  compareCommand(),
  inspectCommand(),
  exportCommand(),
  evaluateCommand(),
  predictCommand(),
  topologyCommand(),
  tuneCommand(),
  splitCommand(),
  demoCommand(),
  replayCommand(),
  schemaCommand(),
]) {
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

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : USER_ERROR;
  } else if (error instanceof MurmurationError) {
    (error instanceof Interrupted ? note : fail)(error.message.replaceAll("\n", " "));
    process.exitCode = error.exitCode;
  } else {
    throw error;
  }
}
