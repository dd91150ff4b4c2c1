import { numberText, secondsText } from "../../foundation/format.js";
import { create } from "./elements.js";

/** @typedef {import("../report.js").PageData} PageData */
/** @typedef {import("../view.js").RunView} RunView */

/** A run stands still when its logs have not grown for this many milliseconds … */
export const QUIET_MS = 10_000;
/** … and for the time of this many rounds at its pace. */
export const QUIET_ROUNDS = 5;
/** How often the time since the last round is written, in milliseconds. */
const TICK_MS = 1000;

/**
 * What a page says of a run that it follows: a badge, and a line of where the run is.
 *
 * @param {() => void} changed called when the run comes to stand still, or goes on, without a message
 */
export function createLiveState(changed) {
  const badge = create("p", undefined, "state");
  const line = create("p", undefined, "progress");
  badge.setAttribute("role", "status");
  /** @type {RunView | undefined} */
  let run;
  let isLive = false;
  let isLost = false;
  /** When the logs last grew, on the page's clock. */
  let grew = 0;
  let wasQuiet = false;

  const quietMs = () => Math.max(0, performance.now() - grew);
  const isOver = () => run?.progress.phase === "done" || run?.progress.phase === "stopped";
  const isQuiet = () => {
    if (!run || isOver()) return false;
    const roundMs = 1000 / (run.progress.roundsPerSecond ?? Number.POSITIVE_INFINITY);
    return quietMs() >= Math.max(QUIET_MS, QUIET_ROUNDS * roundMs);
  };

  function write() {
    if (!isLive) return;
    const since = agoText(quietMs());
    const quiet = isQuiet();
    const [name, words] = isOver()
      ? ["over", run?.progress.phase ?? ""]
      : isLost
        ? ["lost", "not connected"]
        : quiet
          ? ["quiet", `no round for ${since}`]
          : ["", "live"];
    badge.className = `state ${name}`;
    badge.textContent = words;
    line.textContent = run ? partsOf(run, isLost ? undefined : since, quiet).join(" · ") : "";
    if (quiet === wasQuiet) return;
    wasQuiet = quiet;
    changed();
  }

  return {
    badge,
    line,
    /** A message has come. @param {PageData} data */
    update({ runs, quietMs = 0 }) {
      if (!isLive) setInterval(write, TICK_MS);
      isLive = true;
      isLost = false;
      [run] = runs;
      grew = performance.now() - quietMs;
      // The caller shows all of it.
      wasQuiet = isQuiet();
      write();
    },
    /** The server does not answer. */
    lose() {
      isLost = true;
      write();
    },
    /** The run, with what peers do whose logs have no end yet. @param {RunView} shown @returns {RunView} */
    withStates(shown) {
      if (!isLive || isLost) return shown;
      /** @type {"silent" | "running"} */
      const outcome = isQuiet() ? "silent" : "running";
      const peers = shown.peers.map((peer) => (peer.outcome === "unfinished" ? { ...peer, outcome } : peer));
      return { ...shown, peers };
    },
  };
}

/** @param {RunView} run @param {string | undefined} since @param {boolean} isQuiet */
function partsOf({ progress }, since, isQuiet) {
  const { phase, rounds, learningRounds, roundsPerSecond, secondsLeft } = progress;
  const parts = [phase === "joining" ? "joining: no peer has ended a round" : phase];
  if (phase === "done" || phase === "stopped") return [...parts, `${rounds} rounds`];
  if (phase === "learning") parts.push(`round ${rounds} of ${learningRounds}`);
  if (phase === "closing") parts.push(`round ${rounds}, ${learningRounds} of them learned`);
  if (roundsPerSecond !== undefined) parts.push(`${numberText(roundsPerSecond)} rounds/s`);
  if (secondsLeft !== undefined && !isQuiet) parts.push(`about ${secondsText(Math.ceil(secondsLeft))} left`);
  if (since !== undefined)
    parts.push(phase === "joining" ? `waiting for ${since}` : `last round ${since} ago`);
  return parts;
}

/** Whole seconds, so that the line does not flicker. @param {number} milliseconds */
function agoText(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  return seconds === 0 ? "0 s" : secondsText(seconds);
}
