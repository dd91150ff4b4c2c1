/**
 * Text formats of metrics: Prometheus' 0.0.4, and OpenMetrics 1.0, which adds units and an end mark, and whose
 * counters are called without `_total` but for their samples.
 */
import type { MetricObjectWithValues, MetricValueWithName, Registry } from "prom-client";

type MetricFamily = MetricObjectWithValues<MetricValueWithName<string>>;
export type Format = "prometheus" | "openmetrics";

export const contentTypes: Readonly<Record<Format, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** The format for a request's Accept header: OpenMetrics where it is named and not less wanted than plain text. */
export function formatFor(accept = ""): Format {
  const qualities = new Map<string, number>();
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith("q="));
    const quality = weight === undefined ? 1 : Number(weight.slice(2));
    qualities.set(type, Math.max(qualities.get(type) ?? 0, Number.isNaN(quality) ? 0 : quality));
  }
  const wanted = qualities.get("application/openmetrics-text") ?? 0;
  return wanted > 0 && wanted >= (qualities.get("text/plain") ?? 0) ? "openmetrics" : "prometheus";
}

/** Units are suffixes of names, as both formats have it; a metric without one is a plain number. */
const UNIT_PATTERN = /_(bytes|ratio|seconds)$/;

export const unitOf = (name: string): string | undefined =>
  UNIT_PATTERN.exec(name.replace(/_total$/, ""))?.[1];

/** All metrics as text. Each is read and written at once: a slow collector of another does not mix rounds. */
export async function expose(registry: Registry, format: Format): Promise<string> {
  const names = registry.getMetricsAsArray().map(({ name }) => name);
  const texts = await Promise.all(
    names.map(async (name) => exposeFamily(await registry.getSingleMetric(name)!.get(), format)),
  );
  return format === "openmetrics" ? `${texts.join("")}# EOF\n` : texts.join("");
}

/** prom-client's types as words, which its declarations number. */
const typeOf = ({ type }: MetricFamily) => String(type);

function exposeFamily(family: MetricFamily, format: Format): string {
  const isOpen = format === "openmetrics";
  const isCounter = typeOf(family) === "counter";
  const name = isOpen && isCounter ? family.name.replace(/_total$/, "") : family.name;
  const unit = unitOf(name);
  const sampleName = isOpen && isCounter ? `${name}_total` : name;
  const lines = [
    `# HELP ${name} ${escaped(family.help, isOpen)}`,
    `# TYPE ${name} ${typeOf(family)}`,
    ...(isOpen && unit !== undefined ? [`# UNIT ${name} ${unit}`] : []),
    ...family.values.map(({ value, labels, metricName = sampleName }) => {
      return `${metricName}${labelsText(labels, isOpen)} ${numberText(value)}`;
    }),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function labelsText(labels: MetricValueWithName<string>["labels"], isOpen: boolean): string {
  const parts = Object.entries(labels).map(([name, value]) => {
    const isBound = isOpen && (name === "le" || name === "quantile");
    return `${name}="${isBound ? boundText(value!) : escaped(String(value), true)}"`;
  });
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

/** OpenMetrics writes bounds of buckets as floating-point numbers, `1.0`. */
function boundText(value: string | number): string {
  const text = String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}

function escaped(text: string, withQuotes: boolean): string {
  const lines = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return withQuotes ? lines.replaceAll('"', '\\"') : lines;
}
