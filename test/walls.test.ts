import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const source = new URL("../src", import.meta.url).pathname;
const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.startsWith("kernels/assembly"))
  .map((name) => ({ name, text: withoutComments(readFileSync(join(source, name), "utf8")) }));

/** Block comments may hold examples, which print and import what they like. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "");
}

/** What a file imports, statically or not. */
const importsOf = (text: string) =>
  [...text.matchAll(/(?:from|import\()\s*"([^"]+)"/g), ...text.matchAll(/^import "([^"]+)"/gm)].map(
    (match) => match[1]!,
  );

/** Folders at the edge, which know the machine they run on. Everything else is the core. */
const EDGE =
  /^((network|threads\/(node|worker))\.ts$|(cli|sinks|inspect|datasets|trainers|models|backends|transports\/libp2p)(\/|$))/;

function offenders(
  isInside: (name: string) => boolean,
  isForbidden: (specifier: string) => boolean,
): string[] {
  return files
    .filter(({ name }) => !isInside(name))
    .flatMap(({ name, text }) =>
      importsOf(text)
        .filter(isForbidden)
        .map((specifier) => `${name} imports ${specifier}`),
    );
}

describe("the walls between rooms", () => {
  it("only the edge imports node: modules, so the core runs in a browser too", () => {
    expect(
      offenders(
        (name) => EDGE.test(name),
        (specifier) => specifier.startsWith("node:"),
      ),
    ).toEqual([]);
  });

  it("only trainers, models and backends import tfjs", () => {
    const inside = /^(trainers|models|backends)\/|^model\.ts$/;
    expect(
      offenders(
        (name) => inside.test(name),
        (specifier) => specifier.startsWith("@tensorflow/"),
      ),
    ).toEqual([]);
  });

  it("only the libp2p transport and the command line import libp2p", () => {
    const inside = /^(transports\/libp2p|cli)\//;
    const isLibp2p = (specifier: string) =>
      /^(libp2p|@libp2p\/|@chainsafe\/|@multiformats\/)/.test(specifier);
    expect(offenders((name) => inside.test(name), isLibp2p)).toEqual([]);
  });

  it("only the command line writes to the console", () => {
    const writers = files.filter(
      ({ name, text }) => !name.startsWith("cli/") && /\bconsole\.|process\.std(out|err)/.test(text),
    );
    expect(writers.map(({ name }) => name)).toEqual([]);
  });

  it("transports take time from their clock only", () => {
    const timed = /performance\.now|Date\.now|setTimeout|setInterval|AbortSignal\.timeout/;
    const users = files.filter(({ name, text }) => name.startsWith("transports/") && timed.test(text));
    expect(users.map(({ name }) => name)).toEqual([]);
  });

  it("nothing random or timed is ambient in the core", () => {
    const ambient = /Math\.random|Date\.now|new Date\(|performance\.now|setTimeout|setInterval|crypto\./;
    const users = files.filter(
      ({ name, text }) => !EDGE.test(name) && name !== "clock.ts" && ambient.test(text),
    );
    expect(users.map(({ name }) => name)).toEqual([]);
  });
});
