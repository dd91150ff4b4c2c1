/**
 * One peer's life, top to bottom. The simulator is N of these over memory; a network run is N over libp2p. A round, as
 * DeepSqueeze fills it:
 *
 *     u  = local update                  gradient, optimiser                       learner
 *     v                                  apply u, choose what to send              algorithm
 *     q = C(v), keep v − C(v)            compress it, keep what was lost           compressor
 *     send q, receive q_j                both halves of each edge's exchange       exchange, transport
 *     x ← x + η Σ_j w_ij (q_j − q)       mix what has settled                      algorithm
 *     report
 *
 * After the last round the closing consensus makes all models equal (algorithms/closing.ts).
 */
import type { AlgorithmKind } from "./algorithm.js";
import { closingPayloadBytes } from "./algorithms/closing.js";
import { type Checkpoint, requireSameRun } from "./checkpoint.js";
import type { ExampleCounts } from "./dataset.js";
import { createLaps, type DriveTools } from "./drive.js";
import {
  createExchanges,
  type EdgesSnapshot,
  type ExchangesOptions,
  type Patience,
} from "./exchange/exchanges.js";
import { digest, type Fingerprint, modelDigest } from "./exchange/fingerprint.js";
import type { HandOver } from "./exchange/hand-over.js";
import type { Journal } from "./exchange/journal.js";
import type { AfterFault } from "./exchange/settlement.js";
import type { Transport } from "./exchange/transport.js";
import type { Clock } from "./foundation/clock.js";
import { type Counters, createCounters } from "./foundation/counters.js";
import { InvalidExperiment } from "./foundation/errors.js";
import { type Eventually, whenThere } from "./foundation/eventually.js";
import { atOnce, type InTurn } from "./foundation/turns.js";
import type { Epoch } from "./membership/membership.js";
import type { RoundReport } from "./observing/report.js";
import { createParts, type Parts, type PeerOptions, requirePatience } from "./peer-parts.js";
import { close, gossip, greet, judge, reduce, weighedBy } from "./peer-phases.js";
import {
  addHappenings,
  type Draft,
  draftOf,
  measure,
  showTrainer,
  type Turn,
  timesOf,
  trafficSince,
} from "./peer-report.js";
import type { SavedModel } from "./saved-model.js";
import { statisticsOf } from "./trainers/statistics.js";
import type { Layout } from "./vectors/layout.js";
import type { NamedValues, State, TensorGroup } from "./vectors/state.js";
import type { Vector } from "./vectors/vector.js";

export type { PeerOptions, Plan } from "./peer-parts.js";

/** What a peer runs over. */
export interface Network {
  readonly transport: Transport;
  /** Takes the place of the transport at the barrier, where all neighbours are in this process and have it too. */
  readonly handOver?: HandOver;
  readonly clock: Clock;
  /** How long to wait for neighbours. Without bounds where left out. */
  readonly patience?: Patience;
  /** What makes the run outlive its process. */
  readonly journal?: Journal;
  /** What the transport counts too. The peer's own where left out. */
  readonly counters?: Counters;
  /** Gives peers that share a thread their turns to compute, so that the time of each is its own; at once where left out. */
  readonly inTurn?: InTurn;
  /** False where what a peer waits for is others' use of the thread that they share: reports leave waits out then. */
  readonly countsWaits?: false;
}

