/**
 * The edge to one neighbour: it is dialled until it answers, each end opens one stream for its own frames, and
 * both survive any break. The end with the lower number dials; the other one only after some patience, or when
 * this peer has no address of its own.
 */
import type { Connection, Stream } from "@libp2p/interface";
import type { Clock } from "../../clock.js";
import {
  HandshakeRefused,
  IdentityInUse,
  MalformedFrame,
  type MurmurationError,
  Unreachable,
} from "../../errors.js";
import { compareFingerprints, type Fingerprint } from "../../fingerprint.js";
import type { Frame } from "../../frame.js";
import { random } from "../../random.js";
import { type EdgeEvent, noTraffic, type Traffic } from "../../transport.js";
import { type Channel, ChannelEnded, createChannel, type Ending } from "./channel.js";
import type { Hello } from "./hello.js";
import { createIncoming } from "./incoming.js";
import { type Deadlines, MAX_VIOLATIONS, PROTOCOL_VERSION } from "./limits.js";
import { createOutgoing } from "./outgoing.js";
import { describeDifferences, describeFailure, megabytes, seconds } from "./reasons.js";

/** Pauses skipped by a neighbour that has said goodbye. */
const GOODBYE_ATTEMPTS = 5;

/** What happens on the edges of a network transport, for whoever wants to show it. */
export type LinkEvent =
  | { readonly kind: "connected"; readonly neighbour: number }
  | { readonly kind: "disconnected"; readonly neighbour: number; readonly reason: string }
  | {
      readonly kind: "redialling";
      readonly neighbour: number;
      readonly attempt: number;
      readonly pauseMs: number;
      readonly reason: string;
    }
  | { readonly kind: "unreachable"; readonly neighbour: number; readonly reason: string }
  /** `from` is a peer's number, or the PeerId of a stranger. */
  | { readonly kind: "refused"; readonly from: number | string; readonly reason: string };

export interface LinkOptions {
  readonly id: number;
  readonly neighbour: number;
  /** Drawn once per process. */
  readonly instance: string;
  readonly fingerprint: Fingerprint;
  readonly maximumPayloadBytes: number;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  /** Whether this end dials at once, only after some patience, or cannot dial at all. */
  readonly dials: "first" | "later" | "never";
  /** Connects, or returns the connection there is. */
  dial(): Promise<Connection>;
  openStream(connection: Connection): Promise<Stream>;
  /** The open connections to this neighbour, the newest last. */
  connections(): readonly Connection[];
  report(event: LinkEvent): void;
  /** What happened on the edge. */
  emit(event: EdgeEvent): void;
  /** This peer cannot take part at all. */
  fail(error: MurmurationError): void;
  /** Something changed that `ready` may wait for. */
  changed(): void;
}

export interface Link {
  readonly traffic: Traffic;
  /** Whether both streams of the edge are up. */
  readonly isConnected: boolean;
  readonly isBanned: boolean;
  /** Why the neighbour is not there, as far as this end knows. */
  readonly reason: string;
  /** The handshake that was refused, while nothing better has come. */
  readonly refusal: HandshakeRefused | undefined;
  /** How often the neighbour was refused something. */
  readonly refusals: number;
  start(): void;
  send(frame: Frame): void;
  /** Counts a violation of the protocol that was found behind this transport. */
  violated(reason: string): void;
  /** The neighbour opened a stream. */
  accept(stream: Stream, connection: Connection): Promise<void>;
  /** There is a new connection. */
  connectionOpened(): void;
  beat(): void;
  /** Says goodbye on both streams. */
  leave(): Promise<void>;
  stop(): void;
}

