import { type Checkpoint, type CheckpointStore, type Saved, saveCheckpoint } from "../../src/checkpoint.js";
import type { Patience } from "../../src/exchange/exchanges.js";
import type { Frame } from "../../src/exchange/frame.js";
import { createJournal, type JournalRecord } from "../../src/exchange/journal.js";
import type { VirtualClock } from "../../src/foundation/virtual-clock.js";
import type { Neighbour } from "../../src/graphs/mixing.js";
import type { RoundReport } from "../../src/observing/report.js";
import type { Peer } from "../../src/peer.js";
import type { SimulatedNetwork } from "../../src/transports/simulated/network.js";

/** What a peer's disk holds. Each life of the peer writes through a store of its own, which its crash cuts off. */
export interface Disk {
  store(): CheckpointStore & { cut(): void };
}

const copyFrame = <Half extends { readonly payload: Uint8Array }>(half: Half): Half => ({
  ...half,
  payload: half.payload.slice(),
});
const copyRecord = (record: JournalRecord): JournalRecord =>
  record.kind === "received" ? { ...record, frame: copyFrame(record.frame) } : record;

function copyCheckpoint(checkpoint: Checkpoint): Checkpoint {
  const vectors = Object.entries(checkpoint.vectors).map(([name, vector]) => [name, vector.slice()]);
  return {
    ...checkpoint,
    scalars: { ...checkpoint.scalars },
    vectors: Object.fromEntries(vectors),
    edges: checkpoint.edges.map(({ open, unacknowledged, arrived, ...edge }) => ({
      ...edge,
      ...(open && { open: copyFrame(open) }),
      ...(unacknowledged && { unacknowledged: copyFrame(unacknowledged) }),
      arrived: arrived.map(copyFrame<Frame>),
    })),
    held: checkpoint.held.map((record) => ({ ...record, frame: copyFrame(record.frame) })),
  };
}

export function createDisk(): Disk {
  let saved: (Saved & { records: JournalRecord[] }) | undefined;
  return {
    store() {
      let isCut = false;
      return {
        load: async () => saved && { ...saved, records: [...saved.checkpoint.held, ...saved.records] },
        async save(checkpoint) {
          if (!isCut) saved = { checkpoint: copyCheckpoint(checkpoint), records: [] };
        },
        append(record) {
          if (!isCut) saved!.records.push(copyRecord(record));
        },
        async close() {},
        cut() {
          isCut = true;
        },
      };
    },
  };
}

export interface RestartableOptions {
  readonly id: number;
  readonly neighbours: readonly Neighbour[];
  readonly network: SimulatedNetwork;
  readonly clock: VirtualClock;
  readonly patience?: Patience | undefined;
  /** Rounds between checkpoints. */
  readonly every: number;
  /** Virtual times of crashes, and how long each lasts. */
  readonly crashes: readonly { readonly at: number; readonly forMs: number }[];
  /** A peer as at the start. */
  readonly make: () => Peer;
  /** Peers that run together. Each may crash after it is done too, until all are. Never then where left out. */
  readonly company?: Company;
  /** Its own where left out. */
  readonly disk?: Disk | undefined;
  /** Every report, those of rounds that are computed again too. */
  readonly seen?: (report: RoundReport) => void;
}

export interface Company {
  done(): void;
  /** A peer that was done starts again. */
  again(): void;
  /** Resolves once all are done. */
  readonly end: Promise<void>;
}

export function createCompany(peers: number): Company {
  let running = peers;
  let ended = () => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  return {
    end,
    done() {
      if (--running === 0) ended();
    },
    again() {
      running++;
    },
  };
}

/** Runs a peer to its end, through its crashes. The reports are those that stand in its log afterwards. */
export async function runThroughCrashes(options: RestartableOptions) {
  const { id, network, clock, crashes, company, disk = createDisk() } = options;
  const reports = new Map<number, RoundReport>();
  let lives = 0;
  let current: { cut(): void } | undefined;
  const wakes: (() => void)[] = [];
  for (const { at, forMs } of crashes) {
    clock.after(at, () => {
      if (!current) return;
      current.cut();
      current = undefined;
      network.crash(id);
      clock.after(forMs, () => wakes.shift()?.());
    });
  }
  for (;;) {
    lives++;
    const store = disk.store();
    current = store;
    const restarted = new Promise<void>((resolve) => wakes.push(resolve));
    const { peer, isComplete } = await live(options, store, reports);
    if (isComplete) {
      company?.done();
      const wasLast =
        !company || (await Promise.race([company.end.then(() => true), restarted.then(() => false)]));
      if (wasLast) {
        current = undefined;
        return { peer, lives, reports: [...reports.values()].sort((a, b) => a.round - b.round) };
      }
      company.again();
    }
    await restarted;
  }
}

async function live(
  { id, neighbours, network, clock, patience, every, make, seen }: RestartableOptions,
  store: ReturnType<Disk["store"]>,
  reports: Map<number, RoundReport>,
): Promise<{ peer: Peer; isComplete: boolean }> {
  const peer = make();
  await peer.fingerprint();
  const saved = await store.load();
  if (saved) await peer.restore(saved.checkpoint);
  else await saveCheckpoint(peer, store);
  const { edges = [] } = saved?.checkpoint ?? {};
  const isBarrier = patience?.patienceMs === undefined;
  const { append } = store;
  const journal = createJournal({ neighbours, edges, records: saved?.records ?? [], isBarrier, append });
  const transport = network.endpoint(id, journal);
  let isCut = false;
  const { cut } = store;
  store.cut = () => {
    isCut = true;
    cut();
  };
  for await (const report of peer.run({ transport, clock, journal, ...(patience && { patience }) })) {
    if (isCut) break;
    reports.set(report.round, report);
    seen?.(report);
    const { round } = report;
    if ((round + 1) % every === 0 && round + 1 < peer.rounds && !journal.next()) {
      await saveCheckpoint(peer, store);
    }
  }
  // A peer that is done stays until the others are: one that starts again may lack its acknowledgements.
  return { peer, isComplete: !isCut && reports.has(peer.rounds - 1) };
}
