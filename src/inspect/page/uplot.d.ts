/** uPlot is a plain script on the page. */
declare const uPlot: typeof import("uplot").default;
