import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createCommands } from "../src/cli/commands.js";
import { readRun } from "../src/inspect/read.js";
import {
  type Block,
  blocksOf,
  commandsOf,
  createWorkplace,
  freePortRange,
  inlineCodeOf,
  linesOf,
  linksOf,
  readmes,
  root,
  type Workplace,
} from "./support/readmes.js";

/** Another interpreter, such as one of a virtual environment with PyTorch. */
const python = process.env.MURMUR_PYTHON ?? "python3";

/** Most lines of a README: what takes more belongs into the code, or into a README of its own. */
const maxLines: Readonly<Record<string, number>> = {
  "README.md": 350,
  "src/exchange/README.md": 150,
  "src/clients/README.md": 90,
  "src/clients/python/README.md": 140,
};
const MAX_FOLDER_LINES = 80;

/** Commands that run in a shorter variant, or with other numbers: which, what they become, and why. */
const variants: readonly (readonly [pattern: RegExp, replace: (command: string) => string, why: string])[] = [
  [/^npm ci && /, (command) => command.replace("npm ci && ", ""), "packages are installed; .ci/run does it"],
  [/^npm run demo/, (command) => `${command} -- --rounds 4`, "2000 rounds take a minute"],
  [
    /^(npx )?murmur (simulate|up|tune) /,
    (command) => `${command} --rounds 4`,
    "hundreds of rounds take long",
  ],
  [/ --checkpoints /, (command) => `${command} --checkpoint-every 2`, "the first would be in round 10"],
  [
    /^npx murmur (up topologies|simulate .*--(out runs\/[se]|network))/,
    (command) => `${command} --trainer quadratic`,
    "TensorFlow.js takes a second of every process; other commands train with it",
  ],
  [
    /^npx murmur up topologies/,
    (command) => command.replace(/topologies\S+/, "pair.json"),
    "two processes do, too",
  ],
  [
    /^npx murmur init my-run$/,
    (command) => `${command} --peers 3 --rounds 4 --trainer quadratic --evaluate-every 0`,
    "eight processes that load TensorFlow.js take ten seconds",
  ],
  [/^npx murmur keys /, (command) => `${command} --base-port ${ports}`, "the usual ports may be taken"],
  [/--metrics 9400/, (command) => command.replace("9400", "0"), "the port may be taken"],
];

/** Files of a README in a shorter variant, and why. */
const fileVariants: readonly (readonly [file: string, from: string, to: string, why: string])[] = [
  ["README.md simulate.ts", 'compressor: "sign"', 'compressor: "sign", rounds: 4', "500 rounds take long"],
];

/** Commands that do not end, and what they print once they work. */
const endless: Readonly<Record<string, RegExp>> = {
  "npx murmur inspect runs/squeezed --live": /live: http:/,
};

/** Commands and programs that are peer 2 of `my-run`, and the command that starts its other peers. */
const amongOthers: readonly string[] = [
  "npx murmur peer my-run/topology.json my-run/experiment.json --id 2",
  "node peer.mjs",
];
const others = "npx murmur up my-run/topology.json my-run/experiment.json --peers 0,1";

/** Commands that are not run here, and why. */
const notRun: Readonly<Record<string, string>> = {
  "npm test": "it runs this test",
  "npx vitest run --config test/vitest.config.ts test/kernels.test.ts": "it runs a test of this run",
  "UPDATE_SENTENCES=1 npx vitest run --config test/vitest.config.ts test/sentences.test.ts":
    "it rewrites a file that another test compares",
  "pip install ./src/clients/python": "it changes the machine's Python; tests find the package by PYTHONPATH",
  "node scripts/faults.mjs kill 5 60":
    "a minute of eight processes; resume.test.ts crashes peers in all states",
  "npx murmur peer my-run/topology.json my-run/experiment.json --id 8 --join":
    "it joins a run of eight machines; members-cli.test.ts has peers that join",
};

/** Blocks that are a part of a source file, by their first line. */
const parts: Readonly<Record<string, string>> = {
  "*round(update, { random }) {": "src/algorithms/deepsqueeze.ts",
};

const species = ["setosa", "versicolor", "virginica"];
const petals = Array.from(
  { length: 60 },
  (_, k) => `${(k % 3) + Math.sin(k) / 3},${(k % 3) - Math.cos(k) / 5}`,
);
const flowers = `length,width,species\n${petals.map((row, k) => `${row},${species[k % 3]}\n`).join("")}`;