/** One peer of a run: its model, and the rounds that train it. */
export interface Peer {
  readonly id: number;
  readonly layout: Layout;
  /** Name of the compressor that learning rounds send through. */
  readonly compressorName: string;
  /** Learning rounds and closing rounds. */
  readonly rounds: number;
  /** Most bytes of a payload of any round. */
  readonly largestPayloadBytes: number;
  /** The live model vector x. */
  readonly model: Vector;
  /** What the algorithm keeps beside the model. */
  readonly state: State;
  /** What this peer evaluates: the model, unless its algorithm says otherwise. */
  readonly point: Vector;
  /** What neighbours must agree on before they exchange anything. Asked for before the run. */
  fingerprint(): Promise<Fingerprint>;
  /**
   * Goes on from a checkpoint instead of from the initial model. Before the run.
   * @throws InvalidCheckpoint a checkpoint of another peer or run, or with other state; the peer is not changed then
   */
  restore(checkpoint: Checkpoint): Promise<void>;
  /**
   * Goes on where this peer stopped on another graph: with its model, the optimizer's state and what the algorithm keeps.
   * Before the run.
   */
  adopt(earlier: Checkpoint): Promise<void>;
  /** What the trainer keeps between rounds; for `snapshot`. */
  trainerState(): Promise<NamedValues>;
  /** How many examples it has, where its trainer knows. */
  readonly counts: ExampleCounts | undefined;
  /** Copies of what layers of its model update beside the model vector, such as running statistics. */
  statistics(): Eventually<NamedValues>;
  /** Tensors of the model that the run leaves as they are, where there are any. */
  readonly frozen: TensorGroup | undefined;
  /**
   * A checkpoint of the last report's round; its vectors are the live ones. Only while the run waits at a report, or
   * has not begun.
   * @throws InvalidExperiment the fingerprint was not read before the run
   */
  snapshot(own: NamedValues): Checkpoint;
  /**
   * What this peer evaluates, as a file has it; its numbers are the live ones. Only while the run waits at a report, or
   * is over.
   * @throws InvalidExperiment this peer was made without a card
   */
  saved(): Promise<SavedModel>;
  /** Begins the run, once. */
  start(network: Network): Course;
  /** Runs the whole plan, once, with one report per round; ends early when the transport is closed. */
  run(network: Network): AsyncGenerator<RoundReport, void>;
}

/** A peer's run, round by round. Where nothing has to be waited for, a round is over at once. */
export interface Course {
  /** The next round's report; undefined after the last round, and once the transport was closed. */
  next(): Eventually<RoundReport | undefined>;
}

/** A peer before its first round. */
export function createPeer(options: PeerOptions): Peer {
  const { id, plan, trainer, membership, card } = options;
  const { layout } = trainer;
  const parts = createParts(options);
  const { algorithm, compressor, model } = parts;
  const { extraPayloadBytes = 0 } = plan.algorithm;
  const position: Position = { round: options.membership?.epoch.firstRound ?? 0, traffic: [] };
  let hasRun = false;
  let known: Fingerprint | undefined;
  const tooLate = () =>
    new InvalidExperiment(
      `the fingerprint of peer ${id} is that of its initial model: ask for it before the run`,
      { code: "fingerprint-after-run", peer: id },
    );
  const fingerprint = async (): Promise<Fingerprint> => {
    if (known) return known;
    if (hasRun) throw tooLate();
    const initialModel = modelDigest(model);
    known = {
      ...plan.fingerprint,
      ...(await trainer.fingerprint?.()),
      ...(membership && membership.epoch.number > 0 && { epoch: epochName(membership.epoch) }),
      compressor: compressor.name,
      layout: digest(layout.tensors.map(({ name, shape }) => [name, shape])),
      initialModel,
    };
    return known;
  };
  const start = (network: Network): Course => {
    if (hasRun) {
      throw new InvalidExperiment(`peer ${id} has run already: create another one`, {
        code: "runs-once",
        peer: id,
      });
    }
    hasRun = true;
    return startCourse(options, parts, network, position);
  };
  return {
    id,
    ...{ layout, model },
    compressorName: compressor.name,
    rounds: parts.rounds,
    largestPayloadBytes: Math.max(
      algorithm.maximumPayloadBytes ?? compressor.maximumPayloadBytes + extraPayloadBytes,
      closingPayloadBytes(layout.length),
      parts.pooling.payloadBytes,
      parts.stopper?.payloadBytes ?? 0,
    ),
    state: algorithm.state,
    point: algorithm.point,
    fingerprint,
    async restore(checkpoint) {
      requireSameRun(checkpoint, id, await fingerprint());
      await parts.memory.restore(checkpoint);
      parts.pooling.restored();
      position.round = checkpoint.round;
      position.traffic = checkpoint.traffic;
      position.records = checkpoint.edges;
    },
    async adopt({ traffic, ...earlier }) {
      // That of the initial model.
      await fingerprint();
      parts.memory.adopt(earlier, plan.algorithm.keeps ?? []);
      if (membership && membership.epoch.newcomers.length > 0) parts.stopper?.forget();
      position.traffic = traffic;
    },
    trainerState: trainer.state,
    counts: trainer.counts,
    statistics: () => statisticsOf(trainer),
    frozen: trainer.frozen,
    snapshot(own) {
      if (!known) throw tooLate();
      const edges = position.edges?.() ?? { edges: [], held: [] };
      const point = parts.memory.nameOf(algorithm.point);
      const { round, traffic } = position;
      return {
        ...{ peer: id, round, fingerprint: known, traffic, ...edges },
        ...parts.memory.save(own),
        ...(membership && { members: membership.saved() }),
        ...(card && point !== undefined && { exported: { card: card(), point } }),
      };
    },
    async saved() {
      if (!card) {
        throw new InvalidExperiment(`peer ${id} has no card for the file of its model: give createPeer one`, {
          code: "no-model-card",
          peer: id,
        });
      }
      const [local, frozen = {}] = [await trainer.state(), await trainer.frozen?.read()];
      return { card: card(), peer: id, round: position.round, model: algorithm.point, local, frozen };
    },
    start,
    run: (network) => reportsOf(start(network)),
  };
}

