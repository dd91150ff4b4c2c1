import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline/promises";
import { Command, InvalidArgumentError } from "commander";
import { defaultAlgorithm } from "../algorithms/index.js";
import { loadDataset } from "../datasets/index.js";
import { FileProblem, InvalidExperiment, MurmurationError } from "../foundation/errors.js";
import { sizedGraph } from "../graphs/index.js";
import { parseTopology, type Topology, topologyJsonSchema } from "../graphs/topology.js";
import { type Experiment, experimentJsonSchema, parseExperiment } from "../runs/experiment.js";
import { taskOf } from "../runs/own-data.js";
import { createPlan } from "../runs/plan.js";
import { makeFolder } from "../sinks/folders.js";
import { splitOf } from "../trainers/peer-data.js";
import { createLayout } from "../vectors/layout.js";
import { print } from "./console.js";
import { createFile, prettyJson } from "./files.js";
import { wholeNumber } from "./option-types.js";
import { addSettingsOptions } from "./settings-options.js";
import { defaultTemplate, templateNames, templateOf } from "./templates/index.js";
import { FIRST_MODEL, readmeOf } from "./templates/readme.js";
import type { Template } from "./templates/template.js";
import { topologyLine } from "./topology.js";

/** What a new experiment file shows besides the fields of its template. */
const START = { algorithm: defaultAlgorithm, compressor: "sign", rounds: 500, seed: 1 };

/** Fields that are asked for, in order. */
const QUESTIONS = ["algorithm", "compressor", "rounds", "learningRate", "seed"] as const;

interface InitOptions {
  readonly template: string;
  readonly peers?: number;
  readonly yes?: boolean;
}

export function initCommand(): Command {
  const command = new Command("init");
  command
    .description("write a folder to start from, with the commands that run it; prompts when interactive")
    .argument("[folder]", "where to write it", ".")
    .option("--template <name>", `what it trains: ${templateNames.join(", ")}`, defaultTemplate.name)
    .option("--peers <count>", "how many peers; the template's number where left out", wholeNumber(1))
    .option("--yes", "do not prompt; use defaults for what is not given")
    .action(async (folder: string, options: InitOptions) => {
      let answers: Answers = {
        template: templateOf(options.template),
        settings: given(),
        ...(options.peers !== undefined && { peers: options.peers }),
      };
      if (process.stdin.isTTY && !options.yes) answers = await ask(answers, process.stdin, process.stderr);
      const { topology } = await writeFolder(folder, answers);
      print(topologyLine(topology));
      print(`every command, in order: ${join(folder, "README.md")}\n`);
      print(firstCommands(folder, answers).join("\n"));
    });
  const { graph } = topologyJsonSchema().properties as { graph: object };
  const given = addSettingsOptions(command, {
    properties: {
      graph,
      ...experimentJsonSchema().properties!,
    },
  });
  return command;
}

export interface Answers {
  /** As `addSettingsOptions` gives them: `graph` and the fields of an experiment. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly peers?: number;
  /** The default one where left out. */
  readonly template?: Template;
}

/**
 * Writes every file of a new folder, or nothing.
 * @throws InvalidTopology, InvalidExperiment, InvalidData what no command could run
 * @throws FileProblem one of the files is there
 */
export async function writeFolder(folder: string, answers: Answers): Promise<{ topology: Topology }> {
  const { template = defaultTemplate } = answers;
  const content = compose(answers);
  const topology = parseTopology(content.topology, "topology");
  const experiment = parseExperiment(content.experiment);
  await requireRunnable(topology, experiment, answers);
  const files = (await template.files?.(topology.peers.length)) ?? [];
  const written: Readonly<Record<string, string>> = {
    "topology.json": prettyJson({ $schema: "./topology.schema.json", ...content.topology }),
    "experiment.json": prettyJson({ $schema: "./experiment.schema.json", ...content.experiment }),
    "topology.schema.json": prettyJson(topologyJsonSchema()),
    "experiment.schema.json": prettyJson(experimentJsonSchema()),
    ...Object.fromEntries(files.map(({ name, content }) => [name, content])),
    "README.md": readmeOf({
      ...{ template, files, peers: topology.peers.length },
      evaluate: evaluationOf(template, experiment),
    }),
  };
  const existing = Object.keys(written).filter((name) => existsSync(join(folder, name)));
  if (existing.length > 0) {
    throw new FileProblem(`${folder} already has ${existing.join(", ")}: choose another folder`, {
      code: "init-files-exist",
      field: folder,
    });
  }
  for (const inside of new Set(Object.keys(written).map(dirname))) await makeFolder(join(folder, inside));
  for (const [name, content] of Object.entries(written)) await createFile(join(folder, name), content);
  return { topology };
}

