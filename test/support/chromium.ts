/** The Chromium in which pages are looked at. */
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect } from "vitest";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

/**
 * Whether tests can have a browser. Where there is none the tests that need it skip, and `what` says so; in
 * continuous integration (CI is set) they fail instead, so that nothing passes unseen.
 *
 * @param what what goes untested, for example "report: pages are not looked at"
 */
export function findChromium(what: string): boolean {
  if (existsSync(executablePath)) return true;
  const message = `${what}: there is no ${executablePath}; install Debian's chromium, or name another in CHROMIUM`;
  if (process.env.CI) throw new Error(message);
  console.warn(message);
  return false;
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** The browser of a suite. Its pages' errors and warnings fail the suite at its end. */
export interface SuiteBrowser {
  /** What has gone wrong on the pages so far. */
  readonly problems: readonly string[];
  /** A new page that is watched. */
  newPage(width?: number, colorScheme?: "light" | "dark"): Promise<Page>;
  /** A new page that is not. */
  newUnwatchedPage(): Promise<Page>;
}

/** Starts a browser before the tests of the suite that calls it, and ends it after them. */
export function suiteBrowser(): SuiteBrowser {
  let browser: Browser;
  const problems: string[] = [];
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    expect(problems).toEqual([]);
  });
  return {
    problems,
    async newPage(width = 1280, colorScheme = "light") {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
      });
      page.on("pageerror", (error) => problems.push(String(error)));
      return page;
    },
    newUnwatchedPage: () => browser.newPage(),
  };
}

/** What reaches beyond the window, or is cut off by what holds it; charts hide what they do not show. */
export function clipped(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const name = (it: Element) => `${it.closest("[id]")?.id} ${it.tagName} ${it.className}`;
    const visible = [...document.querySelectorAll("main *")].filter(
      (it) => it.checkVisibility() && !it.closest(".plot") && !it.closest(".unseen"),
    );
    return visible
      .filter((it) => {
        const { right, left } = it.getBoundingClientRect();
        const isScrolled =
          it instanceof HTMLElement && it.scrollWidth > it.clientWidth + 1 && it.clientWidth > 0;
        return (
          right > width + 0.5 || left < -0.5 || (isScrolled && getComputedStyle(it).display !== "inline")
        );
      })
      .map(name);
  });
}
