/** The data of the model that `ledger-check.ts` explores: disks, channels and states of peers, and their texts. */
import type { EdgesSnapshot } from "../../src/exchange/exchanges.js";
import type { Frame } from "../../src/exchange/frame.js";
import type { DecisionRecord, JournalRecord, ReceivedRecord } from "../../src/exchange/journal.js";
import type { Neighbour } from "../../src/graphs/mixing.js";

/** Something in the disk or the transport that breaks its contract, so that a check is seen to fail. */
export type Weakness =
  | "confirms before it keeps"
  | "sends before it writes"
  | "forgets what is held"
  | "loses what was taken"
  | "loses acknowledgements"
  | "counts a frame too many";

export interface Course {
  readonly neighbours: readonly (readonly Neighbour[])[];
  readonly rounds: number;
  /** Of the closing consensus. */
  readonly closingRounds: number;
  /** Exchanges of a learning round. */
  readonly steps: number;
  readonly isPatient: boolean;
  /** Events reach a process at once, and not in a step of their own: many fewer states. */
  readonly isPrompt?: boolean | undefined;
  readonly weakness?: Weakness | undefined;
}

export type Input =
  | { readonly kind: "begin" | "timeOut" | "save" | "saved" }
  /** The process takes so many of the events that wait for it, in one turn. */
  | { readonly kind: "take"; readonly count: number }
  | { readonly kind: "arrive"; readonly peer: number; readonly frame: Frame }
  | { readonly kind: "acknowledge" | "down" | "up"; readonly peer: number };

/** One applied exchange, as texts. */
export interface Pair {
  readonly own: string;
  readonly theirs: string;
  readonly rate: number;
}
/** Applied exchanges by neighbour: all that the model of such a peer is. */
export type Model = ReadonlyMap<number, readonly Pair[]>;
export interface Point extends EdgesSnapshot {
  readonly round: number;
  readonly model: Model;
}
interface Since {
  readonly point: Point;
  readonly decisions: readonly DecisionRecord[];
  readonly received: readonly ReceivedRecord[];
  /** Neighbours that acknowledged a frame and were sent none since, in ascending order: all that is read of the records. */
  readonly acknowledged: readonly number[];
}
/** What outlives the process. Never changed in place. */
export interface Disk extends Since {
  /** A checkpoint that is being written, and what happened since it was taken. */
  readonly saving?: Since;
}

/** What crosses one edge, as this end sees it. */
export interface LaneView {
  /** The frame that the transport sends until it is confirmed. */
  readonly first: Frame | undefined;
  /** How many of this peer's frames were confirmed to it, and of the neighbour's frames it has confirmed. */
  readonly next: number;
  readonly complete: number;
  /** A frame waits for room. */
  readonly isFull: boolean;
  readonly isDown: boolean;
}
/** The exchanges of one edge by number: what was offered, what was kept, and at which rates the first were applied. */
export interface EdgeView {
  readonly own: readonly string[];
  readonly theirs: readonly string[];
  readonly rates: readonly number[];
}

export interface PeerState {
  /** Equal texts have equal futures. */
  readonly text: string;
  /** A peer that is `cut` does nothing more, but what it has sent still arrives. */
  readonly phase: "dead" | "cut" | "between" | "waiting" | "done";
  readonly disk: Disk;
  readonly lanes: ReadonlyMap<number, LaneView>;
  /** Of a process that runs. */
  readonly edges?: ReadonlyMap<number, EdgeView>;
  /** Events that wait for the process, once it reads them. */
  readonly events: number;
  readonly canTimeOut: boolean;
  readonly canSave: boolean;
  readonly isSaving: boolean;
  /** What the peer itself noticed: a refused frame, a round that cannot be repeated, … */
  readonly problem?: string | undefined;
}

/** η. */
export const rateOf = (round: number): number => 1 / (1 + round);

