/**
 * Who takes part in a run, while it runs. A run is a sequence of epochs: stretches on one graph. A change is proposed by
 * any peer, travels with the frames, and takes effect in a round that all peers compute alike: by then every peer knows
 * it, and every other change that was proposed in ignorance of it. Only at the barrier, where news moves one hop a round.
 */
import type { Members } from "../exchange/exchanges.js";
import type { EdgeSchedule } from "../exchange/participation.js";
import { MalformedFrame } from "../foundation/errors.js";
import {
  type Change,
  changeTopology,
  isInEffect,
  requireChange,
  topologySettingsOf,
} from "../graphs/changes.js";
import type { Topology } from "../graphs/topology.js";
import { decodeNotice, encodeNotice, inOrder, MAX_PROPOSALS, type Proposal } from "./proposal.js";
import { agreedRound } from "./reach.js";

/** A stretch of a run on one graph. */
export interface Epoch {
  /** From 0. */
  readonly number: number;
  readonly firstRound: number;
  readonly topology: Topology;
  /** Peers that take a neighbour's model as it begins. */
  readonly newcomers: readonly number[];
  /** What distinguishes it from the epoch before, in the order in which it takes effect. */
  readonly changes: readonly Change[];
}

/** The first epoch of a run. */
export const firstEpoch = (topology: Topology): Epoch => ({
  ...{ number: 0, firstRound: 0, topology, newcomers: [], changes: [] },
});

/** What a checkpoint holds of an epoch. */
export interface SavedMembers extends Omit<Epoch, "topology"> {
  /** Settings of the epoch's topology; the user's where left out. */
  readonly topology?: unknown;
  readonly known: readonly Proposal[];
}

/** The epoch after this one. */
export interface NextEpoch extends Epoch {
  /** Changes that cannot be, and why. */
  readonly refused: readonly { readonly change: Change; readonly reason: string }[];
}

export interface MembershipOptions {
  readonly id: number;
  readonly epoch: Epoch;
  /** Which edges work in a round. All where left out. */
  readonly works?: EdgeSchedule | undefined;
  /** The last learning round: no epoch begins after it. */
  readonly lastRound: number;
  /** Known from a checkpoint. */
  readonly known?: readonly Proposal[];
}

export interface Membership extends Members {
  readonly epoch: Epoch;
  /**
   * Takes a change up with the next round's frames, or in the next epoch where one is agreed on already.
   * @throws InvalidTopology it does not fit a notice
   */
  propose(change: Change): void;
  /** Changes that wait for the next epoch to begin. */
  waiting(): readonly Change[];
  /** For a checkpoint. */
  saved(): SavedMembers;
  /** Whether something is under way that the run's end comes before. */
  isTooLate(): boolean;
  /** Whether a change that this peer proposes now could begin before the run's end. */
  isInTime(change: Change): boolean;
  /**
   * The next epoch, as far as it is known; final once its first round is there. Undefined while nothing was proposed, and
   * where the run ends before it could begin.
   */
  next(): NextEpoch | undefined;
  /** Whether the round belongs to the next epoch. */
  isOver(round: number): boolean;
}

export function createMembership(options: MembershipOptions): Membership {
  const { id, epoch, works, lastRound } = options;
  const { mixing } = epoch.topology;
  let known: readonly Proposal[] = inOrder(options.known ?? []);
  let queue: readonly Change[] = [];
  let upcoming: NextEpoch | undefined;
  /** Of the changes in `upcomingOf`; 0 while there are none. */
  let upcomingRound = 0;
  let upcomingOf: readonly Proposal[] | undefined;
  /** The round that this peer is in. */
  let now = epoch.firstRound;

  const merge = (list: readonly Proposal[]): void => {
    const merged = inOrder([...known, ...list]).slice(0, MAX_PROPOSALS);
    if (merged.length === known.length) return;
    known = merged;
    queue = queue.filter((change) => !isAmong(change, known));
  };
  const firstRoundOf = (proposals: readonly Proposal[]): number =>
    Math.max(
      ...proposals.map(({ peer, round, change }) =>
        agreedRound(peer, round, {
          mixing,
          works,
          without: new Set(change.kind === "return" ? [change.peer] : []),
        }),
      ),
    );
  const next = (): NextEpoch | undefined => {
    if (upcomingOf === known) return upcoming;
    upcomingOf = known;
    upcoming = undefined;
    upcomingRound = known.length === 0 ? 0 : firstRoundOf(known);
    if (upcomingRound === 0 || upcomingRound > lastRound) return undefined;
    const proposed = distinct(known.map(({ change }) => change));
    const { topology, newcomers, refused } = changeTopology(epoch.topology, proposed);
    const changes = proposed.filter((change) => !refused.some((each) => each.change === change));
    upcoming = { number: epoch.number + 1, firstRound: upcomingRound, topology, newcomers, changes, refused };
    return upcoming;
  };

  const propose = (change: Change): void => {
    requireChange(change);
    // Several peers may see one change of a file, some of them late.
    if (!isAmong(change, known) && !isInEffect(change, epoch.topology)) queue = distinct([...queue, change]);
  };

  return {
    epoch,
    propose,
    waiting: () => queue,
    notice(round) {
      // Once a change is under way, others wait for the epoch that it begins.
      if (known.length === 0 && queue.length > 0) {
        const stamped = queue.slice(0, MAX_PROPOSALS).map((change) => ({ peer: id, round, change }));
        merge(stamped);
      }
      return known.length > 0 ? encodeNotice(known) : undefined;
    },
    received(notice) {
      const list = decodeNotice(notice);
      const texts = new Set(known.map((proposal) => JSON.stringify(proposal)));
      const news = list.filter((proposal) => !texts.has(JSON.stringify(proposal)));
      for (const proposal of news) requireFuture(proposal, firstRoundOf([proposal]), now);
      if (news.length > 0) merge(news);
    },
    repeated: (notice) => merge(decodeNotice(notice)),
    lost: (peer) => propose({ kind: "return", peer }),
    saved() {
      const { topology, ...rest } = epoch;
      return { ...rest, known, ...(epoch.number > 0 && { topology: topologySettingsOf(topology) }) };
    },
    isInTime: (change) => firstRoundOf([{ peer: id, round: now + 1, change }]) <= lastRound,
    isTooLate() {
      next();
      return upcomingRound > lastRound;
    },
    next,
    isOver(round) {
      now = round;
      return round >= (next()?.firstRound ?? Number.POSITIVE_INFINITY);
    },
  };
}

/** @throws MalformedFrame the proposal would have begun by now */
function requireFuture({ peer, round }: Proposal, begins: number, now: number): void {
  if (begins > now) return;
  throw new MalformedFrame(
    `peer ${peer} proposes a change of members for round ${begins + 1} in round ${round + 1}, and round ${now + 1} is under way`,
    { code: "proposal-too-late", peer, round: now },
  );
}

const textOf = (change: Change): string => JSON.stringify(change);

const distinct = (changes: readonly Change[]): Change[] => [
  ...new Map(changes.map((change) => [textOf(change), change])).values(),
];

const isAmong = (change: Change, proposals: readonly Proposal[]): boolean =>
  proposals.some((proposal) => textOf(proposal.change) === textOf(change));
