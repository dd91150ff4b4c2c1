/** Modules of the user's own, named in an experiment file. */
import { FileProblem, MurmurationError } from "../foundation/errors.js";
import { isNode } from "../foundation/platform.js";

/**
 * What a module exports under a name.
 *
 * @param path of the module, from the working directory
 * @throws FileProblem one line: the module is not there, fails, or has no such export; any module outside Node
 */
export async function importExport(path: string, name: string): Promise<unknown> {
  if (!isNode())
    throw new FileProblem(
      `module ${path} does not load: only Node imports modules from files; pass your own model and data in a browser`,
      { code: "module-needs-node", field: path },
    );
  const [{ existsSync }, { resolve }, { pathToFileURL }] = await Promise.all([
    import("node:fs"),
    import("node:path"),
    import("node:url"),
  ]);
  const file = resolve(path);
  if (!existsSync(file))
    throw new FileProblem(`module ${path}: there is no such file: check its path`, {
      code: "module-missing",
      field: path,
    });
  let exports: Record<string, unknown>;
  try {
    exports = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (cause) {
    const [reason] = String(cause).split("\n");
    throw new FileProblem(`module ${path} does not load: ${reason}`, {
      code: "module-does-not-load",
      field: path,
      cause,
    });
  }
  if (exports[name] === undefined) {
    const names = Object.keys(exports).join(", ") || "nothing";
    throw new FileProblem(`module ${path} has no export ${name}: it exports ${names}`, {
      code: "module-export-missing",
      field: path,
    });
  }
  return exports[name];
}

/**
 * Calls a function that a module exports.
 * @throws FileProblem one line: the function throws
 */
export async function callExport<Result>(
  path: string,
  name: string,
  call: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof MurmurationError) throw cause;
    const [reason] = String(cause).split("\n");
    throw new FileProblem(`export ${name} of module ${path} fails: ${reason}`, {
      code: "module-export-fails",
      field: path,
      cause,
    });
  }
}