async function* reportsOf(course: Course): AsyncGenerator<RoundReport, void> {
  for (let report = await course.next(); report; report = await course.next()) yield report;
}

const epochName = ({ number, firstRound }: Epoch) => `${number}, from round ${firstRound + 1}`;
const reported = ({ number, changes }: Epoch) => ({ number, changes });

/** Where a peer is in its run, as checkpoints have it. */
interface Position {
  /** Rounds that are over. */
  round: number;
  traffic: RoundReport["traffic"];
  edges?: () => EdgesSnapshot;
  /** What is known of the edges, where the run goes on from a checkpoint. */
  records?: EdgesSnapshot["edges"];
}

/** What a run has from its first round to its last. */
interface Run extends DriveTools {
  readonly options: PeerOptions;
  readonly parts: Parts;
  readonly network: Network;
  readonly position: Position;
  readonly inTurn: InTurn;
  readonly counters: Counters;
  /** What has crossed the edges so far. */
  traffic(): RoundReport["traffic"];
  /** When it began. */
  readonly began: number;
}

function startCourse(options: PeerOptions, parts: Parts, network: Network, position: Position): Course {
  const { id, neighbours: edges, plan, membership } = options;
  const { meter, rate, check, normBound } = parts;
  const { transport, handOver, clock, journal, counters = createCounters(), inTurn = atOnce } = network;
  const patience = { ...plan.patience, ...(network.patience ?? unbounded) };
  requirePatience(plan.algorithm, patience);
  const lastRound = plan.rounds - 1;
  const given: ExchangesOptions = {
    id,
    edges,
    rate,
    ...(plan.edgesIn && { edgeIn: weighedBy(options) }),
    ...(position.records && { records: position.records }),
    check,
    normBound,
    afterFault: afterFaultOf(plan.algorithm),
    lastRound,
    transport,
    clock,
    patience,
    journal,
    counters,
    members: membership,
    halvings: parts.guard.halvings,
  };
  const isHandedOver = handOver && !journal && !membership && isBarrier(patience);
  const exchanges = isHandedOver ? handOver.exchangesOf(given) : createExchanges(given);
  const traffic = trafficSince(position.traffic, exchanges);
  position.edges = exchanges.snapshot;
  const laps = createLaps(clock, network.countsWaits);
  const tools = { exchanges, laps, meter };
  const run: Run = {
    options,
    parts,
    network,
    position,
    inTurn,
    counters,
    traffic,
    began: clock.now(),
    ...tools,
  };
  return { next: () => nextRound(run) };
}

