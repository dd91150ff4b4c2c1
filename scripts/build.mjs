// Builds dist/: the AssemblyScript kernels (embedded as base64, so that the core loads them without
// a file system) and then the TypeScript sources. Runs after `npm ci`, through the script "dependencies", and before
// `npm pack`.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);

/** Path of a package's command, found from its package.json so that no shell or PATH is involved. */
function command(packageName, name) {
  const manifestPath = require.resolve(`${packageName}/package.json`);
  const { bin } = JSON.parse(readFileSync(manifestPath, "utf8"));
  return join(dirname(manifestPath), typeof bin === "string" ? bin : bin[name]);
}

function run(script, ...args) {
  execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" });
}

rmSync(join(root, "dist"), { recursive: true, force: true });
mkdirSync(join(root, "dist"));

/** Most pages of a memory, which a module that takes shared memory has to name. */
const MAX_PAGES = 65536;

/** Compiles `folder`/assembly to a module, as base64. */
function compileModule(folder, ...options) {
  const wasm = join(root, "dist", "assembly.wasm");
  run(
    command("assemblyscript", "asc"),
    [...folder, "assembly", "index.ts"].join("/"),
    "--outFile",
    wasm,
    "--runtime",
    "stub",
    "--importMemory",
    "--enable",
    "simd",
    "--enable",
    "bulk-memory",
    "-O3",
    "--noAssert",
    ...options,
  );
  const base64 = readFileSync(wasm).toString("base64");
  rmSync(wasm);
  return base64;
}

/** Embeds modules in `folder`/compiled.ts, by the names of its exports. */
function embed(folder, modules) {
  const lines = Object.entries(modules).map(
    ([name, base64]) => `export const ${name}: string =\n  "${base64}";\n`,
  );
  writeFileSync(
    join(root, ...folder, "compiled.ts"),
    `// Generated from assembly/ by scripts/build.mjs; not committed.\n${lines.join("")}`,
  );
}

const kernels = ["src", "kernels"];
const shared = ["--sharedMemory", "--maximumMemory", String(MAX_PAGES), "--enable", "threads"];
embed(kernels, { compiled: compileModule(kernels), compiledShared: compileModule(kernels, ...shared) });
const trainingKernels = ["src", "backends", "wasm-training"];
embed(trainingKernels, {
  compiled: compileModule(trainingKernels),
  compiledRelaxed: compileModule(trainingKernels, "--enable", "relaxed-simd"),
});

// The attribution goes along as a comment that bundlers keep.
const datasets = join(root, "src", "datasets");
const attribution = readFileSync(join(datasets, "digits-attribution.txt"), "utf8").trimEnd();
const digits = readFileSync(join(datasets, "digits.csv.gz")).toString("base64");
writeFileSync(
  join(datasets, "digits-embedded.ts"),
  `/*! ${attribution}\n */\n// Generated from digits.csv.gz by scripts/build.mjs; not committed.\nexport const embedded: string =\n  "${digits}";\n`,
);

run(command("typescript", "tsc"), "-p", "tsconfig.json");
for (const folder of ["datasets", join("inspect", "page"), join("cli", "templates", "pytorch")]) {
  mkdirSync(join(root, "dist", folder), { recursive: true });
  for (const name of readdirSync(join(root, "src", folder))) {
    if (!/(\.([jt]s|gz|md)|__pycache__)$/.test(name))
      cpSync(join(root, "src", folder, name), join(root, "dist", folder, name));
  }
}
chmodSync(join(root, "dist", "cli", "main.js"), 0o755);
