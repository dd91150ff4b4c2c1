/**
 * The edge to one neighbour, wired together: dialling (redial.ts), the two streams (streams.ts) with their frames
 * (outgoing.ts, incoming.ts), deadlines (expiry.ts), and what is known of the neighbour (standing.ts). The end with
 * the lower number dials; the other one only after a while, or when this peer has no address.
 */
import type { Connection, Stream } from "@libp2p/interface";
import type { Frame } from "../../exchange/frame.js";
import { type Durability, type EdgeEvent, noTraffic, type Traffic } from "../../exchange/transport.js";
import { aged, type Chain, unknown } from "../../exchange/waiting.js";
import type { Clock } from "../../foundation/clock.js";
import type { Counters } from "../../foundation/counters.js";
import { IdentityInUse, MalformedFrame, Unreachable } from "../../foundation/errors.js";
import { banMs, bannedFor } from "../ban.js";
import { createFarewell } from "../farewell.js";
import { createChannel, type Ending } from "./channel.js";
import { createExpiry } from "./expiry.js";
import type { Self } from "./handshake.js";
import type { Pulse } from "./heartbeat.js";
import { createIncoming } from "./incoming.js";
import type { Deadlines } from "./limits.js";
import type { LinkEvent } from "./link-event.js";
import { Kind } from "./messages.js";
import { createOutgoing } from "./outgoing.js";
import { describeFailure } from "./reasons.js";
import { createRedial } from "./redial.js";
import { after, initialStanding, isBanned, type Standing, type StandingEvent } from "./standing.js";
import { createStreams } from "./streams.js";

export interface LinkOptions {
  readonly self: Self;
  readonly neighbour: number;
  readonly maximumPayloadBytes: number;
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  readonly durability: Durability;
  readonly counters: Counters;
  /** What this peer does, for its heartbeats. */
  activity(): Chain;
  /** Whether this end dials at once, only after a while, or cannot dial at all. */
  readonly dials: "first" | "later" | "never";
  /** Connects, or returns the connection there is. */
  dial(): Promise<Connection>;
  openStream(connection: Connection): Promise<Stream>;
  /** The open connections to this neighbour, the newest last. */
  connections(): readonly Connection[];
  report(event: LinkEvent): void;
  emit(event: EdgeEvent): void;
  /** This peer cannot take part at all. */
  fail(error: IdentityInUse): void;
  /** The standing has changed. */
  changed(): void;
}

export interface Link {
  readonly traffic: Traffic;
  readonly standing: Standing;
  /** What the neighbour does and whom it waits for, as far as this end knows. */
  readonly chain: Chain;
  start(): void;
  send(frame: Frame): void;
  /** Counts a violation of the protocol that was found behind this transport, and sends the neighbour the reason. */
  refuse(reason: string): void;
  /** The neighbour opened a stream. */
  accept(stream: Stream, connection: Connection): Promise<void>;
  /** Opens the stream for this peer's frames, unless it is open. Dials where there is no connection. */
  connect(): Promise<void>;
  /** One heartbeat. */
  beat(): void;
  /** This peer is done; resolves once the neighbour is too, or is not awaited any more. */
  finish(): Promise<void>;
  /** Whether nothing was exchanged on this edge in this epoch, by this process or an earlier one. */
  readonly isFresh: boolean;
  /** Whether this process has been connected to the neighbour. */
  readonly hasConnected: boolean;
  readonly isLost: boolean;
  /** The neighbour has lost what it had: nothing is exchanged with it until the next epoch. */
  lose(): void;
  /** How long this peer, which is done, waits for the neighbour as things are; undefined where it does not wait. */
  readonly lingersMs: number | undefined;
  /** Announces on both streams that this peer leaves. Delivers and confirms nothing from now on. */
  leave(): Promise<void>;
  stop(): void;
}

