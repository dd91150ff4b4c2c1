/**
 * Every interleaving of sends, losses, crashes and new starts that a few peers can go through, and what must hold in all
 * of them. The states of the whole are those of the peers (`ledger-states.ts`) beside which edges are connected and which
 * faults are left. Breadth first, so that a violation comes with a shortest course that leads to it.
 *
 * What is under way on an edge follows from its ends. A frame that is sent and not kept may arrive; one that is kept and
 * not confirmed may be confirmed, and both only while the edge is connected. So a lost connection loses what is under way,
 * and a frame whose confirmation alone was lost is not delivered again.
 */
import { type Course, type EdgeView, type Input, type PeerState, rateOf } from "./ledger-model.js";
import { createStates, type Entry, START, type States } from "./ledger-states.js";
import { createTable, firstOnCycle } from "./state-table.js";

export interface Budget {
  readonly crashes: number;
  /** Lost connections, and neighbours that count as unreachable meanwhile. */
  readonly losses: number;
  /** Most actions of a course; no bound where left out. */
  readonly depth?: number | undefined;
}

export interface Result {
  /** Of all peers together, and of single ones. */
  readonly states: number;
  readonly peerStates: number;
  readonly transitions: number;
  /** Actions of the longest of the shortest courses to a state. */
  readonly depth: number;
  /** Whether nothing is left: every state that the budget admits was seen. */
  readonly isComplete: boolean;
  readonly ends: number;
  readonly audited: number;
  readonly violation?: { readonly what: string; readonly course: readonly string[] };
}

const ACTIONS = [
  "starts again",
  "begins a round",
  "goes on without late edges",
  "takes what waits for it",
  "takes one event",
  "begins a checkpoint",
  "has the checkpoint on its disk",
  "keeps the frame of",
  "has its frame confirmed by",
  "counts as down its edge to",
  "connects with",
  "loses its connection with",
  "crashes",
  "crashes while it",
] as const;
type Action = (typeof ACTIONS)[number];

/** Peers, edges and actions fit in one number. */
const codeOf = (action: Action, peer: number, other = 0, more = 0): number =>
  ACTIONS.indexOf(action) | (peer << 4) | (other << 6) | (more << 8);

function nameOf(code: number): string {
  const action = ACTIONS[code & 15]!;
  const [peer, other, more] = [(code >> 4) & 3, (code >> 6) & 3, code >> 8];
  const whom = /(of|by|to|with)$/.test(action) ? ` peer ${other}` : "";
  const during = action === "crashes while it" ? ` ${nameOf(more).replace(/^peer \d+ /, "")}` : "";
  return `peer ${peer} ${action}${whom}${during}`;
}

