// The tests' own TypeScript, bundled, for scripts that play what the tests play.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

/** @param entry a file, relative to the root */
export async function loadTestCode(entry) {
  const root = new URL("../", import.meta.url);
  const { outputFiles } = await build({
    entryPoints: [new URL(entry, root).pathname],
    ...{ bundle: true, platform: "node", format: "esm", packages: "external", write: false },
  });
  // Inside the project, so that its packages are found.
  const folder = new URL("node_modules/.cache/", root);
  mkdirSync(folder, { recursive: true });
  const bundle = new URL(`tests-${process.pid}.mjs`, folder);
  writeFileSync(bundle, outputFiles[0].text);
  try {
    return await import(bundle.href);
  } finally {
    rmSync(bundle);
  }
}
