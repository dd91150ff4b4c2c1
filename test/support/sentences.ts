/** Finds what the program can say: every place in the sources that makes an error. */
import { readFileSync } from "node:fs";

export interface Sentence {
  /** `src/graph.ts:51` */
  readonly where: string;
  readonly className: string;
  /** Codes of the site; none where it keeps those of the error that it wraps. */
  readonly codes: readonly string[];
  readonly wraps: boolean;
  /** The message as the source has it, without its quotes. */
  readonly template: string;
}

/** The error classes of `src/foundation/errors.ts`. */
export function errorClasses(file: string): string[] {
  return [...readFileSync(file, "utf8").matchAll(/^export class (\w+)/gm)].map(([, name]) => name!);
}

/** Every `new <class>(message, details)` of a source text, where the class is one of these. */
export function sentencesOf(file: string, classes: readonly string[]): Sentence[] {
  const text = readFileSync(file, "utf8");
  // `Failure` is the class that `checked` is given.
  const site = new RegExp(`\\bnew (${[...classes, "Failure"].join("|")})\\(`, "g");
  return [...text.matchAll(site)].map((match) => {
    const [message = "", details = ""] = argumentsAt(text, match.index + match[0].length);
    return {
      where: `${file}:${text.slice(0, match.index).split("\n").length}`,
      className: match[1]!,
      codes: codesOf(details),
      wraps: details.includes("...details"),
      template: templateOf(message),
    };
  });
}

/** The arguments of a call, from behind its opening bracket. */
function argumentsAt(text: string, start: number): string[] {
  const found: string[] = [];
  let from = start;
  let depth = 0;
  let at = start;
  for (; depth >= 0; at++) {
    const character = text[at]!;
    if (`"'\``.includes(character)) at = endOfString(text, at);
    else if ("([{".includes(character)) depth++;
    else if (")]}".includes(character)) depth--;
    if (depth < 0 || (depth === 0 && text[at] === ",")) {
      found.push(text.slice(from, at).trim());
      from = at + 1;
    }
  }
  return found.filter((argument) => argument !== "");
}

/** Index of the quote that ends a string or template. */
function endOfString(text: string, start: number): number {
  const quote = text[start]!;
  let at = start + 1;
  for (; text[at] !== quote; at++) {
    if (text[at] === "\\") at++;
    else if (quote === "`" && text.startsWith("${", at)) at = endOfExpression(text, at + 2);
  }
  return at;
}

/** Index of the brace that ends an expression in a template. */
function endOfExpression(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; at++) {
    const character = text[at]!;
    if (`"'\``.includes(character)) at = endOfString(text, at);
    else if (character === "{") depth++;
    else if (character === "}" && depth-- === 0) return at;
  }
}

/** All strings in the expression after `code:`. */
function codesOf(details: string): string[] {
  const from = /\bcode:/.exec(details);
  if (!from) return [];
  const [expression = ""] = argumentsAt(`${details.slice(from.index + 5).replace(/}$/, "")})`, 0);
  // A comparison's other side is not a code.
  return [...expression.matchAll(/[?:]?\s*"([^"]+)"/g)].map(([, code]) => code!);
}

function templateOf(message: string): string {
  const joined = message.replace(/["'`]\s*\+\s*["'`]/g, "");
  return /^(["'`]).*\1$/s.test(joined) ? joined.slice(1, -1) : `\${${joined}}`;
}

/** Matches what is said with this code, whatever its values: for reasons that travel without their code. */
export function saying(code: string): RegExp {
  const lines = readFileSync(new URL("../sentences.txt", import.meta.url), "utf8").split("\n");
  const known = lines.filter((line) => line.startsWith(`${code}: `));
  if (known.length === 0) throw new Error(`test/sentences.txt has no code ${code}`);
  const patterns = known.map((line) =>
    line
      .slice(code.length + 2)
      .split(/\$\{.*?\}(?=[^}]|$)/)
      .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".*"),
  );
  return new RegExp(`^(${patterns.join("|")})$`);
}
