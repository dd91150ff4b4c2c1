import { createByClassCard, createExamplesCard } from "./by-class.js";
import { chartKinds } from "./chart-kinds.js";
import { createChart } from "./charts.js";
import { create, createNotes, createVerdicts } from "./elements.js";
import { createGraphCard } from "./graph.js";
import { createDriftCard, createPairsCard } from "./heat.js";
import { createLiveState } from "./live-state.js";
import {
  createLayersCard,
  createPeersCard,
  createRunsCard,
  createSettingsCard,
  createTiles,
  payloadsText,
} from "./tables.js";
import { createCountsCard, createWaitsCard } from "./waits.js";

/** @typedef {import("../report.js").PageData} PageData */

const page = /** @type {HTMLElement} */ (document.getElementById("page"));

const heading = create("h1");
const subtitle = create("p", undefined, "subtitle");
const live = createLiveState(show);
const axes = create("fieldset", undefined, "axes");
axes.innerHTML = `<legend>by</legend>
  <label><input type="radio" name="axis" value="round" checked>round</label>
  <label><input type="radio" name="axis" value="bytes">bytes</label>
  <label><input type="radio" name="axis" value="seconds">time</label>`;
const top = create("div", undefined, "top");
const cards = create("div", undefined, "cards");
const bottom = create("div", undefined, "cards");
const banner = create("div", undefined, "banner");
banner.append(heading, live.badge, subtitle, live.line);
page.replaceChildren(banner, top, axes, cards, bottom);

const graph = createGraphCard();
const pairs = createPairsCard();
const drift = createDriftCard();
const charts = chartKinds.map(createChart);
const details = create("div", undefined, "details");
cards.append(...charts.map(({ card }) => card), details);

/** @type {PageData} */
let data = JSON.parse(document.getElementById("data")?.textContent ?? "");

function show() {
  const { runs } = data;
  const [run] = runs;
  page.dataset.runs = String(runs.length);
  if (!run) {
    heading.textContent = "murmuration";
    subtitle.textContent = "no logs yet: they show up here once a peer has written its first line";
    axes.hidden = true;
    return;
  }
  axes.hidden = false;
  const axis = /** @type {import("./chart-lines.js").XAxis} */ (
    /** @type {HTMLInputElement | null} */ (axes.querySelector("input:checked"))?.value ?? "round"
  );
  for (const chart of charts) chart.update(runs, axis);
  if (runs.length > 1) {
    heading.textContent = runs.map(({ name }) => name).join(" · ");
    subtitle.textContent = `${runs.length} runs over each other`;
    top.replaceChildren(
      createVerdicts(runs),
      createNotes(
        runs.flatMap(({ name, warnings }) => warnings.map((warning) => `${name}: ${warning}`)),
        runs.flatMap(({ name, remarks }) => remarks.map((remark) => `${name}: ${remark}`)),
      ),
      createRunsCard(runs),
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
  if (!graph.card.isConnected) cards.prepend(graph.card, pairs.card);
  details.replaceChildren(createLayersCard(run), createSettingsCard(run));
  bottom.replaceChildren(
    createByClassCard(run),
    createExamplesCard(run),
    drift.card,
    createWaitsCard(run),
    createCountsCard(run),
    createPeersCard(live.withStates(run)),
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
