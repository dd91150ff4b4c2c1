/** Mixing matrices from a graph: Metropolis–Hastings, push or the user's own weights. */
import { InvalidTopology } from "../foundation/errors.js";
import { components, degrees, type Graph, neighbours, reachable } from "./graph.js";
import { type Mixing, type Neighbour, requireDense } from "./mixing.js";
import { gapReaches, type Spectrum, spectrum } from "./spectrum.js";

/** How far a given row sum may be from 1, and w_ij from w_ji: room for weights written with six decimals. */
export const WEIGHT_TOLERANCE = 1e-5;

/** Smallest spectral gap of given weights; below it a run would never agree. */
export const MINIMUM_GAP = 1e-9;

/**
 * Metropolis–Hastings weights, w_ij = 1 / (1 + max(d_i, d_j)) on every edge and the rest of a row on the
 * diagonal. With the 1 in the denominator every peer keeps some of its own model, so λ_n > −1 on every
 * graph; without it even rings and hypercubes would oscillate (λ_n = −1).
 *
 * @param eigenvalues of W in closed form, where they are known
 * @throws InvalidTopology the graph is not connected; names the peers that are cut off
 * @see Xiao, Boyd & Lall 2005, “A scheme for robust distributed sensor fusion based on average consensus”
 */
export function metropolisMixing(graph: Graph, eigenvalues?: Mixing["eigenvalues"]): Mixing {
  requireConnected(graph);
  const counts = degrees(graph);
  const mixing = mixingOf(graph, (i, j) => 1 / (1 + Math.max(counts[i]!, counts[j]!)));
  return eigenvalues ? { ...mixing, eigenvalues } : mixing;
}

/**
 * Push weights of a directed graph: a peer keeps 1 / (1 + d) and gives as much along each of its d outgoing edges.
 *
 * @throws InvalidTopology the graph is not strongly connected, two peers send to each other, or there are more than
 *   `MAX_DENSE_PEERS`
 * @see Kempe, Dobra & Gehrke 2003, “Gossip-based computation of aggregate information”
 */
export function pushMixing(graph: Graph): Mixing {
  requireDense(graph.peers, "a directed graph");
  requireStronglyConnected(graph);
  const n = graph.peers;
  const outgoing = Array.from({ length: n }, () => 0);
  for (const [from] of graph.edges) outgoing[from]!++;
  const lists = Array.from({ length: n }, (): Neighbour[] => []);
  for (const [from, to] of graph.edges) {
    const weight = 1 / (1 + outgoing[from]!);
    lists[from]!.push({ peer: to, weight, direction: "out" });
    lists[to]!.push({ peer: from, weight, direction: "in" });
  }
  for (const list of lists) list.sort((a, b) => a.peer - b.peer);
  return { peers: n, neighbours: lists, isDirected: true };
}

function requireStronglyConnected(graph: Graph): void {
  const codes = new Set(graph.edges.map(([a, b]) => a * graph.peers + b));
  const twoWay = graph.edges.find(([a, b]) => codes.has(b * graph.peers + a));
  if (twoWay) {
    throw new InvalidTopology(
      `peers ${twoWay[0]} and ${twoWay[1]} send to each other: a directed graph has one direction per edge; remove one, or use an undirected graph`,
      { code: "edge-both-ways", peer: twoWay[0], neighbour: twoWay[1] },
    );
  }
  for (const isForward of [true, false]) {
    const found = reachable(graph, 0, isForward);
    const missing = Array.from({ length: graph.peers }, (_, peer) => peer).find((peer) => !found.has(peer));
    if (missing === undefined) continue;
    const [from, to] = isForward ? [0, missing] : [missing, 0];
    throw new InvalidTopology(
      `the directed graph is not strongly connected: no path leads from peer ${from} to peer ${to}; add an edge`,
      { code: "not-strongly-connected", peer: from, neighbour: to },
    );
  }
}

/**
 * A mixing with the user's own weights. Weights may be off by `WEIGHT_TOLERANCE`; what is used is the mean of
 * w_ij and w_ji, and the diagonal that makes every row sum to 1 exactly.
 *
 * Edge weights must be positive. A negative one can be stable as long as every message arrives, but when a
 * round loses messages on other edges the remaining negative weight drives its two peers apart. A negative
 * weight of a peer to itself is allowed while λ_n > −1: losing edges with positive weights only brings the
 * eigenvalues closer to 1.
 *
 * @param weights W by rows
 * @throws InvalidTopology names the row, and what is wrong with it
 */
