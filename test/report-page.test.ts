import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { createLiveServer } from "../src/inspect/live.js";
import { readRun } from "../src/inspect/read.js";
import { type PageData, renderPage } from "../src/inspect/report.js";
import { viewRun } from "../src/inspect/view.js";
import { clipped, findChromium, suiteBrowser } from "./support/chromium.js";
import { linesOf, loggedRun, newFolder } from "./support/runs.js";

const hasChromium = findChromium("report: charts and tables are not looked at");

let directory: string;
beforeAll(async () => {
  directory = await loggedRun();
});

const viewOf = (folder: string, name = "run") => ({ ...viewRun(readRun(folder)), name });

describe("live server", () => {
  it("answers HEAD as GET, without a body", async () => {
    const server = await createLiveServer(directory);
    for (const [path, type] of [
      ["", "text/html"],
      ["events", "text/event-stream"],
    ] as const) {
      const response = await fetch(`${server.url}${path}`, { method: "HEAD" });
      expect([path, response.status, await response.text()]).toEqual([path, 200, ""]);
      expect(response.headers.get("content-type")).toContain(type);
    }
    expect((await fetch(`${server.url}peer-0.jsonl`, { method: "HEAD" })).status).toBe(404);
    await server.close();
  });
});

describe.skipIf(!hasChromium)("report in Chromium", () => {
  const browser = suiteBrowser();

  /** A page that keeps every text that is drawn on a canvas, by canvas. */
  async function open(data: Pick<PageData, "runs" | "by">, width = 1280): Promise<Page> {
    const page = await browser.newPage(width);
    await page.addInitScript(() => {
      const draw = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
        this.canvas.dataset.texts = `${this.canvas.dataset.texts ?? ""}|${text}`;
        draw.call(this, text, ...(place as [number, number]));
      };
    });
    const file = join(newFolder(), "report.html");
    writeFileSync(file, renderPage({ ...data, live: false }));
    await page.goto(pathToFileURL(file).href);
    await page.waitForSelector(".chart canvas");
    return page;
  }
  const openRun = (width?: number) => open({ runs: [viewOf(directory)] }, width);
  const textsOf = (page: Page, id: string) => page.getAttribute(`#chart-${id} canvas`, "data-texts");
  const valuesOf = (page: Page, id: string) =>
    page.$$eval(`#chart-${id} .legend dd`, (all) => all.map((dd) => Number(dd.getAttribute("data-value"))));
  const whereOf = (page: Page, id: string) => page.textContent(`#chart-${id} .where`);

  it.each([
    ["round", "round"],
    ["bytes", "sent per peer, in bytes"],
    ["seconds", "time since the start"],
  ] as const)("opens by %s where it is asked to, with that title below every chart", async (by, title) => {
    const page = await open({ runs: [viewOf(directory)], by });
    expect(await page.locator("input[name=axis]:checked").getAttribute("value")).toBe(by);
    expect(await textsOf(page, "loss")).toContain(title);
    expect(await textsOf(page, "consensus")).toContain("squared distance");
    expect(await page.getAttribute("#chart-loss .plot", "aria-label")).toContain(`by ${title}`);
    await page.close();
  });

  it("shows the last training round at rest, and the round under the cursor in all charts", async () => {
    const page = await openRun();
    const { series, learningRounds } = viewOf(directory);
    expect(learningRounds).toBe(60);
    const at = (round: number) => series.round.indexOf(round);
    expect(await whereOf(page, "consensus")).toBe("round 60");
    expect((await valuesOf(page, "consensus"))[0]).toBe(series.consensusExact[at(60)]);
    expect(await valuesOf(page, "bytes")).toEqual([series.bytes[at(60)]]);

    const box = (await page.locator("#chart-loss .u-over").boundingBox())!;
    await page.mouse.move(box.x + box.width / 3, box.y + 20);
    const round = Number(/^round (\d+)$/.exec((await whereOf(page, "loss"))!)![1]);
    expect(round).toBeGreaterThan(15);
    expect(round).toBeLessThan(30);
    expect(await whereOf(page, "bytes")).toBe(`round ${round}`);
    expect(await valuesOf(page, "bytes")).toEqual([series.bytes[at(round)]]);
    expect((await valuesOf(page, "consensus"))[0]).toBe(series.consensusExact[at(round)]);
    await page.mouse.move(box.x + box.width - 1, box.y + 20);
    expect(await whereOf(page, "bytes")).toMatch(/^round 6\d \(closing\)$/);
    await page.mouse.move(0, 0);
    expect(await whereOf(page, "bytes")).toBe("round 60");
    await page.close();
  });

  it("moves the cursor with the keyboard", async () => {
    const page = await openRun();
    const { series } = viewOf(directory);
    await page.focus("#chart-loss .plot");
    await page.keyboard.press("Home");
    for (let step = 0; step < 3; step++) await page.keyboard.press("ArrowRight");
    expect(await whereOf(page, "loss")).toBe("round 4");
    expect(await whereOf(page, "residual")).toBe("round 4");
    expect(await valuesOf(page, "loss")).toEqual([series.loss[3]]);
    await page.keyboard.press("Escape");
    expect(await whereOf(page, "residual")).toBe("round 60");
    await page.close();
  });

  it("zooms all charts, and shows all points again", async () => {
    const page = await openRun();
    expect(await page.isVisible("text=reset zoom")).toBe(false);
    const box = (await page.locator("#chart-loss .u-over").boundingBox())!;
    await page.mouse.move(box.x + 0.25 * box.width, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + 0.5 * box.width, box.y + 20, { steps: 3 });
    await page.mouse.up();
    const roundAtLeft = async (id: string) => {
      const over = page.locator(`#chart-${id} .u-over`);
      await over.scrollIntoViewIfNeeded();
      const place = (await over.boundingBox())!;
      await page.mouse.move(place.x + 2, place.y + 20);
      return Number(/\d+/.exec((await whereOf(page, id))!)![0]);
    };
    expect(await roundAtLeft("residual")).toBeGreaterThan(10);
    await page.click("text=reset zoom");
    expect(await roundAtLeft("residual")).toBeLessThan(4);
    expect(await page.isVisible("text=reset zoom")).toBe(false);
    await page.close();
  });

  it("switches between scales, and saves a picture and the numbers", async () => {
    const page = await openRun();
    const log = page.locator("#chart-loss button", { hasText: "log" });
    const before = await page
      .locator("#chart-loss canvas")
      .evaluate((it) => (it as HTMLCanvasElement).toDataURL());
    await log.click();
    expect(await log.getAttribute("aria-pressed")).toBe("true");
    const after = await page
      .locator("#chart-loss canvas")
      .evaluate((it) => (it as HTMLCanvasElement).toDataURL());
    expect(after).not.toBe(before);

    const saved = async (button: string) => {
      const waiting = page.waitForEvent("download");
      await page.locator("#chart-bytes button", { hasText: button }).click();
      const download = await waiting;
      return { name: download.suggestedFilename(), content: readFileSync(await download.path()) };
    };
    const csv = await saved("CSV");
    expect(csv.name).toBe("run-bytes.csv");
    const lines = csv.content.toString().trimEnd().split("\n");
    const { series } = viewOf(directory);
    expect(lines[0]).toBe('round,"bytes per peer"');
    expect(lines.slice(1)).toEqual(series.round.map((round, k) => `${round},${series.bytes[k]}`));
    const png = await saved("PNG");
    expect(png.name).toBe("run-bytes.png");
    expect(png.content.subarray(1, 4).toString()).toBe("PNG");
    await page.close();
  });

  it("numbers the peers of matrices, and names the round beside the slider", async () => {
    const page = await openRun();
    const numbers = (selector: string) => page.$$eval(selector, (all) => all.map((it) => it.textContent));
    const peers = ["0", "1", "2", "3", "4", "5", "6", "7"];
    expect(await numbers("#pairs .row-numbers span")).toEqual(peers);
    expect(await numbers("#pairs .column-numbers span")).toEqual(peers);
    expect(await numbers("#drift .row-numbers span")).toEqual(peers);
    expect((await numbers("#drift .column-numbers span"))[0]).toBe("10");
    expect(await page.textContent("#pairs output")).toBe("round 60");
    await page.locator("#pairs input").fill("0");
    expect(await page.textContent("#pairs output")).toBe("round 10");
    expect(await page.getAttribute("#pairs input", "aria-valuetext")).toBe("round 10");
    await page.close();
  });

  it("shows a thousand peers and rounds without numbers over each other", async () => {
    const view = viewOf(directory);
    const numbers = Array.from({ length: 1000 }, (_, peer) => peer);
    const rounds = Array.from({ length: 48 }, (_, k) => 20 * (k + 1));
    const distances = Array.from({ length: (128 * 127) / 2 }, (_, k) => 1 + (k % 7));
    const large = {
      ...{ ...view, projectedPeers: numbers, pairs: [{ round: 20, distances }] },
      drift: { rounds, distances: numbers.map(() => rounds.map(() => 1)) },
      peers: numbers.map((peer) => ({ ...view.peers[0]!, peer })),
      topology: { ...view.topology, peers: 1000 },
    };
    for (const width of [1280, 390]) {
      const page = await open({ runs: [large] }, width);
      for (const axis of ["#pairs .column-numbers", "#drift .column-numbers"]) {
        const boxes = await page.$$eval(`${axis} span`, (all) =>
          all.map((it) => it.getBoundingClientRect().toJSON()),
        );
        expect(boxes.length).toBeGreaterThan(4);
        for (const [k, { left }] of boxes.slice(1).entries())
          expect(left).toBeGreaterThan(boxes[k].right + 2);
      }
      expect(
        await page.$$eval(".tiles > div", (all) => all.filter((it) => it.scrollWidth > it.clientWidth)),
      ).toEqual([]);
      await page.close();
    }
  });

  it("marks the low end of colours that smaller distances share", async () => {
    const page = await openRun();
    const low = () => page.textContent("#pairs .low");
    expect(await page.textContent("#drift .low")).toMatch(/^≤ \d/);
    expect(await low()).toMatch(/^\d/);
    const slider = page.locator("#pairs input");
    await slider.fill((await slider.getAttribute("max"))!);
    expect(await page.textContent("#pairs output")).toContain("closing");
    expect(await low()).toMatch(/^≤ \d/);
    await page.close();
  });

  it("says of every card whether it is of before or after closing", async () => {
    const page = await openRun();
    const { standing } = viewOf(directory);
    expect(standing.closed!.consensus).toBeLessThan(1e-3 * standing.learned.consensus!);
    const remark = (id: string) => page.textContent(`.tiles div:has([data-stat=${id}]) .remark`);
    expect(await remark("consensus")).toMatch(/^exact, before closing \(after: .+\)$/);
    expect(await remark("rounds")).toMatch(/^60 of 60 training, \d+ closing$/);
    expect(await remark("bytes")).toBe("closing included");
    expect(await remark("loss")).toContain("last training round");
    await page.close();
  });

  it("lists every setting in full, but not what is for editors", async () => {
    const view = viewOf(directory);
    const experiment = { ...view.experiment, $schema: "./experiment.schema.json", long: "word ".repeat(60) };
    for (const width of [1280, 390]) {
      const page = await open({ runs: [{ ...view, experiment }] }, width);
      const names = await page.$$eval("#settings dt", (all) => all.map((it) => it.textContent));
      expect(names).toEqual(expect.arrayContaining(["algorithm", "rounds", "long", "murmuration"]));
      expect(names).not.toContain("$schema");
      expect(await clipped(page)).toEqual([]);
      await page.close();
    }
  });

  it("describes every picture and table", async () => {
    const runs = [viewOf(directory, "first"), viewOf(await loggedRun({ algorithm: "dpsgd" }), "second")];
    for (const shown of [runs.slice(0, 1), runs]) {
      const page = await open({ runs: shown });
      const pictures = await page.$$eval("canvas, #graph svg", (all) =>
        all
          .filter((it) => it.checkVisibility())
          .map((it) => it.closest("[role=img]")?.getAttribute("aria-label") ?? ""),
      );
      expect(pictures.length).toBeGreaterThan(6);
      for (const label of pictures) expect(label).toMatch(/^[A-Z].{30,}\.$/);
      const tables = await page.$$eval("table", (all) =>
        all.map((table) => ({
          caption: table.caption?.textContent,
          withoutScope: table.querySelectorAll("th:not([scope])").length,
          heads: table.querySelectorAll("tbody th[scope=row]").length === table.tBodies[0]!.rows.length,
        })),
      );
      expect(tables.length).toBeGreaterThan(0);
      for (const { caption, withoutScope, heads } of tables) {
        expect([Boolean(caption), withoutScope, heads]).toEqual([true, 0, true]);
      }
      await page.close();
    }
  });

  it.each([1280, 390])("cuts nothing at %i pixels, of one run or of several", async (width) => {
    const other = await loggedRun({ algorithm: "dpsgd", seed: 5 });
    const counted = join(newFolder(), "real");
    mkdirSync(counted);
    for (let peer = 0; peer < 8; peer++) {
      const name = `peer-${peer}.jsonl`;
      const end = { type: "end", outcome: "completed", counters: { reconnects: 7, checkpointMs: 9e6 } };
      writeFileSync(join(counted, name), [...linesOf(directory, name), JSON.stringify(end), ""].join("\n"));
    }
    const many = await loggedRun({ trainer: { kind: "quadratic", dimension: [20] }, rounds: 4 }, 40);
    const [first, second] = [viewOf(directory, "a-long-name-".repeat(8)), viewOf(other, "second")];
    for (const runs of [[viewOf(counted)], [viewOf(many)], [first, second, viewOf(counted, "third")]]) {
      const page = await open({ runs }, width);
      expect(await clipped(page)).toEqual([]);
      const stacked = await page.locator("#peers .table, #runs .table").first().getAttribute("class");
      expect(stacked!.includes("stacked")).toBe(width === 390);
      await page.close();
    }
  });

  it("folds long tables, and unfolds them", async () => {
    const many = await loggedRun({ trainer: { kind: "quadratic", dimension: [20] }, rounds: 4 }, 40);
    for (const width of [1280, 390]) {
      const page = await open({ runs: [viewOf(many)] }, width);
      const shown = () => page.locator("#peers tbody tr:visible").count();
      expect(await shown()).toBe(16);
      await page.click("text=show all 40 rows");
      expect(await shown()).toBe(40);
      await page.close();
    }
  });

  it("shows what differs between runs, both rates, and means over seeds", async () => {
    const settings = { learningRate: 0.05, algorithm: "choco", compressor: "sign" };
    const runs = [
      ...[1, 2, 3].map((seed) => ({ ...settings, seed })),
      { ...settings, seed: 1, learningRate: 0.02 },
    ];
    const views = [];
    for (const [k, own] of runs.entries()) views.push(viewOf(await loggedRun(own), `run ${k}`));
    const page = await open({ runs: views });
    const cells = (selector: string) =>
      page.$$eval(selector, (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    expect(await cells("#differences tr")).toEqual([
      ["run", "seed", "learningRate"],
      ["run 0", "1", "0.05"],
      ["run 1", "2", "0.05"],
      ["run 2", "3", "0.05"],
      ["run 3", "1", "0.02"],
    ]);
    const groups = await cells("#groups tbody tr");
    expect(groups.map(([name, n, seeds]) => [name, n, seeds])).toEqual([
      ["learningRate 0.05", "3", "1, 2, 3"],
      ["learningRate 0.02", "1", "1"],
    ]);
    expect(groups[0]![3]).toMatch(/^[\d.]+ ± [\d.e-]+$/);
    expect(groups[1]![3]).toMatch(/^[\d.e-]+$/);
    const heads = await page.$$eval("#runs thead th", (all) => all.map((it) => it.textContent));
    expect(heads).toEqual(expect.arrayContaining(["before closing", "after closing"]));
    expect(await valuesOf(page, "learning-rate")).toEqual([0.05, 0.05, 0.05, 0.02]);
    expect(await valuesOf(page, "consensus-rate")).toHaveLength(4);
    expect(await page.isVisible("#chart-rates")).toBe(false);
    await page.close();
  });

  it("had nothing to complain about on any page", () => {
    expect(browser.problems).toEqual([]);
  });
});
