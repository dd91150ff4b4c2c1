import type { Command } from "commander";
import { describe, expect, it } from "vitest";
import { deployCommand } from "../src/cli/deploy.js";
import { doctorCommand } from "../src/cli/doctor.js";
import { askHelp, helpConfiguration } from "../src/cli/help.js";
import { initCommand } from "../src/cli/init.js";
import { peerCommand } from "../src/cli/peer.js";
import { simulateCommand } from "../src/cli/simulate.js";
import { splitCommand } from "../src/cli/split.js";
import { upCommand } from "../src/cli/up.js";
import { experimentJsonSchema, experimentSettings, parseExperiment } from "../src/runs/experiment.js";
import { murmur } from "./support/processes.js";

interface FieldSchema {
  readonly description?: string;
  readonly default?: unknown;
  readonly anyOf?: readonly { readonly enum?: readonly string[] }[];
}

const { $schema: _, ...shape } = experimentSettings.shape;
const fields = Object.keys(shape) as (keyof typeof shape)[];
const schema = experimentJsonSchema().properties as Record<string, FieldSchema>;
const defaults: Record<string, unknown> = parseExperiment({});
const kindOf = (value: unknown) => (value as { kind?: string }).kind;
const fieldsOfKinds = fields.filter((field) => kindOf(defaults[field]) !== undefined);

describe("the JSON Schema of experiments", () => {
  it.each(fields)("describes %s, and its default is what parsing fills in", (field) => {
    const { description, default: fallback } = schema[field]!;
    expect(description).toMatch(/\w/);
    expect(parseExperiment({ [field]: fallback })[field]).toEqual(defaults[field]);
  });

  it.each(fieldsOfKinds)("lists the kinds that %s may name, and no others are known", (field) => {
    const names = schema[field]!.anyOf!.flatMap((alternative) => alternative.enum ?? []);
    expect(names).toContain(kindOf(defaults[field]));
    // A name that is not a kind is refused at `kind`; a kind that needs more settings is refused there.
    const complaint = (name: string) => {
      try {
        parseExperiment({ [field]: name });
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    };
    for (const name of names) expect(complaint(name)).not.toContain(`${field}.kind`);
    expect(complaint("?")).toContain(`${field}.kind`);
  });
});

const commands = {
  simulate: simulateCommand,
  peer: peerCommand,
  up: upCommand,
  deploy: deployCommand,
  doctor: doctorCommand,
  split: splitCommand,
  init: initCommand,
};

describe.each(Object.entries(commands))("murmur %s --help", (_name, create) => {
  const command = create();

  it.each(fields)("says what %s means and what it is by default", (field) => {
    const about = optionOf(command, field).description;
    expect(about).toContain(schema[field]!.description);
    const value = kindOf(defaults[field]) ?? defaults[field];
    if (typeof value !== "object") expect(about).toContain(`default ${JSON.stringify(value)}`);
  });

  it("lists the verb's own options before the settings", () => {
    askHelp(command, "all");
    const help = command.configureHelp(helpConfiguration).helpInformation();
    const isSetting = ({ helpGroupHeading = "" }) => helpGroupHeading.endsWith("settings:");
    const own = command.options.filter((option) => !isSetting(option));
    const settings = command.options.filter(isSetting);
    const places = (options: readonly { readonly flags: string }[]) =>
      options.map(({ flags }) => help.search(new RegExp(`\n  ${flags.replace(/[.[\]]/g, "\\$&")}[ \n]`)));
    expect(own.length).toBeGreaterThan(0);
    expect(settings.length).toBeGreaterThanOrEqual(fields.length);
    expect(Math.min(...places(own))).toBeGreaterThan(0);
    expect(Math.max(...places(own))).toBeLessThan(Math.min(...places(settings)));
  });
});

function optionOf(command: Command, field: string) {
  return command.options.find((option) => option.attributeName() === field)!;
}

describe("values of settings", () => {
  const named = (value: string) =>
    JSON.parse(murmur("simulate", ring, "--rounds", "1", "--name", value, "--json").stdout).name;

  it.each([
    ["2024", "2024"],
    ['"2024"', "2024"],
    ['"', '"'],
  ])("of a text are taken as they are, and in quotes as JSON: %s", (value, name) => {
    expect(named(value)).toBe(name);
  });
});

const ring = new URL("../topologies/ring-4.json", import.meta.url).pathname;