export async function checkLedger(course: Course, budget: Budget): Promise<Result> {
  const peers = course.neighbours.length;
  const edges = course.neighbours.flatMap((own, a) =>
    own.filter(({ peer }) => peer > a).map(({ peer }) => [a, peer] as const),
  );
  const states = createStates(course);
  const table = createTable(peers + 1);
  const agreement = createAgreement(states);
  const row = new Int32Array(peers + 1);
  const next = new Int32Array(peers + 1);
  let transitions = 0;
  let ends = 0;
  let depth = 0;
  let violation: Result["violation"];
  /** Steps of runs without faults, from and to. */
  const progress: number[] = [];

  const entryOf = (peer: number): Entry => states.entry(row[peer]!);
  const edgeBit = (a: number, b: number): number =>
    1 << edges.findIndex(([x, y]) => x === Math.min(a, b) && y === Math.max(a, b));
  const edgeBits = course.neighbours.map((own, peer) =>
    own.reduce((sum, { peer: other }) => sum | edgeBit(peer, other), 0),
  );
  const canCrash = () => ((row[peers]! >> 4) & 15) < budget.crashes;
  const canLose = () => row[peers]! >> 8 < budget.losses;

  const violated = (what: string, from: number, code?: number): void => {
    const codes = code === undefined ? [] : [code];
    for (let at = from; table.parent(at) >= 0; at = table.parent(at)) codes.unshift(table.action(at));
    violation ??= { what, course: codes.map(nameOf) };
  };
  /** The whole as `next` has it, from state `from`, which is in `row`. */
  const reach = (from: number, code: number, isProgress: boolean): void => {
    transitions++;
    const size = table.size;
    const to = table.add(next, from, code);
    if (isProgress) progress.push(from, to);
    if (to < size) return;
    for (const [a, b] of edges) {
      if (next[a] === row[a] && next[b] === row[b] && from > 0) continue;
      const problem = agreement(next[a]!, next[b]!);
      if (problem) violated(problem, from, code);
    }
  };

  /** What one peer does, and crashes in the midst of it. */
  const take = (at: number, { peer, action, other, key }: Step): void => {
    const { to, cuts } = states.known(row[peer]!, key)!;
    const code = codeOf(action, peer, other);
    // A run that ends because a neighbour is unreachable leaves.
    const isGone = states.entry(to).state.phase === "dead";
    next.set(row);
    next[peer] = to;
    if (isGone) next[peers]! &= ~edgeBits[peer]!;
    if (action === "counts as down its edge to") next[peers]! += 1 << 8;
    reach(at, code, !OPTIONAL.has(action));
    if (!canCrash() || OPTIONAL.has(action)) return;
    for (const cut of cuts) {
      next.set(row);
      next[peer] = cut;
      if (states.entry(cut).state.phase === "dead") next[peers]! &= ~edgeBits[peer]!;
      next[peers]! += 1 << 4;
      reach(at, codeOf("crashes while it", peer, 0, code), false);
    }
  };
  const crash = (at: number, peer: number): void => {
    const { state, dead } = entryOf(peer);
    const isCut = state.phase === "cut";
    if (state.phase === "dead" || !(isCut || canCrash())) return;
    next.set(row);
    next[peer] = dead;
    next[peers] = (row[peers]! & ~edgeBits[peer]!) + (isCut ? 0 : 1 << 4);
    reach(at, codeOf("crashes", peer), isCut);
  };
  const lose = (at: number, a: number, b: number): void => {
    next.set(row);
    next[peers] = (row[peers]! & ~edgeBit(a, b)) + (1 << 8);
    reach(at, codeOf("loses its connection with", a, b), false);
  };
  const connect = async (at: number, a: number, b: number): Promise<void> => {
    next.set(row);
    next[peers]! |= edgeBit(a, b);
    for (const [peer, other] of bothWays(a, b)) {
      if (!entryOf(peer).state.lanes.get(other)!.isDown) continue;
      const key = codeOf("connects with", 0, other);
      next[peer] = (await states.move(row[peer]!, key, { kind: "up", peer: other })).to;
    }
    reach(at, codeOf("connects with", a, b), true);
  };

  const expand = async (at: number): Promise<void> => {
    const before = progress.length;
    const steps: Step[] = [];
    for (let peer = 0; peer < peers; peer++) stepsAlone(peer, entryOf(peer).state, steps);
    for (const [a, b] of edges) {
      const isConnected = (row[peers]! & edgeBit(a, b)) !== 0;
      for (const [from, to] of bothWays(a, b)) {
        if (isConnected) stepsAlong(from, to, entryOf(from), entryOf(to).state, steps);
        else if (canLose()) stepsApart(from, to, entryOf(from).state, steps);
      }
    }
    for (const { peer, key, input } of steps) {
      if (!states.known(row[peer]!, key)) await states.move(row[peer]!, key, input);
    }
    for (const step of steps) take(at, step);
    for (let peer = 0; peer < peers; peer++) crash(at, peer);
    for (const [a, b] of edges) {
      if ((row[peers]! & edgeBit(a, b)) !== 0) {
        if (canLose()) lose(at, a, b);
      } else if (isUp(entryOf(a).state) && isUp(entryOf(b).state)) await connect(at, a, b);
    }
    if (progress.length > before) return;
    ends++;
    const what = endProblem(row, states, edges);
    if (what) violated(what, at);
  };

  for (let peer = 0; peer < peers; peer++) next[peer] = await states.begin(peer);
  next[peers] = (1 << edges.length) - 1;
  table.add(next, -1, 0);
  let levelEnd = 1;
  let at = 0;
  for (; at < table.size && !violation; at++) {
    if (at === levelEnd) {
      depth++;
      levelEnd = table.size;
    }
    if (depth === budget.depth) break;
    table.read(at, row);
    await expand(at);
  }
  const isComplete = at === table.size && !violation;
  const { compared, difference } = violation ? { compared: 0 } : await states.audit();
  if (difference) violation = { what: `the text of a state is not all of it: ${difference}`, course: [] };
  const endless = violation ? -1 : firstOnCycle(table.size, progress);
  if (endless >= 0) violated("a run without faults need not end", endless);
  return {
    ...{ states: table.size, peerStates: states.size, transitions, depth, isComplete, ends },
    audited: compared,
    ...(violation && { violation }),
  };
}

