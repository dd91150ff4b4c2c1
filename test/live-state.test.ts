import { appendFileSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createColumn } from "../src/inspect/column.js";
import { createLiveServer, type LiveServer } from "../src/inspect/live.js";
import { progressOf } from "../src/inspect/progress.js";
import { findChromium, suiteBrowser } from "./support/chromium.js";
import { linesOf, loggedRun, newFolder } from "./support/runs.js";

const hasChromium = findChromium("live-state: the live page is not looked at");

const column = (values: readonly number[]) => {
  const made = createColumn();
  for (const value of values) made.push(value);
  return made;
};

/** What a peer has logged that ended these rounds, each in so many milliseconds. */
function peerAfter(rounds: number, roundMs: number, end?: "completed" | "stopped", closing = 0) {
  const numbers = Array.from({ length: rounds }, (_, k) => k);
  const columns = {
    round: column(numbers),
    closing: column(numbers.map((k) => (k >= rounds - closing ? 1 : 0))),
    elapsedMs: column(numbers.map((k) => (k + 1) * roundMs)),
  } as never;
  return { columns, lastRound: rounds - 1, end: end && { outcome: end } };
}

describe("the progress of a run", () => {
  it("is that of the peer that is furthest behind, at its pace", () => {
    const cases = fc.record({
      rounds: fc.array(fc.integer({ min: 2, max: 200 }), { minLength: 1, maxLength: 5 }),
      roundMs: fc.integer({ min: 1, max: 5000 }),
    });
    fc.assert(
      fc.property(cases, ({ rounds, roundMs }) => {
        const least = Math.min(...rounds);
        const peers = rounds.map((each) => peerAfter(each, roundMs));
        const progress = progressOf(peers, 250);
        expect(progress).toMatchObject({ phase: "learning", rounds: least, learningRounds: 250 });
        expect(progress.roundsPerSecond! / (1000 / roundMs)).toBeCloseTo(1, 3);
        expect(progress.secondsLeft! / (((250 - least) * roundMs) / 1000)).toBeCloseTo(1, 3);
      }),
    );
  });

  it("goes from joining over learning and closing to its end", () => {
    const phase = (...peers: ReturnType<typeof peerAfter>[]) => progressOf(peers, 10).phase;
    expect(phase()).toBe("joining");
    expect(phase(peerAfter(0, 1), peerAfter(3, 1))).toBe("joining");
    expect(phase(peerAfter(9, 1), peerAfter(12, 1))).toBe("learning");
    expect(phase(peerAfter(10, 1), peerAfter(12, 1))).toBe("closing");
    // All stopped early: round 6 was a closing round.
    expect(phase(peerAfter(6, 1, undefined, 1))).toBe("closing");
    expect(phase(peerAfter(9, 1), peerAfter(4, 1, "stopped"))).toBe("learning");
    expect(phase(peerAfter(12, 1, "completed"), peerAfter(12, 1, "completed"))).toBe("done");
    expect(phase(peerAfter(12, 1, "completed"), peerAfter(4, 1, "stopped"))).toBe("stopped");
  });

  it("follows a change of pace, and knows none while no time passes", () => {
    const peer = peerAfter(100, 10);
    const times = Array.from({ length: 100 }, (_, k) => (k < 49 ? 1000 * k : 49_000 + 10 * k));
    const slowed = { ...peer, columns: { ...(peer.columns as object), elapsedMs: column(times) } as never };
    expect(progressOf([slowed], 200).roundsPerSecond).toBeCloseTo(100, 3);
    expect(progressOf([peerAfter(5, 0)], 10)).toEqual({ phase: "learning", rounds: 5, learningRounds: 10 });
    expect(progressOf([peerAfter(1, 7)], 10)).not.toHaveProperty("roundsPerSecond");
    expect(progressOf([peerAfter(11, 7)], 10)).not.toHaveProperty("secondsLeft");
  });
});

