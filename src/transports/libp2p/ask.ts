/** The side of `join.ts` that asks: a peer without state, and its neighbours one after the other. */
import "./node-20.js";
import type { Libp2p } from "@libp2p/interface";
import { type Clock, systemClock } from "../../foundation/clock.js";
import { HandshakeRefused, MalformedFrame, Unreachable } from "../../foundation/errors.js";
import { dialTarget } from "./addresses.js";
import { within } from "./deadline.js";
import { decodePrivateKey, type Identity } from "./identity.js";
import type { NetworkPeer } from "./index.js";
import { JOIN_PROTOCOL, type JoinAnswer, readJoinAnswer } from "./join.js";
import { DEFAULT_MUXERS, type Deadlines, defaultDeadlines, type Muxer, PROTOCOL } from "./limits.js";
import { createNode } from "./node.js";
import { describeFailure, seconds } from "./reasons.js";

export interface AskOptions {
  readonly id: number;
  readonly identity: Identity;
  /** Those of its neighbours that have an address. */
  readonly neighbours: readonly NetworkPeer[];
  readonly muxers?: readonly Muxer[];
  readonly deadlines?: Partial<Deadlines>;
  /** Default {@link systemClock}. */
  readonly clock?: Clock;
  /** Gets the answer of a neighbour that differs from its last one. */
  readonly report?: (neighbour: number, reason: string) => void;
  readonly signal?: AbortSignal | undefined;
}

type Epoch = JoinAnswer & { readonly kind: "epoch" };

/**
 * Asks all neighbours, again and again, until one is in an epoch that begins with this peer.
 *
 * @throws HandshakeRefused a neighbour that cannot take this peer in, with its reason
 * @throws Unreachable none has answered with an epoch in time
 */
export async function askToJoin(options: AskOptions): Promise<Epoch | undefined> {
  const { id, neighbours, clock = systemClock, report = () => {}, signal } = options;
  const deadlines: Deadlines = { ...defaultDeadlines, ...options.deadlines };
  const node = await startNode(options, deadlines);
  const last = new Map<number, string>();
  const began = clock.now();
  try {
    while (!signal?.aborted) {
      let epoch: Epoch | undefined;
      // All of them, also when one has answered: each of them has to know.
      for (const neighbour of neighbours) {
        const answer = await ask(node, neighbour, clock, deadlines);
        if (answer.kind === "refused") throw refused(id, neighbour.id, answer.reason);
        if (answer.kind === "epoch") epoch = answer;
        else if (last.get(neighbour.id) !== answer.reason) {
          last.set(neighbour.id, answer.reason);
          report(neighbour.id, answer.reason);
        }
      }
      if (epoch) return epoch;
      if (clock.now() - began > deadlines.readyMs) throw notTakenIn(id, deadlines.readyMs, last);
      await new Promise<void>((resolve) => clock.after(deadlines.longestPauseMs, resolve));
    }
    return undefined;
  } finally {
    await node.stop();
  }
}

async function ask(
  node: Libp2p,
  { id, peerId, dial }: NetworkPeer,
  clock: Clock,
  { dialMs, handshakeMs }: Deadlines,
): Promise<JoinAnswer> {
  const targets = dial.map((address) => dialTarget(id, address, peerId));
  try {
    const connection = await within(clock, dialMs, (signal) => node.dial(targets, { signal }));
    try {
      const stream = await within(clock, handshakeMs, (signal) =>
        connection.newStream(JOIN_PROTOCOL, { signal }),
      );
      return await within(clock, handshakeMs, (signal) => {
        signal.addEventListener("abort", () => stream.abort(new Error("no answer in time")));
        return readJoinAnswer(stream);
      });
    } finally {
      connection.abort(new Error("the answer is complete"));
    }
  } catch (error) {
    if (error instanceof MalformedFrame) throw error;
    return { kind: "wait", reason: describeFailure(error, dialMs) };
  }
}

async function startNode(
  { identity, neighbours, muxers }: AskOptions,
  deadlines: Deadlines,
): Promise<Libp2p> {
  const allowed = new Set(neighbours.map(({ peerId }) => peerId));
  const node = await createNode({
    privateKey: decodePrivateKey(identity.privateKey),
    listen: [],
    muxers: muxers ?? DEFAULT_MUXERS,
    neighbours: neighbours.length,
    deadlines,
    allows: (peerId) => allowed.has(peerId.toString()),
  });
  // A neighbour that waits for this peer opens a stream at once; it may wait there for as long as this lasts.
  await node.handle(PROTOCOL, () => {});
  await node.start();
  return node;
}

const refused = (id: number, neighbour: number, reason: string) =>
  new HandshakeRefused(`peer ${neighbour} does not take peer ${id} in: ${reason}`, {
    code: "join-refused",
    peer: id,
    neighbour,
  });

function notTakenIn(id: number, readyMs: number, reasons: ReadonlyMap<number, string>): Unreachable {
  const why = [...reasons].map(([neighbour, reason]) => `peer ${neighbour} (${reason})`).join(", ");
  return new Unreachable(
    `peer ${id} was not taken in within ${seconds(readyMs)}: ${why || "it has no neighbour with an address"}; check that the run goes on and that its topology names this peer`,
    { code: "not-taken-in", peer: id },
  );
}
