import {
  bytesText,
  lastOf,
  metricText,
  numberText,
  peerText,
  percentText,
  secondsText,
} from "../../foundation/format.js";
import { cardHead, create } from "./elements.js";

/** @typedef {import("../view.js").RunView} RunView */

/** The figures on top. @param {RunView} run */
export function createTiles({ series, metric, peers, topology, projectionError, goodput, experiment }) {
  const consensus = beforeClosing(series.round, series.consensusExact, experiment.rounds);
  const projected = beforeClosing(series.round, series.consensusProjected, experiment.rounds);
  const worst = lastOf(series.metricWorst);
  const best = lastOf(series.metricBest);
  /** @type {[id: string, label: string, value: number | null, text: string, remark: string][]} */
  const figures = [
    [
      "rounds",
      "rounds",
      lastOf(series.round),
      numberOrDash(lastOf(series.round)),
      `${experiment.rounds} planned`,
    ],
    [
      "peers",
      "peers",
      peers.length,
      `${peers.length} of ${Math.max(topology.peers, peers.length)}`,
      "with a log here",
    ],
    ["loss", "training loss", lastOf(series.loss), numberText(lastOf(series.loss)), "mean over peers"],
    [
      metric.name,
      metric.name,
      worst,
      metricText(metric, worst),
      metricText(metric, worst) === metricText(metric, best)
        ? "every peer"
        : `worst peer; best ${metricText(metric, best)}`,
    ],
    [
      "consensus",
      "consensus distance",
      consensus ?? projected,
      numberText(consensus ?? projected),
      consensus !== null
        ? "exact, before closing"
        : projectionError === 0
          ? "from whole models, before closing"
          : `± ${(100 * projectionError).toFixed(1)} %, before closing`,
    ],
    [
      "bytes",
      "sent per peer",
      lastOf(series.bytes),
      bytesText(lastOf(series.bytes)),
      "as transports counted",
    ],
    ["goodput", "goodput", goodput, percentText(goodput), "of wall time in useful steps"],
    ["seconds", "time", lastOf(series.seconds), secondsText(lastOf(series.seconds)), "mean over peers"],
  ];
  const list = create("dl", undefined, "tiles");
  for (const [id, label, value, text, remark] of figures) {
    if (value === null) continue;
    const tile = create("div");
    const number = create("dd", text);
    number.dataset.stat = id;
    number.dataset.value = String(value);
    tile.append(create("dt", label), number, create("dd", remark, "remark"));
    list.append(tile);
  }
  return list;
}

/** Where a peer's time went, as a bar each. @param {RunView} run */
export function createPeersCard({ peers, metric, topology }) {
  const card = create("section", undefined, "card wide");
  card.id = "peers";
  card.append(cardHead("Peers", "where each peer’s time went, and what it sent"));
  const withMetric = peers.some((peer) => peer.metric !== null);
  const withGoodput = peers.some(({ goodput }) => goodput !== null);
  const table = /** @type {HTMLTableElement} */ (create("table"));
  const head = table.createTHead().insertRow();
  const titles = [
    "peer",
    "rounds",
    "",
    "training loss",
    ...(withMetric ? [metric.name] : []),
    "sent",
    "received",
    ...(withGoodput ? ["goodput"] : []),
    "compute · compress · mix · wait",
  ];
  for (const title of titles) head.append(create("th", title));
  const body = table.createTBody();
  const times = ["computeMs", "compressMs", "mixMs", "waitMs"];
  const longest = Math.max(1e-9, ...peers.map((peer) => total(peer)));
  for (const peer of peers) {
    const row = body.insertRow();
    row.dataset.peer = String(peer.peer);
    row.append(
      create("th", peerText(peer.peer, topology.names)),
      create("td", String(peer.rounds)),
      create("td", peer.outcome, peer.outcome),
      create("td", numberText(peer.loss)),
      ...(withMetric ? [create("td", metricText(metric, peer.metric))] : []),
      create("td", bytesText(peer.bytesSent)),
      create("td", bytesText(peer.bytesReceived)),
      ...(withGoodput ? [create("td", percentText(peer.goodput))] : []),
    );
    const cell = create("td", undefined, "bars");
    const bar = create("div");
    for (const name of times) {
      const value = /** @type {Record<string, number>} */ (/** @type {unknown} */ (peer))[name] ?? 0;
      const part = create("span", undefined, name);
      part.style.width = `${(100 * value) / longest}%`;
      part.title = `${name.replace("Ms", "")} ${secondsText(value / 1000)}`;
      bar.append(part);
    }
    cell.append(bar, create("span", secondsText(total(peer) / 1000)));
    row.append(cell);
  }
  const scroller = create("div", undefined, "scroll");
  scroller.append(table);
  card.append(scroller);
  return card;
}

