import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import { start } from "./support/processes.js";
import { lack, python } from "./support/python.js";

const script = new URL("../scripts/build-wheel.mjs", import.meta.url).pathname;
const support = new URL("support/", import.meta.url).pathname;
/** The most that a wheel may weigh, in bytes: what compilers and debuggers read is not in it. */
const MAX_BYTES = 6e6;

const scratch = mkdtempSync(join(tmpdir(), "murmur-wheel-"));
const at = (name: string) => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true }));

/** Runs a program outside the checkout, and without its client. */
function run(file: string, ...args: string[]): string {
  const env = { ...process.env, MURMUR_NODE: process.execPath, PYTHONPATH: "" };
  const { status, stdout, stderr } = spawnSync(file, args, { cwd: scratch, env, encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout;
}

/** Without the network: setuptools that builds wheels must be there. */
function reason(): string | undefined {
  const missing = lack("numpy", "pip", "setuptools");
  if (missing) return missing;
  const isNew = "import setuptools; assert tuple(map(int, setuptools.__version__.split('.')[:2])) >= (70, 1)";
  return spawnSync(python, ["-c", isNew]).status === 0
    ? undefined
    : `skipped: setuptools of ${python} is older than 70.1`;
}
const why = reason();

it.skipIf(why)(
  `a wheel runs peers in an environment that has nothing of the checkout ${why ?? ""}`,
  async () => {
    run(process.execPath, script, "--out", at("wheels"), "--python", python);
    const wheels = readdirSync(at("wheels"));
    expect(wheels).toEqual([expect.stringMatching(/^murmuration-[\d.]+-py3-none-any\.whl$/)]);
    const wheel = join(at("wheels"), wheels[0]!);
    expect(statSync(wheel).size).toBeLessThan(MAX_BYTES);

    run(python, "-m", "venv", "--without-pip", at("venv"));
    const own = join(at("venv"), "bin/python");
    const packages = run(own, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").trim();
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", packages, wheel);
    // numpy is that of the interpreter, since there is no network.
    const numpy = "import numpy, pathlib; print(pathlib.Path(numpy.__file__).parent.parent)";
    writeFileSync(join(packages, "numpy.pth"), run(python, "-c", numpy));

    const addresses = await freeLoopbackAddresses(2);
    const peers = addresses.map((address, id) => ({ id, listen: [address] }));
    writeFileSync(at("pair.json"), JSON.stringify({ graph: { kind: "complete", peers: 2 }, peers }));
    const murmur = (...args: string[]) => run(own, "-m", "murmuration", ...args);
    murmur("keys", at("pair.json"));
    const settings = JSON.stringify({ rounds: 3 });
    const started = [0, 1].map((id) =>
      start(
        ...([
          "env",
          "PYTHONPATH=",
          `MURMUR_NODE=${process.execPath}`,
          own,
          `${support}peer_numpy.py`,
        ] as const),
        ...[at("pair.json"), String(id), "well", settings],
      ),
    );
    for (const { finished } of started) {
      const { status, stdout, stderr } = await finished;
      expect(status, stderr).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    }
    // What no peer of Python's needs is there as well: a model and data of the runtime's own, and pages.
    murmur("simulate", at("pair.json"), "--rounds", "2", "--out", at("log"), "--json");
    murmur("inspect", at("log"), "--html", at("page.html"));
    expect(statSync(at("page.html")).size).toBeGreaterThan(50_000);
  },
  600_000,
);
