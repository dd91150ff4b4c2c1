import { appendFileSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, it } from "vitest";
import { CannotListen } from "../src/foundation/errors.js";
import { MAX_PAIRED_PEERS } from "../src/inspect/consensus.js";
import { createLiveServer, type LiveServer } from "../src/inspect/live.js";
import { readRun } from "../src/inspect/read.js";
import { renderPage } from "../src/inspect/report.js";
import { viewRun } from "../src/inspect/view.js";
import type { GraphRound, PeerRound } from "../src/runs/log.js";
import { findChromium, suiteBrowser } from "./support/chromium.js";
import { expectRejection } from "./support/errors.js";
import { linesOf, loggedRun, newFolder } from "./support/runs.js";

const hasChromium = findChromium("report: pages are not looked at");

let directory: string;
beforeAll(async () => {
  directory = await loggedRun();
});

const parsed = <Line>(folder: string, name: string, type: string) =>
  linesOf(folder, name)
    .map((line) => JSON.parse(line))
    .filter((line) => line.type === type) as Line[];

describe("report", () => {
  it("is one page that needs nothing else", () => {
    const page = renderPage({ runs: [viewRun(readRun(directory))], live: false });
    expect(page).not.toMatch(/<(?:script|link|img)[^>]+(?:src|href)="(?!data:)/);
    expect(page).not.toMatch(/@import|url\((?!data:)/);
  });

  it("cannot be broken out of by what a log says", () => {
    const view = viewRun(readRun(directory));
    const evil = '</script><script>alert("x")</script>';
    const page = renderPage({ runs: [{ ...view, name: evil, warnings: [evil] }], live: false });
    expect(page).not.toContain('<script>alert("x")');
    const data = /<script id="data" type="application\/json">(.*?)<\/script>/s.exec(page)![1]!;
    expect(JSON.parse(data).runs[0].warnings).toEqual([evil]);
  });
});

describe("live server", () => {
  /** What `fetch` cannot do: a request under another host's name. */
  const statusFor = (url: string, host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      get(url, { headers: { host } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on("error", reject);
    });

  it("serves one page, on this machine and under its own name only", async () => {
    const server = await createLiveServer(directory);
    await server.caughtUp;
    const { hostname, host, port } = new URL(server.url);
    expect(hostname).toBe("127.0.0.1");
    expect(await statusFor(server.url, host)).toBe(200);
    expect(await statusFor(server.url, `localhost:${port}`)).toBe(200);
    expect(await statusFor(server.url, "elsewhere.example")).toBe(403);
    expect((await fetch(`${server.url}peer-0.jsonl`)).status).toBe(404);
    expect((await fetch(server.url, { method: "POST" })).status).toBe(405);
    const taken = createLiveServer(directory, { port: Number(port) });
    await expectRejection(taken, CannotListen, { code: "live-port" });
    await server.close();
    await server.close();
  });
});

describe.skipIf(!hasChromium)("pages in Chromium", () => {
  const browser = suiteBrowser();

  async function open(url: string, width?: number, colorScheme?: "light" | "dark"): Promise<Page> {
    const page = await browser.newPage(width, colorScheme);
    await page.goto(url);
    await page.waitForSelector(".chart canvas");
    return page;
  }

  async function openReport(folders: readonly string[], width?: number, scheme?: "light" | "dark") {
    const file = join(newFolder(), "report.html");
    writeFileSync(file, renderPage({ runs: folders.map((folder) => viewRun(readRun(folder))), live: false }));
    return open(pathToFileURL(file).href, width, scheme);
  }

  const numberAt = async (page: Page, selector: string) =>
    Number(await page.getAttribute(selector, "data-value"));

  it("show what models are judged by, and the largest error as the worst", async () => {
    const folder = join(newFolder(), "judged");
    mkdirSync(folder);
    const metric = { name: "mae", better: "lower" };
    const last: number[] = [];
    for (let peer = 0; peer < 8; peer++) {
      const lines = linesOf(directory, `peer-${peer}.jsonl`).map((text) => {
        const line = JSON.parse(text);
        if (!line.evaluation) return text;
        last[peer] = 10 + peer;
        const evaluation = { ...line.evaluation, metric, metrics: { mae: last[peer], r2: 0.5 } };
        return JSON.stringify({ ...line, evaluation });
      });
      writeFileSync(join(folder, `peer-${peer}.jsonl`), `${lines.join("\n")}\n`);
    }
    const page = await openReport([folder]);
    expect(await page.textContent("#chart-metric h2")).toBe("mae");
    expect(await page.textContent("#chart-metric .hint")).toMatch(
      /lower is better; the band spans all peers/,
    );
    expect(await numberAt(page, "[data-stat=mae]")).toBe(17);
    expect(await page.textContent("dd.remark >> text=/best/")).toBe(
      "worst peer; best 10, after closing (before: worst 17)",
    );
    const both = await openReport([folder, directory]);
    expect(await both.textContent("#runs")).toMatch(/worst peer.*mae 17.*–/);
    expect(await both.textContent("#chart-metric .legend")).toContain("13.5");
  });

  it("show who was waited for, what was counted and goodput, but not where one process played all peers", async () => {
    const simulated = await openReport([directory]);
    expect(await simulated.isVisible("#waits")).toBe(false);
    expect(await simulated.isVisible("#counts")).toBe(false);
    expect(await simulated.locator("[data-stat=goodput]").count()).toBe(0);

    // Without the log of the whole graph it is a run of real peers.
    const folder = join(newFolder(), "real");
    mkdirSync(folder);
    for (let peer = 0; peer < 8; peer++) {
      const lines = linesOf(directory, `peer-${peer}.jsonl`).map((text) => {
        const line = JSON.parse(text);
        if (line.type !== "round") return text;
        const time = { ...line.time, waitMs: 1 + peer, waitedFor: (peer + 1) % 8 };
        return JSON.stringify({ ...line, time });
      });
      writeFileSync(join(folder, `peer-${peer}.jsonl`), `${lines.join("\n")}\n`);
    }
    const end = { type: "end", outcome: "completed", counters: { reconnects: 7 } };
    appendFileSync(join(folder, "peer-3.jsonl"), `${JSON.stringify(end)}\n`);
    const { waits, goodput } = viewRun(readRun(folder));
    const page = await openReport([folder]);
    expect(await numberAt(page, "[data-stat=goodput]")).toBe(goodput);
    const cells = (selector: string) =>
      page.$$eval(selector, (rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    const shown = await cells("#waits tbody tr");
    expect(shown.map(([peer]) => Number(peer))).toEqual(waits!.byEnd.map(({ peer }) => peer));
    expect(shown.map((row) => Number(row.at(-1)))).toEqual(waits!.byEnd.map((lost) => lost.waits));
    expect(await page.locator("#waits li").count()).toBe(waits!.longest.length);
    expect(await cells("#counts tr")).toEqual([
      ["peer", "reconnects"],
      ["3", "7"],
    ]);
  });

  it("open with the verdict, in words and not by colour alone, one a run", async () => {
    const view = viewRun(readRun(directory));
    const page = await openReport([directory]);
    expect(await page.textContent(".verdicts")).toBe(view.verdict!.text);
    expect(await page.locator("#page .top > *").first().getAttribute("class")).toBe("verdicts");
    const both = await openReport([directory, directory]);
    expect(await both.locator(".verdict").count()).toBe(2);
    expect(await both.textContent(".verdict")).toBe(`${view.name}: ${view.verdict!.text}`);
  });

  it("show the numbers of the logs", async () => {
    const page = await openReport([directory]);
    const peers = [0, 1, 2, 3, 4, 5, 6, 7].map((peer) =>
      parsed<PeerRound>(directory, `peer-${peer}.jsonl`, "round"),
    );
    const graph = parsed<GraphRound>(directory, "graph.jsonl", "graph");
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

    const sent = peers.map((rounds) =>
      rounds.at(-1)!.traffic.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
    );
    expect(await numberAt(page, "[data-stat=bytes]")).toBeCloseTo(mean(sent), -1);
    expect(await numberAt(page, "[data-stat=rounds]")).toBe(graph.length);
    expect((await numberAt(page, "[data-stat=consensus]")) / graph[59]!.consensusDistance).toBeCloseTo(1, 4);
    const losses = peers.map((rounds) => rounds.findLast(({ loss }) => loss !== undefined)!.loss!);
    expect((await numberAt(page, "[data-stat=loss]")) / mean(losses)).toBeCloseTo(1, 4);
    expect((await numberAt(page, "#chart-loss .legend dd")) / mean(losses)).toBeCloseTo(1, 4);

    const edges = await page.$$eval("#graph .edge", (lines) =>
      lines.map((line) => [line.getAttribute("data-edge"), Number(line.getAttribute("data-bytes"))]),
    );
    expect(edges).toHaveLength(8);
    const [first] = peers[0]!.at(-1)!.traffic;
    expect(edges).toContainEqual(["0-1", first!.bytesSent + first!.bytesReceived]);
    expect(await page.locator("#graph circle").count()).toBe(8);
    expect(await page.locator("#peers tbody tr").count()).toBe(8);
    const shares = await page.$$eval("#layers dd", (cells) =>
      cells.map((cell) => Number(cell.getAttribute("data-value"))),
    );
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 3);
    await page.close();
  });

  it("move through the rounds and the axes", async () => {
    const page = await openReport([directory]);
    expect(await page.getAttribute("#pairs", "data-round")).toBe("60");
    const before = Number(await page.getAttribute("#pairs", "data-largest"));
    await page.locator("#pairs input").fill("0");
    expect(await page.getAttribute("#pairs", "data-round")).toBe("10");
    const instants = readRun(directory).consensus.instants();
    const largest = (pairs: Float32Array) => pairs.reduce((a, b) => Math.max(a, b), 0);
    expect(before).toBeCloseTo(largest(instants.find(({ round }) => round === 59)!.pairs!), 3);
    expect(Number(await page.getAttribute("#pairs", "data-largest"))).toBeCloseTo(
      largest(instants[0]!.pairs!),
      3,
    );
    for (const axis of ["bytes", "seconds"]) {
      await page.locator(`input[value=${axis}]`).check({ force: true });
      expect(await page.locator("#chart-loss canvas").count()).toBe(1);
    }
    await page.close();
  });

  it("say when there are more peers than pairs are kept of", async () => {
    const settings = {
      trainer: { kind: "quadratic", dimension: [20] },
      rounds: 2,
      projectEvery: 1,
      closingRounds: 0,
    };
    const peers = MAX_PAIRED_PEERS + 2;
    const page = await openReport([await loggedRun(settings, peers)]);
    expect(await page.textContent("#pairs .hint")).toContain(
      `the first ${MAX_PAIRED_PEERS} of ${peers} peers`,
    );
    await page.close();
    const few = await openReport([directory]);
    expect(await few.textContent("#pairs .hint")).not.toContain("first");
    await few.close();
  });

  it.each([
    [1280, "light"],
    [1280, "dark"],
    [390, "light"],
    [390, "dark"],
  ] as const)("fit %i pixels in %s", async (width, scheme) => {
    const page = await openReport([directory], width, scheme);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBe(0);
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(background).toBe(scheme === "light" ? "rgb(244, 245, 247)" : "rgb(16, 20, 26)");
    await page.close();
  });

  it("lay runs over each other", async () => {
    const other = await loggedRun({ algorithm: "dpsgd", rounds: 40 });
    const page = await openReport([directory, other]);
    expect(await page.locator("#runs tbody tr").count()).toBe(2);
    expect(await page.locator("#chart-consensus .legend dt").count()).toBe(2);
    expect(await page.locator("#graph").count()).toBe(0);
    await page.close();
  });

  it("follow a run that is still written", async () => {
    const folder = join(newFolder(), "run");
    mkdirSync(folder);
    const names = [0, 1, 2, 3, 4, 5, 6, 7].map((peer) => `peer-${peer}.jsonl`);
    const logs = names.map((name) => linesOf(directory, name));
    for (const [k, name] of names.entries()) {
      writeFileSync(join(folder, name), `${logs[k]!.slice(0, 21).join("\n")}\n`);
    }
    const server: LiveServer = await createLiveServer(folder);
    await server.caughtUp;
    const page = await open(server.url);
    expect(await numberAt(page, "[data-stat=rounds]")).toBe(20);
    expect(await page.textContent(".state")).toBe("live");

    for (const [k, name] of names.entries()) {
      // A torn line in between must not show; its rest comes with the next lines.
      const rest = `${logs[k]!.slice(21).join("\n")}\n`;
      appendFileSync(join(folder, name), rest.slice(0, 100));
      appendFileSync(join(folder, name), rest.slice(100));
    }
    copyFileSync(join(directory, "graph.jsonl"), join(folder, "graph.jsonl"));
    const total = parsed(directory, "graph.jsonl", "graph").length;
    await page.waitForSelector(`[data-stat=rounds][data-value="${total}"]`);
    const graph = parsed<GraphRound>(directory, "graph.jsonl", "graph");
    await page.waitForFunction(
      (expected) =>
        Math.abs(
          Number(document.querySelector("[data-stat=consensus]")?.getAttribute("data-value")) / expected - 1,
        ) < 1e-4,
      graph[59]!.consensusDistance,
    );
    await page.close();
    await server.close();
  });

  it("wait for the first log of an empty folder", async () => {
    const folder = join(newFolder(), "later");
    const server = await createLiveServer(folder);
    const page = await browser.newUnwatchedPage();
    await page.goto(server.url);
    await page.waitForSelector("text=no logs yet");
    mkdirSync(folder);
    copyFileSync(join(directory, "peer-0.jsonl"), join(folder, "peer-0.jsonl"));
    await page.waitForSelector("text=7 of 8 peers have no log here");
    await page.close();
    await server.close();
  });

  it("had nothing to complain about on any page", () => {
    expect(browser.problems).toEqual([]);
  });
});
