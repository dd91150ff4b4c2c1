import { z } from "zod";
import { createSimpleGraph, type GraphKind } from "./graph.js";
import { repeated, type WeightedEdge } from "./graph-sequence.js";
import { sequencePeerCount } from "./sizes.js";

const settings = z.strictObject({
  kind: z.literal("base-graph"),
  peers: sequencePeerCount,
  degree: z
    .int()
    .min(1)
    .max(16)
    .default(1)
    .describe("k: most neighbours of a peer in a round; more of them make a period shorter"),
});

type Rounds = WeightedEdge[][];

/**
 * The Base-(k+1) graph: the exact average after one period of at most 2 log_{k+1} n + 2 rounds, for any number of peers,
 * with at most k neighbours a round.
 *
 * @see Takezawa et al. 2023, “Beyond Exponential Graph: Communication-Efficient Topologies for Decentralized Learning via
 *   Finite-time Convergence”, Algorithms 1 to 3
 */
export const baseGraph: GraphKind<typeof settings> = {
  settings,
  create({ peers, degree }) {
    const all = Array.from({ length: peers }, (_, peer) => peer);
    const rounds = shorter(simpleBase(all, degree + 1), factored(all, degree + 1));
    const union = rounds.flat().map(([a, b]) => [a, b] as const);
    return { ...createSimpleGraph(peers, union), sequence: repeated(rounds) };
  },
};

const shorter = (a: Rounds, b: Rounds): Rounds => (b.length < a.length ? b : a);

/** Adds rounds to those from round `first` on; peers of both are different. */
function place(rounds: Rounds, first: number, more: Rounds): void {
  for (const [t, edges] of more.entries()) {
    while (rounds.length <= first + t) rounds.push([]);
    rounds[first + t]!.push(...edges);
  }
}

/** The fewest factors of at most `base` whose product is n; undefined where a prime factor is larger. */
function factorsOf(n: number, base: number): number[] | undefined {
  if (n === 1) return [];
  let fewest: number[] | undefined;
  for (let factor = Math.min(base, n); factor > 1; factor--) {
    if (n % factor !== 0) continue;
    const others = factorsOf(n / factor, Math.min(base, factor));
    if (others && (!fewest || others.length + 1 < fewest.length)) fewest = [factor, ...others];
  }
  return fewest;
}

/**
 * The hyper-hypercube: peers are numbered in digits, one for each factor, and in round l those average that differ in
 * digit l alone (Algorithm 1).
 */
function hyperHypercube(peers: readonly number[], factors: readonly number[]): Rounds {
  let stride = 1;
  return factors.map((factor) => {
    const round: WeightedEdge[] = [];
    for (const [index, peer] of peers.entries()) {
      const digit = Math.floor(index / stride) % factor;
      for (let other = digit + 1; other < factor; other++) {
        round.push(edge(peer, peers[index + (other - digit) * stride]!, 1 / factor));
      }
    }
    stride *= factor;
    return round;
  });
}

const edge = (a: number, b: number, weight: number): WeightedEdge => [Math.min(a, b), Math.max(a, b), weight];

/** Peers that are a digit of n in base k + 1: `groups` of base^power each. */
interface Digit {
  readonly peers: readonly number[];
  readonly groups: readonly (readonly number[])[];
}

function digitsOf(peers: readonly number[], base: number): Digit[] {
  const digits: Digit[] = [];
  let first = 0;
  let power = 1;
  while (power * base <= peers.length) power *= base;
  for (; power >= 1; power /= base) {
    const count = Math.floor((peers.length - first) / power);
    if (count === 0) continue;
    const own = peers.slice(first, first + count * power);
    const groups = Array.from({ length: count }, (_, a) => own.slice(a * power, (a + 1) * power));
    digits.push({ peers: own, groups });
    first += count * power;
  }
  return digits;
}

/**
 * The simple Base-(k+1) graph (Algorithm 2). Every digit's peers V_l average among themselves. Then, digit after digit,
 * each peer of the lower digits T takes a share w = |group| / (|V_l| + |T|) from one peer of each group of V_l: by that, T
 * and every group have the mean of all. So T goes on with the next digit, and each group averages within itself.
 */
function simpleBase(peers: readonly number[], base: number): Rounds {
  const factors = factorsOf(peers.length, base);
  if (factors) return hyperHypercube(peers, factors);
  const digits = digitsOf(peers, base);
  const rounds: Rounds = [];
  for (const { peers: own } of digits) place(rounds, 0, hyperHypercube(own, factorsOf(own.length, base)!));
  let step = rounds.length;
  let lower = peers;
  for (const { peers: own, groups } of digits.slice(0, -1)) {
    const weight = groups[0]!.length / lower.length;
    lower = lower.slice(own.length);
    const round = lower.flatMap((peer, k) => groups.map((group) => edge(peer, group[k]!, weight)));
    place(rounds, step, [round]);
    step++;
    for (const group of groups) place(rounds, step, hyperHypercube(group, factorsOf(group.length, base)!));
  }
  return rounds;
}

/**
 * With n = p · q, p the largest divisor that a hyper-hypercube takes: p parts average by themselves, then those of equal
 * place in them (Algorithm 3).
 */
function factored(peers: readonly number[], base: number): Rounds {
  let q = peers.length;
  for (let prime = 2; prime <= base; prime++) while (q % prime === 0) q /= prime;
  const p = peers.length / q;
  const rounds: Rounds = [];
  const parts = Array.from({ length: p }, (_, l) => peers.slice(l * q, (l + 1) * q));
  for (const part of parts) place(rounds, 0, simpleBase(part, base));
  const after = rounds.length;
  for (let k = 0; k < q; k++) {
    const across = parts.map((part) => part[k]!);
    place(rounds, after, hyperHypercube(across, factorsOf(p, base)!));
  }
  return rounds;
}
