/** What a peer answers to one that asks to join. */
import type { Topology } from "../../graphs/topology.js";
import type { Membership } from "../../membership/membership.js";
import type { JoinAnswer } from "./join.js";
import type { Link } from "./link.js";

/** Who takes part in a run, and who may come in. */
export interface Members {
  readonly membership: Membership;
  /** Why this run cannot take a peer back that lost what it had; undefined where it can. */
  readonly takesNobodyBack?: string | undefined;
  /** Settings of a topology, for a newcomer. */
  readonly settingsOf: (topology: Topology) => unknown;
}

const tooLate: JoinAnswer = {
  kind: "refused",
  reason: "the run ends before it could take another peer in",
};

/** Whether a peer that is no neighbour yet is about to become a member. */
export function isExpected({ membership }: Members, peerId: string): boolean {
  const { topology } = membership.next() ?? membership.epoch;
  return topology.peers.some((peer) => peer.peerId === peerId && !peer.left);
}

/**
 * @param peer number of the asking neighbour, with its link; undefined where it is not JSON in this epoch
 * @param isDone whether this peer has ended its last round
 */
export function answerTo(
  members: Members | undefined,
  peer: number | undefined,
  link: Link | undefined,
  isDone: boolean,
): JoinAnswer {
  if (!members) {
    return {
      kind: "refused",
      reason:
        "the members of this run are fixed: they can change at the barrier, without patience, on an undirected graph with the same edges in every round, and with an algorithm that needs no equal start",
    };
  }
  const { membership, takesNobodyBack, settingsOf } = members;
  const { number, firstRound, newcomers, topology } = membership.epoch;
  if (peer !== undefined && link?.isFresh && newcomers.includes(peer)) {
    return { kind: "epoch", number, firstRound, newcomers, topology: settingsOf(topology) };
  }
  if (membership.isTooLate() || (isDone && !membership.next())) {
    return tooLate;
  }
  if (!link) return { kind: "wait", reason: "it is not in this epoch's graph" };
  if (link.standing.isConnected) {
    return { kind: "wait", reason: "its earlier process still counts as connected" };
  }
  if (takesNobodyBack !== undefined) return { kind: "refused", reason: takesNobodyBack };
  if (!link.isLost && link.isFresh && number === 0 && !link.hasConnected) {
    return { kind: "refused", reason: "nothing was exchanged with it yet: it can start without --join" };
  }
  // The others go on without it, whether or not it can come back.
  const isInTime = link.isLost || membership.isInTime({ kind: "return", peer: peer! });
  if (!link.isLost) link.lose();
  if (!isInTime) return tooLate;
  const next = membership.next();
  const when = next ? `from round ${next.firstRound + 1} on` : "once all peers know";
  return { kind: "wait", reason: `the run takes it in ${when}` };
}
