import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, type OutgoingHttpHeaders, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findChromium, launchChromium } from "./support/chromium.js";

const program = new URL("support/browser-program.mjs", import.meta.url).pathname;
const hasChromium = findChromium("browser: the core is bundled, but not run in a browser");

/** The built core and the program, as one file, by the defaults of the bundler. */
async function bundle(): Promise<string> {
  const { outputFiles, warnings } = await build({
    entryPoints: [program],
    bundle: true,
    format: "esm",
    platform: "browser",
    write: false,
    logLevel: "silent",
  });
  expect(warnings).toEqual([]);
  return outputFiles[0]!.text;
}

/** What the program ends with in Node, without the tests' own transformations. */
function inNode(settings: object): unknown {
  const script = `import { train } from ${JSON.stringify(program)};
    console.log(JSON.stringify(await train(${JSON.stringify(settings)})));`;
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" }),
  );
}

describe("the core in a bundle", () => {
  it("imports nothing, and keeps the attribution of the data in it", async () => {
    const text = await bundle();
    expect(text).not.toMatch(/^\s*import\b[^(]*["']|\bimport\(\s*["']/m);
    expect(text).toContain("Creators: E. Alpaydin and C. Kaynak");
  });
});

describe.skipIf(!hasChromium)("the core in Chromium", () => {
  let server: Server;
  let browser: Browser;
  beforeAll(async () => {
    const folder = dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm"));
    const wasm = "tfjs-backend-wasm-simd.wasm";
    const html = { "content-type": "text/html" };
    const isolation = {
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    };
    const files: Record<string, { headers: OutgoingHttpHeaders; content: string | Buffer }> = {
      "/plain": { headers: html, content: "<!doctype html>" },
      "/isolated": { headers: { ...html, ...isolation }, content: "<!doctype html>" },
      "/program.js": { headers: { "content-type": "text/javascript" }, content: await bundle() },
      [`/${wasm}`]: {
        headers: { "content-type": "application/wasm" },
        content: readFileSync(join(folder, wasm)),
      },
    };
    server = createServer(({ url = "" }, response) => {
      const file = files[url];
      response.writeHead(file ? 200 : 404, file?.headers).end(file?.content);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  /** What the program ends with in a page of its own. */
  async function inBrowser(settings: object, path: "/plain" | "/isolated" = "/plain"): Promise<unknown> {
    const page = await browser.newPage();
    try {
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
      expect(await page.evaluate("crossOriginIsolated")).toBe(path === "/isolated");
      // As text, because vitest has its own way with `import()` in a function.
      const program = `import("/program.js").then(({ train }) => train(${JSON.stringify(settings)}))`;
      return await page.evaluate(program);
    } finally {
      await page.close();
    }
  }

  it.each([
    ["softmax", "/plain", { model: "softmax", rounds: 50 }],
    // Where pages may share memory, tfjs would take its build for several threads.
    ["softmax", "/isolated", { model: "softmax", rounds: 50 }],
    ["mlp", "/plain", { model: "mlp", compressor: "minmax", optimizer: "adam", rounds: 20 }],
  ] as const)("trains %s on digits in a page (%s) to the bits of Node", async (_, path, settings) => {
    const { digests, accuracy, saved } = (await inBrowser(settings, path)) as {
      digests: string[];
      accuracy: number;
      saved: { loss: number; accuracy: number };
    };
    expect(digests).toHaveLength(4);
    expect(accuracy).toBeGreaterThan(0.2);
    expect(Math.abs(saved.accuracy - accuracy)).toBeLessThan(0.1);
    expect({ digests, accuracy, saved }).toEqual(inNode(settings));
  });

  it.each([
    [{ data: { kind: "csv", path: "a.csv" } }, /csv: cannot read a\.csv: only Node reads files/],
    [{ model: { kind: "module", path: "a.mjs" } }, /module a\.mjs does not load: only Node imports modules/],
    [
      { trainer: { kind: "layers", backend: "node" } },
      /backend node does not start: @tensorflow\/tfjs-node not installed/,
    ],
    [
      { model: "cnn", trainer: { kind: "layers", threads: 2 } },
      /trainer\.threads is 2, and worker threads need Node\.js/,
    ],
  ])("refuses %j in one line", async (settings, message) => {
    await expect(inBrowser(settings)).rejects.toThrow(message);
  });
});
