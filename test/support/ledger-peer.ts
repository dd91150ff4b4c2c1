/**
 * One peer of the model that `ledger-check.ts` explores: the exchanges, ledger and journal that ship, between a disk and a
 * transport that are plain data. Inputs come one at a time; between two of them the peer stands still, and its state is
 * a text.
 */
import { createExchanges, type Exchanges, type Step } from "../../src/exchange/exchanges.js";
import type { Frame } from "../../src/exchange/frame.js";
import { createJournal, type Journal, type JournalRecord } from "../../src/exchange/journal.js";
import {
  type EdgeEvent,
  type Listener,
  MAX_UNRELEASED_FRAMES,
  noTraffic,
  type Transport,
} from "../../src/exchange/transport.js";
import { quiescence } from "../../src/foundation/clock.js";
import { Unreachable } from "../../src/foundation/errors.js";
import { createManualClock } from "./clock.js";
import {
  type Course,
  copied,
  cutState,
  type Disk,
  deadState,
  diskText,
  edgesText,
  edgeViews,
  frameText,
  type Input,
  type LaneView,
  lanesText,
  type Model,
  nothingSince,
  type Pair,
  type PeerState,
  type Point,
  rateOf,
  written,
} from "./ledger-model.js";

export interface Running {
  apply(input: Input): Promise<void>;
  state(): PeerState;
  /** What a crash in the midst of the last input leaves behind. */
  cuts(): readonly PeerState[];
}

const PATIENCE_MS = 10;
/** Far more than ends need to agree on their last exchange. */
const MAX_ATTEMPTS = 20;

/** What has happened during an input that a crash does not undo: on the disk, and beyond this peer. */
interface Tally {
  written: number;
  shown: number;
  problem?: string;
}

/** Starts a peer from its disk: it computes again what is in the journal, and stops where it waits for something. */
export async function startPeer(course: Course, id: number, from: Disk): Promise<Running> {
  const { isPatient, weakness } = course;
  const neighbours = course.neighbours[id]!;
  let disk = from;
  let cuts: PeerState[] = [];
  const tally: Tally = { written: 0, shown: 0 };
  const write = (record: JournalRecord): void => {
    if (tally.shown > 0) cuts.push(cutState(id, disk, ends.lanes()));
    else if (tally.written > 0) cuts.push(deadState(id, disk));
    tally.written++;
    disk = written(disk, record);
  };
  const append = (record: JournalRecord): void => {
    if (weakness === "loses what was taken" && record.kind === "took") return;
    if (weakness === "loses acknowledgements" && record.kind === "acknowledged") return;
    if (weakness === "sends before it writes" && record.kind === "offered")
      queueMicrotask(() => write(record));
    else write(record);
  };
  const { point, received, decisions, acknowledged } = disk;
  const answered = acknowledged.map((peer) => ({ kind: "acknowledged", peer }) as const);
  const records = [...point.held, ...received, ...decisions, ...answered];
  const journal = createJournal({ neighbours, edges: point.edges, isBarrier: !isPatient, append, records });
  const ends = createEnds(course, id, journal, tally);
  const clock = createManualClock();
  const exchanges = createExchanges({
    ...{ id, edges: neighbours, transport: ends.transport, clock, journal },
    ...{ rate: rateOf, check() {}, afterFault: "end", lastRound: course.rounds - 1 },
    patience: { deadlineMs: Number.POSITIVE_INFINITY, ...(isPatient && { patienceMs: PATIENCE_MS }) },
  });
  const program = runProgram(course, id, point, exchanges);
  /** Takes what waits for the process, where that is not a step of its own. */
  const settle = async (): Promise<void> => {
    while (course.isPrompt && ends.events() > 0) {
      ends.happen({ kind: "take", count: 1 });
      await quiescence();
    }
  };
  await quiescence();
  await settle();

  const snapshot = (): Point => {
    const { edges, held } = exchanges.snapshot();
    return {
      ...{ round: program.round, model: program.model() },
      edges: edges.map(({ open, unacknowledged, arrived, ...edge }) => ({
        ...edge,
        ...(open && { open: copied(open) }),
        ...(unacknowledged && { unacknowledged: copied(unacknowledged) }),
        arrived: arrived.map(copied),
      })),
      held: weakness === "forgets what is held" ? [] : held,
    };
  };
  const act = (input: Input): void => {
    switch (input.kind) {
      case "begin":
        program.begin();
        return;
      case "timeOut":
        clock.advance(PATIENCE_MS);
        return;
      case "save":
        disk = { ...disk, saving: { point: snapshot(), ...nothingSince } };
        return;
      case "saved":
        disk = disk.saving!;
        return;
      default:
        ends.happen(input);
    }
  };

  return {
    async apply(input) {
      cuts = [];
      tally.written = 0;
      tally.shown = 0;
      act(input);
      await quiescence();
      await settle();
    },
    state() {
      const { phase, error, round } = program;
      if (error instanceof Unreachable) return deadState(id, disk);
      const now = exchanges.snapshot();
      const model = program.model();
      const lanes = ends.lanes();
      const own = [id, phase, ...program.place(), [...model], exchanges.late()];
      return {
        text: `${JSON.stringify(own)} ${ends.text()} ${edgesText(now)} ${lanesText(lanes)} ${diskText(disk)}`,
        ...{ phase, disk, lanes, edges: edgeViews(model, now), events: ends.events() },
        canTimeOut: isPatient && program.isPatient(),
        canSave: phase === "between" && !disk.saving && round > disk.point.round,
        isSaving: disk.saving !== undefined,
        problem: tally.problem ?? (error === undefined ? undefined : String(error)),
      };
    },
    cuts: () => cuts,
  };
}

