import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { comparisonPage, MAX_CURVE_POINTS, viewComparison } from "../src/inspect/comparison-page.js";
import type { CellResult, Measured, Point } from "../src/runs/comparison-result.js";
import { clipped, findChromium, suiteBrowser } from "./support/chromium.js";
import { newFolder } from "./support/runs.js";

const hasChromium = findChromium("comparison: pages are not looked at");

/** A run that learns more slowly the greater `row` is, and sends as much more. It closes with its last evaluation. */
function measured(name: string, row: number, seed = 1): Measured {
  const points = Array.from({ length: 10 }, (_, k): Point => {
    const rounds = 10 * (k + 1);
    const worst = 0.97 - 0.6 * Math.exp(-rounds / (15 + row)) - 0.01 * seed;
    const bytes = 1000 * rounds * (row + 1);
    return {
      ...{ rounds, steps: rounds, bytes, busiestBytes: bytes, messages: rounds },
      ...{ worst, mean: worst, meanModel: worst + 0.01, worstLoss: 1 - worst, meanModelLoss: 1 - worst },
      ...{ consensusDistance: 0.25, isClosing: k === 9 },
    };
  });
  return { name, seed, key: "", parameters: 100, points, total: points.at(-1)!, seconds: 1 };
}

const settings = { target: 0.9, stepMs: 2, latencyMs: 3 };
const pageOf = (results: readonly CellResult[], own: Partial<typeof settings> = settings) =>
  comparisonPage(viewComparison(results, { stepMs: 0, latencyMs: 0, ...own }, "a comparison"));
const rows = (count: number) => Array.from({ length: count }, (_, row) => measured(`row ${row}`, row));
const failed = { name: "odd", seed: 2, key: "", problem: "peer 0 diverged" };

describe("a comparison's page", () => {
  it("needs nothing else, and cannot be broken out of", () => {
    const evil = '</script><script>alert("x")</script>';
    const page = pageOf([measured(evil, 1), { ...failed, problem: evil }]);
    expect(page).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)="(?!data:)/);
    expect(page).not.toMatch(/@import|url\((?!data:)/);
    expect(page).not.toContain('<script>alert("x")');
  });

  it("draws few evaluations of many, the last one among them", () => {
    const run = measured("long", 1);
    const points = Array.from({ length: 3 * MAX_CURVE_POINTS + 1 }, (_, k) => ({
      ...run.points[0]!,
      rounds: k,
    }));
    const { curve } = viewComparison([{ ...run, points }], settings, "")!.rows[0]!;
    expect(curve.length).toBeLessThanOrEqual(MAX_CURVE_POINTS);
    expect(curve.length).toBeGreaterThan(MAX_CURVE_POINTS / 2);
    expect(curve.at(-1)!.rounds).toBe(points.length - 1);
  });
});

