import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { MINIMUM_NODE, nodeProblem } from "../src/cli/node-version.js";
import { reachedFrom } from "./support/imports.js";

const root = new URL("..", import.meta.url).pathname;

it("the command runs on the versions that package.json names, and no others", () => {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(engines.node).toBe(`>=${MINIMUM_NODE}`);
  for (const version of ["20.0.0", "20.20.2", "22.23.3", "24.0.0", "26.12.1", "100.0.0"]) {
    expect(nodeProblem(version)).toBeUndefined();
  }
  for (const version of ["18.20.8", "19.9.0", "8.17.0", "0.12.18"]) {
    expect(nodeProblem(version)).toBe(
      `murmur needs Node 20 or later, and this is Node ${version}: install a later one from https://nodejs.org`,
    );
  }
});

it("an old version gets one line and exit code 2, before anything else is loaded", () => {
  const claim = 'Object.defineProperty(process.versions, "node", { value: "18.20.8" });';
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      "--import",
      `data:text/javascript,${encodeURIComponent(claim)}`,
      join(root, "dist/cli/main.js"),
      "doctor",
    ],
    { encoding: "utf8" },
  );
  expect({ status, stdout, stderr }).toEqual({
    status: 2,
    stdout: "",
    stderr: `error: ${nodeProblem("18.20.8")}\n`,
  });
  const atOnce = reachedFrom("cli/main.ts", false).filter(({ isDynamic }) => !isDynamic);
  expect(atOnce).toEqual([]);
});