/** What one peer may do next. */
interface Step {
  readonly peer: number;
  readonly action: Action;
  readonly other: number;
  readonly input: Input | undefined;
  /** Stands for the input. */
  readonly key: number;
}

const OPTIONAL: ReadonlySet<Action> = new Set(["begins a checkpoint", "counts as down its edge to"]);
const bothWays = (a: number, b: number) =>
  [
    [a, b],
    [b, a],
  ] as const;

function stepsAlone(peer: number, state: PeerState, steps: Step[]): void {
  const { phase, events, canTimeOut, canSave, isSaving } = state;
  const add = (action: Action, input?: Input, count = 0) =>
    steps.push({ peer, action, other: 0, input, key: input ? codeOf(action, 0, 0, count) : START });
  if (phase === "dead") add("starts again");
  if (phase === "between" && !isSaving) add("begins a round", { kind: "begin" });
  if (canTimeOut) add("goes on without late edges", { kind: "timeOut" });
  if (events > 0) add("takes one event", { kind: "take", count: 1 });
  if (events > 1) add("takes what waits for it", { kind: "take", count: events }, events);
  if (canSave) add("begins a checkpoint", { kind: "save" });
  if (isSaving) add("has the checkpoint on its disk", { kind: "saved" });
}

/** Frames from one end of an edge, and their confirmations. */
function stepsAlong(from: number, to: number, sender: Entry, receiver: PeerState, steps: Step[]): void {
  const out = sender.state.lanes.get(to);
  const back = receiver.lanes.get(from);
  if (!out?.first || !back) return;
  const isKept = back.complete > out.next;
  if (isKept && isUp(sender.state)) {
    const action = "has its frame confirmed by";
    const input = { kind: "acknowledge", peer: to } as const;
    steps.push({ peer: from, action, other: to, input, key: codeOf(action, 0, to) });
  }
  if (isKept || back.isFull || !isUp(receiver)) return;
  const action = "keeps the frame of";
  const input = { kind: "arrive", peer: from, frame: out.first } as const;
  steps.push({ peer: to, action, other: from, input, key: codeOf(action, 0, from, sender.firsts[to]!) });
}

/** Without a connection for long. */
function stepsApart(peer: number, other: number, state: PeerState, steps: Step[]): void {
  if (!isUp(state) || state.lanes.get(other)!.isDown) return;
  const action = "counts as down its edge to";
  steps.push({ peer, action, other, input: { kind: "down", peer: other }, key: codeOf(action, 0, other) });
}

const isUp = ({ phase }: PeerState): boolean => phase !== "dead" && phase !== "cut";