const table = (columns: string, targets: (k: number) => string) =>
  `length,width,${columns}\n${petals.map((row, k) => `${row},${targets(k)}\n`).join("")}`;

/** The reader's own files. */
const ownFiles: Readonly<Record<string, string>> = {
  ...{ "flowers.csv": flowers, "north.csv": flowers, "east.csv": flowers, "south.csv": flowers },
  "new.csv": `length,width\n${petals.map((row) => `${row}\n`).join("")}`,
  "patients.csv": table("ill", (k) => (k % 3 ? "yes" : "no")),
  "photos.csv": table("cat,dog,night", (k) => `${k % 2},${k % 3 === 0 ? 1 : 0},${k % 5 === 0 ? 1 : 0}`),
  "houses.csv": table("price,rent", (k) => `${100 + (k % 3)},${k % 3}`),
  "pair.json": '{ "graph": { "kind": "chain", "peers": 2 } }',
  "ring.json": '{ "graph": { "kind": "ring", "peers": 4 } }',
};

/** What the reader's own data are in Python, by README. */
const ownPrograms: Readonly<Record<string, string>> = {
  "src/clients/python/README.md": `import torch
x, y = torch.rand(40, 64), torch.arange(40) % 10
torch.save((x, y, x, y), "digits.pt")`,
};

let ports: number;
beforeAll(async () => {
  ports = await freePortRange(8);
});

/** What of the lists above a README has: the rest is out of date. */
const used = new Set<unknown>();

function variantOf(command: string): string {
  return variants.reduce((before, entry) => {
    const [pattern, replace] = entry;
    if (!pattern.test(before)) return before;
    used.add(entry);
    return replace(before);
  }, command);
}

function fileTextOf({ readme, file, text }: Block): string {
  return fileVariants.reduce((before, entry) => {
    const [name, from, to] = entry;
    if (name !== `${readme} ${file}` || !before.includes(from)) return before;
    used.add(entry);
    return before.replace(from, to);
  }, text);
}

async function outputOf(workplace: Workplace, command: string): Promise<string> {
  if (command in endless) {
    used.add(command);
    return workplace.runUntil(command, endless[command]!);
  }
  const isAmongOthers = amongOthers.includes(command);
  if (isAmongOthers) used.add(command);
  const [{ status, output }] = await Promise.all([
    workplace.run(variantOf(command)),
    isAmongOthers && workplace.run(others),
  ]);
  expect(status, `${command}\n${output}`).toBe(0);
  return output;
}

/** Which of the packages that Python programs import are not there. */
function lackOf(blocks: readonly Block[]): string {
  const names = blocks.flatMap(({ text }) =>
    [...text.matchAll(/^(?:import|from) (\w+)/gm)].map(([, name]) => name!),
  );
  const packages = [...new Set(names)].filter((name) => name !== "murmuration-train");
  const isThere = (name: string) => spawnSync(python, ["-c", `import ${name}`]).status === 0;
  const missing = packages.filter((name) => !isThere(name));
  return missing.length > 0 ? `, skipped: ${python} has no ${missing.join(", ")}` : "";
}

