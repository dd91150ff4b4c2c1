import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { table } from "../src/cli/table.js";
import { murmur } from "./support/processes.js";
import { createScreen } from "./support/screen.js";
import { nodeInTerminal, noTerminal } from "./support/terminal.js";

const root = new URL("..", import.meta.url).pathname;
const main = join(root, "dist/cli/main.js");
const ring4 = join(root, "topologies/ring-4.json");
const scratch = mkdtempSync(join(tmpdir(), "murmur-terminal-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A short run, whose models are eight numbers. */
const quick = ["--trainer", "quadratic", "--rounds", "6", "--evaluate-every", "3"];

// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
const plain = (text: string) => text.replace(/\u001b\[\d+m/g, "");

describe("a screen", () => {
  const shownBy = (text: string, width = 10, height = 3) => {
    const screen = createScreen(width, height);
    screen.write(text);
    return screen.lines();
  };

  it.each([
    ["lines", "ab\r\ncd", ["ab", "cd"]],
    ["one line over another", "abc\rd", ["dbc"]],
    ["a line that is too long", "0123456789ab", ["0123456789", "ab"]],
    ["a line that just fits", "0123456789\r\nab", ["0123456789", "ab"]],
    ["what was not erased", "ab\r\ncd\r\u001b[1A\u001b[Je", ["e"]],
    ["the end of a line erased", "abc\r\u001b[Kd", ["d"]],
    ["lines below the top only", "1\r\n2\r\n3\r\n4\r\u001b[9Ax", ["1", "x", "3", "4"]],
  ])("shows %s", (_, text, lines) => {
    expect(shownBy(text)).toEqual(lines);
  });

  it("refuses what it does not know", () => {
    expect(() => shownBy("\u001b[5S")).toThrow(/does not know/);
    expect(() => shownBy("\u0007")).toThrow(/does not know/);
  });
});

/** What is on the screen when the command is over. */
function shown(columns: number, ...args: string[]): string[] {
  const { bytes, status } = nodeInTerminal(columns, ...args);
  expect(status).toBe(0);
  const screen = createScreen(columns, 24);
  screen.write(bytes);
  return screen.lines();
}

/** Of a run that is over. */
const BAR = /^\S.* █+ (\d+)\/\1 in \d+:\d\d(, \S+ rounds\/s|, .+ a round)?$/;

if (noTerminal !== undefined) console.warn(noTerminal);

describe.skipIf(noTerminal !== undefined)("in a terminal", () => {
  it.each([80, 200])("whatever is written goes above the progress, whole, at %d columns", (columns) => {
    const lines = shown(columns, join(root, "test/support/noisy-progress.mjs"));
    const long = `warning: long ${"x".repeat(100)}`;
    const longRows = columns < long.length ? [long.slice(0, columns), long.slice(columns)] : [long];
    expect(lines).toEqual([
      ...["note 1", "result 1", "library 1", "half and half", ...longRows, "bytes 1", "bytes 2"],
      ...[expect.stringMatching(BAR), "after", "prompt"],
    ]);
  });

  it("progress shows times and a remark while it runs, and is no wider than the terminal", () => {
    const { bytes } = nodeInTerminal(40, join(root, "test/support/noisy-progress.mjs"));
    const lines = plain(bytes)
      .split(/\r?\n|\r/)
      .filter((line) => /^(noisy| {2}peer 0 waits)/.test(line));
    expect(lines).toContain("  peer 0 waits for peer 1, which wai…");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(37);
    expect(plain(bytes)).toMatch(/noisy 2\/4 in \d+:\d\d, .*…/);
  });

  it("a run of processes leaves every message and table whole", () => {
    const lines = shown(80, main, "up", ring4, ...quick, "--metrics", "0");
    const messages = [
      /^ring-4 names no identities: .*$/,
      /^run only$/,
      /^ring-4: 4 peers, 4 edges, spectral gap [\d.]+$/,
      /^consensus rate η [\d.]+ \(auto\)$/,
      /^peer \d: metrics: http:\/\/127\.0\.0\.1:\d+\/metrics$/,
      BAR,
    ];
    const end = lines.findIndex((line) => BAR.test(line));
    for (const line of lines.slice(0, end + 1)) {
      expect(messages.filter((message) => message.test(line)).length, line).toBe(1);
    }
    for (const peer of [0, 1, 2, 3]) {
      expect(lines.filter((line) => line.startsWith(`peer ${peer}: metrics:`))).toHaveLength(1);
      expect(lines.join("\n")).toMatch(new RegExp(`^ +${peer} +[0-9a-f]{64}$`, "m"));
    }
    expect(lines.slice(end + 1).join("\n")).toMatch(/held-out/);
  });

  it("an error is the last line, below the progress", () => {
    const { bytes, status } = nodeInTerminal(
      80,
      main,
      "simulate",
      ring4,
      ...quick,
      "--learning-rate",
      "1e30",
    );
    expect(status).toBe(2);
    const screen = createScreen(80, 24);
    screen.write(bytes);
    const lines = screen.lines().filter((line) => line !== "");
    const at = lines.findIndex((line) => line.startsWith("error: "));
    expect(lines[at - 1]).toMatch(/^edge-choco [█░]+ \d\/6 in \d+:\d\d/);
    expect(lines.slice(at).join("")).toMatch(/^error: .*diverged/);
  });
});

describe("without a terminal", () => {
  it("progress is a line every tenth of the way, with times", () => {
    const { stderr } = murmur("simulate", ring4, ...quick);
    expect(stderr).toMatch(/^edge-choco 1\/6 in \d+:\d\d, consensus distance \S+$/m);
    expect(stderr).toMatch(/^edge-choco 6\/6 in \d+:\d\d(, .+)?, consensus distance \S+$/m);
  });

  it("the tables and plots of inspect take 80 columns at most", () => {
    const out = join(scratch, "wide");
    murmur("simulate", ring4, "--rounds", "8", "--evaluate-every", "2", "--project-every", "2", "--out", out);
    const one = murmur("inspect", out).stdout;
    const both = murmur("inspect", out, "--compare", out).stdout;
    // Sentences, which are no tables.
    const sentence = /^(wide.*: )?((not )?healthy|no verdict): |^experiment: /;
    const lines = `${one}\n${both}`.split("\n").filter((line) => !sentence.test(line));
    expect(lines.length).toBeGreaterThan(80);
    for (const line of lines) expect([...line].length, line).toBeLessThanOrEqual(80);
    expect(one).toMatch(/^round +training /m);
    expect(one).toMatch(/^ +1[0-9] +closing /m);
    expect(one).toMatch(/^━a━ worst peer {3}━b━ best peer$/m);
  });

  it("a reader may leave: the command ends with 0 and without a word", () => {
    const out = join(scratch, "left");
    expect(murmur("simulate", ring4, ...quick, "--out", out).status).toBe(0);
    for (const json of ["", "--json"]) {
      const { stdout, stderr } = spawnSync(
        "bash",
        [
          "-c",
          `'${process.execPath}' '${main}' inspect '${out}' ${json} | head -n 1; echo "$\{PIPESTATUS[0]}"`,
        ],
        { encoding: "utf8" },
      );
      expect(stderr).toBe("");
      expect(stdout.trimEnd().split("\n")).toHaveLength(2);
      expect(stdout).toMatch(/\n0\n$/);
    }
  });

  it("exports alone say only where they are", () => {
    const out = join(scratch, "exported");
    murmur("simulate", ring4, ...quick, "--out", out);
    const file = (name: string) => join(scratch, name);
    const exported = (...args: string[]) => {
      const { stdout, stderr, status } = murmur("inspect", out, ...args);
      return [status, stdout, stderr];
    };
    expect(exported("--html", file("a.html"))).toEqual([0, "", `report: ${file("a.html")}\n`]);
    expect(exported("--csv", file("a.csv"))).toEqual([0, "", `csv: ${file("a.csv")}\n`]);
    expect(exported("--tensorboard", file("events"))).toEqual([
      ...[0, "", `event files: tensorboard --logdir ${file("events")}\n`],
    ]);
    expect(murmur("inspect", out, "--json", "--csv", file("b.csv")).stdout).toContain('"round":1,');
  });
});

describe("a table", () => {
  const words = fc.stringMatching(/^[a-z]{1,6}( [a-z]{1,6}){0,3}$/);
  const tables = fc.integer({ min: 1, max: 8 }).chain((columns) =>
    fc.record({
      head: fc.array(words, { minLength: columns, maxLength: columns }),
      rows: fc.array(
        fc.array(fc.stringMatching(/^[0-9a-z]{1,12}$/), { minLength: columns, maxLength: columns }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
    }),
  );

  it("is as wide as allowed at most, and loses no cell and no title", () => {
    fc.assert(
      fc.property(tables, fc.integer({ min: 26, max: 90 }), ({ head, rows }, width) => {
        const drawn = plain(table(head, rows, width));
        for (const line of drawn.split("\n")) {
          expect(line.length).toBeLessThanOrEqual(width);
          expect(line).toBe(line.trimEnd());
        }
        const shownWords = drawn.split(/\s+/);
        for (const cell of [...rows.flat(), ...head.flatMap((title) => title.split(" "))]) {
          expect(shownWords).toContain(cell);
        }
      }),
    );
  });

  it("goes on below with the first column repeated", () => {
    const drawn = plain(table(["peer", "first", "second"], [[7, "aaaaaaaaaa", "bbbbbbbbbb"]], 20));
    expect(drawn).toBe("peer  first\n   7  aaaaaaaaaa\n\npeer  second\n   7  bbbbbbbbbb");
  });
});
