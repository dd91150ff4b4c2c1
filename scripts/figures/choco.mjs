// CHOCO's consensus in the configuration of Koloskova, Stich, Jaggi 2019, “Decentralized Stochastic Optimization and Gossip
// Algorithms with Compressed Communication”, §5.2, from N(0, I). C = (1/n) Σ_i ‖x_i − x̄‖², C₀ at the start.
import { consensus, ring } from "./gossip.mjs";
import { factor, PROTOTYPE, row } from "./row.mjs";

export async function* rows() {
  const own = { mixing: ring(25), length: 2000, algorithm: "choco" };
  // The published run has 256 levels; this compressor has at most 127.
  const fine = await consensus({
    ...own,
    compressor: { kind: "qsgd", levels: 127, scope: "whole" },
    rate: 1,
    rounds: 500,
  });
  const place = "CHOCO, ring-25, d = 2000";
  yield row(`${place}, QSGD 8 bit, γ = 1: C/C₀ after 500`, PROTOTYPE, 5.6e-11, fine.after(500), factor(1.5));
  const largest = await consensus({
    ...own,
    compressor: { kind: "topk", ratio: 0.01 },
    rate: 0.046,
    rounds: 5000,
  });
  for (const [rounds, theirs] of [
    [500, 3.8e-2],
    [2000, 1.8e-3],
    [5000, 5e-6],
  ]) {
    yield row(
      `${place}, top 1 %, γ = 0.046: C/C₀ after ${rounds}`,
      PROTOTYPE,
      theirs,
      largest.after(rounds),
      factor(2),
    );
  }
  const drawn = await consensus({
    ...own,
    ...{ compressor: { kind: "randomk", ratio: 0.01 }, rate: 0.011, rounds: 5000 },
  });
  for (const [rounds, theirs] of [
    [500, 0.25],
    [2000, 0.045],
    [5000, 8.5e-3],
  ]) {
    yield row(
      `${place}, random 1 %, γ = 0.011: C/C₀ after ${rounds}`,
      PROTOTYPE,
      theirs,
      drawn.after(rounds),
      factor(1.5),
    );
  }
}
