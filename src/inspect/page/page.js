import { createByClassCard, createExamplesCard } from "./by-class.js";
import { chartKinds } from "./chart-kinds.js";
import { createChart } from "./charts.js";
import { createDifferencesCard } from "./differences.js";
import { createDriftCard, createPairsCard } from "./distances.js";
import { create, createNotes, createVerdicts } from "./elements.js";
import { createGraphCard } from "./graph.js";
import { createLiveState } from "./live-state.js";
import { createGroupsCard, createRunsCard } from "./runs.js";
import { createSettingsCard, payloadsText } from "./settings.js";
import { createLayersCard, createPeersCard } from "./tables.js";
import { createTiles } from "./tiles.js";
import { createCountsCard, createWaitsCard } from "./waits.js";

/** @typedef {import("../report.js").ComparedPageData} PageData */

/** Runs whose names make the heading. */
const MOST_NAMES = 4;

const page = /** @type {HTMLElement} */ (document.getElementById("page"));

const heading = create("h1");
const subtitle = create("p", undefined, "subtitle");
const live = createLiveState(show);
const axes = create("fieldset", undefined, "axes");
axes.innerHTML = `<legend>by</legend>
  <label><input type="radio" name="axis" value="round">round</label>
  <label><input type="radio" name="axis" value="bytes">bytes</label>
  <label><input type="radio" name="axis" value="seconds">time</label>`;
const top = create("div", undefined, "top");
const cards = create("div", undefined, "cards");
const bottom = create("div", undefined, "cards");
const banner = create("div", undefined, "banner");
banner.append(heading, live.badge, subtitle, live.line);
const toolbar = create("div", undefined, "toolbar");
const reset = create("button", "reset zoom", "small");
reset.setAttribute("type", "button");
reset.hidden = true;
toolbar.append(axes, create("p", "drag over a chart to zoom, double-click to see all", "hint"), reset);
page.replaceChildren(banner, top, toolbar, cards, bottom);

const graph = createGraphCard();
const pairs = createPairsCard();
const drift = createDriftCard();
const charts = chartKinds.map((kind) =>
  createChart(kind, (isZoomed) => {
    reset.hidden = !isZoomed;
  }),
);
reset.addEventListener("click", () => {
  for (const chart of charts) chart.resetZoom();
});
const details = create("div", undefined, "details");
cards.append(...charts.map(({ card }) => card), details);

/** @type {PageData} */
let data = JSON.parse(document.getElementById("data")?.textContent ?? "");
const first = axes.querySelector(`input[value=${data.by ?? "round"}]`);
if (first) /** @type {HTMLInputElement} */ (first).checked = true;

function show() {
  const { runs } = data;
  const [run] = runs;
  page.dataset.runs = String(runs.length);
  if (!run) {
    heading.textContent = "murmuration";
    subtitle.textContent = "no logs yet: they show up here once a peer has written its first line";
    toolbar.hidden = true;
    return;
  }
  toolbar.hidden = false;
  const axis = /** @type {import("./chart-lines.js").XAxis} */ (
    /** @type {HTMLInputElement | null} */ (axes.querySelector("input:checked"))?.value ?? "round"
  );
  for (const chart of charts) chart.update(runs, axis);
  if (runs.length > 1) {
    const names = runs.map(({ name }) => name);
    heading.textContent = runs.length > MOST_NAMES ? `${runs.length} runs` : names.join(" · ");
    subtitle.textContent =
      runs.length > MOST_NAMES ? "over each other" : `${runs.length} runs over each other`;
    const { settings = [], groups = [] } = data.comparison ?? {};
    top.replaceChildren(
      createVerdicts(runs),
      createNotes(
        runs.flatMap(({ name, warnings }) => warnings.map((warning) => `${name}: ${warning}`)),
        runs.flatMap(({ name, remarks }) => remarks.map((remark) => `${name}: ${remark}`)),
      ),
      ...(groups.length > 0 ? [createGroupsCard(groups)] : []),
      createRunsCard(runs),
      ...(settings.length > 0 ? [createDifferencesCard(names, settings)] : []),
    );
    return;
  }
  heading.textContent = run.name;
  const { experiment, topology } = run;
  subtitle.textContent = [
    experiment.name === "experiment" ? undefined : experiment.name,
    experiment.algorithm,
    payloadsText(run),
    topology.name,
  ]
    .filter(Boolean)
    .join(" · ");
  graph.update(run);
  pairs.update(run);
  drift.update(run);
  top.replaceChildren(createVerdicts(runs), createTiles(run), createNotes(run.warnings, run.remarks));
  if (!graph.card.isConnected) cards.prepend(graph.card, pairs.card, drift.card);
  details.replaceChildren(createLayersCard(run));
  bottom.replaceChildren(
    createByClassCard(run),
    createExamplesCard(run),
    createWaitsCard(run),
    createCountsCard(run),
    createPeersCard(live.withStates(run)),
    createSettingsCard(run),
  );
}

show();
axes.addEventListener("change", show);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);

if (data.live) {
  live.update(data);
  const events = new EventSource("events");
  events.addEventListener("message", (event) => {
    data = JSON.parse(event.data);
    live.update(data);
    show();
    page.dataset.updates = String(Number(page.dataset.updates ?? 0) + 1);
  });
  events.addEventListener("error", live.lose);
}
