import { spawnSync } from "node:child_process";

/** Another interpreter, such as one of a virtual environment with PyTorch: MURMUR_PYTHON=…/bin/python */
export const python = process.env.MURMUR_PYTHON ?? "python3";
/** The client's sources. */
export const client = new URL("../../src/clients/python/src", import.meta.url).pathname;

/** Why a test is skipped; undefined where Python has these packages. */
export function lack(...packages: string[]): string | undefined {
  const found = packages.map((name) => `importlib.util.find_spec(${JSON.stringify(name)})`).join(", ");
  const { status } = spawnSync(python, ["-c", `import importlib.util\nassert all([${found}])`]);
  return status === 0
    ? undefined
    : `skipped: ${python} ${packages.length > 0 ? `has no ${packages.join(", ")}` : "is missing"}`;
}
