import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Command, InvalidArgumentError } from "commander";
import { defaultAlgorithm } from "../algorithms/index.js";
import { FileProblem, MurmurationError } from "../foundation/errors.js";
import { sizedGraph } from "../graphs/index.js";
import { parseTopology, topologyJsonSchema } from "../graphs/topology.js";
import { experimentJsonSchema, parseExperiment } from "../runs/experiment.js";
import { makeFolder } from "../sinks/folders.js";
import { print } from "./console.js";
import { createFile, prettyJson } from "./files.js";
import { wholeNumber } from "./option-types.js";
import { addSettingsOptions } from "./settings-options.js";
import { topologyLine } from "./topology.js";

const DEFAULT_PEERS = 8;

/** What a new experiment file shows, for people to change; everything else has its default. */
const START = {
  algorithm: defaultAlgorithm,
  compressor: "sign",
  rounds: 500,
  learningRate: 0.1,
  seed: 1,
};

export function initCommand(): Command {
  const command = new Command("init");
  command
    .description("write a topology and an experiment to start from; prompts when interactive")
    .argument("[folder]", "where to write them", ".")
    .option("--peers <count>", `how many peers; default ${DEFAULT_PEERS}`, wholeNumber(1))
    .option("--yes", "do not prompt; use defaults for what is not given")
    .action(async (folder: string, options: { peers?: number; yes?: boolean }) => {
      let answers: Answers = {
        settings: given(),
        ...(options.peers !== undefined && { peers: options.peers }),
      };
      if (process.stdin.isTTY && !options.yes) answers = await ask(answers, process.stdin, process.stderr);
      const { topology, experiment } = compose(answers);
      const files = {
        "topology.json": { $schema: "./topology.schema.json", ...topology },
        "experiment.json": { $schema: "./experiment.schema.json", ...experiment },
        "topology.schema.json": topologyJsonSchema(),
        "experiment.schema.json": experimentJsonSchema(),
      };
      const existing = Object.keys(files).filter((name) => existsSync(join(folder, name)));
      if (existing.length > 0) {
        throw new FileProblem(`${folder} already has ${existing.join(", ")}: choose another folder`, {
          code: "init-files-exist",
          field: folder,
        });
      }
      await makeFolder(folder);
      for (const [name, content] of Object.entries(files)) {
        await createFile(join(folder, name), prettyJson(content));
      }
      print(`${topologyLine(parseTopology(topology, "topology"))}\n`);
      print(`murmur up ${join(folder, "topology.json")} ${join(folder, "experiment.json")}`);
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
}

/** What goes into the two files. @throws InvalidTopology or InvalidExperiment */
export function compose({ settings, peers = DEFAULT_PEERS }: Answers) {
  const { graph = "ring", ...fields } = settings;
  const given = typeof graph === "string" ? { kind: graph } : (graph as { kind?: string });
  const kind = given.kind ?? "ring";
  const topology = { graph: { ...sizedGraph(kind, peers), ...given } };
  const experiment = { ...START, ...fields };
  parseTopology(topology, "topology");
  parseExperiment(experiment);
  return { topology, experiment };
}

/** Asks for what was not given; asks again where an answer cannot be used. */
export async function ask(
  given: Answers,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
): Promise<Answers> {
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
      await question("peers", DEFAULT_PEERS, (count) =>
        compose({ settings: { graph: settings.graph }, peers: wholeNumber(1)(count) }),
      ),
    );
    for (const [field, fallback] of Object.entries(START)) {
      settings[field] ??= parsedAnswer(
        await question(field, fallback, (answer) => parseExperiment({ [field]: parsedAnswer(answer) })),
      );
    }
    return { settings, peers };
  } finally {
    terminal.close();
  }
}

function parsedAnswer(answer: string): string | number {
  return answer !== "" && Number.isFinite(Number(answer)) ? Number(answer) : answer;
}
