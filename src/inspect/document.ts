/**
 * One self-contained HTML document: style, data and code inside. The code is plain modules in `page/`; there is no
 * bundler, so they are put after one another here.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export interface DocumentParts {
  readonly title: string;
  /** JSON, which the code finds in the element `data`. */
  readonly data: unknown;
  /** Modules, as paths from `page/`, in the order in which they need each other. */
  readonly modules: readonly string[];
}

/** Style sheets, by topic; later ones win. */
const styles = ["page", "charts", "pictures", "tables", "by-class", "comparison"] as const;

export function renderDocument({ title, data, modules }: DocumentParts): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)} · murmuration</title>
<style>${asset("uplot/dist/uPlot.min.css")}
${styles.map((name) => pageFile(`${name}.css`)).join("\n")}</style>
</head>
<body>
<main id="page"><noscript>This page draws with JavaScript.</noscript></main>
<script id="data" type="application/json">${escapeScript(JSON.stringify(data))}</script>
<script>${asset("uplot/dist/uPlot.iife.min.js")}</script>
<script type="module">${modules.map((name) => joined(pageFile(`${name}.js`))).join("\n")}</script>
</body>
</html>
`;
}

const require = createRequire(import.meta.url);

function asset(path: string): string {
  return readFileSync(require.resolve(path), "utf8").trim();
}

function pageFile(name: string): string {
  return readFileSync(new URL(`./page/${name}`, import.meta.url), "utf8");
}

/** A module's text as part of one script: its imports stand before it there, its exports are plain names. */
function joined(module: string): string {
  return module
    .replace(/^import [\s\S]*?;$/gm, "")
    .replace(/^export /gm, "")
    .replace(/^\/\/# sourceMappingURL=.*$/gm, "");
}

/** JSON that cannot end its script element, whatever text is in it. */
function escapeScript(json: string): string {
  return json.replaceAll("<", "\\u003c");
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