/** This peer's ends of its edges, behind the contract of a transport. */
function createEnds({ neighbours, weakness }: Course, id: number, journal: Journal, tally: Tally) {
  interface Lane {
    readonly outbox: Frame[];
    next: number;
    complete: number;
    waiting: Frame | undefined;
    /** Numbers of frames that are delivered and not released. */
    readonly unreleased: Set<number>;
    isDown: boolean;
    /** The process knows that it is. */
    seesDown: boolean;
  }
  const lanes = new Map<number, Lane>();
  for (const { peer } of neighbours[id]!) {
    const { sent, received } = journal.position(peer);
    const next = sent + (weakness === "counts a frame too many" && sent > 0 ? 1 : 0);
    const lane = { outbox: [], next, complete: received, waiting: undefined, unreleased: new Set<number>() };
    lanes.set(peer, { ...lane, isDown: false, seesDown: false });
  }
  const queue: EdgeEvent[] = [];
  let listener: Listener | undefined;

  const taken = (): EdgeEvent => {
    const event = queue.shift()!;
    if (event.kind === "down" || event.kind === "up") lanes.get(event.peer)!.seesDown = event.kind === "down";
    return event;
  };
  const deliver = (peer: number, lane: Lane): void => {
    const frame = lane.waiting;
    if (!frame || lane.unreleased.size >= MAX_UNRELEASED_FRAMES) return;
    lane.waiting = undefined;
    lane.unreleased.add(frame.exchange);
    const isHasty = weakness === "confirms before it keeps";
    if (!isHasty) journal.keep(peer, frame);
    tally.shown++;
    lane.complete++;
    if (isHasty) journal.keep(peer, frame);
    const release = (): void => {
      if (lane.unreleased.delete(frame.exchange)) deliver(peer, lane);
    };
    queue.push({ kind: "frame", peer, frame, release });
  };

  const transport: Transport = {
    send(to, frame) {
      const { outbox, next } = lanes.get(to)!;
      tally.shown++;
      if (frame.exchange !== next + outbox.length)
        tally.problem ??= `sends frame ${frame.exchange} to peer ${to}, where ${next + outbox.length} is next`;
      if (outbox.push(frame) > 1) tally.problem ??= `has ${outbox.length} frames to peer ${to} under way`;
    },
    listen(given) {
      listener = given;
    },
    refuse(peer, reason) {
      tally.problem ??= `refuses a frame of peer ${peer}: ${reason}`;
    },
    traffic: noTraffic,
    async close() {},
  };

  return {
    transport,
    events: () => (listener ? queue.length : 0),
    lanes: (): ReadonlyMap<number, LaneView> =>
      new Map(
        [...lanes].map(([peer, { outbox, next, complete, waiting, isDown }]) => {
          const first = outbox[0] && copied(outbox[0]);
          return [peer, { first, next, complete, isFull: waiting !== undefined, isDown }];
        }),
      ),
    text: () =>
      JSON.stringify([
        listener !== undefined,
        queue.map(({ kind, peer }) => `${kind} ${peer}`),
        [...lanes.values()].map(({ waiting, unreleased, seesDown }) => [
          ...[waiting && frameText(waiting), seesDown],
          [...unreleased].sort(),
        ]),
      ]),
    happen(input: Exclude<Input, { kind: "begin" | "timeOut" | "save" | "saved" }>) {
      if (input.kind === "take") {
        for (let left = Math.min(input.count, queue.length); left > 0; left--) listener!(taken());
        return;
      }
      const { kind, peer } = input;
      const lane = lanes.get(peer)!;
      if (kind === "arrive") {
        lane.waiting = copied(input.frame);
        deliver(peer, lane);
      } else if (kind === "acknowledge") {
        lane.outbox.shift();
        lane.next++;
        queue.push({ kind: "acknowledged", peer });
      } else {
        lane.isDown = kind === "down";
        const error = new Unreachable("it is down", { code: "unreachable" });
        queue.push(kind === "down" ? { kind, peer, error } : { kind, peer });
      }
    },
  };
}

