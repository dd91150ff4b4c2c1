/** Every limit and deadline of the network transport. Each limit has a test that crosses it. */

/** Ways to carry many streams on one connection. Both are safe here; mplex has the shorter headers. */
export type Muxer = "yamux" | "mplex";

/**
 * The muxers that peers offer, in order of preference. mplex puts 3 bytes before a message where yamux puts 12, and
 * sends no window updates. Without credits it would reset the stream of a slow reader.
 */
export const DEFAULT_MUXERS: readonly Muxer[] = ["mplex", "yamux"];

/** The protocol that peers speak; another version is another protocol. */
export const PROTOCOL = "/murmuration/2.0.0";
export const PROTOCOL_VERSION = 2;

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
/** Most bytes of a hello or a refusal. */
export const MAX_HELLO_BYTES = 8 * 1024;
/**
 * Streams on one connection, in whatever state; an honest neighbour has one in each direction. yamux resets what
 * is beyond; mplex, which can only end the connection, takes as many new ones per second.
 */
export const MAX_STREAMS_PER_CONNECTION = 8;
/** Connections per neighbour; two can exist for a moment when both ends dial at once or one comes back. */
export const MAX_CONNECTIONS_PER_NEIGHBOUR = 4;
/** Broken rules of the protocol after which a neighbour is banned for the rest of the run. */
export const MAX_VIOLATIONS = 3;
/** Heartbeats without a single byte from a neighbour before its stream counts as dead. */
export const MAX_MISSED_HEARTBEATS = 6;

/** Bounds of every wait, in milliseconds. */
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
  /** For an older session to show a sign of life, when a second process claims its identity. */
  readonly livenessMs: number;
  /** For neighbours to confirm that this peer leaves. */
  readonly closeMs: number;
  /** The first pause before dialling again; it doubles up to `longestPauseMs`. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** How long the end that does not dial waits to be dialled before it tries itself. */
  readonly patienceMs: number;
}

export const defaultDeadlines: Deadlines = {
  readyMs: 60_000,
  dialMs: 10_000,
  handshakeMs: 10_000,
  heartbeatMs: 10_000,
  reconnectMs: 60_000,
  progressMs: 600_000,
  livenessMs: 5_000,
  closeMs: 1_000,
  firstPauseMs: 100,
  longestPauseMs: 5_000,
  patienceMs: 3_000,
};
