/** What a source file imports, from its syntax tree, and what can be reached from it. */
import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { parseAst } from "vitest/node";

export interface Import {
  readonly specifier: string;
  /** Loaded by `import()`, at the time it is called. */
  readonly isDynamic: boolean;
}

/** What stands for the specifier of an `import()` that is computed. */
export const COMPUTED = "a computed module";

const source = new URL("../../src", import.meta.url).pathname;

/** The source file with this name in `src`. */
export const readSource = (name: string): string => readFileSync(join(source, name), "utf8");

interface Node {
  readonly type: string;
  readonly source?: Node & { readonly value?: unknown };
  readonly importKind?: string;
  readonly exportKind?: string;
}

/** Everything that a file imports or re-exports; `import type` and `export type` are gone after compilation. */
export function importsOf(text: string): Import[] {
  const imports: Import[] = [];
  const visit = (node: Node): void => {
    if (node.type === "ImportExpression") {
      const { value } = node.source!;
      imports.push({ specifier: typeof value === "string" ? value : COMPUTED, isDynamic: true });
    } else if (
      /^(Import|ExportNamed|ExportAll)Declaration$/.test(node.type) &&
      node.source &&
      (node.importKind ?? node.exportKind) !== "type"
    ) {
      imports.push({ specifier: node.source.value as string, isDynamic: false });
    }
    for (const value of Object.values(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (typeof child?.type === "string") visit(child as Node);
      }
    }
  };
  visit(parseAst(text, { lang: "ts" }) as unknown as Node);
  return imports;
}

/** A module outside `src` that is reached, and by which files: the first is where the search began. */
export interface Reached extends Import {
  readonly chain: readonly string[];
}

/**
 * All modules outside `src` that a file needs, through however many files of `src`, by the shortest chain each.
 *
 * @param followsDynamic whether files that are imported by `import()` are followed too
 */
export function reachedFrom(
  start: string,
  followsDynamic: boolean,
  read: (name: string) => string = readSource,
): Reached[] {
  const chains = new Map([[start, [start]]]);
  const reached: Reached[] = [];
  // The map grows while it is walked, which makes the walk breadth first.
  for (const [name, chain] of chains) {
    for (const found of importsOf(read(name))) {
      if (!found.specifier.startsWith(".")) reached.push({ ...found, chain });
      else if (followsDynamic || !found.isDynamic) {
        const next = posix.join(posix.dirname(name), found.specifier).replace(/\.js$/, ".ts");
        if (!chains.has(next)) chains.set(next, [...chain, next]);
      }
    }
  }
  return reached;
}
