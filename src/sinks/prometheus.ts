import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Counter, Gauge, Registry } from "prom-client";
import { type CounterName, counterKinds, counterNames, counterRecord } from "../foundation/counters.js";
import { CannotListen } from "../foundation/errors.js";
import { createGoodput, type Goodput } from "../observing/goodput.js";
import type { RoundReport, Sink } from "../observing/report.js";

export interface PrometheusOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** The address to listen on; only this machine can read by default. */
  readonly host?: string;
  /** Where the metrics are kept: pass one to serve others with them, for example those of libp2p. */
  readonly registry?: Registry;
}

export interface PrometheusSink extends Sink<RoundReport> {
  /** Where Prometheus reads. */
  readonly url: string;
  readonly registry: Registry;
}

/**
 * Metrics of peers' rounds for Prometheus, at `/metrics`. Every metric has the label `peer`; those of edges also
 * `neighbour`. Close it to free the port.
 *
 * @throws CannotListen when the port is taken or the address is not this machine's
 */
export async function createPrometheusSink({
  port = 0,
  host = "127.0.0.1",
  registry = new Registry(),
}: PrometheusOptions = {}): Promise<PrometheusSink> {
  const metrics = createMetrics(registry);
  const server = createServer((request, response) => {
    if (request.url !== "/metrics" || request.method !== "GET") {
      response.writeHead(404).end("murmuration: metrics are at /metrics\n");
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { "content-type": registry.contentType }).end(text),
      (error: Error) => response.writeHead(500).end(`murmuration: ${error.message}\n`),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new CannotListen(
          `cannot serve metrics on ${host} port ${port}: ${error.message}; choose another port, or 0 for any`,
          { code: "metrics-port", cause: error },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
  const { address, family, port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${family === "IPv6" ? `[${address}]` : address}:${taken}/metrics`,
    registry,
    write: (report) => metrics(report),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** What takes a report apart into metrics. */
function createMetrics(registry: Registry): (report: RoundReport) => void {
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
      round: gauge("round", "Round that ended last, from 0"),
      loss: gauge("loss", "Mean training loss of the last round that learned"),
      learningRate: gauge("learning_rate", "Learning rate"),
      consensusRate: gauge("consensus_rate", "Consensus rate"),
      modelNorm: gauge("model_norm", "Norm of the model"),
      compressionError: gauge(
        "compression_error",
        "Error of the last message relative to what was to be sent",
      ),
      residual: gauge("residual", "Norm of the residual relative to the model"),
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
    accuracy: gauge("accuracy", "Share of held-out examples that the model gets right"),
    metric: gauge("metric", "Figure of the evaluation on held-out data, by its name", "name"),
    evaluationLoss: gauge("evaluation_loss", "Loss on held-out data"),
    distance: gauge(
      "neighbour_distance",
      "Distance to the neighbour's model as told from its messages",
      "neighbour",
    ),
    edges: {
      bytesSent: counter("sent_bytes_total", "Bytes sent", "neighbour"),
      bytesReceived: counter("received_bytes_total", "Bytes received", "neighbour"),
      messagesSent: counter("sent_messages_total", "Messages sent", "neighbour"),
      messagesReceived: counter("received_messages_total", "Messages received", "neighbour"),
    },
    missed: counter("missed_messages_total", "Messages that a round went without", "neighbour"),
    seconds: counter("round_seconds_total", "Time by what it went to", "part"),
    waits: counter("neighbour_wait_seconds_total", "Time waited for the last neighbour", "neighbour"),
    waitCount: counter("neighbour_waits_total", "Rounds that waited for the last neighbour", "neighbour"),
    refused: counter("refused_frames_total", "Frames that were not taken"),
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
