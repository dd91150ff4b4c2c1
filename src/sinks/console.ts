import type { RoundReport, Sink } from "../report.js";

export interface ConsoleOptions {
  /** Tell of every so many rounds; warnings, evaluations and the first round are always told. */
  readonly every: number;
  /** Where finished lines go, without their newline. */
  readonly write: (line: string) => void;
}

/** A line per round in words, for people who watch one peer. */
export function createConsoleSink({ every, write }: ConsoleOptions): Sink<RoundReport> {
  return {
    write(report) {
      const { peer, round, warnings = [], evaluation } = report;
      for (const warning of warnings) write(`peer ${peer}  round ${round + 1}  warning: ${warning}`);
      const isDue = round === 0 || (round + 1) % every === 0;
      if (isDue || evaluation) write(roundText(report));
    },
    async close() {},
  };
}

/** One round in one line. */
export function roundText(report: RoundReport): string {
  const { peer, round, kind, loss, evaluation, residual, consensusEstimate, traffic, missed, time } = report;
  const sent = traffic.reduce((sum, edge) => sum + edge.bytesSent, 0);
  const took = time.computeMs + time.compressMs + time.waitMs + time.mixMs;
  return [
    `peer ${peer}`,
    `round ${round + 1}${kind === "closing" ? " (closing)" : ""}`,
    loss !== undefined && `loss ${loss.toPrecision(3)}`,
    evaluation?.accuracy !== undefined && `accuracy ${(100 * evaluation.accuracy).toFixed(1)} %`,
    residual !== undefined && `‖δ‖/‖x‖ ${residual.toPrecision(2)}`,
    consensusEstimate !== undefined && `consensus distance ≈ ${consensusEstimate.toPrecision(2)}`,
    `sent ${(sent / 1e6).toPrecision(3)} MB`,
    missed && missed.length > 0 && `without ${missed.join(", ")}`,
    `${took.toPrecision(2)} ms, ${Math.round((100 * time.waitMs) / Math.max(took, 1e-9))} % waiting`,
  ]
    .filter((part) => part !== false && part !== undefined)
    .join("  ");
}
