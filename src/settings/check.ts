/** Settings that users write, checked once at the door, with complaints they can act on. */
import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import type { ErrorDetails, MurmurationError } from "../foundation/errors.js";

/** Most characters of a wrong value that a message repeats. */
const SHOWN_CHARACTERS = 40;

/** Most names that a message lists. */
export const SHOWN_NAMES = 40;

/**
 * The value as the schema sees it, with defaults filled in.
 *
 * @param what the value in the user's words, for example `topology file ring.json`
 * @throws a `Failure` of one line that names the first problem's path and what to change
 */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  { what }: { readonly what: string },
  Failure: new (message: string, details: ErrorDetails) => MurmurationError,
): z.output<Schema> {
  const result = schema.safeParse(value, { error: complaint });
  if (result.success) return result.data;
  // A misspelt key also leaves its right spelling missing: the key is the better thing to report.
  const issues = result.error.issues;
  const unknownKeys = issues.filter(({ code }) => code === "unrecognized_keys");
  const [first, ...others] = [...unknownKeys, ...issues.filter((issue) => !unknownKeys.includes(issue))];
  const { path, message, unknownKey } = deepest(first!);
  const field = pathText(unknownKey === undefined ? path : [...path, unknownKey])[0];
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  throw new Failure(`${[what, ...pathText(path)].join(": ")} ${message}${more}`, {
    code: unknownKey !== undefined ? "unknown-setting" : "invalid-setting",
    field,
  });
}

/** A name that is a part of others is taken for them from this many characters on: `gpu` for `webgpu`, not for `cpu`. */
const PART_CHARACTERS = 3;

/** The end of a complaint about a name that is not known: those that it is a part of, the nearest one, or all of them. */
export function suggestion(given: string, known: readonly string[]): string {
  if (known.length === 0) return "";
  const whole = given.length < PART_CHARACTERS ? [] : known.filter((name) => name.includes(given));
  if (whole.length > 0 && whole.length < known.length) {
    return `: did you mean ${whole.map((name) => JSON.stringify(name)).join(" or ")}?`;
  }
  const nearest = closest(given, known);
  return distance(given, nearest) <= Math.max(2, given.length / 3)
    ? `: did you mean "${nearest}"?`
    : `: it is one of ${upTo(known)}`;
}

/** Names in a row, the first of them where they are many. */
export function upTo(names: readonly string[]): string {
  const more = names.length - SHOWN_NAMES;
  return more > 0 ? `${names.slice(0, SHOWN_NAMES).join(", ")} and ${more} more` : names.join(", ");
}

type Path = readonly PropertyKey[];

interface Problem {
  readonly path: Path;
  readonly message: string;
  readonly unknownKey?: string | undefined;
}

/** The issue of the union member that came furthest into the value, or the issue itself where there is no union. */
function deepest(issue: z.core.$ZodIssue, prefix: Path = []): Problem {
  const path = [...prefix, ...issue.path];
  if (issue.code === "unrecognized_keys") return { path, message: issue.message, unknownKey: issue.keys[0] };
  if (issue.code !== "invalid_union") return { path, message: issue.message };
  const inside = issue.errors
    .map((issues) => issues[0])
    .filter((inner) => inner !== undefined)
    .map((inner) => deepest(inner, path));
  const furthest = Math.max(path.length, ...inside.map((inner) => inner.path.length));
  return (
    inside.find((inner) => inner.path.length === furthest && furthest > path.length) ?? {
      path,
      message: issue.message,
    }
  );
}

