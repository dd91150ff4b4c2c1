/**
 * Reports on their way between threads: what nearly every report has as numbers side by side, and the rest as it is. A structured
 * clone of a thousand reports takes longer than the round of small models that they report.
 */
import type { EdgeTraffic } from "../../../exchange/transport.js";
import type { Mutable } from "../../../foundation/mutable.js";
import type { RoundReport, RoundTimes } from "../../../observing/report.js";

export interface PackedReports {
  readonly count: number;
  /** Report after report; NaN, which no report has, stands for what is absent. */
  readonly numbers: Float64Array;
  /** By report, what has no place among the numbers; undefined where nothing is left. */
  readonly rest: readonly (Partial<RoundReport> | undefined)[] | undefined;
}

const fields = [
  "peer",
  "round",
  "loss",
  "learningRate",
  "consensusRate",
  "modelNorm",
  "compressionError",
  "residual",
  "consensusEstimate",
] as const satisfies readonly (keyof RoundReport)[];
const times = [
  "computeMs",
  "compressMs",
  "waitMs",
  "mixMs",
  "elapsedMs",
  "waitedFor",
] as const satisfies readonly (keyof RoundTimes)[];
const traffics = [
  "neighbour",
  "bytesSent",
  "bytesReceived",
  "messagesSent",
  "messagesReceived",
] as const satisfies readonly (keyof EdgeTraffic)[];
/** Of a report that has no edge: with its kind, and how many edges it has. */
const LEAST_NUMBERS = fields.length + times.length + 2;
const LEARNING = 0;
const CLOSING = 1;

const packed: ReadonlySet<string> = new Set([...fields, "kind", "time", "traffic"]);

export function packReports(reports: readonly RoundReport[]): PackedReports {
  const edges = reports.reduce((sum, { traffic }) => sum + traffic.length, 0);
  const numbers = new Float64Array(reports.length * LEAST_NUMBERS + edges * traffics.length);
  let rest: (Partial<RoundReport> | undefined)[] | undefined;
  let at = 0;
  for (const [k, report] of reports.entries()) {
    for (const field of fields) numbers[at++] = report[field] ?? Number.NaN;
    for (const field of times) numbers[at++] = report.time[field] ?? Number.NaN;
    numbers[at++] = report.kind === "closing" ? CLOSING : LEARNING;
    numbers[at++] = report.traffic.length;
    for (const crossed of report.traffic) for (const field of traffics) numbers[at++] = crossed[field];
    const others = restOf(report);
    if (!others) continue;
    rest ??= [];
    rest[k] = others;
  }
  return { count: reports.length, numbers, rest };
}

function restOf(report: RoundReport): Partial<RoundReport> | undefined {
  let rest: Record<string, unknown> | undefined;
  for (const field in report) {
    if (packed.has(field)) continue;
    rest ??= {};
    rest[field] = report[field as keyof RoundReport];
  }
  return rest;
}

export function unpackReports({ count, numbers, rest }: PackedReports): RoundReport[] {
  const reports: RoundReport[] = [];
  let at = 0;
  const next = (): number => numbers[at++]!;
  for (let k = 0; k < count; k++) {
    const report: Mutable<RoundReport> = {
      peer: 0,
      round: 0,
      kind: "learning",
      learningRate: 0,
      consensusRate: 0,
      modelNorm: 0,
      traffic: [],
      time: { computeMs: 0, compressMs: 0, waitMs: 0, mixMs: 0, elapsedMs: 0 },
    };
    for (const field of fields) fill(report, field, next());
    for (const field of times) fill(report.time as Mutable<RoundTimes>, field, next());
    if (next() === CLOSING) report.kind = "closing";
    const edges = next();
    const traffic: EdgeTraffic[] = [];
    for (let e = 0; e < edges; e++) {
      // In the order of `traffics`.
      traffic.push({
        neighbour: next(),
        bytesSent: next(),
        bytesReceived: next(),
        messagesSent: next(),
        messagesReceived: next(),
      });
    }
    report.traffic = traffic;
    const others = rest?.[k];
    reports.push(others ? Object.assign(report, others) : report);
  }
  return reports;
}

function fill<Field extends string>(into: { [field in Field]?: number }, field: Field, value: number): void {
  if (!Number.isNaN(value)) into[field] = value;
}
