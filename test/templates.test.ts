import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, relative } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readLocatedTopology } from "../src/cli/files.js";
import { compose, writeFolder } from "../src/cli/init.js";
import { templateNames, templateOf } from "../src/cli/templates/index.js";
import { modelDigest } from "../src/exchange/fingerprint.js";
import { FileProblem, MurmurationError } from "../src/foundation/errors.js";
import { parseTopology } from "../src/graphs/topology.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import { readModel } from "../src/runs/node/models.js";
import { simulate } from "../src/runs/simulate.js";
import { checkError, expectRejection } from "./support/errors.js";
import { murmur } from "./support/processes.js";

const scratch = mkdtempSync(join(tmpdir(), "murmur-templates-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** Another interpreter, such as one of a virtual environment with PyTorch: MURMUR_PYTHON=…/bin/python */
const python = process.env.MURMUR_PYTHON ?? "python3";
const needs = ["pip", "numpy", "torch", "safetensors"];
const hasTorch = spawnSync(python, ["-c", `import ${needs.join(", ")}`]).status === 0;
/** Where `murmur` is the built command, and `python3` the interpreter. */
const bin = join(scratch, "bin");
mkdirSync(bin);
for (const [name, command] of [
  ["murmur", `"${process.execPath}" "${new URL("../dist/cli/main.js", import.meta.url).pathname}"`],
  ["python3", `"${python}"`],
]) {
  writeFileSync(join(bin, name!), `#!/bin/sh\nexec ${command} "$@"\n`);
  chmodSync(join(bin, name!), 0o755);
}
const PATH = [bin, dirname(process.execPath), process.env.PATH].join(delimiter);

/** Runs commands in one shell that stops at the first that fails. */
const shell = (script: string, cwd: string) =>
  spawnSync("sh", ["-e", "-c", script], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, PATH, NO_COLOR: "1", PIP_DISABLE_PIP_VERSION_CHECK: "1" },
  });

/** Every command of a folder's README, in order. */
function runReadme(folder: string) {
  const readme = readFileSync(join(folder, "README.md"), "utf8");
  const script = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block]) => block).join("");
  return { script, ...shell(script, folder) };
}

const reasonToSkip = (template: string) =>
  template === "pytorch" && !hasTorch ? `skipped: ${python} lacks one of ${needs}` : "";

/** Others may use the ports that `murmur keys` gives where a topology names none. */
async function withFreePorts(folder: string): Promise<void> {
  const path = join(folder, "topology.json");
  const topology = JSON.parse(readFileSync(path, "utf8"));
  const addresses = await freeLoopbackAddresses(topology.graph.peers);
  const peers = addresses.map((address, id) => ({ id, ...topology.peers?.[id], listen: [address] }));
  writeFileSync(path, JSON.stringify({ ...topology, peers }));
}

describe("a written folder", () => {
  for (const template of templateNames) {
    const reason = reasonToSkip(template);
    it.skipIf(reason)(
      `runs by the commands of its README: ${template} ${reason}`,
      async () => {
        const folder = join(scratch, template);
        const flags = ["--template", template, "--peers", "2", "--rounds", "4", "--yes"];
        expect(murmur("init", folder, ...flags)).toMatchObject({ status: 0, stderr: "" });
        const before = readdirSync(folder);
        const readme = readFileSync(join(folder, "README.md"), "utf8");
        for (const file of readdirSync(folder, { recursive: true, withFileTypes: true })) {
          const name = relative(folder, join(file.parentPath, file.name));
          if (file.isFile() && !/^README|\.schema\.json$/.test(name))
            expect(readme).toContain(`| \`${name}\` |`);
        }
        await withFreePorts(folder);

        const { script, status, stdout, stderr } = runReadme(folder);
        expect(status, stderr).toBe(0);
        for (const verb of ["simulate", "up", "keys", "peer", "inspect"])
          expect(script).toContain(`murmur ${verb} `);
        expect(stdout).toMatch(/accuracy\D+\d/);
        expect(readFileSync(join(folder, "runs/report.html"), "utf8")).toContain("<html");
        // Nothing of a run lies beside what was written.
        const left = readdirSync(folder).filter((name) => !before.includes(name) && name !== "__pycache__");
        expect(left.sort()).toEqual(["runs", "topology.keys"]);
      },
      300_000,
    );
  }

  for (const template of ["own-data", "text", "pytorch"]) {
    const reason = reasonToSkip(template);
    it.skipIf(reason)(`runs by the commands that init prints: ${template} ${reason}`, () => {
      const flags = `--template ${template} --peers 2 --rounds 2 --yes`;
      const printed = shell(`murmur init "its ${template}" ${flags}`, scratch).stdout;
      const commands = printed.slice(printed.indexOf("\n\n") + 2);
      expect(commands.split("\n")[0]).toBe(`cd 'its ${template}'`);
      const { status, stderr } = shell(commands, scratch);
      expect(status, stderr).toBe(0);
      const here = shell(`murmur init . ${flags}`, mkdtempSync(join(scratch, "here-"))).stdout;
      expect(here.slice(here.indexOf("\n\n") + 2)).toBe(commands.slice(commands.indexOf("\n") + 1));
    });
  }

  it("ends with the models of a simulation", async () => {
    const folder = join(scratch, "mlp");
    const { topology, experiment } = await read(folder);
    const simulation = await simulate(topology, experiment);
    for await (const _ of simulation.run());
    const digests = simulation.peers.map(({ point }) => modelDigest(point));
    simulation.dispose();
    const saved = [0, 1].map((id) => readModel(join(folder, "runs", "model", `peer-${id}.safetensors`)));
    expect((await Promise.all(saved)).map(({ metadata }) => metadata.digest)).toEqual(digests);
  });
});

