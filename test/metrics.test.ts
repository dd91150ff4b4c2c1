import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { Gauge, Histogram, Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { expose, formatFor, unitOf } from "../src/sinks/exposition.js";
import { createMetrics } from "../src/sinks/metrics.js";
import { createPrometheusSink } from "../src/sinks/prometheus.js";
import { parseOpenMetrics, unescaped } from "./support/openmetrics.js";
import { roundReport } from "./support/reports.js";

const openMetrics = { headers: { accept: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5" } };

/** What a peer with one round behind it serves. */
async function served(init?: RequestInit): Promise<{ type: string | null; text: string }> {
  const sink = await createPrometheusSink();
  sink.write(roundReport);
  const response = await fetch(sink.url, init);
  const text = await response.text();
  await sink.close();
  return { type: response.headers.get("content-type"), text };
}

describe("metrics", () => {
  it("are those of the table in src/sinks/README.md", () => {
    const registry = new Registry();
    createMetrics(registry);
    const rows = registry.getMetricsAsArray().map((metric) => {
      const { name, type, help, labelNames } = metric as typeof metric & { labelNames: string[] };
      const [peer, ...labels] = labelNames;
      expect(peer).toBe("peer");
      const others = labels.map((label) => `\`${label}\``).join(", ");
      return `| \`${name}\` | ${type} | ${unitOf(name) ?? ""} | ${others} | ${help} |`;
    });
    const readme = readFileSync(new URL("../src/sinks/README.md", import.meta.url), "utf8");
    expect(readme.match(/^\| `.*\|$/gm)).toEqual(rows);
  });

  it("are OpenMetrics for a reader that asks for it", async () => {
    const { type, text } = await served(openMetrics);
    expect(type).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    const families = parseOpenMetrics(text);
    expect(families.get("murmuration_sent_bytes")).toEqual({
      type: "counter",
      unit: "bytes",
      help: "Bytes sent",
      samples: new Map([['murmuration_sent_bytes_total{peer="1",neighbour="0"}', 100]]),
    });
    expect(families.get("murmuration_accuracy_ratio")).toMatchObject({ type: "gauge", unit: "ratio" });
    expect(families.get("murmuration_loss")).toMatchObject({ type: "gauge", unit: undefined });
  });

  it("are Prometheus' text format for others, with the same samples", async () => {
    const { type, text } = await served();
    expect(type).toBe("text/plain; version=0.0.4; charset=utf-8");
    expect(text).not.toMatch(/^# (UNIT|EOF)/m);
    const samples = (lines: string) =>
      lines.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(samples(text)).toEqual(samples((await served(openMetrics)).text));
    expect(text).toMatch(/^# TYPE murmuration_sent_bytes_total counter$/m);
  });

  it.each([
    [undefined, "prometheus"],
    ["*/*", "prometheus"],
    ["text/plain", "prometheus"],
    ["application/openmetrics-text", "openmetrics"],
    ["application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"],
    [
      "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
      "openmetrics",
    ],
    ["text/plain;q=0.9,application/openmetrics-text;q=0.2", "prometheus"],
    ["application/openmetrics-text;q=0", "prometheus"],
    ["application/openmetrics-text;q=x", "prometheus"],
  ] as const)("answer Accept: %s with %s", (accept, format) => {
    expect(formatFor(accept)).toBe(format);
  });

  it("keep every label and help text readable", async () => {
    const text = fc.string({ unit: "binary" });
    await fc.assert(
      fc.asyncProperty(text, text, fc.double({ noNaN: true }), async (label, help, value) => {
        const registry = new Registry();
        const registers = [registry];
        new Gauge({ name: "some", help: help || "-", labelNames: ["at"], registers }).set(
          { at: label },
          value,
        );
        const family = parseOpenMetrics(await expose(registry, "openmetrics")).get("some")!;
        expect(family.help).toBe(help || "-");
        const [[key, number]] = [...family.samples] as [[string, number]];
        expect(unescaped(key.slice('some{at="'.length, -'"}'.length))).toBe(label);
        expect(number).toBe(value);
      }),
    );
  });

  it("are those of one round, however long a collector takes", async () => {
    const registry = new Registry();
    const write = createMetrics(registry);
    let release = () => {};
    const collect = () => new Promise<void>((resolve) => (release = resolve));
    new Gauge({ name: "slow", help: "-", registers: [registry], collect });
    write(roundReport);
    const text = expose(registry, "prometheus");
    await Promise.resolve();
    const [edge] = roundReport.traffic;
    write({ ...roundReport, round: 20, traffic: [{ ...edge!, bytesSent: 300 }] });
    release();
    expect(await text).toMatch(/^murmuration_round\{peer="1"\} 19$/m);
    expect(await text).toMatch(/^murmuration_sent_bytes_total\{peer="1",neighbour="0"\} 100$/m);
  });

  it("write bounds of buckets as numbers with a point", async () => {
    const registry = new Registry();
    const histogram = new Histogram({
      name: "gc_seconds",
      help: "-",
      buckets: [0.1, 1],
      registers: [registry],
    });
    histogram.observe(0.5);
    const text = await expose(registry, "openmetrics");
    expect([...parseOpenMetrics(text).get("gc_seconds")!.samples.keys()]).toEqual([
      'gc_seconds_bucket{le="0.1"}',
      'gc_seconds_bucket{le="1.0"}',
      'gc_seconds_bucket{le="+Inf"}',
      "gc_seconds_sum",
      "gc_seconds_count",
    ]);
  });
});

/** A Python that has Prometheus' client library. */
const python = [process.env.PROMETHEUS_PYTHON ?? "python3"].find(
  (name) => spawnSync(name, ["-c", "import prometheus_client"]).status === 0,
);
if (!python) {
  console.warn(
    "metrics are not read by Prometheus' parser: install prometheus_client, or name a python that has it in PROMETHEUS_PYTHON",
  );
}

describe.skipIf(!python)("Prometheus' own parser", () => {
  it("reads what a peer serves", async () => {
    const program = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = text_string_to_metric_families(sys.stdin.read())
print(json.dumps({family.name: [family.type, family.unit, len(family.samples)] for family in families}))`;
    const { text } = await served(openMetrics);
    const { status, stdout, stderr } = spawnSync(python!, ["-c", program], { encoding: "utf8", input: text });
    expect(status, stderr).toBe(0);
    const own = [...parseOpenMetrics(text)].map(([name, { type, unit = "", samples }]) => [
      name,
      [type, unit, samples.size],
    ]);
    expect(JSON.parse(stdout)).toEqual(Object.fromEntries(own));
  });
});
