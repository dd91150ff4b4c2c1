// Builds dist/: the AssemblyScript kernels (embedded as base64, so that the core loads them without
// a file system) and then the TypeScript sources. Runs on install, through "prepare".
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

/** Compiles `folder`/assembly and embeds the module, as base64, in `folder`/compiled.ts. */
function compileAssembly(...folder) {
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
  );
  const base64 = readFileSync(wasm).toString("base64");
  rmSync(wasm);
  writeFileSync(
    join(root, ...folder, "compiled.ts"),
    `// Generated from assembly/ by scripts/build.mjs; not committed.\nexport const compiled =\n  "${base64}";\n`,
  );
}
compileAssembly("src", "kernels");
compileAssembly("src", "backends", "wasm-training");

run(command("typescript", "tsc"), "-p", "tsconfig.json");
for (const folder of ["datasets", join("inspect", "page")]) {
  for (const name of readdirSync(join(root, "src", folder))) {
    if (!/\.[jt]s$/.test(name)) cpSync(join(root, "src", folder, name), join(root, "dist", folder, name));
  }
}
chmodSync(join(root, "dist", "cli", "main.js"), 0o755);
