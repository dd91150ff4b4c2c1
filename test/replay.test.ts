import { existsSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { replay } from "../src/cli/replay.js";

const oracles = new URL("../../shared/oracles/", import.meta.url).pathname;
const files = existsSync(oracles) ? readdirSync(oracles).filter((name) => name.endsWith(".json")) : [];
if (files.length === 0)
  console.warn("replay: no reference trajectories beside the project; their tests are skipped");

describe.skipIf(files.length === 0)("reference trajectories of an independent implementation", () => {
  it.each(files)("%s is reproduced to 1e-5", async (file) => {
    const { name, maxRelativeError } = await replay(oracles + file);
    expect(file).toContain(name);
    expect(maxRelativeError).toBeLessThanOrEqual(1e-5);
  });
});
