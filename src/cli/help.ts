/** `--help` shows what matters most and names groups of options; `--help <group>` shows those of one, or all. */
import { type Command, Help, type HelpConfiguration, Option } from "commander";
import { suggestion } from "../settings/check.js";
import { DEFAULT_COLUMNS } from "./footer.js";

/** Groups of a verb's own options that few runs need. */
export const RUNNING = "Running options:";
export const CHECKPOINTS = "Checkpoint options:";

/** Settings of an experiment, and the graph of a topology, that most people change. */
const MOST_USED = new Set([
  ...["graph", "algorithm", "compressor", "consensusRate", "learningRate", "rounds"],
  ...["batchSize", "model", "data", "split", "seed"],
]);
const MOST_USED_HEADING = "Settings that matter most:";

const ALL = "all";

/** Columns of names at most; a longer name has its description below it. */
const NAME_COLUMNS = 30;

/** Commands with groups, and the group to show; undefined: the overview. */
const asked = new WeakMap<Command, string | undefined>();

/** `consensus-rate` for `Consensus rate settings:` */
function groupOf({ helpGroupHeading }: Option): string | undefined {
  return helpGroupHeading
    ?.replace(/ \w+:$/, "")
    .toLowerCase()
    .replaceAll(" ", "-");
}

/** All groups of a command's options, in their order. */
export function groupsOf(command: Command): string[] {
  return [ALL, ...new Set(command.options.flatMap((option) => groupOf(option) ?? []))];
}

/** Gives a command that has all its other options a `--help` with groups. */
export function addGroupedHelp(command: Command): void {
  asked.set(command, undefined);
  command
    .option("-h, --help [group]", "show this, or the options of a group")
    .on("option:help", (group: string | null) => {
      // A path is the argument that comes after --help.
      askHelp(command, group === null || /[/.]/.test(group) ? undefined : group);
      command.help();
    })
    .addHelpText("after", () => (asked.get(command) === undefined ? groupsText(command) : ""));
}

/** Chooses what the next help of a command with groups shows. Ends the command with an error for no group. */
export function askHelp(command: Command, group: string | undefined): void {
  const groups = groupsOf(command);
  if (group !== undefined && !groups.includes(group)) {
    command.error(`error: --help has no group "${group}"${suggestion(group, groups)}`);
  }
  asked.set(command, group);
}

function groupsText(command: Command): string {
  const width = process.stdout.columns || DEFAULT_COLUMNS;
  const groups = new Help().boxWrap(groupsOf(command).join(" "), width - 2).replaceAll("\n", "\n  ");
  return `\nAll options, by group: murmur ${command.name()} --help <group>\n  ${groups}`;
}

/** Help of every command, at the width of the terminal. */
export const helpConfiguration: HelpConfiguration = {
  minWidthToWrap: 20,

  visibleOptions(this: Help, command: Command): Option[] {
    const options = Help.prototype.visibleOptions.call(this, command);
    const group = asked.get(command);
    if (!asked.has(command) || group === ALL) return options;
    if (group !== undefined) return options.filter((option) => groupOf(option) === group);
    return options.flatMap((option) => {
      if (option.helpGroupHeading === undefined) return [option];
      const { flags, description } = option;
      return MOST_USED.has(option.attributeName())
        ? [new Option(flags, description).helpGroup(MOST_USED_HEADING)]
        : [];
    });
  },

  padWidth(this: Help, command: Command, helper: Help): number {
    return Math.min(NAME_COLUMNS, Help.prototype.padWidth.call(this, command, helper));
  },

  formatItem(this: Help, term: string, width: number, description: string, helper: Help): string {
    const format = (name: string) => Help.prototype.formatItem.call(this, name, width, description, helper);
    return helper.displayWidth(term) > width && description !== ""
      ? `  ${term}\n${format("")}`
      : format(term);
  },
};