/** The files of a folder, as commands that run in it read them. */
async function read(folder: string) {
  const settings = JSON.parse(readFileSync(join(folder, "experiment.json"), "utf8"));
  for (const field of ["path", "testPath"]) {
    if (settings.data?.[field]) settings.data[field] = join(folder, settings.data[field]);
  }
  const topology = await readLocatedTopology(join(folder, "topology.json"));
  return { topology: parseTopology(topology, "topology"), experiment: parseExperiment(settings) };
}

describe("what cannot run", () => {
  it.each([
    ["text", {}, 101, /^template text has examples for at most 100 peers, and the graph has 101: use/],
    ["pytorch", {}, 101, /^template pytorch has examples for at most 100 peers/],
    ["mlp", {}, 16_385, /^topology: graph.peers must be at most 16384, not 16385$/],
    ["cnn", {}, 144, /^split: 1437 training examples cannot give each of 144 peers 10: lower/],
    ["mlp", { algorithm: "all-reduce" }, 4, /^algorithm all-reduce needs .* not complete: use a graph/],
    ["mlp", { split: { kind: "shards", classesPerPeer: 2 } }, 4, /cannot hold all 10 classes: set/],
    ["mlp", { mixing: "trimmed", algorithm: "dpsgd" }, 2, /trim/],
    ["own-data", {}, 65, /^template own-data has examples for at most 64 peers/],
    ["own-data", { split: "iid" }, 4, /^experiment: data.path is missing/],
    ["cnn", { data: { kind: "csv" }, split: "own" }, 4, /^peer 0 has no data of its own: name its file/],
    ["mlp", { graph: "torus" }, 3, /^topology: graph.rows is 1, which makes the torus a ring: use/],
  ])("is refused, and nothing is written: %s %j for %i peers", async (name, settings, peers, says) => {
    const folder = join(scratch, "never");
    const error = await writeFolder(folder, { template: templateOf(name), settings, peers }).catch(
      (error: unknown) => error,
    );
    expect(checkError(error, MurmurationError).message).toMatch(says);
    expect(existsSync(folder)).toBe(false);
  });

  it.each([
    [["--template", "mpl"], /^error: there is no template "mpl"; choose another: did you mean "mlp"\?\n$/],
    [["--peers", "0"], /^error: .*must be a whole number from 1\n$/],
  ])("is an error of one line: %j", (flags, says) => {
    const { status, stderr } = murmur("init", join(scratch, "never"), ...flags, "--yes");
    expect(stderr).toMatch(says);
    expect(status).toBe(2);
    expect(existsSync(join(scratch, "never"))).toBe(false);
  });

  it("is refused where a file of the template is there, whichever it is", async () => {
    const folder = join(scratch, "taken");
    mkdirSync(folder);
    writeFileSync(join(folder, "train.py"), "mine");
    const template = templateOf("pytorch");
    const error = { code: "init-files-exist", field: folder };
    await expectRejection(writeFolder(folder, { template, settings: {} }), FileProblem, error);
    expect(readdirSync(folder)).toEqual(["train.py"]);
  });

  it.each([1, 2, 3, 4])("is not what a template writes for %i peers", async (peers) => {
    for (const name of templateNames) {
      const folder = join(scratch, `${name}-${peers}`);
      await writeFolder(folder, { template: templateOf(name), settings: { rounds: 1 }, peers });
      const { topology, experiment } = await read(folder);
      expect(topology.peers).toHaveLength(peers);
      if (experiment.trainer.kind === "process") continue;
      const simulation = await simulate(topology, experiment);
      for await (const _ of simulation.run());
      simulation.dispose();
    }
  });
});

it("a template's fields give way to those that are given", () => {
  const template = templateOf("text");
  const { experiment } = compose({
    template,
    settings: { model: "softmax", data: "digits", batchSize: 4 },
  });
  expect(experiment).toMatchObject({ model: "softmax", data: "digits", batchSize: 4, optimizer: "adam" });
});