describe.each(readmes().map((readme) => [readme, blocksOf(readme)] as const))("%s", (readme, blocks) => {
  let workplace: Workplace;
  const outputs: Record<string, string> = {};
  beforeAll(async () => {
    workplace = createWorkplace(python);
    for (const [name, text] of Object.entries(ownFiles)) workplace.write(name, text);
    for (const block of blocks) if (block.file) workplace.write(block.file, fileTextOf(block));
    const program = ownPrograms[readme];
    if (program === undefined) return;
    workplace.write("own.py", program);
    await workplace.run("python3 own.py"); // Without PyTorch what needs it is skipped.
  });
  afterAll(() => workplace.remove());

  const commands = blocks.filter(({ language }) => language === "sh").flatMap(commandsOf);
  const pythons = blocks.filter(({ language, file }) => language === "python" && file);
  /** A command uses the programs that it names, and those that an experiment names which it names. */
  const uses = (command: string, file: string) =>
    command.includes(file) ||
    blocks.some(
      (block) =>
        block.language === "json" && block.file && command.includes(block.file) && block.text.includes(file),
    );
  const lackFor = (command: string) => lackOf(pythons.filter(({ file }) => uses(command, file!)));
  const programs = [
    ...blocks
      .filter(({ language, file }) => language === "ts" && file)
      .map(({ file }) => `node ${file!.slice(0, -3)}.mjs`),
    ...pythons
      .filter(({ file }) => !commands.some((command) => uses(command, file!)))
      .map(({ file }) => `python3 ${file}`),
  ];
  for (const command of [...commands, ...programs]) {
    if (command in notRun) {
      used.add(command);
      continue;
    }
    const lack = lackFor(command);
    it.skipIf(lack !== "")(`${command}${lack}`, async () => {
      outputs[command] = await outputOf(workplace, command);
    });
  }

  it("has no other code than JSON, parts of the source, and files", () => {
    for (const { language, file, text, line } of blocks) {
      if (file || language === "sh" || language === "") continue;
      const [first = ""] = text.split("\n");
      const source = parts[first];
      if (source !== undefined) {
        used.add(first);
        const code = (text: string) => text.split("\n").map((line) => line.trim());
        expect(code(readFileSync(join(root, source), "utf8"))).toEqual(expect.arrayContaining(code(text)));
        continue;
      }
      expect(language, `line ${line}: name its file after the fence, or list it as a part`).toBe("json");
      JSON.parse(text);
    }
  });

  it("names verbs, options, scripts and files that exist", () => {
    for (const code of inlineCodeOf(readme)) expect(problemOf(code, readme), code).toBeUndefined();
    for (const target of linksOf(readme)) {
      expect(existsSync(join(root, dirname(readme), target)), target).toBe(true);
    }
  });

  it("is short", () => {
    expect(linesOf(readme)).toBeLessThanOrEqual(maxLines[readme] ?? MAX_FOLDER_LINES);
  });

  it.runIf(programs.includes("node peer.mjs"))("has a program whose model is that of the run", () => {
    const [logged] = readRun(join(workplace.folder, "runs/mine")).peers;
    expect(logged!.peer).toBe(2);
    const digest = /^[0-9a-f]{64}$/m.exec(outputs["node peer.mjs"]!)![0];
    expect(outputs["npx murmur up my-run/topology.json my-run/experiment.json"]).toContain(digest);
  });
});

const verbs = new Map(
  createCommands().map((command) => [command.name(), command.options.map(({ long }) => long)]),
);
const everyOption = [...verbs.values()].flat();
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };

/** What a piece of inline code names that does not exist. */
function problemOf(code: string, readme: string): string | undefined {
  const [, verb] = /^(?:npx )?murmur ([a-z]+)/.exec(code) ?? [];
  if (verb !== undefined && !verbs.has(verb)) return `no command ${verb}`;
  // Options alone are ours, but in READMEs of scripts, where they are those of the script that the sentence names.
  const isOurs = verb !== undefined || (code.startsWith("--") && !/^scripts|python/.test(readme));
  const known = verb === undefined ? everyOption : [...verbs.get(verb)!, "--help"];
  for (const [option] of isOurs ? code.matchAll(/(?<=^|\s)--[a-z][\w.-]*/g) : []) {
    if (!known.includes(option)) return `no option ${option}`;
  }
  const [, script] = /^npm run (?:-s )?([\w:-]+)/.exec(code) ?? [];
  if (script !== undefined && !(script in scripts)) return `no script ${script}`;
  const [, file] = /^node ((?:scripts|test)\/\S+)/.exec(code) ?? [];
  return file !== undefined && !existsSync(join(root, file)) ? `no file ${file}` : undefined;
}

describe("all READMEs", () => {
  it("have programs that compile", async () => {
    const workplace = createWorkplace(python);
    const programs = readmes()
      .flatMap(blocksOf)
      .filter(({ language, file }) => language === "ts" && file);
    const names = programs.map(({ file }) => file!);
    expect(new Set(names).size).toBe(names.length);
    for (const { file, text } of programs) workplace.write(file!, text);
    const options = "--noEmit --strict --module nodenext --target es2023 --skipLibCheck --types node";
    const compile = `node ${root}node_modules/typescript/bin/tsc ${options} ${names.join(" ")}`;
    const { status, output } = await workplace.run(compile);
    expect(status, output).toBe(0);
    workplace.remove();
  });

  it("have every exception that this test makes", () => {
    const exceptions = [
      ...[variants, fileVariants, amongOthers].flat(),
      ...[endless, notRun, parts].flatMap((list) => Object.keys(list)),
    ];
    expect(exceptions.filter((exception) => !used.has(exception))).toEqual([]);
  });
});
