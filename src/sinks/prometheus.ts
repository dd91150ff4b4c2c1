import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Registry } from "prom-client";
import { CannotListen } from "../foundation/errors.js";
import type { RoundReport, Sink } from "../observing/report.js";
import { contentTypes, expose, formatFor } from "./exposition.js";
import { createMetrics } from "./metrics.js";

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
 * Metrics of peers' rounds at `/metrics`, in OpenMetrics for readers that ask for it and in Prometheus' text format
 * for others. Every metric has the label `peer`; those of edges also `neighbour`. Close it to free the port.
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
    const format = formatFor(request.headers.accept);
    expose(registry, format).then(
      (text) => response.writeHead(200, { "content-type": contentTypes[format] }).end(text),
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