/** What is wrong with a whole that cannot go on without a fault. */
function endProblem(row: Int32Array, states: States, edges: readonly (readonly [number, number])[]) {
  for (const peer of row.subarray(0, -1).keys()) {
    const { phase } = states.entry(row[peer]!).state;
    if (phase !== "done") return `peer ${peer} waits for ever (${phase})`;
  }
  for (const [a, b] of edges) {
    const applied = [
      [a, b],
      [b, a],
    ].map(([peer, other]) => states.entry(row[peer!]!).state.edges!.get(other!)!);
    if (applied[0]!.rates.length !== applied[1]!.rates.length)
      return `peers ${a} and ${b} end with ${applied[0]!.rates.length} and ${applied[1]!.rates.length} exchanges`;
  }
  return undefined;
}

/** A peer that is done starts again without any neighbour: they may be gone. */
function stuck({ peer, state }: Entry, recovered: PeerState): string | undefined {
  if (state.phase !== "done" || recovered.phase === "done") return undefined;
  return `peer ${peer}, which is done, needs its neighbours when it starts again (${recovered.phase})`;
}

/** Whether the two ends of an edge agree, in the states that they are in and in those that crashes would lead to. */
function createAgreement(states: States): (a: number, b: number) => string | undefined {
  const known: Map<number, string | undefined>[] = [];
  const views = (index: number) => {
    const { peer, state, recovered } = states.entry(index);
    const restarted = { peer, state: states.entry(recovered).state, name: `peer ${peer}, restarted,` };
    return state.phase === "dead" ? [restarted] : [{ peer, state, name: `peer ${peer}` }, restarted];
  };
  return (a, b) => {
    known[a] ??= new Map();
    if (known[a].has(b)) return known[a].get(b);
    let problem: string | undefined;
    for (const index of [a, b]) {
      const entry = states.entry(index);
      problem ??= stuck(entry, states.entry(entry.recovered).state);
    }
    for (const one of views(a)) {
      for (const other of views(b)) problem ??= apart(one, other) ?? apart(other, one);
    }
    known[a].set(b, problem);
    return problem;
  };
}

interface View {
  readonly peer: number;
  readonly name: string;
  readonly state: PeerState;
}

/** How one end contradicts what the other end has of it. */
function apart(sender: View, receiver: View): string | undefined {
  if (sender.state.problem) return `${sender.name} ${sender.state.problem}`;
  const { next } = sender.state.lanes.get(receiver.peer)!;
  const { complete } = receiver.state.lanes.get(sender.peer)!;
  const both = `${sender.name} and ${receiver.name}`;
  if (complete < next)
    return `${receiver.name} has ${complete} of ${next} frames that it confirmed to peer ${sender.peer}`;
  if (complete > next + 1)
    return `${receiver.name} has ${complete} frames of ${sender.name} which goes on at ${next}`;
  const mine = sender.state.edges?.get(receiver.peer);
  const yours = receiver.state.edges?.get(sender.peer);
  if (!mine || !yours) return undefined;
  if (yours.theirs.length !== complete)
    return `${receiver.name} confirmed ${complete} frames and has ${yours.theirs.length}`;
  if (yours.theirs.length > mine.own.length)
    return `${receiver.name} has a frame that ${sender.name} has not offered`;
  const other = yours.theirs.findIndex((text, k) => text !== mine.own[k]);
  if (other >= 0)
    return `${both} have different payloads in exchange ${other}: ${mine.own[other]}, ${yours.theirs[other]}`;
  return ratesApart(mine, yours, both);
}

/** Both ends have the same payloads, which say in which round they were offered: the earlier one's rate is due. */
function ratesApart(mine: EdgeView, yours: EdgeView, both: string): string | undefined {
  const [one, other] = [mine.rates.length, yours.rates.length];
  if (Math.abs(one - other) > 1) return `${both} applied ${one} and ${other} exchanges`;
  const roundOf = (payload: string): number => Number(payload.split(",")[1]);
  for (const [k, rate] of mine.rates.entries()) {
    const due = rateOf(Math.min(roundOf(mine.own[k]!), roundOf(mine.theirs[k]!)));
    if (rate !== due) return `${both} apply exchange ${k} at the rate ${rate}, where ${due} is due`;
  }
  return undefined;
}
