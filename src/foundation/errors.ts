/** What an error says in fields, beside its sentence. */
export interface ErrorDetails extends ErrorOptions {
  /** Names the situation in kebab case, for example `disconnected`; stays when the sentence is improved. */
  readonly code: string;
  /** The peer that the error is about or happened to. */
  readonly peer?: number | undefined;
  /** The other end of the edge; the first of them where the sentence names several. */
  readonly neighbour?: number | undefined;
  /** From 0, as in reports. The sentence counts rounds from 1. */
  readonly round?: number | undefined;
  /** Path of the setting (`graph.degree`, `weights[2][0]`), or file (`runs/a/peer-0.jsonl`), or place in it (`line 3`). */
  readonly field?: string | undefined;
}

/**
 * Everything that can go wrong in a way that the user can fix. The class says which part of the input or run failed,
 * `code` which situation exactly, and `peer`, `neighbour`, `round` and `field` where; programs read those. `message`
 * is for people: one line that says what happened, to whom, and what to do. It may change in any version. The command
 * line prints it and exits with `exitCode`.
 */
export class MurmurationError extends Error {
  readonly exitCode: number = 2;
  readonly code: string;
  readonly peer: number | undefined;
  readonly neighbour: number | undefined;
  readonly round: number | undefined;
  readonly field: string | undefined;

  constructor(message: string, { code, peer, neighbour, round, field, ...options }: ErrorDetails) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.peer = peer;
    this.neighbour = neighbour;
    this.round = round;
    this.field = field;
  }
}

/** Code and fields of an error, for one that wraps it. */
export function detailsOf({ code, peer, neighbour, round, field }: MurmurationError): ErrorDetails {
  return { code, peer, neighbour, round, field };
}

/** A topology file, graph or weight matrix that cannot be used. */
export class InvalidTopology extends MurmurationError {}

/** An experiment file or setting that cannot be used. */
export class InvalidExperiment extends MurmurationError {}

/** A data set that is missing, truncated or of the wrong shape. */
export class InvalidData extends MurmurationError {}

/** A payload that is not what its compressor writes; nothing was added from it. */
export class MalformedPayload extends MurmurationError {}

/** A vector given to a compressor that is not of its model, or lies outside the memory that its kernels work on. */
export class ForeignVector extends MurmurationError {}

/** A frame that is not of this protocol, or breaks one of its limits. */
export class MalformedFrame extends MurmurationError {}

/** A loss or model that stopped being a finite number; says which peer and which round. */
export class Diverged extends MurmurationError {}

/** A peer that waited for its neighbours longer than it may. */
export class RoundTimeout extends MurmurationError {}

/** A checkpoint that is damaged, of another run, or does not lead to where the peer was. */
export class InvalidCheckpoint extends MurmurationError {}

/** A file of a trained model that is damaged, or does not fit the model that it is for. */
export class InvalidModel extends MurmurationError {}

/** A run on a virtual clock in which everything waits and nothing is left to happen. */
export class Deadlock extends MurmurationError {}

/** A file or settings of a simulated network that cannot be used. */
export class InvalidNetwork extends MurmurationError {}

/** A run directory or log that cannot be read. */
export class InvalidLog extends MurmurationError {}

/** A file or folder that cannot be read or written. */
export class FileProblem extends MurmurationError {}

/** A neighbour that could not be reached, or stopped answering, for longer than it may; says who, how long and why. */
export class Unreachable extends MurmurationError {}

/** A neighbour that runs something else: the handshake was refused; says which field differs and both values. */
export class HandshakeRefused extends MurmurationError {}

/** Another process already runs with this peer's identity. */
export class IdentityInUse extends MurmurationError {}

/** An address that this peer cannot listen on. */
export class CannotListen extends MurmurationError {}

/** A peer's process that ended before its run did. */
export class PeerFailed extends MurmurationError {}

/** A trainer program that does not start, ends, does not answer in time, or answers what it must not. */
export class TrainerFailed extends MurmurationError {}

/** A run that somebody stopped, with Ctrl-C for example. */
export class Interrupted extends MurmurationError {
  /** What shells expect after Ctrl-C; after SIGTERM the command line exits with 143. */
  override readonly exitCode = 130;
}
