/** One epoch of one peer's run, from its parts to its transport. */
import type { Checkpoint, Saved } from "../../checkpoint.js";
import { allowDifferentData } from "../../datasets/content.js";
import { systemClock } from "../../foundation/clock.js";
import type { Counters } from "../../foundation/counters.js";
import { HandshakeRefused } from "../../foundation/errors.js";
import { publicSettingsOf } from "../../graphs/changes.js";
import type { Epoch, Membership } from "../../membership/membership.js";
import type { Network, Peer, Plan } from "../../peer.js";
import type { Trainer } from "../../trainers/trainer.js";
import {
  createLibp2pTransport,
  type Deadlines,
  type Libp2pTransport,
} from "../../transports/libp2p/index.js";
import { type PreparedPeers, preparePeers } from "../prepare.js";
import { createSaving, type Saving } from "./checkpoints/saving.js";
import type { JoinOptions } from "./join-options.js";
import { networkPeers } from "./network-peers.js";

export interface StageOptions {
  readonly run: JoinOptions;
  readonly epoch: Epoch;
  readonly deadlines: Deadlines;
  readonly counters: Counters;
  /** The checkpoint of this epoch that the peer goes on from. */
  readonly saved?: Saved | undefined;
  /** Is given the transport before it waits for anybody. */
  readonly opened: (transport: Libp2pTransport) => void;
  /** The epoch before, where this peer was in it. */
  readonly earlier?: { readonly checkpoint: Checkpoint; readonly trainers: readonly Trainer[] } | undefined;
}

export interface Stage {
  readonly peer: Peer;
  readonly plan: Plan;
  readonly prepared: PreparedPeers;
  readonly membership: Membership | undefined;
  readonly saving: Saving | undefined;
  readonly transport: Libp2pTransport;
  readonly network: Network;
  /**
   * @throws HandshakeRefused the neighbours run something else, as turned out after the run had begun
   * @throws TrainerFailed the trainer was lost while the peer waited for its neighbours
   */
  requireAccepted(): void;
}

/**
 * Takes this peer's place in an epoch. Resolves when every neighbour is there, or at once where rounds are computed again.
 * @throws what {@link joinRun} throws
 */
export async function enterStage(options: StageOptions): Promise<Stage> {
  const { run, epoch, deadlines, counters, saved, earlier, opened } = options;
  const { id, experiment, checkpoints, signal } = run;
  const { topology } = epoch;
  const peers = networkPeers(topology, id);
  const given = earlier?.trainers ?? (run.trainer && [run.trainer]);
  const prepared = await preparePeers({
    ...{ topology, experiment, ids: [id], startThreads: run.startThreads, processes: run.processes },
    ...(given && { trainers: given }),
    members: { epoch, known: saved?.checkpoint.members?.known ?? [] },
  });
  const peer = prepared.peers[0]!;
  const [membership] = prepared.memberships;
  const neighbours = topology.mixing.neighbours[id]!;
  let transport: Libp2pTransport | undefined;
  let refused: unknown;
  try {
    if (earlier) await peer.adopt(earlier.checkpoint);
    const fingerprint = await peer.fingerprint();
    const isBarrier = prepared.plan.patience === undefined;
    const saving =
      checkpoints && (await createSaving(peer, neighbours, isBarrier, checkpoints, saved, counters));
    transport = await createLibp2pTransport({
      ...{ id, peers, deadlines, counters },
      privateKey: run.identity.privateKey,
      neighbours: neighbours.map((neighbour) => neighbour.peer),
      listen: topology.peers[id]!.listen,
      fingerprint: run.allowDifferentData ? allowDifferentData(fingerprint) : fingerprint,
      maximumPayloadBytes: peer.largestPayloadBytes,
      ...(membership && { members: membersOf(membership, prepared.plan) }),
      ...(saving && { durability: saving.journal }),
      ...(run.muxers && { muxers: run.muxers }),
      ...(run.metrics && { metrics: run.metrics }),
      ...(run.report && { report: run.report }),
    });
    opened(transport);
    const { lost } = prepared.trainers[0]!;
    lost?.addEventListener("abort", () => void transport?.close(), { once: true });
    if (signal?.aborted || lost?.aborted) await transport.close();
    const ready = transport.ready();
    if (saved) {
      // Rounds that are computed again need no neighbours; they may even have finished.
      ready.catch((error: unknown) => {
        if (!(error instanceof HandshakeRefused)) return;
        refused = error;
        void transport?.close();
      });
    } else await ready;
    lost?.throwIfAborted();
    return {
      ...{ peer, plan: prepared.plan, prepared, membership, saving, transport },
      network: {
        ...{ transport, clock: systemClock, counters },
        patience: { deadlineMs: deadlines.roundMs },
        ...(saving && { journal: saving.journal }),
      },
      requireAccepted() {
        lost?.throwIfAborted();
        if (refused) throw refused;
      },
    };
  } catch (error) {
    await transport?.close();
    prepared.dispose();
    throw error;
  }
}

function membersOf(membership: Membership, { algorithm: { name, needs } }: Plan) {
  const takesNobodyBack = needs.everyEdge
    ? `algorithm ${name} needs every edge in every round, and cannot go on without a peer until the run's next epoch: stop all peers and start the run again`
    : undefined;
  return { membership, takesNobodyBack, settingsOf: publicSettingsOf };
}
