import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";

const root = new URL("..", import.meta.url).pathname;

it("every exported symbol has a doc comment, and every link in one leads somewhere", () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["scripts/docs.mjs", "--check"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  expect(status, stdout + stderr).toBe(0);
});
