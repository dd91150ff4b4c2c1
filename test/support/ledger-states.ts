/**
 * The states that a peer of the model can be in, and where each input leads. A peer knows nothing of the others but its
 * inputs, so a step of one that was computed once is looked up from then on, in whatever state the others are. A ledger
 * is not copied: a state is reached by starting from its disk and repeating the inputs of that life.
 */
import { type Course, deadState, frameText, type Input, newDisk, type PeerState } from "./ledger-model.js";
import { type Running, startPeer } from "./ledger-peer.js";

/** Where an input leads, and what crashes in its midst leave behind. */
export interface Move {
  readonly to: number;
  readonly cuts: readonly number[];
}

export interface Entry {
  readonly peer: number;
  readonly state: PeerState;
  /** By neighbour: the frame that is sent until it is confirmed, interned; 0 where there is none. */
  readonly firsts: readonly number[];
  /** The state after a crash and a new start. */
  readonly recovered: number;
  /** The state of the disk alone. */
  readonly dead: number;
}

interface Known {
  readonly peer: number;
  readonly state: PeerState;
  readonly firsts: readonly number[];
  dead: number;
  readonly moves: Map<number, Move>;
  /** How it was reached: from which state, by which input; by a start where there is none. */
  readonly from: { readonly index: number; readonly input?: Input } | undefined;
  /** Another way to it. */
  other?: { readonly index: number; readonly input?: Input };
  /** A process in this state, until an input moves it on. */
  running?: Running | undefined;
}

export interface States {
  readonly size: number;
  entry(index: number): Entry;
  /** A new peer. */
  begin(peer: number): Promise<number>;
  /** Where an input leads, if that is known. The code stands for it. */
  known(index: number, code: number): Move | undefined;
  /** The start of a dead peer where the input is left out. */
  move(index: number, code: number, input?: Input): Promise<Move>;
  /**
   * Reaches states by a second way and compares where their inputs lead: whether the text of a state is all of it.
   * @returns how many moves were compared, and the first difference
   */
  audit(): Promise<{ readonly compared: number; readonly difference?: string }>;
}

export const START = 0;

export function createStates(course: Course): States {
  const entries: Known[] = [];
  const byText = new Map<string, number>();
  const frames = new Map<string, number>();
  const inputs = new Map<number, Input>();
  const internFrame = (text: string): number => {
    const found = frames.get(text) ?? frames.size + 1;
    frames.set(text, found);
    return found;
  };

  /** A state that may be new; then where a crash leads from it is computed too. */
  const intern = async (peer: number, state: PeerState, from: Known["from"]): Promise<number> => {
    const found = byText.get(state.text);
    if (found !== undefined) {
      const known = entries[found]!;
      if (from && known.from && from.index !== known.from.index) known.other ??= from;
      return found;
    }
    const index = entries.length;
    byText.set(state.text, index);
    const firsts: number[] = [];
    for (const [to, { first }] of state.lanes) firsts[to] = first ? internFrame(frameText(first)) : 0;
    const known: Known = { peer, state, firsts, dead: -1, moves: new Map(), from };
    entries.push(known);
    known.dead = state.phase === "dead" ? index : await intern(peer, deadState(peer, state.disk), undefined);
    await move(known.dead, START);
    return index;
  };

  /** A process in this state. */
  const reach = async (index: number, way = entries[index]!.from): Promise<Running> => {
    const life: Input[] = [];
    let at = way!;
    for (; at.input; at = entries[at.index]!.from!) life.push(at.input);
    const { peer, state } = entries[at.index]!;
    const running = await startPeer(course, peer, state.disk);
    for (const input of life.reverse()) await running.apply(input);
    return running;
  };

  const move = async (index: number, code: number, input?: Input): Promise<Move> => {
    const entry = entries[index]!;
    const before = entry.moves.get(code);
    if (before) return before;
    let running: Running;
    if (input) {
      inputs.set(code, input);
      running = entry.running ?? (await reach(index));
      entry.running = undefined;
      await running.apply(input);
    } else running = await startPeer(course, entry.peer, entry.state.disk);
    const { peer } = entry;
    const state = running.state();
    const size = entries.length;
    const result = { to: 0, cuts: [] as number[] };
    // Set before what follows from it: a peer that starts again may end where it is.
    entry.moves.set(code, result);
    const way = { index, ...(input && { input }) };
    result.to = await intern(peer, state, state.phase === "dead" ? undefined : way);
    if (result.to >= size && state.phase !== "dead") entries[result.to]!.running = running;
    for (const cut of running.cuts()) result.cuts.push(await intern(peer, cut, undefined));
    return result;
  };

  return {
    get size() {
      return entries.length;
    },
    entry(index) {
      const { peer, state, firsts, dead } = entries[index]!;
      return { peer, state, firsts, dead, recovered: entries[dead]!.moves.get(START)!.to };
    },
    begin: async (peer) => {
      const dead = await intern(peer, deadState(peer, newDisk(course, peer)), undefined);
      return (await move(dead, START)).to;
    },
    known: (index, code) => entries[index]!.moves.get(code),
    move,
    async audit() {
      let compared = 0;
      for (const [index, { other, moves, state }] of entries.entries()) {
        if (!other) continue;
        for (const [code, { to }] of moves) {
          const input = inputs.get(code)!;
          const running = await reach(index, other);
          await running.apply(input);
          compared++;
          if (running.state().text !== entries[to]!.state.text)
            return {
              compared,
              difference: `${JSON.stringify(input)} in ${state.text}\n A ${running.state().text}\n B ${entries[to]!.state.text}`,
            };
        }
      }
      return { compared };
    },
  };
}