/**
 * What `peer.ts` does with its exchanges, without learning: its model is the list of the pairs that it has applied, and a
 * payload is where it is and how many those are. One buffer holds every payload, as a compressor's does.
 */
function runProgram(
  { neighbours, rounds, steps, closingRounds }: Course,
  id: number,
  point: Point,
  exchanges: Exchanges,
) {
  const edges = neighbours[id]!;
  const model = new Map<number, Pair[]>([...point.model].map(([peer, pairs]) => [peer, [...pairs]]));
  const outgoing = new Uint8Array(4 + edges.length);
  let begin: (() => void) | undefined;
  let round = point.round;
  let place: readonly unknown[] = [];
  /** What the ledger waits for, also between rounds. */
  let last: Step["wait"] = "patient";
  let wait: Step["wait"] | undefined;
  let isDone = false;
  let error: unknown;

  const go = async (wanted: Step["wait"], ready: readonly (typeof edges)[number][], attempt: number) => {
    if (attempt > MAX_ATTEMPTS) throw new Error(`round ${round + 1} does not end`);
    const kind = round < rounds ? "learning" : "closing";
    for (let step = 0; step < (kind === "closing" ? 1 : steps); step++) {
      const counts = edges.map(({ peer }) => model.get(peer)!.length);
      outgoing.set([id, round, step, attempt, ...counts]);
      place = [round, attempt, step];
      const now = { kind, round, step, edges: ready, wait: wanted } as const;
      exchanges.offer({ ...now, outgoing });
      wait = wanted;
      last = wanted;
      await exchanges.wait(now);
      const { settled } = exchanges.take();
      wait = undefined;
      for (const { edge, own, theirs, rate } of settled)
        model.get(edge.peer)!.push({ own: own.join(), theirs: theirs.join(), rate });
    }
  };
  const run = async (): Promise<void> => {
    for (; round < rounds + closingRounds; round++) {
      place = [round];
      if (!exchanges.isReplaying()) await new Promise<void>((resolve) => (begin = resolve));
      begin = undefined;
      if (round >= rounds) {
        await go("all", edges, 0);
        continue;
      }
      await go("patient", exchanges.ready(), 0);
      for (let again = 1; round === rounds - 1 && !exchanges.isFinished(); again++)
        await go("any", exchanges.unfinished(), again);
    }
  };
  run().then(
    () => (isDone = true),
    (cause: unknown) => (error = cause),
  );

  return {
    get round() {
      return round;
    },
    get phase() {
      return isDone ? "done" : begin ? "between" : ("waiting" as const);
    },
    get error() {
      return error;
    },
    begin: () => begin!(),
    place: () => [...place, last],
    isPatient: () => wait === "patient",
    model: (): Model => new Map([...model].map(([peer, pairs]) => [peer, [...pairs]])),
  };
}
