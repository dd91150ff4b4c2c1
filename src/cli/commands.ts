/** Every verb of the command line, in the order of its help. */
import type { Command } from "commander";
import { compareCommand } from "./compare.js";
import { demoCommand } from "./demo.js";
import { deployCommand } from "./deploy.js";
import { doctorCommand } from "./doctor.js";
import { evaluateCommand } from "./evaluate.js";
import { exportCommand } from "./export.js";
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

export function createCommands(): Command[] {
  return [
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
  ];
}
