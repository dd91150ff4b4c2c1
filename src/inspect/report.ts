/** One page that shows a run, or several over each other: self-contained, with its numbers inside. */
import { renderDocument } from "./document.js";
import type { RunView } from "./view.js";

/** What the page is given. */
export interface PageData {
  readonly runs: readonly RunView[];
  /** Whether newer numbers come from the server the page came from. */
  readonly live: boolean;
  /** Milliseconds since the logs last grew, when this was sent. */
  readonly quietMs?: number;
}

/** In the order in which they need each other. */
const modules = [
  "../../foundation/format",
  "elements",
  "colours",
  "chart-kinds",
  "chart-lines",
  "axes",
  "chart-options",
  "charts",
  "graph",
  "heat",
  "tables",
  "waits",
  "by-class",
  "live-state",
  "page",
] as const;

/** The page as one HTML document. */
export function renderPage(data: PageData): string {
  const title = data.runs.map(({ name }) => name).join(", ") || "murmuration";
  return renderDocument({ title, data, modules });
}
