import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { askHelp, groupsOf, helpConfiguration } from "../src/cli/help.js";
import { requireKind, withHint } from "../src/cli/hints.js";
import { peerCommand } from "../src/cli/peer.js";
import { simulateCommand } from "../src/cli/simulate.js";
import { splitCommand } from "../src/cli/split.js";
import { tuneCommand } from "../src/cli/tune.js";
import { upCommand } from "../src/cli/up.js";
import { datasetKinds } from "../src/datasets/index.js";
import { InvalidExperiment } from "../src/foundation/errors.js";
import { parseExperiment } from "../src/runs/experiment.js";
import { expectError } from "./support/errors.js";
import { murmur } from "./support/processes.js";

const commands = [simulateCommand, upCommand, peerCommand, tuneCommand, splitCommand].map((create) =>
  create(),
);

/** Help as it is shown, at 80 columns. */
function helpOf(command: Command, group?: string): string {
  askHelp(command, group);
  return command.configureHelp(helpConfiguration).helpInformation();
}

const optionsIn = (help: string) => [...help.matchAll(/^ {2}(?:-h, )?(--\S+)/gm)].map(([, name]) => name!);

describe.each(commands.map((command) => [command.name(), command] as const))(
  "murmur %s --help",
  (_, command) => {
    const settings = command.options.filter(({ helpGroupHeading = "" }) =>
      helpGroupHeading.endsWith("settings:"),
    );

    it("shows the ten settings that matter, and the options of its own", () => {
      const help = helpOf(command);
      const [, own, most] = /Options:\n([\s\S]*)\nSettings that matter most:\n([\s\S]*)/.exec(help)!;
      expect(optionsIn(most!)).toHaveLength(10);
      expect(optionsIn(own!).length).toBeLessThanOrEqual(8);
      expect(optionsIn(own!)).toContain("--help");
      expect(help.split("\n").length).toBeLessThan(70);
    });

    it("shows every option in a group, once, and all of them with all", () => {
      const all = optionsIn(helpOf(command, "all"));
      expect(all).toEqual([...new Set(all)]);
      expect(all.toSorted()).toEqual(command.options.map(({ long }) => long!).toSorted());
      const [first, ...groups] = groupsOf(command);
      expect(first).toBe("all");
      const ungrouped = command.options.filter((option) => option.helpGroupHeading === undefined);
      const shown = groups.flatMap((group) => optionsIn(helpOf(command, group)));
      expect([...shown, ...ungrouped.map(({ long }) => long!)].toSorted()).toEqual(all.toSorted());
      expect(groups).toEqual(expect.arrayContaining(["model", "data", "compressor", "consensus-rate"]));
    });

    it("is 80 columns wide at most, and says defaults", () => {
      const help = helpOf(command, "all");
      for (const line of help.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
      const { rounds } = parseExperiment({});
      expect(help).toContain(`training rounds; default ${rounds}`);
      expect(settings.length).toBeGreaterThan(90);
    });
  },
);

describe("the command", () => {
  it("shows help on a group, and without one names the groups", () => {
    const overview = murmur("simulate", "--help");
    expect(overview.status).toBe(0);
    expect(overview.stdout).toMatch(/murmur simulate --help <group>\n {2}all .*compressor/);
    const group = murmur("simulate", "-h", "checkpoint");
    expect(group.status).toBe(0);
    expect(optionsIn(group.stdout)).toEqual(["--checkpoints", "--checkpoint-every", "--resume"]);
    expect(group.stdout).not.toContain("<group>");
    expect(murmur("simulate", "--help", "topologies/ring-4.json").stdout).toBe(overview.stdout);
    expect(murmur("simulate", "--help", "modle")).toMatchObject({
      ...{ status: 2, stdout: "" },
      stderr: 'error: --help has no group "modle": did you mean "model"?\n',
    });
  });
});

describe("hints", () => {
  const program = new Command("murmur");
  for (const command of commands) program.addCommand(command);
  const hint = (complaint: string, command = "simulate") => {
    program.args = [command];
    return withHint(complaint, program);
  };

  it.each([
    ["--bits", "--compressor.bits"],
    ["--hidden", "--model.hidden"],
    ["--lr", "--learning-rate"],
    ["--epochs", "--rounds"],
    ["--alpha", "--split.alpha"],
    ["--steps", "--rounds or --local-steps"],
    ["--path", "--model.path or --data.path or --split.path"],
  ])("for %s say %s", (given, meant) => {
    const complaint = `error: unknown option '${given}'\n`;
    expect(hint(complaint)).toBe(`unknown option '${given}': did you mean ${meant}?`);
  });

  it("leave other complaints as they are, on one line", () => {
    expect(hint("error: unknown option '--xyz'\n")).toBe("unknown option '--xyz'");
    expect(hint("error: unknown option '--ruonds'\n(Did you mean --rounds?)")).toBe(
      "unknown option '--ruonds' (Did you mean --rounds?)",
    );
    // Not an option of this command.
    expect(hint("error: unknown option '--bits'", "inspect")).toBe("unknown option '--bits'");
  });

  it("name the commands that train for murmur run, and the nearest or all commands for others", () => {
    expect(hint("error: unknown command 'run'")).toMatch(/^unknown command 'run': .*simulate.*up.*peer/);
    expect(hint("error: unknown command 'simulat'")).toContain('did you mean "simulate"?');
    expect(hint("error: unknown command 'xyz'")).toContain("it is one of simulate, up, peer, tune, split");
  });

  it.each([
    ["model", "my-model.mjs", "--model module --model.path my-model.mjs"],
    ["model", "runs/model.safetensors", "--weights runs/model.safetensors"],
    ["data", "flowers.csv", "--data csv --data.path flowers.csv"],
    ["data", "BOOK.TXT", "--data text --data.path BOOK.TXT"],
    ["split", "split.json", "--split file --split.path split.json"],
  ])("say for a file as --%s what to type: %s", (field, file, typed) => {
    const kinds = ["module", "file", ...datasetKinds];
    expectError(() => requireKind(field, file, kinds), InvalidExperiment, { code: "file-for-kind", field });
    expect(() => requireKind(field, file, kinds)).toThrow(`type ${typed}`);
  });

  it("are not for kinds, misspelt ones, or kinds that there are not", () => {
    for (const value of ["csv", "cvs", 3, { kind: "csv" }, "flowers.xyz"])
      requireKind("data", value, datasetKinds);
    requireKind("data", "flowers.csv", ["digits"]);
    requireKind("compressor", "flowers.csv", ["sign"]);
  });

  it("prefer names that contain what was typed, and say what a setting without a name may be", () => {
    const complaint = (settings: object) => {
      try {
        parseExperiment(settings);
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(complaint({ trainer: { kind: "layers", backend: "gpu" } })).toMatch(
      /did you mean "node-gpu" or "webgpu"\?$/,
    );
    expect(complaint({ learningRate: "fast" })).toMatch(
      /learningRate cannot be "fast": it must be a finite number, or an object with initial, /,
    );
    expect(complaint({ consensusRate: "fast" })).toMatch(
      /it must be "auto", or a finite number, or an object with/,
    );
  });

  it("reach the terminal", () => {
    const ring = "topologies/ring-4.json";
    expect(murmur("simulate", ring, "--bits", "2")).toMatchObject({
      ...{ status: 2, stdout: "" },
      stderr: "error: unknown option '--bits': did you mean --compressor.bits?\n",
    });
    expect(murmur("simulate", ring, "--data", "flowers.csv").stderr).toMatch(
      /^error: --data takes .*: type --data csv --data\.path flowers\.csv\n$/,
    );
  });
});
