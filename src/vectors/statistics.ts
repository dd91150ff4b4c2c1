/**
 * Statistics that layers update while they learn, such as the running means and variances of batch normalisation: each peer has
 * those of its own examples, and the mean model those of all.
 */
import type { NamedValues } from "./state.js";

/**
 * Statistics of all peers' examples together, each peer counting alike: means of means, and variances by the law of total
 * variance, the mean of the variances plus the variance of the means. A tensor is a variance where its name ends in `var` or
 * `variance` and one that ends in `mean` stands beside it; of anything else the mean is taken. Sums are float64.
 *
 * @param peers the same names and lengths for each
 */
export function pooledStatistics(peers: readonly NamedValues[]): NamedValues {
  const [first = {}] = peers;
  const pooled: Record<string, Float32Array> = {};
  for (const [name, { length }] of Object.entries(first)) {
    const meanName = name.replace(/var(iance)?$/, "mean");
    const hasMean = meanName !== name && first[meanName]?.length === length;
    const values = peers.map((statistics) => statistics[name]!);
    const means = hasMean ? peers.map((statistics) => statistics[meanName]!) : [];
    pooled[name] = Float32Array.from({ length }, (_, k) => meanAt(values, k) + varianceAt(means, k));
  }
  return pooled;
}

function meanAt(values: readonly Float32Array[], k: number): number {
  return values.reduce((sum, each) => sum + each[k]!, 0) / values.length;
}

/** 0 where there are no values. */
function varianceAt(values: readonly Float32Array[], k: number): number {
  if (values.length === 0) return 0;
  const mean = meanAt(values, k);
  return values.reduce((sum, each) => sum + (each[k]! - mean) ** 2, 0) / values.length;
}