export function createLink(options: LinkOptions): Link {
  const { self, neighbour, deadlines, clock, counters, durability, dials, connections, report, emit } =
    options;
  const { id } = self;
  const traffic = noTraffic();
  const { sent, received } = durability.position(neighbour);
  const acknowledged = () => {
    traffic.messagesSent++;
    emit({ kind: "acknowledged", peer: neighbour });
  };
  const resent = () => counters.count("resentFrames", neighbour);
  const outgoing = createOutgoing(clock, sent, acknowledged, resent);
  const incoming = createIncoming(options.maximumPayloadBytes, received, (frame, release) => {
    durability.keep(neighbour, frame);
    traffic.messagesReceived++;
    emit({ kind: "frame", peer: neighbour, frame, release });
  });
  const pulse: Pulse = {
    send: options.activity,
    received: (chain) => heard(chain),
    done: () => farewell.stated(),
  };
  const { channels, ...streams } = createStreams({
    ...options,
    ...{ outgoing, incoming, pulse, attached, ended, failed, violated },
    ahead() {
      outgoing.confirmAll();
      farewell.stated();
    },
    mismatched: (refusal) => refused(refusal.message, { kind: "mismatched", refusal }),
    impersonated: (reason) => refused(reason, { kind: "refused" }),
  });
  const farewell = createFarewell({
    ...{ clock, waits: deadlines },
    state() {
      for (const channel of channels()) channel.send(Kind.done);
    },
  });
  const leastMs = dials === "later" ? deadlines.dialAfterMs : 0;
  const redial = createRedial({ id, neighbour, clock, deadlines, leastMs, attempt: connect });
  const expiry = createExpiry({
    ...{ id, neighbour, clock, deadlines, outgoing, expired },
    reason: () => standing.reason,
  });
  let standing = initialStanding(dials === "first" ? "not dialled yet" : "it has not connected yet");
  let isOpening = false;
  let isStopped = false;
  let isLost = false;
  /** While the neighbour is banned: why, and how to forget that it ends. */
  let ban: { readonly reason: string; readonly cancel: () => void } | undefined;
  /** What the neighbour said last, and when; since when it is connected or not. */
  let said: { readonly chain: Chain; readonly at: number } | undefined;
  let changedAt = clock.now();
  let hasConnected = false;

  function apply(event: StandingEvent): void {
    const { isConnected } = standing;
    standing = after(standing, event);
    if (standing.isConnected !== isConnected) {
      changedAt = clock.now();
      said = undefined;
      if (standing.isConnected) farewell.connected();
      else farewell.disconnected();
    }
    options.changed();
  }

  function heard(chain: Chain): void {
    if (chain[0].peer !== neighbour) {
      throw new MalformedFrame(`heartbeat speaks for peer ${chain[0].peer}`, {
        code: "heartbeat-of-another",
      });
    }
    said = { chain, at: clock.now() };
  }

  function knownChain(): Chain {
    const forMs = clock.now() - changedAt;
    if (!standing.isConnected) return [{ peer: neighbour, activity: "disconnected", forMs }];
    return said ? aged(said.chain, clock.now() - said.at) : unknown(neighbour);
  }

  /** The first attempt, of the run or after a ban. */
  function begin(): void {
    if (dials === "first") void connect();
    else redial.planAfter(deadlines.dialAfterMs);
  }

  async function connect(): Promise<void> {
    redial.cancel();
    if (isStopped || isLost || isBanned(standing) || isOpening || outgoing.channel) return;
    isOpening = true;
    try {
      const connection = connections().at(-1);
      if (connection) await streams.open(connection);
      else if (dials !== "never") await streams.open(await options.dial());
      redial.succeeded();
    } catch (error) {
      tryAgain(describeFailure(error, deadlines.dialMs));
    } finally {
      isOpening = false;
    }
  }

  function tryAgain(reason: string): void {
    apply({ kind: "disconnected", reason });
    if (isStopped || isLost || isBanned(standing) || farewell.isOver) return;
    const plan = redial.plan();
    if (plan && dials !== "never")
      report({ kind: "redialling", neighbour, ...plan, reason: standing.reason });
  }

  function attached(): void {
    if (channels().length < 2 || standing.isConnected) return;
    const { isDown } = standing;
    expiry.cancel();
    apply({ kind: "connected" });
    if (hasConnected) counters.count("reconnects", neighbour);
    hasConnected = true;
    report({ kind: "connected", neighbour });
    if (isDown) emit({ kind: "up", peer: neighbour });
  }

  function failed(ending: Ending): void {
    if (ending.refusal?.code === "identity-in-use") {
      options.fail(
        new IdentityInUse(
          `peer ${id} already runs in another process, according to peer ${neighbour}: stop that one first, or give this one its own --id and key`,
          { code: "identity-in-use", peer: id, neighbour },
        ),
      );
    } else if (!standing.isConnected) apply({ kind: "disconnected", reason: ending.reason });
  }

  function ended(ending: Ending): void {
    if (ending.kind === "violation") violated(ending.reason);
    const { isConnected } = standing;
    apply({ kind: "disconnected", reason: ending.reason });
    failed(ending);
    // Where both ends are done, either may leave.
    if (isStopped || isLost || farewell.isOver) return;
    if (isConnected) {
      report({ kind: "disconnected", neighbour, reason: ending.reason });
      expiry.expectConnection(deadlines.reconnectMs);
    }
    if (ending.kind === "left") redial.left();
    if (!outgoing.channel) tryAgain(ending.reason);
  }

  function refused(reason: string, event: StandingEvent): void {
    counters.count(event.kind === "violated" ? "violations" : "refusedHandshakes", neighbour);
    report({ kind: "refused", from: neighbour, reason });
    apply(event);
  }

  function violated(reason: string): void {
    const wasBanned = isBanned(standing);
    refused(reason, { kind: "violated" });
    if (wasBanned || !isBanned(standing)) return;
    const forMs = banMs(deadlines.banMs, standing.bans - 1);
    const error = bannedFor(id, neighbour, forMs);
    counters.count("bans", neighbour);
    redial.cancel();
    ban = { reason: error.message, cancel: clock.after(forMs, readmit) };
    goDown(error);
    for (const channel of channels()) channel.refuse({ code: "refused", reason: error.message });
    for (const connection of connections()) connection.abort(error);
  }

  /** The ban is over. */
  function readmit(): void {
    ban = undefined;
    apply({ kind: "readmitted" });
    if (!isStopped && !farewell.isOver) begin();
  }

  function expired(reason: string): void {
    if (!standing.isDown) goDown(new Unreachable(reason, { code: "unreachable", peer: id, neighbour }));
  }

  /** The edge is down until both streams are open again. */
  function goDown(error: Unreachable): void {
    apply({ kind: "expired" });
    report({ kind: "unreachable", neighbour, reason: error.message });
    emit({ kind: "down", peer: neighbour, error });
  }

  return {
    traffic,
    get standing() {
      return standing;
    },
    get chain() {
      return knownChain();
    },
    start() {
      expiry.expectConnection(deadlines.readyMs);
      begin();
    },
    send(frame) {
      if (!isStopped && !isLost) outgoing.send(frame);
    },
    get isFresh() {
      return outgoing.nextSequence === 1 && incoming.last === 0;
    },
    get hasConnected() {
      return hasConnected;
    },
    get isLost() {
      return isLost;
    },
    lose() {
      isLost = true;
      farewell.stop();
      redial.cancel();
      expiry.cancel();
      emit({ kind: "lost", peer: neighbour });
    },
    refuse(reason) {
      const { channel } = incoming;
      // A channel that ends by a violation counts it.
      if (channel) channel.refuse({ code: "violation", reason });
      else violated(reason);
    },
    async accept(stream, connection) {
      const channel = createChannel(stream, clock, pulse);
      if (isStopped) channel.abort("this peer is leaving");
      else if (isLost) channel.abort("it is taken in with the run's next epoch");
      else if (ban) channel.refuse({ code: "refused", reason: ban.reason });
      else await streams.accept(channel, connection);
    },
    connect,
    beat() {
      for (const channel of channels()) channel.beat();
      expiry.checkProgress();
    },
    finish: farewell.finish,
    get lingersMs() {
      return farewell.waitMs;
    },
    async leave() {
      isStopped = true;
      ban?.cancel();
      farewell.stop();
      incoming.stop();
      await Promise.all(channels().map((channel) => channel.leave()));
    },
    stop() {
      isStopped = true;
      ban?.cancel();
      farewell.stop();
      incoming.stop();
      redial.cancel();
      expiry.cancel();
      streams.stop("this peer stopped");
      for (const channel of channels()) channel.abort("this peer stopped");
    },
  };
}