const textOf = ({ kind, round, step, payload }: Omit<Frame, "exchange">): string =>
  `${kind} ${round}.${step}:${payload.join()}`;
const payloadText = ({ payload }: Pick<Frame, "payload">): string => payload.join();
export const frameText = (frame: Frame): string => `${frame.exchange}=${textOf(frame)}`;
export const copied = <Half extends { readonly payload: Uint8Array }>(half: Half): Half => ({
  ...half,
  payload: half.payload.slice(),
});

export const edgesText = ({ edges, held }: EdgesSnapshot): string =>
  JSON.stringify([
    edges.map(({ open, unacknowledged, arrived, ...edge }) => [
      ...[edge, open && textOf(open), unacknowledged && frameText(unacknowledged)],
      arrived.map(frameText),
    ]),
    held.map(receivedText),
  ]);
/** The journal reads the frames of each neighbour on their own. */
const receivedText = ({ peer, frame }: ReceivedRecord): string => `${peer} ${frameText(frame)}`;

const sinceText = ({ point, decisions, received, acknowledged }: Since): string =>
  JSON.stringify([
    ...[point.round, [...point.model], edgesText(point), decisions, acknowledged],
    received.map(receivedText).sort(),
  ]);
export const diskText = (disk: Disk): string => sinceText(disk) + (disk.saving ? sinceText(disk.saving) : "");

/** The disk of a peer that has not begun. */
export function newDisk({ neighbours }: Course, id: number): Disk {
  const model = new Map(neighbours[id]!.map(({ peer }) => [peer, []]));
  return { point: { round: 0, model, edges: [], held: [] }, ...nothingSince };
}

export const nothingSince = { decisions: [], received: [], acknowledged: [] };

export function written(disk: Disk, record: JournalRecord): Disk {
  const add = (since: Since): Since => {
    const { received, decisions, acknowledged } = since;
    switch (record.kind) {
      case "received":
        return { ...since, received: [...received, { ...record, frame: copied(record.frame) }] };
      case "acknowledged":
        return { ...since, acknowledged: [...new Set([...acknowledged, record.peer])].sort() };
      case "took":
      case "lost":
      case "notice":
        return { ...since, decisions: [...decisions, record] };
      case "offered": {
        const others = acknowledged.filter((peer) => !record.peers.includes(peer));
        return { ...since, decisions: [...decisions, record], acknowledged: others };
      }
    }
  };
  return { ...add(disk), ...(disk.saving && { saving: add(disk.saving) }) };
}

const still = { events: 0, canTimeOut: false, canSave: false, isSaving: false };

export function deadState(id: number, { saving: _lost, ...disk }: Disk): PeerState {
  return { text: `dead ${id} ${diskText(disk)}`, phase: "dead", disk, lanes: new Map(), ...still };
}

export function cutState(id: number, disk: Disk, lanes: ReadonlyMap<number, LaneView>): PeerState {
  const text = `cut ${id} ${lanesText(lanes)} ${diskText(disk)}`;
  return { text, phase: "cut", disk, lanes, ...still };
}

export const lanesText = (lanes: ReadonlyMap<number, LaneView>): string =>
  JSON.stringify([...lanes].map(([peer, { first, ...lane }]) => [peer, first && frameText(first), lane]));

/** The exchanges of every edge, whether they were applied or not. */
export function edgeViews(model: Model, { edges, held }: EdgesSnapshot): ReadonlyMap<number, EdgeView> {
  return new Map(
    edges.map(({ peer, open, arrived }) => {
      const pairs = model.get(peer)!;
      const here = held.filter((each) => each.peer === peer).map(({ frame }) => frame);
      const view: EdgeView = {
        own: [...pairs.map(({ own }) => own), ...(open ? [payloadText(open)] : [])],
        theirs: [...pairs.map(({ theirs }) => theirs), ...[...arrived, ...here].map(payloadText)],
        rates: pairs.map(({ rate }) => rate),
      };
      return [peer, view];
    }),
  );
}
