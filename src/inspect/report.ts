/** One page that shows a run, or several over each other: self-contained, with its numbers inside. */
import { renderDocument } from "./document.js";
import { compareRuns, type RunsComparison } from "./groups.js";
import type { RunView, SeriesName } from "./view.js";

/** Series that charts can go by. */
export type PageAxis = Extract<SeriesName, "round" | "bytes" | "seconds">;

/** What the page is given. */
export interface PageData {
  readonly runs: readonly RunView[];
  /** Whether newer numbers come from the server the page came from. */
  readonly live: boolean;
  /** Milliseconds since the logs last grew, when this was sent. */
  readonly quietMs?: number;
  /** What charts go by at first; rounds where left out. */
  readonly by?: PageAxis;
}

/** What several runs share and differ in. */
export type ComparedPageData = PageData & { readonly comparison?: RunsComparison };

/** In the order in which they need each other. */
const modules = [
  "../../foundation/format",
  "elements",
  "colours",
  "table",
  "chart-kinds",
  "chart-lines",
  "axes",
  "chart-options",
  "legend",
  "save",
  "charts",
  "graph-layout",
  "graph-shapes",
  "graph",
  "heat",
  "distances",
  "tiles",
  "settings",
  "tables",
  "differences",
  "runs",
  "waits",
  "by-class",
  "live-state",
  "page",
] as const;

/** The page as one HTML document. */
export function renderPage(data: PageData): string {
  const title = data.runs.map(({ name }) => name).join(", ") || "murmuration";
  const compared: ComparedPageData = {
    ...data,
    ...(data.runs.length > 1 && { comparison: compareRuns(data.runs) }),
  };
  return renderDocument({ title, data: compared, modules });
}
