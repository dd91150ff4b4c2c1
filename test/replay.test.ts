import { existsSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { replay } from "../src/cli/replay.js";

/** Cuts of the full trajectories: one tensor, twenty rounds. */
const reference = new URL("reference/", import.meta.url).pathname;
/** The full trajectories, which lie beside the project where there are any. */
const oracles = new URL("../../shared/oracles/", import.meta.url).pathname;

const trajectories = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".json"));

async function expectReproduced(folder: string, file: string): Promise<void> {
  const { name, maxRelativeError } = await replay(folder + file);
  expect(file).toContain(name);
  expect(maxRelativeError).toBeLessThanOrEqual(1e-5);
}

describe("reference trajectories of an independent implementation", () => {
  it("are of CHOCO-SGD and of DeepSqueeze", () => {
    expect(trajectories(reference)).toEqual(["choco-topk10-ring8.json", "deepsqueeze-sign-ring8.json"]);
  });

  it.each(trajectories(reference))("%s is reproduced to 1e-5", (file) => expectReproduced(reference, file));
});

const hasOracles = existsSync(oracles);
if (!hasOracles)
  console.warn(`replay: no ${oracles}, so that the full trajectories are skipped; those in the tests ran`);

describe.skipIf(!hasOracles)("full reference trajectories of an independent implementation", () => {
  it.each(hasOracles ? trajectories(oracles) : [])("%s is reproduced to 1e-5", (file) =>
    expectReproduced(oracles, file),
  );
});
