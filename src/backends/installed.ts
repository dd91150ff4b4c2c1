/** What lies in `node_modules`. A browser has none, and starts only backends without packages of their own. */
import { isNode } from "../foundation/platform.js";

/** Node's `require`, as seen from this package. */
export async function requireHere(): Promise<NodeJS.Require> {
  const { createRequire } = await import("node:module");
  return createRequire(import.meta.url);
}

/** Those of the packages that cannot be found from here. One that is found need not work. */
export async function missingPackages(names: readonly string[]): Promise<string[]> {
  if (names.length === 0 || !isNode()) return [...names];
  const require = await requireHere();
  return names.filter((name) => {
    try {
      require.resolve(name);
      return false;
    } catch {
      return true;
    }
  });
}
