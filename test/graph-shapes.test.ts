import { describe, expect, it } from "vitest";
import { parseTopology } from "../src/graphs/topology.js";
import { shapeOf } from "../src/inspect/page/graph-shapes.js";

/** Number of peers, and edges. */
function graphOf(graph: Record<string, unknown>) {
  const { peers, edges } = parseTopology({ graph }, "test").graph;
  return [peers, edges] as const;
}
const shapeOfGraph = (graph: Record<string, unknown>) => shapeOf(...graphOf(graph));

/** Lengths of the edges that do not go around the picture. */
function lengths(graph: Record<string, unknown>): number[] {
  const [peers, edges] = graphOf(graph);
  const { places, wrapOf } = shapeOf(peers, edges)!;
  return edges.flatMap(([a, b]) => {
    if (wrapOf?.(a, b)) return [];
    const [from, to] = [places[a]!, places[b]!];
    return [Math.hypot(from[0] - to[0], from[1] - to[1])];
  });
}
const isOneLength = (values: readonly number[]) => Math.max(...values) - Math.min(...values) < 1e-9;

describe("graphs of known shape", () => {
  it.each([
    { kind: "ring", peers: 8 },
    { kind: "complete", peers: 7 },
    { kind: "exponential", peers: 16 },
  ])("$kind: peers on a circle, in order", (graph) => {
    const { places } = shapeOfGraph(graph)!;
    for (const [k, [x, y]] of places.entries()) {
      expect(Math.hypot(x, y)).toBeCloseTo(1, 9);
      const turn = (Math.atan2(x, -y) + 2 * Math.PI) % (2 * Math.PI);
      expect(turn).toBeCloseTo((2 * Math.PI * k) / places.length, 9);
    }
  });

  it.each([
    { kind: "chain", peers: 7 },
    { kind: "chain", peers: 30 },
    { kind: "star", peers: 9 },
  ])("$kind of $peers: edges of one length", (graph) => {
    expect(isOneLength(lengths(graph))).toBe(true);
  });

  it.each([
    [4, 4],
    [3, 5],
    [2, 6],
    [8, 8],
  ])("torus %i × %i: a grid, with edges around the picture at its border", (rows, columns) => {
    const graph = { kind: "torus", rows, columns };
    const [peers, edges] = graphOf(graph);
    const { places, wrapOf } = shapeOf(peers, edges)!;
    expect(new Set(places.map(([x]) => x)).size).toBe(columns);
    expect(new Set(places.map(([, y]) => y)).size).toBe(rows);
    const wrapped = edges.filter(([a, b]) => wrapOf!(a, b));
    expect(wrapped).toHaveLength((rows > 2 ? columns : 0) + (columns > 2 ? rows : 0));
    for (const [a, b] of wrapped) {
      const [dx, dy] = wrapOf!(a, b)!;
      // It leaves the first peer away from the second, which it meets from the other side.
      expect(dx * (places[a]![0] - places[b]![0]) + dy * (places[a]![1] - places[b]![1])).toBeGreaterThan(0);
    }
  });

  it.each([3, 4, 5])(
    "hypercube of dimension %i: no two peers at one place, parallel edges of a bit",
    (dimension) => {
      const [peers, edges] = graphOf({ kind: "hypercube", dimension });
      const { places } = shapeOf(peers, edges)!;
      for (const [a, [x, y]] of places.entries()) {
        for (const [otherX, otherY] of places.slice(a + 1)) {
          expect(Math.hypot(x - otherX, y - otherY)).toBeGreaterThan(0.1);
        }
      }
      const directions = new Map<number, string>();
      for (const [a, b] of edges) {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const move = [0, 1].map((axis) => (places[high]![axis]! - places[low]![axis]!).toFixed(6)).join(" ");
        expect(directions.get(low ^ high) ?? move).toBe(move);
        directions.set(low ^ high, move);
      }
      expect(new Set(directions.values()).size).toBe(dimension);
    },
  );

  it("leaves others to the layout by distances, also where a single edge is missing", () => {
    expect(shapeOfGraph({ kind: "expander", peers: 16, degree: 4, seed: 1 })).toBeUndefined();
    const [peers, edges] = graphOf({ kind: "torus", rows: 4, columns: 4 });
    expect(shapeOf(peers, edges.slice(1))).toBeUndefined();
    expect(shapeOf(1, [])).toBeUndefined();
  });
});