/** `graph.rows`, `peers[2].listen`; nothing for the value itself. */
function pathText(path: Path): string[] {
  if (path.length === 0) return [];
  const text = path.map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`)).join("");
  return [text.startsWith(".") ? text.slice(1) : text];
}

/** What is wrong, to be read after the path. A schema's own `error` goes before it. */
function complaint(issue: z.core.$ZodRawIssue): string {
  const given = shown(issue.input);
  switch (issue.code) {
    case "unrecognized_keys": {
      const [key] = issue.keys;
      return `has an unknown setting ${JSON.stringify(key)}${suggestion(key!, keysOf(issue.inst))}`;
    }
    case "invalid_type": {
      const type = typeName(issue);
      return issue.input === undefined ? `is missing: it must be ${type}` : `must be ${type}, not ${given}`;
    }
    case "invalid_value": {
      const known = issue.values.map(String);
      if (issue.input === undefined) return `is missing: it must be one of ${known.join(", ")}`;
      return typeof issue.input === "string"
        ? `cannot be ${given}${suggestion(issue.input, known)}`
        : `must be one of ${known.join(", ")}, not ${given}`;
    }
    case "invalid_union": {
      const options = unionOptions(issue);
      if (options === undefined) return `cannot be ${given}${alternatives(issue.inst)}`;
      const { discriminator, known } = options;
      const value = (issue.input as Record<string, unknown>)[discriminator];
      if (typeof value === "string") return `cannot be ${shown(value)}${suggestion(value, known)}`;
      return value === undefined
        ? `is missing: it is one of ${known.join(", ")}`
        : `must be one of ${known.join(", ")}, not ${shown(value)}`;
    }
    case "too_small":
    case "too_big":
      return sizeComplaint(issue, given);
    case "not_multiple_of":
      return `must be a multiple of ${issue.divisor}, not ${given}`;
    case "invalid_format":
      return `cannot be ${given}: it must match ${issue.pattern ?? issue.format}`;
    default:
      return issue.message ?? `cannot be ${given}`;
  }
}

function sizeComplaint(issue: z.core.$ZodRawIssue, given: string): string {
  const [bound, limit, strictly] =
    issue.code === "too_small"
      ? (["at least", issue.minimum, "more than"] as const)
      : (["at most", issue.maximum, "less than"] as const);
  const relation = `${issue.inclusive === false ? strictly : bound} ${limit}`;
  if (issue.origin === "string") return `must have ${relation} characters, not ${String(issue.input).length}`;
  if (issue.origin === "array")
    return `must have ${relation} entries, not ${(issue.input as unknown[]).length}`;
  return `must be ${relation}, not ${given}`;
}

/** The names of the settings of an object schema. */
function keysOf(schema: unknown): string[] {
  return Object.keys(definitionOf(schema).shape ?? {});
}

function unionOptions(issue: z.core.$ZodRawIssue): { discriminator: string; known: string[] } | undefined {
  const { discriminator, options } = issue as { discriminator?: string; options?: unknown[] };
  return discriminator === undefined || options === undefined
    ? undefined
    : { discriminator, known: options.map(String) };
}

interface AnyDefinition {
  readonly type?: string;
  readonly shape?: object;
  readonly options?: readonly unknown[];
  readonly values?: readonly unknown[];
  readonly entries?: object;
}

const definitionOf = (schema: unknown): AnyDefinition =>
  (schema as { _zod?: { def?: AnyDefinition } } | undefined)?._zod?.def ?? {};

/** The members of a union, and of unions in it. */
function membersOf(union: unknown): unknown[] {
  return (definitionOf(union).options ?? []).flatMap((option) =>
    definitionOf(option).options ? membersOf(option) : [option],
  );
}

/** What a union without names for its members takes, as the end of a complaint; nothing where that cannot be said. */
function alternatives(union: unknown): string {
  const texts = membersOf(union).map((option) => {
    const { type = "", values, entries } = definitionOf(option);
    if (values ?? entries)
      return (values ?? Object.values(entries!)).map((value) => JSON.stringify(value)).join(" or ");
    if (type === "object") return `an object with ${keysOf(option).join(", ")}`;
    return type in TYPE_NAMES ? TYPE_NAMES[type] : undefined;
  });
  return texts.length > 0 && texts.every((text) => text) ? `: it must be ${texts.join(", or ")}` : "";
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a finite number",
  string: "a text",
  boolean: "true or false",
  array: "a list",
  tuple: "a list",
  object: "an object",
  record: "an object",
  null: "null",
};

/** Of whole numbers the schema says so; the issue only does once it has seen a number. */
function typeName(issue: z.core.$ZodRawIssue): string {
  const { format } = (issue.inst as { _zod?: { def?: { format?: string } } } | undefined)?._zod?.def ?? {};
  const expected = format?.endsWith("int") ? "int" : String(issue.expected);
  return TYPE_NAMES[expected] ?? expected;
}

/** A value on one line, cut where it is long. Of lists and objects only what they are: they may be deep or endless. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const short = (text: string) =>
    text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  return typeof value === "string" ? JSON.stringify(short(value)) : short(String(value));
}
