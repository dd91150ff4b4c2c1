/** Command-line options made from a settings schema: every field, and the fields of its variants with a dot. */
import { type Command, Option } from "commander";
import { addGroupedHelp } from "./help.js";
import { requireKind } from "./hints.js";

interface JsonSchema {
  readonly type?: string;
  readonly items?: JsonSchema;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
}

export const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Heading of the fields that have no fields of their own. */
const PLAIN_FIELDS = "Experiment settings:";

/** `Consensus rate settings:` */
function headingOf(field: string): string {
  const words = kebab(field).replaceAll("-", " ");
  return `${words[0]!.toUpperCase()}${words.slice(1)} settings:`;
}

/**
 * Adds one option per field: `--learning-rate 0.1`, `--compressor sign`, `--compressor.block 64`. Call it last: help
 * lists options in the order in which they were added, and a verb's own belong before some ninety settings.
 *
 * @returns the settings that were given once the command is parsed, as an experiment file would hold them
 */
export function addSettingsOptions(command: Command, schema: JsonSchema): () => Record<string, unknown> {
  const paths = new Map<
    string,
    { path: readonly [field: string, inner?: string]; of: readonly JsonSchema[] }
  >();
  const add = (
    path: readonly [string, string?],
    of: readonly JsonSchema[],
    about: string,
    heading: string,
  ) => {
    const name = path.filter((part) => part !== undefined).map(kebab);
    const option = new Option(`--${name.join(".")} <value>`, about).helpGroup(heading);
    paths.set(option.attributeName(), { path, of });
    command.addOption(option);
  };
  for (const [field, fieldSchema] of Object.entries(schema.properties ?? {})) {
    if (field === "$schema") continue;
    const inner = innerFields(fieldSchema);
    const heading = inner.size === 0 ? PLAIN_FIELDS : headingOf(field);
    add([field], variantsOf(fieldSchema), aboutField(fieldSchema), heading);
    for (const [name, about] of inner) add([field, name], about.schemas, aboutInner(about), heading);
  }
  addGroupedHelp(command);

  return () => {
    const settings: Record<string, unknown> = {};
    for (const [name, { path, of }] of paths) {
      if (command.getOptionValueSource(name) !== "cli") continue;
      const [field, inner] = path;
      const value = parseValue(String(command.getOptionValue(name)), of);
      if (inner === undefined) requireKind(field, value, kindsOf(of));
      if (inner === undefined) {
        settings[field] = value;
      } else {
        // The field itself comes first: --compressor sign --compressor.block 64.
        const before = settings[field];
        const fields = typeof before === "object" ? before : before === undefined ? {} : { kind: before };
        settings[field] = { ...fields, [inner]: value };
      }
    }
    return settings;
  };
}

function kindsOf(variants: readonly JsonSchema[]): string[] {
  return variants.flatMap(({ properties }) => {
    const kind = properties?.kind?.const;
    return typeof kind === "string" ? [kind] : [];
  });
}

/** What a field means, what it can be, and what it is by default. */
function aboutField(schema: JsonSchema): string {
  const choices = schema.enum ?? kindsOf(variantsOf(schema));
  const fallback = defaultText(schema.default);
  return [schema.description, choices.join(" | "), fallback && `default ${fallback}`]
    .filter(Boolean)
    .join("; ");
}

/** `"minmax"` for `{ "kind": "minmax" }` too: that is how the option takes it. */
function defaultText(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const { kind } = value as { kind?: string };
  return kind && JSON.stringify(kind);
}

function aboutInner({ description, choices, defaults, kinds }: InnerField): string {
  const [fallback] = defaults;
  const about = [
    description,
    [...choices].join(" | "),
    fallback && defaults.size === 1 && `default ${fallback}`,
  ];
  return about.filter(Boolean).join("; ") + (kinds.length > 0 ? ` (${kinds.join(", ")})` : "");
}

/**
 * A text where nothing else is meant (`--name 2024`); else JSON where it is JSON (0.1, true, [64,32], {"initial":0.1}),
 * entries between commas where a list is meant (`--data.classes cat,dog`), or the text itself.
 */
function parseValue(text: string, schemas: readonly JsonSchema[]): unknown {
  const isText = ({ type, enum: choices }: JsonSchema) =>
    type === "string" || (choices ?? []).some((choice) => typeof choice === "string");
  // In quotes it is JSON, too, as programs write it.
  if (schemas.length > 0 && schemas.every(isText) && !/^".*"$/s.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    const list = schemas.find(({ type }) => type === "array");
    return list
      ? text.split(",").map((entry) => parseValue(entry.trim(), variantsOf(list.items ?? {})))
      : text;
  }
}

function variantsOf(schema: JsonSchema): JsonSchema[] {
  const alternatives = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  return alternatives.length === 0 ? [schema] : alternatives.flatMap(variantsOf);
}

interface InnerField {
  /** What it can be, of all kinds. */
  readonly schemas: JsonSchema[];
  readonly description: string | undefined;
  /** Its named values, of all kinds. */
  readonly choices: Set<string>;
  /** Its defaults; undefined among them where a kind has none. */
  readonly defaults: Set<string | undefined>;
  /** The kinds that have it. */
  readonly kinds: string[];
}

/** Fields inside an object setting. */
function innerFields(schema: JsonSchema): Map<string, InnerField> {
  const fields = new Map<string, InnerField>();
  for (const variant of variantsOf(schema)) {
    const kind = variant.properties?.kind?.const;
    for (const [inner, innerSchema] of Object.entries(variant.properties ?? {})) {
      if (inner === "kind") continue;
      const { description } = innerSchema;
      const field = fields.get(inner) ?? {
        ...{ schemas: [], kinds: [], description },
        ...{ choices: new Set<string>(), defaults: new Set<string | undefined>() },
      };
      field.schemas.push(...variantsOf(innerSchema));
      for (const choice of variantsOf(innerSchema).flatMap((each) => each.enum ?? [])) {
        field.choices.add(String(choice));
      }
      field.defaults.add(defaultText(innerSchema.default));
      if (typeof kind === "string") field.kinds.push(kind);
      fields.set(inner, field);
    }
  }
  return fields;
}
