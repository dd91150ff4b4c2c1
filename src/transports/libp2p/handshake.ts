/** The handshake, without its IO: hellos in, a verdict out. */

import { causesAmong, describeDifferences, remedyFor } from "../../exchange/differences.js";
import { compareFingerprints, type Fingerprint } from "../../exchange/fingerprint.js";
import { HandshakeRefused } from "../../foundation/errors.js";
import type { Hello } from "./hello.js";
import { PROTOCOL_VERSION } from "./limits.js";

/** What this peer states about itself in every hello. */
export interface Self {
  readonly id: number;
  /** Drawn once per process. */
  readonly instance: string;
  readonly fingerprint: Fingerprint;
  /** Which stretch of the run it is in; 0 where left out. */
  readonly epoch?: number;
}

export function helloOf({ id, instance, fingerprint, epoch = 0 }: Self, sequence: number): Hello {
  return { version: PROTOCOL_VERSION, id, instance, fingerprint, epoch, sequence };
}

/** Whether the two ends are in different stretches of the run, so that one of them has to follow first. */
export function isApart({ epoch = 0 }: Self, neighbour: number, theirs: Hello): boolean {
  return theirs.id === neighbour && theirs.version === PROTOCOL_VERSION && theirs.epoch !== epoch;
}

/**
 * Whether the peer behind this hello is the neighbour that the topology names, and runs the same experiment.
 * @returns why not
 */
export function judge(self: Self, neighbour: number, theirs: Hello): HandshakeRefused | undefined {
  const { id } = self;
  if (theirs.id !== neighbour) {
    return new HandshakeRefused(
      `peer ${id} refused the peer that answers as ${theirs.id} with the key of peer ${neighbour}: give each its own key and --id`,
      { code: "neighbour-id-differs", peer: id, neighbour },
    );
  }
  if (theirs.version !== PROTOCOL_VERSION) {
    return new HandshakeRefused(
      `peer ${id} speaks version ${PROTOCOL_VERSION} and peer ${neighbour} version ${theirs.version}: run the same version of murmur everywhere`,
      { code: "protocol-version-differs", peer: id, neighbour },
    );
  }
  const differences = causesAmong(compareFingerprints(self.fingerprint, theirs.fingerprint));
  if (differences.length === 0) return undefined;
  return new HandshakeRefused(
    `peer ${id} and peer ${neighbour} do not run the same experiment: ${describeDifferences(differences, neighbour)}; ${remedyFor(differences)}`,
    { code: "experiment-differs", peer: id, neighbour, field: differences[0]!.field },
  );
}
