/** Metrics of peers' rounds, registered with prom-client. Their names, types and units are in README.md beside this file. */
import { Counter, Gauge, type Registry } from "prom-client";
import { type CounterName, counterKinds, counterNames, counterRecord } from "../foundation/counters.js";
import { createGoodput, type Goodput } from "../observing/goodput.js";
import type { RoundReport } from "../observing/report.js";

/** @returns what takes a report apart into metrics */
export function createMetrics(registry: Registry): (report: RoundReport) => void {
  const metrics = registerMetrics(registry);
  const count = trafficCounter(metrics.edges);
  const goodputs = new Map<number, Goodput>();
  return (report) => {
    const { peer, time, evaluation, observed } = report;
    for (const [name, metric] of Object.entries(metrics.gauges)) {
      const value = report[name as keyof typeof metrics.gauges];
      if (value !== undefined) metric.set({ peer }, value);
    }
    if (evaluation) metrics.evaluationLoss.set({ peer }, evaluation.loss);
    if (evaluation?.accuracy !== undefined) metrics.accuracy.set({ peer }, evaluation.accuracy);
    for (const [name, value] of Object.entries(evaluation?.metrics ?? {})) {
      metrics.metric.set({ peer, name }, value);
    }
    if (observed) metrics.distance.set({ peer, neighbour: observed.neighbour }, observed.distance);
    for (const edge of report.traffic) count(peer, edge);
    for (const neighbour of report.missed ?? []) metrics.missed.inc({ peer, neighbour });
    for (const part of ["compute", "compress", "wait", "mix"] as const) {
      metrics.seconds.inc({ peer, part }, Math.max(0, time[`${part}Ms`]) / 1000);
    }
    const goodput = goodputs.get(peer) ?? createGoodput();
    goodputs.set(peer, goodput);
    goodput.add(report);
    if (goodput.share !== undefined) metrics.goodput.set({ peer }, goodput.share);
    countAll(metrics.counters, report);
    if (time.waitedFor !== undefined) {
      metrics.waitCount.inc({ peer, neighbour: time.waitedFor });
      metrics.waits.inc({ peer, neighbour: time.waitedFor }, Math.max(0, time.waitMs) / 1000);
    }
    metrics.refused.inc({ peer }, report.refused?.length ?? 0);
    metrics.warnings.inc({ peer }, report.warnings?.length ?? 0);
  };
}

/** Every metric there is. Those in `gauges` and `edges` are called as in reports. */
function registerMetrics(registry: Registry) {
  const registers = [registry];
  const gauge = (name: string, help: string, ...labels: string[]) =>
    new Gauge({ name: `murmuration_${name}`, help, labelNames: ["peer", ...labels], registers });
  const counter = (name: string, help: string, ...labels: string[]) =>
    new Counter({ name: `murmuration_${name}`, help, labelNames: ["peer", ...labels], registers });
  return {
    gauges: {
      round: gauge("round", "Last completed round, from 0"),
      loss: gauge("loss", "Mean training loss of the last training round"),
      learningRate: gauge("learning_rate", "Learning rate γ"),
      consensusRate: gauge("consensus_rate", "Consensus rate η"),
      modelNorm: gauge("model_norm", "Norm of the model"),
      compressionError: gauge(
        "compression_error_ratio",
        "Compression error of the last message relative to the norm of what it compressed",
      ),
      residual: gauge("residual_ratio", "Norm of the compression residual relative to the model's"),
      consensusEstimate: gauge(
        "consensus_distance_estimate",
        "The peer's own estimate of the consensus distance",
      ),
    },
    goodput: gauge("goodput_ratio", "Share of wall time in useful steps"),
    counters: counterRecord((name) => {
      const { help, perEdge } = counterKinds[name];
      return counter(counterMetric(name), help, ...(perEdge ? ["neighbour"] : []));
    }),
    accuracy: gauge("accuracy_ratio", "Share of held-out examples that the model classifies correctly"),
    metric: gauge("metric", "Figure of the evaluation on held-out data, by its name", "name"),
    evaluationLoss: gauge("evaluation_loss", "Loss on held-out data"),
    distance: gauge(
      "neighbour_distance",
      "Distance to the neighbour's model, estimated from its messages",
      "neighbour",
    ),
    edges: {
      bytesSent: counter("sent_bytes_total", "Bytes sent", "neighbour"),
      bytesReceived: counter("received_bytes_total", "Bytes received", "neighbour"),
      messagesSent: counter("sent_messages_total", "Messages sent", "neighbour"),
      messagesReceived: counter("received_messages_total", "Messages received", "neighbour"),
    },
    missed: counter("missed_messages_total", "Messages that a round did without", "neighbour"),
    seconds: counter("round_seconds_total", "Time of rounds by part: compute, compress, wait or mix", "part"),
    waits: counter(
      "neighbour_wait_seconds_total",
      "Time waited for the neighbour whose frame came last",
      "neighbour",
    ),
    waitCount: counter("neighbour_waits_total", "Rounds that waited for this neighbour last", "neighbour"),
    refused: counter("refused_frames_total", "Refused frames"),
    warnings: counter("warnings_total", "Warnings"),
  };
}

/** `resent_frames_total` for resentFrames; times are in seconds, as Prometheus counts them. */
export function counterMetric(name: CounterName): string {
  const { unit } = counterKinds[name];
  const words = name.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return `${words}${unit === "ms" ? "_seconds" : ""}_total`;
}

/** Adds what was counted in a round. */
function countAll(
  metrics: ReturnType<typeof registerMetrics>["counters"],
  { peer, counters = {}, edgeCounters = [] }: RoundReport,
): void {
  for (const name of counterNames) {
    const { perEdge, unit } = counterKinds[name];
    const scale = unit === "ms" ? 1 / 1000 : 1;
    if (!perEdge) metrics[name].inc({ peer }, (counters[name] ?? 0) * scale);
    for (const edge of perEdge ? edgeCounters : []) {
      metrics[name].inc({ peer, neighbour: edge.neighbour }, (edge[name] ?? 0) * scale);
    }
  }
}

type EdgeCounters = ReturnType<typeof registerMetrics>["edges"];

/** Traffic is reported as totals; counters take what was added. */
function trafficCounter(edges: EdgeCounters): (peer: number, edge: RoundReport["traffic"][number]) => void {
  const counted = new Map<string, number>();
  return (peer, edge) => {
    const { neighbour } = edge;
    for (const name of Object.keys(edges) as (keyof EdgeCounters)[]) {
      const key = `${name} ${peer} ${neighbour}`;
      const total = edge[name];
      const before = counted.get(key) ?? 0;
      // A restarted peer counts from zero again.
      edges[name].inc({ peer, neighbour }, total >= before ? total - before : total);
      counted.set(key, total);
    }
  };
}
