// Pictures of the report, of two runs over each other and of a comparison: runs are simulated and their pages opened in
// headless Chromium, wide and narrow, light and dark. Whole pages go to the folder, for people to look at; the top of the report goes to
// .images, for the README. Run after a build:
//   node scripts/screenshots.mjs [folder]     (default runs/screenshots)
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { parseTopology } from "../dist/graphs/topology.js";
import { comparisonPage, viewComparison } from "../dist/inspect/comparison-page.js";
import { readRun } from "../dist/inspect/read.js";
import { renderPage } from "../dist/inspect/report.js";
import { viewRun } from "../dist/inspect/view.js";
import { cellsOf, parseComparison } from "../dist/runs/comparison.js";
import { parseExperiment } from "../dist/runs/experiment.js";
import { runCell } from "../dist/runs/node/compare-cell.js";
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

async function compareRows() {
  const ring = { name: "ring-8", graph: { kind: "ring", peers: 8 } };
  const sign = { kind: "sign", scope: "block", block: 1024 };
  const comparison = parseComparison(
    {
      base: { rounds: 200, evaluateEvery: 10 },
      topologies: ["ring-8"],
      rows: {
        "full models": { algorithm: "dpsgd" },
        "4 bit": { algorithm: "deepsqueeze", compressor: "minmax" },
        "1 bit": { algorithm: "choco", compressor: sign },
        "1 bit, 8 steps": {
          algorithm: "choco",
          compressor: sign,
          localSteps: 8,
          rounds: 50,
          evaluateEvery: 5,
        },
      },
      ...{ seeds: [1, 2], target: 0.8, stepMs: 1, latencyMs: 1 },
    },
    "rows",
  );
  const results = [];
  const cells = cellsOf(comparison, new Map([["ring-8", ring]]));
  for (const cell of cells) results.push(await runCell(cell));
  return viewComparison(results, comparison, "bits and steps", cells);
}

const squeezed = await simulate("four-bits", { algorithm: "deepsqueeze", compressor: "minmax" });
const exact = await simulate("full-models", { algorithm: "dpsgd" });
const pages = {
  report: renderPage({ runs: [squeezed], live: false }),
  compare: renderPage({ runs: [squeezed, exact], live: false }),
  comparison: comparisonPage(await compareRows()),
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