/** Commands for a shell that train once. Paths in an experiment are relative to the folder that commands run in. */
function firstCommands(folder: string, { template = defaultTemplate }: Answers): string[] {
  const isHere = resolve(folder) === process.cwd();
  return [
    ...(isHere ? [] : [`cd ${shellWord(folder)}`]),
    ...(template.prepare?.() ?? []),
    "murmur up topology.json experiment.json",
  ];
}

const shellWord = (text: string): string =>
  /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

/** What goes into the two files. @throws InvalidTopology or InvalidExperiment */
export function compose({ settings, peers, template = defaultTemplate }: Answers) {
  const { graph = "ring", ...fields } = settings;
  const given = typeof graph === "string" ? { kind: graph } : (graph as { kind?: string });
  const kind = given.kind ?? "ring";
  const graphOf = { graph: { ...sizedGraph(kind, peers ?? template.peers), ...given } };
  const { peers: all } = parseTopology(graphOf, "topology");
  const topology = { ...graphOf, ...(template.peer && { peers: all.map(({ id }) => template.peer!(id)) }) };
  const experiment: Record<string, unknown> = { ...START, ...template.experiment, ...fields };
  parseExperiment(experiment);
  return { topology, experiment };
}

/**
 * Nothing is written that no command could run.
 * @throws InvalidExperiment an algorithm that cannot work on the graph, or peers without examples
 */
async function requireRunnable(
  topology: Topology,
  experiment: Experiment,
  { settings, template = defaultTemplate }: Answers,
): Promise<void> {
  const { mixing } = topology;
  // Trials of η depend on the model, and stop at nothing that this looks for.
  const layout = createLayout([{ name: "x", shape: [4] }]);
  createPlan({ ...experiment, consensusRate: 1 }, mixing, { layout, initialize() {} });
  const { mostPeers } = template;
  const isOfTemplate = settings.data === undefined && settings.trainer === undefined;
  if (mostPeers !== undefined && isOfTemplate && mixing.peers > mostPeers) {
    throw new InvalidExperiment(
      `template ${template.name} has examples for at most ${mostPeers} peers, and the graph has ${mixing.peers}: use fewer peers, or another template`,
      { code: "template-too-small", field: "peers" },
    );
  }
  const { trainer, data, split, seed } = experiment;
  if (trainer.kind !== "layers") return;
  for (const { id } of topology.peers) taskOf(experiment, topology, id, false);
  if ("path" in data || "path" in split || split.kind === "own") return;
  await splitOf(await loadDataset(data), split, mixing.peers, seed);
}

/** The command that evaluates a model; undefined where there is none for what the user has changed. */
function evaluationOf(template: Template, { trainer }: Experiment): string | undefined {
  const { kind } = parseExperiment(template.experiment).trainer;
  const usual = trainer.kind === "layers" ? `murmur evaluate ${FIRST_MODEL}` : undefined;
  return trainer.kind === kind ? (template.evaluate?.(FIRST_MODEL) ?? usual) : usual;
}

/** Asks for what was not given; asks again where an answer cannot be used. */
export async function ask(
  given: Answers,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<Answers> {
  const { template = defaultTemplate } = given;
  const defaults: Readonly<Record<string, unknown>> = { ...START, ...template.experiment };
  const terminal = createInterface({ input, output });
  const question = async (text: string, fallback: string | number, check: (answer: string) => unknown) => {
    for (;;) {
      const answer = (await terminal.question(`${text} [${fallback}] `)).trim() || String(fallback);
      try {
        check(answer);
        return answer;
      } catch (error) {
        if (!(error instanceof MurmurationError || error instanceof InvalidArgumentError)) throw error;
        output.write(`${error.message}\n`);
      }
    }
  };
  try {
    const settings: Record<string, unknown> = { ...given.settings };
    let { peers } = given;
    settings.graph ??= await question("graph: who talks to whom", "ring", (kind) =>
      compose({ settings: { graph: kind } }),
    );
    peers ??= Number(
      await question("peers", template.peers, (count) =>
        compose({ settings: { graph: settings.graph }, peers: wholeNumber(1)(count) }),
      ),
    );
    for (const field of QUESTIONS) {
      settings[field] ??= parsedAnswer(
        await question(field, defaults[field] as string | number, (answer) =>
          parseExperiment({ [field]: parsedAnswer(answer) }),
        ),
      );
    }
    return { template, settings, peers };
  } finally {
    terminal.close();
  }
}

function parsedAnswer(answer: string): string | number {
  return answer !== "" && Number.isFinite(Number(answer)) ? Number(answer) : answer;
}
