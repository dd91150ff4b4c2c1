/** Command-line options made from a settings schema: every field, and the fields of its variants with a dot. */
import { type Command, Option } from "commander";

interface JsonSchema {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
}

const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/**
 * Adds one option per field: `--learning-rate 0.1`, `--compressor sign`, `--compressor.block 64`.
 *
 * @returns the settings that were given once the command is parsed, as an experiment file would hold them
 */
export function addSettingsOptions(command: Command, schema: JsonSchema): () => Record<string, unknown> {
  const paths = new Map<string, readonly [field: string, inner?: string]>();
  const add = (path: readonly [string, string?], about: string) => {
    const option = new Option(
      `--${path
        .filter((part) => part !== undefined)
        .map(kebab)
        .join(".")} <value>`,
      about,
    );
    paths.set(option.attributeName(), path);
    command.addOption(option);
  };
  for (const [field, fieldSchema] of Object.entries(schema.properties ?? {})) {
    if (field === "$schema") continue;
    const kinds = variantsOf(fieldSchema).flatMap((variant) => variant.properties?.kind?.const ?? []);
    const choices = fieldSchema.enum ?? kinds;
    const about = [
      fieldSchema.description,
      choices.length > 0 && choices.join(" | "),
      typeof fieldSchema.default !== "object" &&
        fieldSchema.default !== undefined &&
        `default ${JSON.stringify(fieldSchema.default)}`,
    ];
    add([field], about.filter(Boolean).join("; "));
    for (const [inner, { kinds, description }] of innerFields(fieldSchema)) {
      add(
        [field, inner],
        [description, kinds.length > 0 && `of ${kinds.join(", ")}`].filter(Boolean).join("; "),
      );
    }
  }

  return () => {
    const settings: Record<string, unknown> = {};
    for (const [name, [field, inner]] of paths) {
      if (command.getOptionValueSource(name) !== "cli") continue;
      const value = parseValue(command.getOptionValue(name));
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

/** JSON where it is JSON (0.1, true, [64,32], {"initial":0.1}), else the text itself. */
function parseValue(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return text;
  }
}

function variantsOf(schema: JsonSchema): JsonSchema[] {
  const alternatives = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])];
  return alternatives.length === 0 ? [schema] : alternatives.flatMap(variantsOf);
}

/** Fields inside an object setting: what they mean, and the kinds that have them. */
function innerFields(schema: JsonSchema): Map<string, { kinds: string[]; description: string | undefined }> {
  const fields = new Map<string, { kinds: string[]; description: string | undefined }>();
  for (const variant of variantsOf(schema)) {
    const kind = variant.properties?.kind?.const;
    for (const [inner, { description }] of Object.entries(variant.properties ?? {})) {
      if (inner === "kind") continue;
      const field = fields.get(inner) ?? { kinds: [], description };
      if (typeof kind === "string") field.kinds.push(kind);
      fields.set(inner, field);
    }
  }
  return fields;
}
