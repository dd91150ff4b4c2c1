// Builds the native part of @tensorflow/tfjs-node against the libtensorflow inside the tensorflow wheel of PyPI,
// in a scratch folder, and runs the trainers' tests and the benchmark on it. Needs Linux on x64, python3 with
// pip, a C++ compiler and Node's headers; not part of the install, and nothing outside the folder is changed.
//
//   node scripts/build-native.mjs [--folder /tmp/murmuration-native] [--tensorflow 2.15.1] [--python python3]
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    folder: { type: "string", default: join(tmpdir(), "murmuration-native") },
    tensorflow: { type: "string", default: "2.15.1" },
    python: { type: "string", default: "python3" },
  },
});
if (process.platform !== "linux" || process.arch !== "x64") {
  console.error(`error: this machine is ${process.platform} ${process.arch}, and the wheel is for linux x64`);
  process.exit(2);
}

const NAPI = "8";
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const project = join(values.folder, "project");
const wheels = join(values.folder, "wheels");
const unpacked = join(values.folder, "wheel");

function step(title, command, args, options = {}) {
  console.log(`\n== ${title}`);
  execFileSync(command, args, { stdio: "inherit", ...options });
}
const output = (command, ...args) => execFileSync(command, args, { encoding: "utf8" }).trim();

// A copy of what git tracks, with packages of its own.
rmSync(project, { recursive: true, force: true });
const tracked = execFileSync("git", ["ls-files", "-z"], { cwd: root, encoding: "utf8" }).split("\0");
for (const file of tracked.filter((name) => name !== "" && existsSync(join(root, name)))) {
  cpSync(join(root, file), join(project, file));
}
step("packages", "npm", ["ci", "--ignore-scripts"], { cwd: project });

mkdirSync(wheels, { recursive: true });
const isWheel = (name) => name.startsWith(`tensorflow_cpu-${values.tensorflow}-`);
if (!readdirSync(wheels).some(isWheel)) {
  const wheel = ["--platform", "manylinux2014_x86_64", "--python-version", "3.11", "--only-binary", ":all:"];
  const what = [`tensorflow-cpu==${values.tensorflow}`, "--no-deps", "--dest", wheels];
  step("wheel", values.python, ["-m", "pip", "download", ...what, ...wheel]);
}
const unpack = `
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
wanted = ("tensorflow/include/tensorflow/", "tensorflow/include/tsl/", "tensorflow/libtensorflow_")
archive.extractall(sys.argv[2], [name for name in archive.namelist() if name.startswith(wanted)])`;
const wheel = join(wheels, readdirSync(wheels).find(isWheel));
step("libtensorflow", values.python, ["-c", unpack, wheel, unpacked]);

// The package's build looks for headers and libraries in deps/.
const native = join(project, "node_modules", "@tensorflow", "tfjs-node");
const libraries = join(native, "deps", "lib");
mkdirSync(libraries, { recursive: true });
symlinkSync(join(unpacked, "tensorflow", "include"), join(native, "deps", "include"));
const cc = join(unpacked, "tensorflow", "libtensorflow_cc.so.2");
const framework = join(unpacked, "tensorflow", "libtensorflow_framework.so.2");
symlinkSync(cc, join(libraries, "libtensorflow_cc.so.2"));
symlinkSync(cc, join(libraries, "libtensorflow.so"));
symlinkSync(framework, join(libraries, "libtensorflow_framework.so.2"));
symlinkSync(framework, join(libraries, "libtensorflow_framework.so"));

const gyp = join(output("npm", "root", "--global"), "npm", "node_modules", "node-gyp", "bin", "node-gyp.js");
const prefix = dirname(dirname(process.execPath));
// Headers beside Node itself are taken; without them node-gyp downloads some.
const headers = existsSync(join(prefix, "include", "node", "node_api.h")) ? [`--nodedir=${prefix}`] : [];
step(
  "binding",
  process.execPath,
  [
    gyp,
    "rebuild",
    ...headers,
    "--module_name=tfjs_binding",
    `--module_path=${join(native, "lib", `napi-v${NAPI}`)}`,
    `--napi_build_version=${NAPI}`,
  ],
  {
    cwd: native,
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, npm_config_loglevel: "error" },
  },
);

step("build", process.execPath, ["scripts/build.mjs"], { cwd: project });
step("doctor", process.execPath, ["dist/cli/main.js", "doctor"], { cwd: project });
step(
  "tests of trainers and models on it",
  process.execPath,
  [
    "node_modules/vitest/vitest.mjs",
    "run",
    "--config",
    "test/vitest.config.ts",
    "test/trainers-layers.test.ts",
    "test/models.test.ts",
  ],
  { cwd: project, env: { ...process.env, MURMURATION_BACKEND: "node" } },
);
for (const backend of ["node", "wasm"]) {
  step(`steps on ${backend}`, process.execPath, ["scripts/bench-trainer.mjs", "--backend", backend], {
    cwd: project,
  });
}
