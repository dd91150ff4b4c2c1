/** Every limit and deadline of the network transport. Each limit has a test that crosses it. */
import { InvalidExperiment } from "../../foundation/errors.js";
import { FIRST_BAN_MS } from "../ban.js";

/** Ways to carry many streams on one connection. Both are safe here; mplex has the shorter headers. */
export type Muxer = "yamux" | "mplex";

/**
 * The muxers that peers offer, in order of preference. mplex puts 3 bytes before a message where yamux puts 12, and
 * sends no window updates. Without credits it would reset the stream of a slow reader.
 */
export const DEFAULT_MUXERS: readonly Muxer[] = ["mplex", "yamux"];

/** The protocol that peers speak; another version is another protocol. */
export const PROTOCOL = "/murmuration/4.0.0";
export const PROTOCOL_VERSION = 4;

/** Most bytes of one piece of a frame, its header included. */
export const PIECE_BYTES = 64 * 1024;
/**
 * Bytes of frames that may be under way on one stream before the receiver must have taken some. Part of the
 * protocol. Enough to bridge the moments in which a receiver collects garbage; below the 4 MiB that a muxer
 * stream buffers before it resets, with room for every header, so that any muxer is safe with a receiver that
 * is busy.
 */
export const WINDOW_BYTES = 3 * 1024 * 1024;
/**
 * A receiver returns credit when it has taken this much, and when a frame is complete. Each is a message of its
 * own, encrypted and written alone; smaller steps cost more than they hasten.
 */
export const CREDIT_STEP_BYTES = WINDOW_BYTES / 4;
/** Most characters of a reason that one end gives the other. */
export const MAX_REASON_CHARACTERS = 400;
/** Most bytes of an answer to a peer that asks to join: a topology of 1,024 peers has some hundred kilobytes. */
export const MAX_JOIN_BYTES = 2 * 1024 * 1024;
/** Most bytes of a status: a chain of sixteen peers and a reason. */
export const MAX_STATUS_BYTES = 8 * 1024;
/** Most bytes of a hello or a refusal. */
export const MAX_HELLO_BYTES = 12 * 1024;
/**
 * Streams on one connection, in whatever state; an honest neighbour has one in each direction. yamux resets what
 * is beyond; mplex, which can only end the connection, takes as many new ones per second.
 */
export const MAX_STREAMS_PER_CONNECTION = 8;
/** Connections per neighbour; two can exist for a moment when both ends dial at once or one comes back. */
export const MAX_CONNECTIONS_PER_NEIGHBOUR = 4;
/** Heartbeats without a single byte from a neighbour before its stream counts as dead. */
export const MAX_MISSED_HEARTBEATS = 6;

/** Heartbeats after which a wait is reported: the neighbours' own heartbeats have arrived by then. */
export const REPORTED_WAIT_HEARTBEATS = 3;

/** How long a peer waits for a silent or missing neighbour before its run ends, in milliseconds, unless it is set. */
export const DEFAULT_DEADLINE_MS = 600_000;
/** Shortest deadline: below it, the pauses derived from it are shorter than timers are exact. */
export const MIN_DEADLINE_MS = 1_000;

/** Bounds of every wait, in milliseconds. All of them derive from one deadline: {@link deadlinesFrom}. */
export interface Deadlines {
  /** Until every neighbour is connected for the first time. */
  readonly readyMs: number;
  /** One attempt to connect: address, TCP, Noise and muxer. */
  readonly dialMs: number;
  /** Protocol negotiation and the exchange of hellos on a new stream. */
  readonly handshakeMs: number;
  /** Between heartbeats; a stream on which nothing arrives for `MAX_MISSED_HEARTBEATS` of them is dead. */
  readonly heartbeatMs: number;
  /** From the loss of a connection until the neighbour counts as unreachable. */
  readonly reconnectMs: number;
  /** While a connected neighbour takes no further byte of a frame. */
  readonly progressMs: number;
  /** For the neighbours' frames of one step of a round. */
  readonly roundMs: number;
  /** For an older session to show a sign of life, when a second process claims its identity. */
  readonly livenessMs: number;
  /** For a neighbour that is gone, while this peer is done and the neighbour is not. */
  readonly lingerMs: number;
  /** The same for a neighbour that this process has never been connected to. */
  readonly absentMs: number;
  /** For neighbours to confirm that this peer leaves. */
  readonly closeMs: number;
  /** The first pause before dialling again; it doubles up to `longestPauseMs`. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** How long the end that does not dial waits to be dialled before it tries itself. */
  readonly dialAfterMs: number;
  /** How long a neighbour that breaks the protocol is shut out the first time: over before anybody's deadline. */
  readonly banMs: number;
}

/**
 * Every wait that derives from the deadline, which is how long a peer waits for a silent or missing neighbour before
 * its run ends.
 *
 * - The waits for a neighbour are the deadline: first connection, reconnection, progress of a frame, frames of a round.
 * - The attempts within such a wait are a share of it, so that several fit in, up to a cap that any network stays below.
 * - A peer that is done stays a minute or less for a neighbour that is gone, and for one that it has never seen as long
 *   as two of the longest pauses between dials.
 * - A dead connection is noticed after `MAX_MISSED_HEARTBEATS` + 1 heartbeats, 7/12 of the deadline or less, so that
 *   there is time to connect again.
 *
 * @param deadlineMs at least `MIN_DEADLINE_MS`, 1 s
 * @throws InvalidExperiment a deadline that is too short, or no number
 */
export function deadlinesFrom(deadlineMs: number): Deadlines {
  if (!(deadlineMs >= MIN_DEADLINE_MS)) {
    throw new InvalidExperiment(
      `a deadline of ${deadlineMs} ms is too short: choose ${MIN_DEADLINE_MS} ms or more`,
      { code: "deadline-too-short", field: "deadlineMs" },
    );
  }
  const share = (parts: number, capMs: number) => Math.min(capMs, deadlineMs / parts);
  return {
    readyMs: deadlineMs,
    reconnectMs: deadlineMs,
    progressMs: deadlineMs,
    roundMs: deadlineMs,
    dialMs: share(2, 10_000),
    handshakeMs: share(2, 10_000),
    heartbeatMs: share(2 * MAX_MISSED_HEARTBEATS, 10_000),
    livenessMs: share(4, 5_000),
    lingerMs: share(1, 60_000),
    absentMs: share(2, 10_000),
    closeMs: share(2, 1_000),
    firstPauseMs: share(20, 100),
    longestPauseMs: share(4, 5_000),
    dialAfterMs: share(4, 3_000),
    banMs: share(10, FIRST_BAN_MS),
  };
}

/** The deadlines of a run that sets none. */
export const defaultDeadlines: Deadlines = deadlinesFrom(DEFAULT_DEADLINE_MS);
