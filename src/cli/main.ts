#!/usr/bin/env node
// The command's first file: it has nothing that an old Node cannot parse, and loads the rest where this one will do.
import { nodeProblem } from "./node-version.js";

const problem = nodeProblem(process.versions.node);
if (problem === undefined) {
  import("./program.js");
} else {
  process.stderr.write(`error: ${problem}\n`);
  process.exitCode = 2;
}
