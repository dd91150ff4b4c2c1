// The tests' own TypeScript, bundled, for scripts that play what the tests play.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

/** @param entry a file, relative to the root. @returns the bundle's address, and what removes it */
export async function bundleTestCode(entry) {
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
  return { url: bundle.href, remove: () => rmSync(bundle) };
}

export async function loadTestCode(entry) {
  const { url, remove } = await bundleTestCode(entry);
  try {
    return await import(url);
  } finally {
    remove();
  }
}
