import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseTopology } from "../../src/graphs/topology.js";
import { parseExperiment } from "../../src/runs/experiment.js";
import { recordSimulation } from "../../src/runs/node/record-simulation.js";

/** A new folder for one test. */
export function newFolder(): string {
  return mkdtempSync(join(tmpdir(), "murmur-test-"));
}

/** Simulates a run that takes no tfjs, and gives the folder of its logs. */
export async function loggedRun(settings: Record<string, unknown> = {}, peers = 8): Promise<string> {
  const directory = join(newFolder(), "run");
  await recordSimulation({
    topology: parseTopology({ name: `ring-${peers}`, graph: { kind: "ring", peers } }, "test"),
    experiment: parseExperiment({
      trainer: { kind: "quadratic", dimension: [6000, 500, 20] },
      rounds: 60,
      evaluateEvery: 20,
      projectEvery: 10,
      learningRate: 0.05,
      ...settings,
    }),
    directory,
    warn() {},
  });
  return directory;
}

/** The lines of a log, without the last newline. */
export function linesOf(directory: string, name: string): string[] {
  return readFileSync(join(directory, name), "utf8").trimEnd().split("\n");
}