function nextRound(run: Run): Eventually<RoundReport | undefined> {
  const { options, parts, exchanges, laps, meter, position } = run;
  const { membership } = options;
  const { round } = position;
  if (round >= parts.rounds || (round < options.plan.rounds && membership?.isOver(round))) return undefined;
  const turn: Turn = { options, parts, exchanges, laps, meter, round };
  return isFirst(turn)
    ? meetAll(turn).then((isOpen) => (isOpen ? runRound(run, turn) : undefined))
    : runRound(run, turn);
}

/** Whether the round is the first one of its members. */
const isFirst = ({ options: { membership }, round }: Turn): boolean =>
  round === (membership?.epoch.firstRound ?? 0);

/** What comes before the first round. @returns false when the transport was closed meanwhile */
async function meetAll(turn: Turn): Promise<boolean> {
  const { parts, exchanges, round } = turn;
  return (await greet(round, parts, turn)) && (await reduce(round, parts.pooling.passes(), exchanges));
}

/** Learns, exchanges and mixes. */
function runRound(run: Run, turn: Turn): Eventually<RoundReport | undefined> {
  const { exchanges, laps, round } = turn;
  const isClosing = round >= turn.options.plan.rounds;
  exchanges.begin("computing", round);
  laps.begin();
  const isReplayed = exchanges.isReplaying();
  const learned = isClosing ? undefined : run.inTurn(() => learn(turn));
  return whenThere(learned, (loss) => {
    laps.end("computeMs");
    const exchanged = isClosing ? close(turn) : gossip(turn);
    return whenThere(exchanged, (isOpen) =>
      isOpen ? evaluateRound(run, turn, draftOf(turn, loss, isReplayed)) : undefined,
    );
  });
}

/** What the model is like now, and what all peers make of it. */
function evaluateRound(run: Run, turn: Turn, draft: Draft): Eventually<RoundReport | undefined> {
  return whenThere(measure(turn, draft), () =>
    whenThere(judge(turn, draft), (isOpen) => (isOpen ? finish(run, turn, draft) : undefined)),
  );
}

/** The round is over. */
function finish(run: Run, turn: Turn, draft: Draft): Eventually<RoundReport> {
  const { options, exchanges, laps, position, network, counters } = run;
  const { membership, plan } = options;
  // Where all stop early, closing begins.
  position.round = draft.agreedLoss?.isLast ? plan.rounds : turn.round + 1;
  position.traffic = run.traffic();
  if (membership && membership.epoch.number > 0 && isFirst(turn)) draft.epoch = reported(membership.epoch);
  addHappenings(exchanges, draft);
  const time = timesOf(laps, exchanges, network.clock.now() - run.began);
  const report: RoundReport = Object.assign(draft, counters.take(), { traffic: position.traffic, time });
  exchanges.begin("reporting");
  return whenThere(showTrainer(turn, report), () => report);
}

/** u ← the local update at the algorithm's point. @returns the training loss, where it is known */
function learn({ options, parts, laps, round }: Turn): Eventually<number | undefined> {
  // For a turn.
  laps.end("waitMs");
  const { learner, algorithm, update, diverged, pooling } = parts;
  const learningRate = options.plan.learningRate(round) * pooling.share();
  return whenThere(learner.learn(algorithm.point, update, { round, learningRate }), (loss) =>
    loss === undefined || Number.isFinite(loss) ? loss : diverged(round, "loss", loss),
  );
}

/** Neighbours in this process, which need no deadline. */
const unbounded: Patience = { deadlineMs: Number.POSITIVE_INFINITY };

/** Whether a peer waits for every edge, and as long as it takes. */
const isBarrier = ({ patienceMs, deadlineMs }: Patience): boolean =>
  patienceMs === undefined && deadlineMs === unbounded.deadlineMs;

/** A fault costs some exchanges; where the edge's two ends must hold the same, it costs the edge or the run. */
function afterFaultOf({ needs }: AlgorithmKind): AfterFault {
  if (needs.everyEdge) return "end";
  return needs.edgeHistory ? "void-for-good" : "void";
}
