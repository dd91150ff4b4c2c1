import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { errorClasses, type Sentence, sentencesOf } from "./support/sentences.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const snapshot = fileURLToPath(new URL("sentences.txt", import.meta.url));
const classes = errorClasses(`${root}src/foundation/errors.ts`);
const sites = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .flatMap((name) => sentencesOf(`${root}src/${name}`, classes))
  .map((site) => ({ ...site, where: relative(root, site.where) }));

/** Two sites each that are one situation. */
const shared = ["foreign-vector", "payload-length", "unknown-peer", "unreachable"];

/** What one program says to another: its reader has no part in writing frames, and nothing to change. */
const betweenPrograms = ["MalformedFrame", "MalformedPayload"];

/** Sentences whose remedy is in what they quote, and one for a caller that is wrong about the graph. */
const exceptions = ["not-a-neighbour", "unknown-setting", "unreachable", "weights-do-not-mix"];

/** Whether something follows what happened, apart from a prefix such as `csv: ` that says where. */
function saysWhatToDo({ template }: Sentence): boolean {
  const text = template.replace(/^(\w+|\$\{\w+\}): /, "");
  return /[:;] \S/.test(text.replace(/"[^"]*"/g, ""));
}

describe("what the program can say", () => {
  it("is what test/sentences.txt has; UPDATE_SENTENCES=1 rewrites it, to be read in review", () => {
    const lines = sites.flatMap(({ codes, wraps, template }) =>
      (wraps ? ["(code of what it wraps)"] : codes).map((code) => `${code}: ${template}`),
    );
    const text = `${lines.sort().join("\n")}\n`;
    if (process.env.UPDATE_SENTENCES) writeFileSync(snapshot, text);
    expect(text, "a sentence has changed: run the test with UPDATE_SENTENCES=1").toBe(
      readFileSync(snapshot, "utf8"),
    );
  });

  it("is found by the scan, whatever its form", () => {
    const count = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => readFileSync(`${root}src/${name}`, "utf8"))
      .flatMap((text) => [...text.matchAll(new RegExp(`new (${classes.join("|")})\\b`, "g"))]).length;
    expect(sites.filter(({ className }) => className !== "Failure")).toHaveLength(count);
    expect(count).toBeGreaterThan(150);
  });

  it("has a code in kebab case", () => {
    for (const { where, codes, wraps } of sites) {
      expect(wraps || codes.length > 0, where).toBe(true);
      for (const code of codes) expect(code, where).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    }
  });

  it("has a code of its own, but for situations that two sites share", () => {
    const codes = sites.flatMap((site) => site.codes).sort();
    expect(codes.filter((code, k) => code === codes[k - 1])).toEqual(shared);
  });

  it("is one line", () => {
    for (const { where, template } of sites) expect(template, where).not.toMatch(/[\r\n]|\\n/);
  });

  it("says what to do", () => {
    const silent = sites.filter(
      (site) => !betweenPrograms.includes(site.className) && !site.wraps && !saysWhatToDo(site),
    );
    expect(silent.map(({ codes }) => codes[0]).sort()).toEqual(exceptions);
  });
});
