import {
  bytesText,
  lastOf,
  metricText,
  numberText,
  percentText,
  secondsText,
} from "../../foundation/format.js";
import { create } from "./elements.js";

/** @typedef {import("../view.js").RunView} RunView */

/**
 * The figures on top: each of the end of the training rounds, or of the closing consensus, as it says.
 *
 * @param {RunView} run
 */
export function createTiles(run) {
  const { series, peers, topology, goodput, standing } = run;
  const rounds = lastOf(series.round);
  /** @type {[id: string, label: string, value: number | null, text: string, remark: string][]} */
  const figures = [
    ["rounds", "rounds", rounds, String(rounds), roundsRemark(run)],
    [
      "peers",
      "peers",
      peers.length,
      String(peers.length),
      `of ${Math.max(topology.peers, peers.length)} with a log here`,
    ],
    [
      "loss",
      "training loss",
      standing.loss,
      numberText(standing.loss),
      "mean over peers, last training round",
    ],
    metricFigure(run),
    consensusFigure(run),
    [
      "bytes",
      "sent per peer",
      lastOf(series.bytes),
      bytesText(lastOf(series.bytes)),
      standing.closed ? "closing included" : "as transports counted",
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

/** @param {RunView} run */
function roundsRemark({ experiment, learningRounds, standing, series }) {
  if (!standing.closed) return `${experiment.rounds} planned`;
  return `${learningRounds} of ${experiment.rounds} training, ${(lastOf(series.round) ?? 0) - learningRounds} closing`;
}

/** @param {RunView} run @returns {[string, string, number | null, string, string]} */
function metricFigure({ metric, standing: { learned, closed } }) {
  const text = (/** @type {number | null | undefined} */ value) => metricText(metric, value);
  const isClosed = closed?.worst != null;
  const { worst, best } = isClosed ? closed : learned;
  const who = text(worst) === text(best) ? "every peer" : `worst peer; best ${text(best)}`;
  const before = learned.worst === null ? "" : ` (before: worst ${text(learned.worst)})`;
  const remark = isClosed ? `${who}, after closing${before}` : `${who}, before closing`;
  return [metric.name, metric.name, worst, text(worst), remark];
}

/** @param {RunView} run @returns {[string, string, number | null, string, string]} */
function consensusFigure({ series, projectionError, standing: { learned, closed } }) {
  const isExact = series.consensusExact.some((value) => value !== null);
  const error = projectionError === 0 ? "from whole models" : `± ${percentText(projectionError)}`;
  const after = closed?.consensus == null ? "" : ` (after: ${numberText(closed.consensus)})`;
  const remark = `${isExact ? "exact" : error}, before closing${after}`;
  return ["consensus", "consensus distance", learned.consensus, numberText(learned.consensus), remark];
}
