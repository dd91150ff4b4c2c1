/** How far a command is: a bar at the foot of the terminal; elsewhere a line every tenth of the way, and after half a minute. */
import pc from "picocolors";
import { numberText, secondsText } from "../foundation/format.js";
import { createFooter } from "./footer.js";

export interface Progress {
  /** Moves to `value` of the total, with a few words on how it goes. */
  update(value: number, remark: string): void;
  /** Shows other words, where stderr is a terminal. */
  remark(remark: string): void;
  /** Ends it. Safe to call twice. */
  stop(): void;
}

/** Characters of the bar at most; with less than the minimum left there is none. */
const BAR_WIDTH = 24;
const MINIMUM_BAR_WIDTH = 8;

/** Milliseconds between two drawings while it moves, and while nothing does but the time. */
const REDRAW_MS = 100;
const TICK_MS = 1000;
/** Milliseconds after which there is a line again, where a tenth takes longer. */
const LINE_MS = 30_000;

/**
 * @param label what moves, in a word or two
 * @param unit what is counted, in the singular
 */
export function progress(label: string, total: number, unit = "round"): Progress {
  const pace = createPace(total, unit);
  return process.stderr.isTTY ? createBar(label, total, pace) : createLines(label, total, pace);
}

function createLines(label: string, total: number, pace: Pace): Progress {
  let tenths = 0;
  let writtenAt = performance.now();
  return {
    update(value, remark) {
      pace.reach(value);
      const reached = Math.floor((10 * value) / total);
      if (reached > tenths || performance.now() - writtenAt > LINE_MS) {
        writtenAt = performance.now();
        const parts = [`${label} ${value}/${total} ${pace.text(value < total)}`, remark];
        process.stderr.write(`${parts.filter(Boolean).join(", ")}\n`);
      }
      tenths = Math.max(tenths, reached);
    },
    remark() {},
    stop() {},
  };
}

function createBar(label: string, total: number, pace: Pace): Progress {
  const state = { value: 0, remark: "", isOver: false };
  const footer = createFooter((columns) => linesOf(label, total, pace, state, columns));
  let drawnAt = performance.now();
  const ticks = setInterval(footer.draw, TICK_MS).unref();
  const move = (changes: Partial<typeof state>) => {
    Object.assign(state, changes);
    if (performance.now() - drawnAt < REDRAW_MS) return;
    footer.draw();
    drawnAt = performance.now();
  };
  return {
    update(value, remark) {
      pace.reach(value);
      move({ value, remark });
    },
    remark: (remark) => move({ remark }),
    stop() {
      state.isOver = true;
      clearInterval(ticks);
      footer.end();
    },
  };
}

/** The bar with count and times, and below it the remark while the run goes on. */
function linesOf(
  label: string,
  total: number,
  pace: Pace,
  { value, remark, isOver }: { readonly value: number; readonly remark: string; readonly isOver: boolean },
  columns: number,
): string[] {
  const count = `${value}/${total} ${pace.text(!isOver && value < total)}`;
  const width = Math.min(BAR_WIDTH, columns - label.length - count.length - 2);
  const first =
    width < MINIMUM_BAR_WIDTH
      ? clipped(`${label} ${count}`, columns)
      : `${label} ${barOf(value / total, width)} ${count}`;
  return isOver || remark === "" ? [first] : [first, clipped(`  ${remark}`, columns)];
}

function barOf(share: number, width: number): string {
  const filled = Math.round(Math.min(1, share) * width);
  return pc.cyan("█".repeat(filled) + "░".repeat(width - filled));
}

/** On one line of so many columns. */
function clipped(text: string, columns: number): string {
  const line = text.replace(/\p{Cc}+/gu, " ");
  return line.length <= columns ? line : `${line.slice(0, Math.max(0, columns - 1))}…`;
}

/** Time taken, speed, and time left. */
interface Pace {
  reach(value: number): void;
  /** `in 0:12, 20.1 rounds/s, 0:13 left` */
  text(isUnderWay: boolean): string;
}

/** The speed is that of the last samples, which are a second apart or more. */
const SAMPLES = 30;
const SAMPLE_MS = 1000;

function createPace(total: number, unit: string): Pace {
  const startedAt = performance.now();
  const samples: { readonly at: number; readonly value: number }[] = [];
  let last = { at: startedAt, value: 0 };
  const perSecond = () => {
    const [first] = samples;
    return first && last.at > first.at ? (1000 * (last.value - first.value)) / (last.at - first.at) : 0;
  };
  return {
    reach(value) {
      last = { at: performance.now(), value };
      if (samples.length > 0 && last.at - samples.at(-1)!.at < SAMPLE_MS) return;
      samples.push(last);
      if (samples.length > SAMPLES) samples.shift();
    },
    text(isUnderWay) {
      const now = performance.now();
      const parts = [`in ${clockText((now - startedAt) / 1000)}`];
      const rate = perSecond();
      if (rate > 0) {
        parts.push(rate >= 1 ? `${numberText(rate)} ${unit}s/s` : `${secondsText(1 / rate)} a ${unit}`);
        const left = (total - last.value) / rate - (now - last.at) / 1000;
        if (isUnderWay) parts.push(`${clockText(Math.max(0, left))} left`);
      }
      return parts.join(", ");
    },
  };
}

/** `0:07`, `12:34`, `1:02:03` */
function clockText(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes}:${two(whole % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}
