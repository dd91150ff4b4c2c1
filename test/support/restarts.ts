import { type Checkpoint, type CheckpointStore, type Saved, saveCheckpoint } from "../../src/checkpoint.js";
import type { Patience } from "../../src/exchange/exchanges.js";
import type { Frame } from "../../src/exchange/frame.js";
import { createJournal, type JournalRecord } from "../../src/exchange/journal.js";
import type { VirtualClock } from "../../src/foundation/virtual-clock.js";
import type { Neighbour } from "../../src/graphs/mixing.js";
import type { RoundReport } from "../../src/observing/report.js";
import type { Peer } from "../../src/peer.js";
import type { SimulatedNetwork } from "../../src/transports/simulated/network.js";
import { copied } from "./ledger-model.js";

/** What a peer's disk holds. Each life of the peer writes through a store of its own, which its crash cuts off. */
export interface Disk {
  store(): CheckpointStore & { cut(): void };
}

/** One life of a peer, which a crash ends. */
interface Life {
  cut(): void;
  isOver: boolean;
}

const copyRecord = (record: JournalRecord): JournalRecord =>
  record.kind === "received" ? { ...record, frame: copied(record.frame) } : record;

function copyCheckpoint(checkpoint: Checkpoint): Checkpoint {
  const vectors = Object.entries(checkpoint.vectors).map(([name, vector]) => [name, vector.slice()]);
  return {
    ...checkpoint,
    scalars: { ...checkpoint.scalars },
    vectors: Object.fromEntries(vectors),
    edges: checkpoint.edges.map(({ open, unacknowledged, arrived, ...edge }) => ({
      ...edge,
      ...(open && { open: copied(open) }),
      ...(unacknowledged && { unacknowledged: copied(unacknowledged) }),
      arrived: arrived.map(copied<Frame>),
    })),
    held: checkpoint.held.map((record) => ({ ...record, frame: copied(record.frame) })),
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
          return 0;
        },
        append(record) {
          if (!isCut) saved!.records.push(copyRecord(record));
          return 0;
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
  /** Its own where left out. */
  readonly disk?: Disk | undefined;
  /** Every report, those of rounds that are computed again too. */
  readonly seen?: (report: RoundReport) => void;
}

/** Runs a peer to its end, through its crashes. The reports are those that stand in its log afterwards. */
export async function runThroughCrashes(options: RestartableOptions) {
  const { id, network, clock, crashes, disk = createDisk() } = options;
  const reports = new Map<number, RoundReport>();
  let lives = 0;
  let current: Life | undefined;
  const wakes: (() => void)[] = [];
  for (const { at, forMs } of crashes) {
    clock.after(at, () => {
      if (!current || current.isOver) return;
      current.cut();
      current = undefined;
      network.crash(id);
      clock.after(forMs, () => wakes.shift()?.());
    });
  }
  for (;;) {
    lives++;
    const store = disk.store();
    const life: Life = { cut: store.cut, isOver: false };
    current = life;
    const restarted = new Promise<void>((resolve) => wakes.push(resolve));
    const { peer, isComplete } = await live(options, store, life, reports);
    if (isComplete) {
      return { peer, lives, reports: [...reports.values()].sort((a, b) => a.round - b.round) };
    }
    await restarted;
  }
}

async function live(
  { id, neighbours, network, clock, patience, every, make, seen }: RestartableOptions,
  store: ReturnType<Disk["store"]>,
  life: Life,
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
  const { cut } = life;
  life.cut = () => {
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
  if (!isCut) await transport.finish!();
  const isComplete = !isCut && reports.has(peer.rounds - 1);
  life.isOver ||= isComplete;
  if (isComplete) await transport.close();
  return { peer, isComplete };
}