describe.skipIf(!hasChromium)("a live page", () => {
  const browser = suiteBrowser();
  /** Logs of a run of which 30 of 60 rounds are over, one in 100 ms. */
  let folder: string;
  let rest: { readonly name: string; readonly lines: readonly string[] }[];
  /** When the logs last grew, and what the server takes for the present. */
  const grewAt = 1_700_000_000_000;
  let now = grewAt;
  let server: LiveServer;
  let page: Page;

  beforeAll(async () => {
    const whole = await loggedRun();
    folder = join(newFolder(), "growing");
    mkdirSync(folder);
    rest = readdirSync(whole).map((name) => {
      const lines = linesOf(whole, name).map((text) => {
        const line = JSON.parse(text);
        if (line.type !== "round") return text;
        return JSON.stringify({ ...line, time: { ...line.time, elapsedMs: 100 * (line.round + 1) } });
      });
      writeFileSync(join(folder, name), `${lines.slice(0, 31).join("\n")}\n`);
      return { name, lines: lines.slice(31) };
    });
    touch(grewAt);
    now = grewAt + 4_000;
    server = await createLiveServer(folder, { now: () => now });
    await server.caughtUp;
    page = await browser.newPage();
    await standStill(page);
    await page.goto(server.url);
    await page.waitForSelector("#page[data-updates]");
  });
  afterAll(async () => {
    await server?.close();
  });

  /** Time passes on the page when the test says so. */
  async function standStill(opened: Page): Promise<void> {
    // It runs until it is stopped, which must not be in its past.
    await opened.clock.install({ time: now - 3_600_000 });
    await opened.clock.pauseAt(now);
  }

  function touch(milliseconds: number): void {
    for (const name of readdirSync(folder)) {
      utimesSync(join(folder, name), milliseconds / 1000, milliseconds / 1000);
    }
  }

  const badge = () => page.textContent(".state");
  const line = () => page.textContent(".progress");
  const outcomes = () =>
    page.$$eval("#peers tbody tr", (rows) => [...new Set(rows.map((row) => row.children[2]?.textContent))]);

  it("says what the run does, how fast, how long still, and counts up since the last round", async () => {
    expect(await line()).toMatch(
      /^learning · round 30 of 60 · 10 rounds\/s · about 3 s left · last round 4 s ago$/,
    );
    expect(await badge()).toBe("live");
    expect(await outcomes()).toEqual(["running"]);
    await page.clock.runFor(3000);
    expect(await line()).toMatch(/ · last round 7 s ago$/);
    await page.clock.runFor(2000);
    expect(await badge()).toBe("live");
    await page.clock.runFor(1000);
    expect(await badge()).toBe("no round for 10 s");
  });

  it("says when no round ends any more, and which peers are silent", async () => {
    await page.clock.runFor(30_000);
    expect(await badge()).toBe("no round for 40 s");
    expect(await page.getAttribute(".state", "class")).toContain("quiet");
    expect(await outcomes()).toEqual(["silent"]);
    // A page that is opened now knows as much.
    now = grewAt + 75_000;
    const another = await browser.newPage(390);
    await standStill(another);
    await another.goto(server.url);
    await another.waitForSelector(".state.quiet");
    expect(await another.textContent(".state")).toBe("no round for 75 s");
    expect(await another.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
    await another.close();
  });

  it("goes on with the run, and ends with it", async () => {
    for (const { name, lines } of rest)
      appendFileSync(join(folder, name), `${lines.slice(0, 20).join("\n")}\n`);
    touch(now);
    await page.waitForFunction(() => document.querySelector(".progress")?.textContent?.includes("round 50"));
    expect(await badge()).toBe("live");
    expect(await outcomes()).toEqual(["running"]);
    for (const { name, lines } of rest) appendFileSync(join(folder, name), `${lines.slice(20).join("\n")}\n`);
    await page.waitForSelector(".state.over");
    expect(await badge()).toBe("done");
    expect(await line()).toMatch(/^done · \d+ rounds$/);
    expect(await outcomes()).toEqual(["completed"]);
    await server.close();
    await page.clock.runFor(60_000);
    expect(await badge()).toBe("done");
  });

  it("waits for a run that has not begun, and answers HEAD", async () => {
    const empty = join(newFolder(), "empty");
    mkdirSync(empty);
    for (const { name } of rest) writeFileSync(join(empty, name), `${linesOf(folder, name)[0]}\n`);
    const early = await createLiveServer(empty);
    await early.caughtUp;
    const joining = await browser.newPage();
    await joining.goto(early.url);
    await joining.waitForSelector("text=joining: no peer has ended a round");
    const { status, headers } = await fetch(early.url, { method: "HEAD" });
    expect(status).toBe(200);
    expect(headers.get("content-type")).toContain("text/html");
    expect((await fetch(`${early.url}events`, { method: "HEAD" })).status).toBe(200);
    await joining.close();
    await early.close();
  });
});
