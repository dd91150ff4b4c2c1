// Pictures of the report and the comparison page: two runs are simulated and their pages opened in headless Chromium,
// wide and narrow, light and dark. Whole pages go to the folder, for people to look at; the top of the report goes to
// .images, for the README. Run after a build:
//   node scripts/screenshots.mjs [folder]     (default runs/screenshots)
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { parseTopology } from "../dist/graphs/topology.js";
import { readRun } from "../dist/inspect/read.js";
import { renderPage } from "../dist/inspect/report.js";
import { viewRun } from "../dist/inspect/view.js";
import { parseExperiment } from "../dist/runs/experiment.js";
import { recordSimulation } from "../dist/runs/node/record-simulation.js";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const widths = [1280, 390];
const schemes = ["light", "dark"];

const folder = process.argv[2] ?? join("runs", "screenshots");
const work = mkdtempSync(join(tmpdir(), "murmur-screenshots-"));
mkdirSync(folder, { recursive: true });
mkdirSync(".images", { recursive: true });

async function simulate(name, settings) {
  const directory = join(work, name);
  await recordSimulation({
    topology: parseTopology({ name: "torus-4x4", graph: { kind: "torus", rows: 4, columns: 4 } }, name),
    experiment: parseExperiment({ rounds: 400, evaluateEvery: 20, ...settings }),
    directory,
    warn() {},
  });
  return viewRun(readRun(directory));
}

const squeezed = await simulate("four-bits", { algorithm: "deepsqueeze", compressor: "minmax" });
const exact = await simulate("full-models", { algorithm: "dpsgd" });
const pages = {
  report: renderPage({ runs: [squeezed], live: false }),
  compare: renderPage({ runs: [squeezed, exact], live: false }),
};

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
for (const [name, html] of Object.entries(pages)) {
  for (const width of widths) {
    for (const scheme of schemes) {
      const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme: scheme });
      await page.setContent(html);
      await page.waitForSelector(".chart canvas");
      const path = join(folder, `${name}-${width}-${scheme}.png`);
      await page.screenshot({ path, fullPage: true });
      console.log(path);
      if (name === "report" && width === 1280) {
        await page.setViewportSize({ width, height: 960 });
        await page.screenshot({ path: join(".images", `report-${scheme}.png`) });
      }
      await page.close();
    }
  }
}
await browser.close();
rmSync(work, { recursive: true });
