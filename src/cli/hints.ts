/** What to type instead, where a mistake is a common one. */
import { extname } from "node:path";
import type { Command } from "commander";
import { InvalidExperiment } from "../foundation/errors.js";
import { suggestion } from "../settings/check.js";

/** Options that other tools have, and those that do the same here. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  "--lr": ["--learning-rate"],
  "--gamma": ["--learning-rate"],
  "--eta": ["--consensus-rate"],
  "--epochs": ["--rounds"],
  "--steps": ["--rounds", "--local-steps"],
  "--dataset": ["--data"],
  "--output": ["--out"],
  "--optimiser": ["--optimizer"],
};

const TRAIN =
  "to train, type murmur simulate (in this process), murmur up (all peers of this machine) or murmur peer (one)";

/** Words for commands that other tools have. */
const OTHER_COMMANDS: Readonly<Record<string, string>> = {
  run: TRAIN,
  train: TRAIN,
  start: TRAIN,
  report: "type murmur inspect",
  plot: "type murmur inspect",
  test: "type murmur evaluate",
  sweep: "type murmur compare",
  backends: "type murmur doctor",
};

/** A complaint of the command line's parser, with what to type. */
export function withHint(complaint: string, program: Command): string {
  const text = complaint
    .trim()
    .replace(/^error: /, "")
    .replaceAll("\n", " ");
  const [, option] = /^unknown option '([^']+)'/.exec(text) ?? [];
  if (option !== undefined) return optionHint(option, commandOf(program)) ?? text;
  const [, name] = /^unknown command '([^']+)'/.exec(text) ?? [];
  if (name !== undefined) return commandHint(name, program);
  return text;
}

/** The command that was being read. */
function commandOf(program: Command): Command {
  return program.commands.find((command) => command.name() === program.args[0]) ?? program;
}

function optionHint(option: string, command: Command): string | undefined {
  const known = command.options.flatMap(({ long }) => long ?? []);
  const inner = known.filter((long) => long.endsWith(`.${option.slice(2)}`));
  const [field] = option.split(".");
  if (field !== option) return nestedHint(option, field!, known);
  const meant = [...(SYNONYMS[option] ?? []).filter((long) => known.includes(long)), ...inner];
  if (meant.length === 0) return undefined;
  return `unknown option '${option}': did you mean ${meant.join(" or ")}?`;
}

/** For an option with a dot: its own names are few, and those of its field fewer. */
function nestedHint(option: string, field: string, known: readonly string[]): string {
  const nested = known.filter((long) => long.startsWith(`${field}.`));
  if (nested.length > 0) return `unknown option '${option}'${suggestion(option, nested)}`;
  const dotted = known.filter((long) => long.includes("."));
  return `unknown option '${option}'${dotted.length > 0 ? suggestion(option, dotted) : ""}`;
}

function commandHint(name: string, program: Command): string {
  const known = program.commands.map((command) => command.name());
  const hint = OTHER_COMMANDS[name];
  return `unknown command '${name}'${hint === undefined ? suggestion(name, known) : `: ${hint}`}`;
}

/** Which kind reads files of a name, by field. */
const KINDS_OF_FILES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  data: { ".csv": "csv", ".tsv": "csv", ".txt": "text", ".mjs": "module", ".js": "module", ".ts": "module" },
  model: { ".mjs": "module", ".js": "module", ".ts": "module" },
  split: { ".json": "file" },
};

/** @throws InvalidExperiment a file is given where the name of a kind is meant */
export function requireKind(field: string, value: unknown, kinds: readonly string[]): void {
  if (typeof value !== "string" || kinds.length === 0 || kinds.includes(value)) return;
  const extension = extname(value).toLowerCase();
  const kind = KINDS_OF_FILES[field]?.[extension];
  const typed =
    field === "model" && extension === ".safetensors"
      ? `--weights ${value}`
      : kind && kinds.includes(kind) && `--${field} ${kind} --${field}.path ${value}`;
  if (!typed) return;
  throw new InvalidExperiment(`--${field} takes the name of a kind, and ${value} is a file: type ${typed}`, {
    code: "file-for-kind",
    field,
  });
}
