// Takes a model home: eight peers, each a process with data of its own, learn 8,000 images of MNIST; what they learned is then
// used by murmur, by PyTorch and by TensorFlow.js in a browser, which must agree on all 2,000 held-out images.
// Run after a build, with a Python that has torch, numpy and safetensors, and with Chromium:
//
//   node scripts/take-home.mjs --data <folder with t10k-images-idx3-ubyte.gz and its labels> [--rounds 300] [--python python3]
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const HELD_OUT = 2000;
const { values } = parseArgs({
  options: {
    data: { type: "string" },
    rounds: { type: "string", default: "300" },
    python: { type: "string", default: "python3" },
    chromium: { type: "string", default: process.env.CHROMIUM ?? "/usr/bin/chromium" },
  },
});
if (values.data === undefined) {
  console.error("error: name the folder of the images: --data <folder>");
  process.exit(2);
}
const root = new URL("..", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "murmur-home-"));
const at = (name) => join(folder, name);
const images = join(values.data, "t10k-images-idx3-ubyte.gz");

function run(command, ...args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr}`);
  return stdout;
}
const murmur = (...args) => run(process.execPath, join(root, "dist/cli/main.js"), ...args);

/** Classes of the held-out images by TensorFlow.js in Chromium, from the files of its layers format alone. */
async function inBrowser() {
  const program = join(root, "test/support/tfjs-program.mjs");
  const { outputFiles } = await build({
    ...{ entryPoints: [program], bundle: true, format: "esm", platform: "browser", write: false },
    logLevel: "silent",
  });
  const pixels = gunzipSync(readFileSync(images))
    .subarray(16)
    .subarray(-HELD_OUT * 784);
  const files = {
    "/": ["text/html", "<!doctype html>"],
    "/program.js": ["text/javascript", outputFiles[0].contents],
    "/pixels": ["application/octet-stream", pixels],
    "/model.json": ["application/json", readFileSync(at("model.json"))],
    "/weights.bin": ["application/octet-stream", readFileSync(at("weights.bin"))],
  };
  const server = createServer(({ url }, response) => {
    const [type, content] = files[url] ?? ["text/plain", ""];
    response.setHeader("content-type", type).end(content);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = await chromium.launch({
    executablePath: values.chromium,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    return await page.evaluate(`(async () => {
      const { answers } = await import("/program.js");
      const pixels = new Uint8Array(await (await fetch("/pixels")).arrayBuffer());
      const classes = [];
      for (let first = 0; first < ${HELD_OUT}; first += 100) {
        const batch = Array.from(pixels.subarray(784 * first, 784 * (first + 100)), (value) => Math.fround(value / 255));
        const logits = await answers("/model.json", batch);
        for (let row = 0; row < 100; row++) {
          const own = logits.slice(10 * row, 10 * row + 10);
          classes.push(own.indexOf(Math.max(...own)));
        }
      }
      return classes;
    })()`);
  } finally {
    await browser.close();
    server.close();
  }
}

try {
  const settings = ["--data", "idx", "--data.path", values.data, "--model", "cnn", "--rounds", values.rounds];
  const began = performance.now();
  murmur(
    "up",
    join(root, "topologies/ring-8.json"),
    ...settings,
    "--evaluate-every",
    "0",
    "--save",
    folder,
    "--json",
  );
  const seconds = (performance.now() - began) / 1000;
  const model = at("model.safetensors");
  murmur("export", model, "--to", at("model.json"));
  murmur("predict", model, "--part", "test", "--csv", at("predictions.csv"));
  const { accuracy } = JSON.parse(murmur("evaluate", model, "--json"));
  const ours = readFileSync(at("predictions.csv"), "utf8").trimEnd().split("\n").slice(1);
  const answers = {
    murmur: ours.map((row) => Number(row.split(",")[1])),
    PyTorch: JSON.parse(
      run(values.python, join(root, "scripts/take-home.py"), model, images, String(HELD_OUT)),
    ),
    "TensorFlow.js in Chromium": await inBrowser(),
  };
  console.log(
    `eight processes, ${values.rounds} rounds: ${seconds.toFixed(0)} s; accuracy ${(100 * accuracy).toFixed(2)} %\n`,
  );
  console.log(`| held-out images answered as by murmur predict | of ${HELD_OUT} |\n|---|--:|`);
  let isSame = answers.murmur.length === HELD_OUT;
  for (const [name, classes] of Object.entries(answers)) {
    const equal = classes.filter((answer, k) => answer === answers.murmur[k]).length;
    console.log(`| ${name} | ${equal} |`);
    isSame &&= equal === HELD_OUT;
  }
  process.exitCode = isSame ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