export function weightedMixing(graph: Graph, weights: readonly (readonly number[])[]): Mixing {
  requireDense(graph.peers, "a graph whose weights are written out");
  requireConnected(graph);
  const n = graph.peers;
  if (weights.length !== n)
    throw new InvalidTopology(`weights have ${weights.length} rows for ${n} peers: write one row per peer`, {
      code: "weights-row-count",
      field: "weights",
    });
  const isEdge = neighbours(graph).map((list) => new Set(list));
  for (const [i, row] of weights.entries()) {
    if (row.length !== n) {
      throw new InvalidTopology(
        `row ${i} of the weights has ${row.length} numbers for ${n} peers: write one number per peer`,
        { code: "weights-row-length", peer: i, field: `weights[${i}]` },
      );
    }
    for (const [j, weight] of row.entries()) checkWeight(weights, isEdge, i, j, weight);
    const sum = row.reduce((total, weight) => total + weight, 0);
    if (Math.abs(sum - 1) > WEIGHT_TOLERANCE) {
      throw new InvalidTopology(
        `row ${i} of the weights sums to ${shorten(sum)}, not 1: add ${shorten(1 - sum)} to weight ${i}–${i}, or fix its edges`,
        { code: "weights-row-sum", peer: i, field: `weights[${i}]` },
      );
    }
  }
  const mixing = mixingOf(graph, (i, j) => (weights[i]![j]! + weights[j]![i]!) / 2);
  if (!gapReaches(mixing, MINIMUM_GAP)) {
    throw new InvalidTopology(
      `peers with these weights do not converge, because ${whyApart(spectrum(mixing))}`,
      { code: "weights-do-not-mix", field: "weights" },
    );
  }
  return mixing;
}

function whyApart({ second, smallest }: Spectrum): string {
  return -smallest >= second
    ? `the smallest eigenvalue is ${shorten(smallest)}: give every peer more weight to itself`
    : `the second eigenvalue is ${shorten(second)}: raise the weights of the edges`;
}

function checkWeight(
  weights: readonly (readonly number[])[],
  isEdge: readonly ReadonlySet<number>[],
  i: number,
  j: number,
  weight: number,
): void {
  const where = `row ${i} of the weights has ${shorten(weight)} for peer ${j}`;
  const field = `weights[${i}][${j}]`;
  if (!Number.isFinite(weight))
    throw new InvalidTopology(`${where}, which is not finite: use finite weights`, {
      code: "weight-not-finite",
      peer: i,
      neighbour: j,
      field,
    });
  if (i === j) return;
  if (!isEdge[i]!.has(j)) {
    if (weight === 0) return;
    throw new InvalidTopology(
      `${where}, but ${i}–${j} is not an edge: add the edge, or set the weight to 0`,
      { code: "weight-without-edge", peer: i, neighbour: j, field },
    );
  }
  if (weight <= 0) {
    throw new InvalidTopology(`${where}, a neighbour: give it a positive weight, or remove the edge`, {
      code: "weight-not-positive",
      peer: i,
      neighbour: j,
      field,
    });
  }
  const mirrored = weights[j]?.[i] ?? Number.NaN;
  if (!(Math.abs(weight - mirrored) <= WEIGHT_TOLERANCE)) {
    throw new InvalidTopology(
      `${where}, but row ${j} has ${shorten(mirrored)} for peer ${i}: give both ends of an edge the same weight`,
      { code: "weights-asymmetric", peer: i, neighbour: j, field },
    );
  }
}

function mixingOf(graph: Graph, weightOf: (i: number, j: number) => number): Mixing {
  const lists = neighbours(graph).map((list, i) =>
    list.map((peer): Neighbour => ({ peer, weight: weightOf(Math.min(i, peer), Math.max(i, peer)) })),
  );
  return { peers: graph.peers, neighbours: lists };
}

function requireConnected(graph: Graph): void {
  const [first, ...others] = components(graph);
  if (others.length === 0) return;
  const islands = others.map((island) => `[${listed(island)}]`);
  throw new InvalidTopology(
    `the graph is disconnected (${others.length + 1} components): no path joins peers [${listed(first!)}] to ${listed(islands)}; add an edge between the components`,
    { code: "disconnected", field: "graph" },
  );
}

function listed(items: readonly (number | string)[], most = 8): string {
  const more = items.length > most ? `, and ${items.length - most} more` : "";
  return items.slice(0, most).join(", ") + more;
}

function shorten(value: number): string {
  return String(Number(value.toPrecision(6)));
}
