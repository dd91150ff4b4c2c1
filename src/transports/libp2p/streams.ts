/**
 * How the two streams of an edge come up: this peer opens one for its own frames, the neighbour opens one for its
 * frames. Both begin with the handshake, and both continue where the last stream broke.
 */
import type { Connection, Stream } from "@libp2p/interface";
import type { Clock } from "../../foundation/clock.js";
import { HandshakeRefused, MalformedFrame } from "../../foundation/errors.js";
import { type Channel, ChannelEnded, createChannel, type Ending } from "./channel.js";
import { helloOf, isApart, judge, type Self } from "./handshake.js";
import type { Pulse } from "./heartbeat.js";
import type { Hello } from "./hello.js";
import type { Incoming } from "./incoming.js";
import type { Deadlines } from "./limits.js";
import type { Outgoing } from "./outgoing.js";
import { seconds } from "./reasons.js";
import { createSession } from "./session.js";

export interface StreamsOptions {
  readonly self: Self;
  readonly neighbour: number;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly outgoing: Outgoing;
  readonly incoming: Incoming;
  readonly pulse: Pulse;
  openStream(connection: Connection): Promise<Stream>;
  connections(): readonly Connection[];
  /** A stream is open. */
  attached(): void;
  /** A stream that was open has ended. */
  ended(ending: Ending): void;
  /** A handshake did not get as far as a hello. */
  failed(ending: Ending): void;
  /** The neighbour is in a later stretch of the run: it has everything that this one consists of. */
  ahead(): void;
  /** The neighbour runs something else. */
  mismatched(refusal: HandshakeRefused): void;
  /** Another process came with the neighbour's key, while the known one is alive. */
  impersonated(reason: string): void;
  violated(reason: string): void;
}

export interface Streams {
  /** Those that are open. */
  channels(): readonly Channel[];
  /** Opens the stream for this peer's frames. Rejects with the reason when that fails. */
  open(connection: Connection): Promise<void>;
  /** Takes the stream that the neighbour opened for its frames. */
  accept(channel: Channel, connection: Connection): Promise<void>;
  /** Ends every handshake that is under way. */
  stop(reason: string): void;
}

