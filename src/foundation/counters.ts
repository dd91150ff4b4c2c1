/**
 * What a peer counts beside its rounds: one line per counter. Reports, logs, Prometheus and the inspection of logs derive
 * from this list.
 */

export interface CounterKind {
  /** One sentence for Prometheus and tables, without a full stop. */
  readonly help: string;
  readonly unit: "count" | "bytes" | "ms";
  /** Whether it is counted by neighbour. */
  readonly perEdge: boolean;
}

const onEdge = (help: string) => ({ help, unit: "count", perEdge: true }) as const;
const ofPeer = (help: string, unit: CounterKind["unit"] = "count") =>
  ({ help, unit, perEdge: false }) as const;

/** Every counter: whether it is kept by neighbour, and what it counts. */
export const counterKinds = {
  reconnects: onEdge("Connections to the neighbour that came up again after a break"),
  resentFrames: onEdge("Frames sent again after a break"),
  refusedOutOfTurn: onEdge("Frames refused because another exchange, round or step was due"),
  refusedPayload: onEdge("Frames refused because of a malformed payload"),
  refusedNorm: onEdge("Frames refused because their payload is far larger than usual"),
  quarantines: onEdge("Faults of the neighbour after which its exchanges did not count for a while"),
  refusedStranger: onEdge("Frames refused because their sender has no edge to this peer"),
  refusedHandshakes: onEdge("Handshakes refused because of different settings or a second process"),
  violations: onEdge("Broken rules of the protocol, refused frames among them"),
  bans: onEdge("Bans of the neighbour for a while, after it broke the protocol"),
  refusedConnections: ofPeer("Connections of strangers refused"),
  checkpoints: ofPeer("Checkpoints written"),
  checkpointBytes: ofPeer("Bytes of checkpoints written", "bytes"),
  checkpointMs: ofPeer("Time that rounds waited for checkpoints", "ms"),
  journalBytes: ofPeer("Bytes of the journal written", "bytes"),
  resumes: ofPeer("Times that the peer went on from a checkpoint"),
  replayedRounds: ofPeer("Rounds computed again after a restart"),
} as const satisfies Record<string, CounterKind>;

/** A counter of `counterKinds`. */
export type CounterName = keyof typeof counterKinds;
/** Amounts by counter; those that are 0 are absent. */
export type CounterValues = { [Name in CounterName]?: number | undefined };

export const counterNames = Object.keys(counterKinds) as CounterName[];

/** One value per counter. */
export function counterRecord<Value>(make: (name: CounterName) => Value): Record<CounterName, Value> {
  return Object.fromEntries(counterNames.map((name) => [name, make(name)])) as Record<CounterName, Value>;
}

/** What was counted since the last report. */
export interface CounterReport {
  /** Over all neighbours; absent when nothing was counted. */
  readonly counters?: CounterValues | undefined;
  /** By neighbour, those of the counters that are; absent when none of them were. */
  readonly edgeCounters?: readonly ({ readonly neighbour: number } & CounterValues)[] | undefined;
}

/** Counts for one peer. */
export interface Counters {
  /**
   * Adds to a counter, 1 where `by` is left out.
   * @param neighbour of counters that are by neighbour
   */
  count(name: CounterName, neighbour?: number, by?: number): void;
  /** What was counted since the last call. */
  take(): CounterReport;
}

const nothing: CounterReport = {};

/** Counters of one peer, all at 0. */
export function createCounters(): Counters {
  let total: CounterValues | undefined;
  let edges = new Map<number, CounterValues>();
  return {
    count(name, neighbour, by = 1) {
      total ??= {};
      addTo(total, name, by);
      if (neighbour === undefined || !counterKinds[name].perEdge) return;
      let edge = edges.get(neighbour);
      if (!edge) {
        edge = {};
        edges.set(neighbour, edge);
      }
      addTo(edge, name, by);
    },
    take() {
      if (!total) return nothing;
      const byNeighbour = [...edges].sort(([a], [b]) => a - b);
      const report: CounterReport = {
        counters: total,
        ...(byNeighbour.length > 0 && {
          edgeCounters: byNeighbour.map(([neighbour, values]) => ({ neighbour, ...values })),
        }),
      };
      total = undefined;
      edges = new Map();
      return report;
    },
  };
}

/** Adds an amount to one of the values. */
export function addTo(values: CounterValues, name: CounterName, by: number): void {
  values[name] = (values[name] ?? 0) + by;
}

/** Adds every amount of `more` to the values. */
export function addAll(values: CounterValues, more: CounterValues): void {
  for (const name of counterNames) {
    const by = more[name];
    if (by !== undefined) addTo(values, name, by);
  }
}