describe.skipIf(!hasChromium)("a comparison's page in Chromium", () => {
  const browser = suiteBrowser();

  async function open(html: string, width?: number, colorScheme?: "light" | "dark"): Promise<Page> {
    const page = await browser.newPage(width, colorScheme);
    const file = join(newFolder(), "comparison.html");
    writeFileSync(file, html);
    await page.goto(pathToFileURL(file).href);
    await page.waitForSelector("h1");
    return page;
  }
  const cellsOf = (page: Page) =>
    page.$$eval("#rows tbody tr", (lines) =>
      lines.map((line) => [...line.children].map((cell) => cell.textContent)),
    );
  const charts = (page: Page) => page.$$eval(".chart:has(canvas)", (cards) => cards.map(({ id }) => id));

  it("has a line of figures for every row, and a note for every run without a result", async () => {
    const page = await open(pageOf([...rows(2), measured("odd", 8), failed]));
    expect(await charts(page)).toEqual(["chart-frontier", "chart-modelled-time"]);
    const [first, second, odd] = await cellsOf(page);
    // 30 rounds to 88 %, 40 to 92 %: 40 kB, 40 steps of 2 ms and 40 messages of 3 ms and back.
    expect(first).toEqual([
      "1row 0 ★",
      ...["95.9 %", "95.9 %", "96.9 %", "0.25", "95.9 %", "0.25", "100 kB", "80"],
      ...["40 kB", "40", "352 ms", "323 ms", "320 ms", "320 ms"],
    ]);
    expect(second![0]).toBe("2row 1");
    expect(odd![0]).toBe("3odd (1 of 2 seeds)");
    expect(await page.textContent(".notes")).toContain("odd, seed 2: peer 0 diverged");
    await page.close();
  });

  it("shows and hides rows in both charts, and names what is under the cursor", async () => {
    const page = await open(pageOf(rows(2)));
    const pixels = () =>
      page.$$eval(".chart canvas", (all) => all.map((canvas) => (canvas as HTMLCanvasElement).toDataURL()));
    const before = await pixels();
    const button = page.locator(".rows-key button").first();
    await button.click();
    await page.mouse.move(0, 0);
    await button.blur();
    expect(await button.getAttribute("aria-pressed")).toBe("false");
    const hidden = await pixels();
    for (const [k, image] of hidden.entries()) expect(image).not.toBe(before[k]);
    await button.click();
    await page.mouse.move(0, 0);
    await button.blur();
    expect(await pixels()).toEqual(before);

    // The last evaluation of the last row is the rightmost point.
    const box = (await page.locator("#chart-frontier .u-over").boundingBox())!;
    await page.mouse.move(box.x + box.width - 12, box.y + 12);
    expect(await page.textContent("#chart-frontier .readout")).toMatch(
      /^2 row 1: 9\d\.\d % after \d+ kB and \d+ rounds$/,
    );
    await page.close();
  });

  it("gives every row a mark that differs without its colour", async () => {
    const page = await open(pageOf(rows(16)));
    const marks = await page.$$eval(".rows-key .mark path", (paths) =>
      paths.map((path) => `${path.getAttribute("d")} ${path.getAttribute("class")}`),
    );
    expect(new Set(marks).size).toBe(16);
    expect(await page.getAttribute("#chart-frontier [role=img]", "aria-label")).toContain("each of 16 rows");
    await page.close();
  });

  it.each([
    [1280, "light"],
    [390, "dark"],
  ] as const)("fits %i pixels in %s", async (width, scheme) => {
    const page = await open(
      pageOf([...rows(7), failed, measured("a long name ".repeat(20), 3)]),
      width,
      scheme,
    );
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBe(0);
    expect(await clipped(page)).toEqual([]);
    expect(await page.locator("#rows .stacked").count()).toBe(width === 390 ? 1 : 0);
    const table = page.locator("#rows table");
    expect(await table.locator("caption").textContent()).toBe("Rows");
    expect(await table.locator("th:not([scope])").count()).toBe(0);
    const [cell, label] = await table
      .locator("td")
      .last()
      .evaluate((it) => [it.textContent, (it as HTMLElement).dataset.label]);
    expect([cell, label]).toEqual(["400 ms", "10 Gbit/s, to 90.0 % in every peer"]);
    await page.close();
  });

  it("draws an error as what it is, and an accuracy beside it in the table alone", async () => {
    const metric = { name: "mae", better: "lower" } as const;
    const results = [{ ...measured("of errors", 3), metric }, measured("of classes", 0)];
    const page = await open(pageOf([results[0]!], { ...settings, target: 0.5 }));
    expect(await page.textContent("#chart-frontier h2")).toBe("mae of the worst peer over bytes sent");
    const text = await page.textContent("#rows");
    expect(text).toMatch(/to 0\.5 in every peer/);
    expect(text).not.toContain("%");
    await page.close();
    const mixed = await open(pageOf(results));
    expect(await charts(mixed)).toContain("chart-frontier");
    expect(await mixed.textContent("#rows")).toMatch(/accuracy.*mae|mae.*accuracy/);
    await mixed.close();
  });

  it("shows the settings in which rows differ, and no others", async () => {
    const topology = { file: "ring-8.json", content: {} };
    const cell = (name: string, seed: number, own: object) => ({
      ...{ name, seed, key: "", topology, settings: { rounds: 9, seed, ...own } },
    });
    const cells = [
      cell("row 0", 1, { compressor: "minmax" }),
      cell("row 1", 1, { compressor: { kind: "sign", scope: "block" } }),
      cell("row 1", 2, { compressor: { kind: "sign", scope: "block" } }),
    ];
    const view = viewComparison(rows(2), { ...settings }, "a comparison", cells);
    const page = await open(comparisonPage(view), 390);
    const shown = await page.$$eval("#differences tr", (lines) =>
      lines.map((line) => [...line.children].map((it) => it.textContent)),
    );
    expect(shown).toEqual([
      ["setting", "row 0", "row 1"],
      ["compressor", "minmax", "sign"],
      ["compressor.scope", "–", "block"],
    ]);
    expect(await clipped(page)).toEqual([]);
    await page.close();
  });

  it("says why a chart is not there", async () => {
    const unreached = await open(pageOf(rows(2), { ...settings, target: 0.999 }));
    expect(await charts(unreached)).toEqual(["chart-frontier"]);
    expect(await unreached.textContent(".notes")).toContain("no row reaches the target");
    await unreached.close();
    const withoutClasses = await open(
      pageOf(
        rows(2).map((run) => ({ ...run, points: [] })),
        {},
      ),
    );
    expect(await charts(withoutClasses)).toEqual(["chart-modelled-time"]);
    expect(await withoutClasses.textContent(".notes")).toContain("there is nothing to draw");
    await withoutClasses.close();
    const empty = await open(pageOf([failed]));
    expect(await charts(empty)).toEqual([]);
    expect(await empty.textContent(".notes")).toContain("no run has a result");
    await empty.close();
  });

  it("had nothing to complain about on any page", () => {
    expect(browser.problems).toEqual([]);
  });
});