/** The layers' shares of the consensus distance. @param {RunView} run */
export function createLayersCard({ layers, tensors }) {
  const card = create("section", undefined, "card");
  card.id = "layers";
  card.hidden = layers.length < 2;
  card.append(cardHead("Layers", "share of the consensus distance before closing"));
  const list = create("dl", undefined, "shares");
  for (const [t, { name, share }] of layers.entries()) {
    const row = create("div");
    const value = create("dd", percentText(share));
    value.dataset.layer = name;
    value.dataset.value = String(share);
    const bar = create("span", undefined, "bar");
    bar.style.setProperty("--share", `${100 * share}%`);
    row.append(create("dt", `${name} ${(tensors[t]?.shape ?? []).join("×")}`), bar, value);
    list.append(row);
  }
  card.append(list);
  return card;
}

/** @param {RunView} run */
export function createSettingsCard({ experiment, machine, fingerprint, seed, version }) {
  const card = create("section", undefined, "card");
  card.id = "settings";
  card.append(cardHead("Settings", `seed ${seed}, fingerprint ${fingerprint.slice(0, 12)}`));
  const list = create("dl", undefined, "settings");
  for (const [name, value] of [
    ...Object.entries(experiment),
    ["murmuration", version],
    ...Object.entries(machine),
  ]) {
    const row = create("div");
    row.append(create("dt", name), create("dd", settingText(value)));
    list.append(row);
  }
  card.append(list);
  return card;
}

/** One row per run, where several are compared. @param {readonly RunView[]} runs */
export function createRunsCard(runs) {
  const card = create("section", undefined, "card wide");
  card.id = "runs";
  card.append(cardHead("Runs", ""));
  const table = /** @type {HTMLTableElement} */ (create("table"));
  const head = table.createTHead().insertRow();
  const { metric } = runs[0] ?? { metric: { name: "accuracy" } };
  const isMixed = runs.some((run) => run.metric.name !== metric.name);
  for (const title of [
    "run",
    "algorithm",
    "compressor",
    "graph",
    "rounds",
    "training loss",
    isMixed ? "worst peer" : `worst ${metric.name}`,
    "consensus distance",
    "sent per peer",
    "time",
  ]) {
    head.append(create("th", title));
  }
  const body = table.createTBody();
  for (const run of runs) {
    const { name, experiment, topology, series } = run;
    const rounds = experiment.rounds;
    const consensus =
      beforeClosing(series.round, series.consensusExact, rounds) ??
      beforeClosing(series.round, series.consensusProjected, rounds);
    const worst = lastOf(series.metricWorst);
    const worstText = metricText(run.metric, worst);
    const row = body.insertRow();
    row.dataset.run = name;
    row.append(
      create("th", name),
      create("td", String(experiment.algorithm)),
      create("td", payloadsText(run), "words"),
      create("td", topology.name),
      create("td", numberOrDash(lastOf(series.round))),
      create("td", numberText(lastOf(series.loss))),
      create("td", worst !== null && isMixed ? `${run.metric.name} ${worstText}` : worstText),
      create("td", numberText(consensus)),
      create("td", bytesText(lastOf(series.bytes))),
      create("td", secondsText(lastOf(series.seconds))),
    );
  }
  const scroller = create("div", undefined, "scroll");
  scroller.append(table);
  card.append(scroller);
  return card;
}

/** @param {{ computeMs: number, compressMs: number, mixMs: number, waitMs: number }} peer */
function total({ computeMs, compressMs, mixMs, waitMs }) {
  return computeMs + compressMs + mixMs + waitMs;
}

/**
 * What travels.
 *
 * @param {Pick<RunView, "payloads" | "experiment">} run
 */
export function payloadsText({ payloads, experiment }) {
  if (payloads === "nothing") return "nothing sent";
  return payloads === "exact" ? "full models" : settingText(experiment.compressor);
}

/** `minmax, bits 4` for { kind: "minmax", bits: 4 }. @param {unknown} value @returns {string} */
function settingText(value) {
  if (typeof value !== "object" || value === null) return String(value);
  if (Array.isArray(value)) return value.map(settingText).join(", ");
  return Object.entries(value)
    .map(([name, inner]) => (name === "kind" ? String(inner) : `${name} ${settingText(inner)}`))
    .join(", ");
}

/** @param {number | null} value */
function numberOrDash(value) {
  return value === null ? "–" : String(value);
}

/**
 * The last value of the training rounds.
 *
 * @param {readonly (number | null)[]} rounds
 * @param {readonly (number | null)[]} values
 * @param {number} learning
 */
function beforeClosing(rounds, values, learning) {
  for (let k = values.length - 1; k >= 0; k--) {
    const value = values[k];
    if (value !== null && value !== undefined && (rounds[k] ?? 0) <= learning) return value;
  }
  return null;
}