export function createStreams(options: StreamsOptions): Streams {
  const { self, neighbour, deadlines, clock, outgoing, incoming, connections } = options;
  const channels = () => [outgoing.channel, incoming.channel].filter((channel) => channel !== undefined);
  const { livenessMs, handshakeMs } = deadlines;
  const session = createSession({ livenessMs, channels, connections });
  /** Channels whose hello has not arrived. */
  const greeting = new Set<Channel>();
  /** The stream that the neighbour opened on each of its connections. */
  const accepted = new WeakMap<Connection, Channel>();
  /** The neighbour's process that each direction went on with last. */
  const instances: { outgoing?: string; incoming?: string } = {};
  const inUse = `another process with the key of peer ${neighbour} is connected to peer ${self.id}`;

  async function open(connection: Connection): Promise<void> {
    const channel = createChannel(await streamOn(connection), clock, options.pulse);
    channel.sendHello(helloOf(self, outgoing.nextSequence));
    const theirs = await helloFrom(channel);
    if (isApart(self, neighbour, theirs)) throw new Error(apart(channel, theirs));
    const refusal = judge(self, neighbour, theirs);
    if (refusal) throw mismatched(channel, refusal);
    if (!(await session.admit(theirs.instance, connection))) {
      refuseProcess(channel);
      throw new Error(inUse);
    }
    if (!outgoing.follows(theirs.sequence)) {
      if (theirs.instance !== instances.outgoing)
        throw mismatched(channel, sentUnlike(outgoing.nextSequence - 1, theirs.sequence));
      channel.abort(`it confirms frame ${theirs.sequence}, which is not the one under way`);
    }
    if (channel.ending) throw new ChannelEnded(channel.ending);
    instances.outgoing = theirs.instance;
    outgoing.attach(channel, theirs.sequence, options.ended);
    options.attached();
  }

  async function streamOn(connection: Connection): Promise<Stream> {
    try {
      return await options.openStream(connection);
    } catch (error) {
      // A connection that gives no stream is of no use; a new one may be.
      connection.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
  }

  async function accept(channel: Channel, connection: Connection): Promise<void> {
    const other = accepted.get(connection);
    if (other && !other.ending) {
      const reason = "second stream on one connection";
      channel.refuse({ code: "violation", reason });
      return options.violated(reason);
    }
    accepted.set(connection, channel);
    try {
      await receiveOn(channel, connection);
    } catch (error) {
      if (error instanceof MalformedFrame) {
        channel.refuse({ code: "violation", reason: error.message });
        options.violated(error.message);
      } else if (!(error instanceof ChannelEnded)) throw error;
      else if (error.ending.kind === "violation") options.violated(error.ending.reason);
    }
  }

  async function receiveOn(channel: Channel, connection: Connection): Promise<void> {
    const theirs = await helloFrom(channel);
    if (isApart(self, neighbour, theirs)) {
      channel.sendHello(helloOf(self, incoming.last));
      apart(channel, theirs);
      return;
    }
    const refusal = judge(self, neighbour, theirs);
    if (refusal) {
      // This peer's hello lets the other end see the difference for itself.
      channel.sendHello(helloOf(self, 0));
      mismatched(channel, refusal);
      return;
    }
    if (!(await session.admit(theirs.instance, connection))) return refuseProcess(channel);
    if (!incoming.follows(theirs.sequence)) {
      if (theirs.instance === instances.incoming) {
        throw new MalformedFrame(`frame number ${theirs.sequence} is offered after ${incoming.last}`, {
          code: "frame-offered-out-of-turn",
        });
      }
      channel.sendHello(helloOf(self, incoming.last));
      mismatched(channel, receivedUnlike(incoming.last, theirs.sequence - 1));
      return;
    }
    instances.incoming = theirs.instance;
    incoming.channel?.abort("it opened a new stream");
    incoming.resume(theirs.sequence);
    channel.sendHello(helloOf(self, incoming.last));
    incoming.attach(channel, options.ended);
    options.attached();
  }

  /** @returns why the stream ends */
  function apart(channel: Channel, { epoch }: Hello): string {
    const isAhead = epoch > (self.epoch ?? 0);
    const reason = `it is in epoch ${epoch} of the run, and peer ${self.id} in epoch ${self.epoch ?? 0}`;
    channel.abort(reason);
    if (isAhead) options.ahead();
    return reason;
  }

  function mismatched(channel: Channel, refusal: HandshakeRefused): HandshakeRefused {
    options.mismatched(refusal);
    channel.abort(refusal.message);
    return refusal;
  }

  const sentUnlike = (sent: number, theyHave: number): HandshakeRefused =>
    theyHave > sent ? lost(self.id, neighbour, theyHave, sent) : lost(neighbour, self.id, sent, theyHave);
  const receivedUnlike = (received: number, theySent: number): HandshakeRefused =>
    theySent < received
      ? lost(neighbour, self.id, received, theySent)
      : lost(self.id, neighbour, theySent, received);
  /** A peer starts again without all that it had exchanged. */
  const lost = (peer: number, other: number, before: number, now: number): HandshakeRefused =>
    new HandshakeRefused(
      `peer ${peer} cannot go on with peer ${other}: they have exchanged ${before} frames, and peer ${peer} starts from ${now}; start it with --resume and its own checkpoints`,
      { code: "state-lost", peer: self.id, neighbour },
    );

  async function helloFrom(channel: Channel): Promise<Hello> {
    const cancel = clock.after(handshakeMs, () => channel.abort(`no hello within ${seconds(handshakeMs)}`));
    greeting.add(channel);
    try {
      return await channel.hello;
    } catch (error) {
      if (error instanceof ChannelEnded) options.failed(error.ending);
      throw error;
    } finally {
      greeting.delete(channel);
      cancel();
    }
  }

  function refuseProcess(channel: Channel): void {
    channel.refuse({ code: "identity-in-use", reason: inUse });
    options.impersonated(inUse);
  }

  const stop = (reason: string): void => {
    for (const channel of greeting) channel.abort(reason);
  };

  return { channels, open, accept, stop };
}