export function createLink(options: LinkOptions): Link {
  const { id, neighbour, deadlines, clock, report } = options;
  const traffic = noTraffic();
  const outgoing = createOutgoing(() => {
    traffic.messagesSent++;
    options.emit({ kind: "acknowledged", peer: neighbour });
  });
  const incoming = createIncoming(options.maximumPayloadBytes, (frame, release) => {
    traffic.messagesReceived++;
    options.emit({ kind: "frame", peer: neighbour, frame, release });
  });
  const pauses = random(0, "redial", id, neighbour);
  /** The stream that the neighbour opened on each of its connections. */
  const opened = new WeakMap<Connection, Channel>();

  /** The neighbour's process that this end has agreed to talk to. */
  let instance: string | undefined;
  let isOpening = false;
  let isStopped = false;
  let isBanned = false;
  let wasConnected = false;
  let isDown = false;
  let attempt = 0;
  let refusals = 0;
  let violations = 0;
  let reason = options.dials === "first" ? "not dialled yet" : "it has not connected yet";
  let refusal: HandshakeRefused | undefined;
  let cancelRedial: (() => void) | undefined;
  let cancelDown: (() => void) | undefined;
  let progressAtLastBeat = -1;
  let beatsWithoutProgress = 0;

  const channels = (): Channel[] =>
    [outgoing.channel, incoming.channel].filter((channel) => channel !== undefined);
  const isConnected = (): boolean => channels().length === 2;

  // The stream for this peer's own frames.

  const ensure = async (): Promise<void> => {
    cancelRedial?.();
    cancelRedial = undefined;
    if (isStopped || isBanned || isOpening || outgoing.channel) return;
    isOpening = true;
    try {
      const connection = options.connections().at(-1);
      if (connection) await open(connection);
      else if (options.dials !== "never") await open(await options.dial());
    } catch (error) {
      tryAgain(describeFailure(error, deadlines.dialMs));
    } finally {
      isOpening = false;
    }
  };

  const open = async (connection: Connection): Promise<void> => {
    let stream: Stream;
    try {
      stream = await options.openStream(connection);
    } catch (error) {
      // A connection that gives no stream is of no use; a new one may be.
      connection.abort(error instanceof Error ? error : new Error(String(error)));
      throw error;
    }
    const channel = createChannel(stream, clock);
    channel.sendHello(hello(outgoing.nextSequence));
    const theirs = await heard(channel);
    const difference = compare(theirs);
    if (difference) {
      refuse(difference);
      channel.abort(difference.message);
      throw difference;
    }
    if (!(await admit(theirs, connection))) {
      channel.refuse({ code: "identity-in-use", reason: inUse() });
      refused(inUse());
      throw new Error(inUse());
    }
    if (!outgoing.follows(theirs.sequence)) {
      channel.abort(`it confirms frame ${theirs.sequence}, which is not the one under way`);
    }
    if (channel.ending) throw new ChannelEnded(channel.ending);
    attempt = 0;
    outgoing.attach(channel, theirs.sequence, ended);
    changed();
  };

  /** Tries again after a pause that doubles with every failure and differs from peer to peer. */
  const tryAgain = (why: string): void => {
    if (!refusal) reason = why;
    if (isStopped || isBanned || cancelRedial) return;
    const pause = Math.min(deadlines.longestPauseMs, deadlines.firstPauseMs * 2 ** Math.min(attempt, 30));
    const jittered = Math.round(pause * (0.5 + 0.5 * pauses.uniform(attempt)));
    const pauseMs = options.dials === "later" ? Math.max(jittered, deadlines.patienceMs) : jittered;
    attempt++;
    if (options.dials !== "never") report({ kind: "redialling", neighbour, attempt, pauseMs, reason });
    cancelRedial = clock.after(pauseMs, ensure);
  };

  // The stream for the neighbour's frames.

  const accept = async (stream: Stream, connection: Connection): Promise<void> => {
    const channel = createChannel(stream, clock);
    if (isStopped) return channel.abort("this peer is leaving");
    if (isBanned) return channel.refuse({ code: "refused", reason: banned() });
    const other = opened.get(connection);
    if (other && !other.ending) {
      channel.refuse({ code: "violation", reason: "second stream on one connection" });
      return violated("second stream on one connection");
    }
    opened.set(connection, channel);
    try {
      const theirs = await heard(channel);
      const difference = compare(theirs);
      if (difference) {
        // Our hello lets the other end see the difference for itself.
        channel.sendHello(hello(0));
        channel.abort(difference.message);
        return refuse(difference);
      }
      if (!(await admit(theirs, connection))) {
        channel.refuse({ code: "identity-in-use", reason: inUse() });
        return refused(inUse());
      }
      incoming.channel?.abort("it opened a new stream");
      incoming.resume(theirs.sequence);
      channel.sendHello(hello(incoming.last));
      incoming.attach(channel, ended);
      changed();
    } catch (error) {
      if (error instanceof MalformedFrame) {
        channel.refuse({ code: "violation", reason: error.message });
        violated(error.message);
      } else if (!(error instanceof ChannelEnded)) {
        throw error;
      } else if (error.ending.kind === "violation") {
        violated(error.ending.reason);
      } else if (!refusal) {
        reason = error.ending.reason;
      }
    }
  };

  // What both streams share.

  const hello = (sequence: number): Hello => ({
    version: PROTOCOL_VERSION,
    id,
    instance: options.instance,
    fingerprint: options.fingerprint,
    sequence,
  });

  const heard = async (channel: Channel): Promise<Hello> => {
    const cancel = clock.after(deadlines.handshakeMs, () =>
      channel.abort(`no hello within ${seconds(deadlines.handshakeMs)}`),
    );
    try {
      return await channel.hello;
    } catch (error) {
      if (error instanceof ChannelEnded) stopWhenInUse(error.ending);
      throw error;
    } finally {
      cancel();
    }
  };

  const compare = (theirs: Hello): HandshakeRefused | undefined => {
    if (theirs.id !== neighbour) {
      return new HandshakeRefused(
        `peer ${id} refused the peer that answers as ${theirs.id} with the key of peer ${neighbour}: give each its own key and --id`,
      );
    }
    if (theirs.version !== PROTOCOL_VERSION) {
      return new HandshakeRefused(
        `peer ${id} speaks version ${PROTOCOL_VERSION} and peer ${neighbour} version ${theirs.version}: run the same version of murmur everywhere`,
      );
    }
    const differences = compareFingerprints(options.fingerprint, theirs.fingerprint);
    if (differences.length === 0) return undefined;
    return new HandshakeRefused(
      `peer ${id} and peer ${neighbour} do not run the same experiment: ${describeDifferences(differences)}; start both from the same files and settings`,
    );
  };

  /** Whether to talk to this process: yes, unless another one with the same identity still lives. */
  const admit = async (theirs: Hello, connection: Connection): Promise<boolean> => {
    while (instance !== undefined && instance !== theirs.instance) {
      const known = instance;
      const older = channels();
      const lives = await Promise.all(older.map((channel) => channel.isAlive(deadlines.livenessMs)));
      if (instance !== known) continue;
      if (lives.some(Boolean)) return false;
      for (const channel of older) channel.abort("another process has taken its place");
      for (const other of options.connections()) if (other !== connection) other.abort(new Error("replaced"));
      instance = undefined;
    }
    if (instance === undefined) {
      instance = theirs.instance;
      incoming.forget();
    }
    return true;
  };

  const ended = (ending: Ending): void => {
    if (ending.kind === "violation") violated(ending.reason);
    stopWhenInUse(ending);
    if (isStopped) return;
    if (!refusal) reason = ending.reason;
    if (wasConnected) {
      wasConnected = false;
      report({ kind: "disconnected", neighbour, reason: ending.reason });
      expectWithin(deadlines.reconnectMs);
    }
    // Whoever said goodbye is not back in a moment.
    if (ending.kind === "left") attempt = Math.max(attempt, GOODBYE_ATTEMPTS);
    if (!outgoing.channel) tryAgain(ending.reason);
  };

  const stopWhenInUse = ({ refusal: told }: Ending): void => {
    if (told?.code !== "identity-in-use") return;
    options.fail(
      new IdentityInUse(
        `peer ${id} already runs in another process, says peer ${neighbour}: stop that one first, or give this one its own --id and key`,
      ),
    );
  };

  const changed = (): void => {
    if (isConnected() && !wasConnected) {
      wasConnected = true;
      refusal = undefined;
      reason = "connected";
      cancelDown?.();
      report({ kind: "connected", neighbour });
      if (isDown) options.emit({ kind: "up", peer: neighbour });
      isDown = false;
    }
    options.changed();
  };

  const refused = (why: string): void => {
    refusals++;
    report({ kind: "refused", from: neighbour, reason: why });
  };

  const refuse = (difference: HandshakeRefused): void => {
    refusal = difference;
    reason = difference.message;
    refused(difference.message);
    options.changed();
  };

  const violated = (why: string): void => {
    refused(why);
    violations++;
    if (violations < MAX_VIOLATIONS || isBanned) return;
    isBanned = true;
    cancelRedial?.();
    cancelDown?.();
    giveUp(banned());
    for (const channel of channels()) channel.refuse({ code: "refused", reason: banned() });
    for (const connection of options.connections()) connection.abort(new Error(banned()));
  };

  const banned = () => `peer ${neighbour} is banned after it broke the protocol ${MAX_VIOLATIONS} times`;
  const inUse = () => `another process with the key of peer ${neighbour} is connected to peer ${id}`;

  const expectWithin = (deadlineMs: number): void => {
    cancelDown?.();
    cancelDown = clock.after(deadlineMs, () =>
      giveUp(`peer ${id} waited ${seconds(deadlineMs)} for peer ${neighbour} to connect: ${reason}`),
    );
  };

  /** The edge is down until both streams are up again. */
  const giveUp = (why: string): void => {
    if (isDown) return;
    isDown = true;
    report({ kind: "unreachable", neighbour, reason: why });
    options.emit({ kind: "down", peer: neighbour, error: new Unreachable(why) });
  };

  return {
    traffic,
    get isConnected() {
      return isConnected();
    },
    get isBanned() {
      return isBanned;
    },
    get reason() {
      return reason;
    },
    get refusal() {
      return refusal;
    },
    get refusals() {
      return refusals;
    },
    start() {
      expectWithin(deadlines.readyMs);
      if (options.dials === "first") void ensure();
      else cancelRedial = clock.after(deadlines.patienceMs, ensure);
    },
    send(frame) {
      if (!isStopped) outgoing.send(frame);
    },
    violated(why) {
      const { channel } = incoming;
      if (channel) channel.refuse({ code: "violation", reason: why });
      else violated(why);
    },
    accept,
    connectionOpened() {
      void ensure();
    },
    beat() {
      for (const channel of channels()) channel.beat();
      const { waiting, channel, progress } = outgoing;
      beatsWithoutProgress = waiting && progress === progressAtLastBeat ? beatsWithoutProgress + 1 : 0;
      progressAtLastBeat = progress;
      if (!waiting || !channel || beatsWithoutProgress * deadlines.heartbeatMs < deadlines.progressMs) return;
      const size = `${megabytes(waiting.sentBytes)} of ${megabytes(waiting.totalBytes)}`;
      giveUp(
        `peer ${id} waited ${seconds(deadlines.progressMs)} for peer ${neighbour} to take the frame of round ${waiting.frame.round} (${size} sent): it is connected, but takes nothing`,
      );
      channel.abort("it takes nothing");
    },
    async leave() {
      isStopped = true;
      incoming.stop();
      await Promise.all(channels().map((channel) => channel.leave()));
    },
    stop() {
      isStopped = true;
      incoming.stop();
      cancelRedial?.();
      cancelDown?.();
      for (const channel of channels()) channel.abort("this peer stopped");
    },
  };
}
