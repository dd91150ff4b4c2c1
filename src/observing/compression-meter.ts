import type { Compressor } from "../compressor.js";
import type { Vector } from "../vectors/vector.js";

/** What the compression of one round came to. */
export interface CompressionFigures {
  /** ‖v − C(v)‖ / ‖v‖ of what was sent. */
  readonly compressionError: number;
  /** ‖v − C(v)‖ of what was sent last. */
  readonly errorNorm: number;
}

/** Keeps count of what compressors lose. */
export interface CompressionMeter {
  /** The same compressor, whose losses count. */
  metered(compressor: Compressor): Compressor;
  /** A new step of a round begins; its payloads count together, as the root of their mean square. */
  begin(round: number, step: number): void;
  /** What the round came to; undefined when nothing was compressed. */
  read(): CompressionFigures | undefined;
}

/**
 * @param norm ‖v‖
 * @param diverged called with the round and a norm that is not finite, before anything is encoded
 */
export function createCompressionMeter(
  norm: (vector: Vector) => number,
  diverged: (round: number, norm: number) => never,
): CompressionMeter {
  let round = 0;
  let step = 0;
  let isFirst = true;
  let payloads = 0;
  let shared = 0;
  let lost = 0;
  return {
    metered: ({ name, ...compressor }) => ({
      name,
      ...compressor,
      squeeze(vector, random) {
        const before = norm(vector);
        if (!Number.isFinite(before)) diverged(round, before);
        const payload = compressor.squeeze(vector, random);
        if (isFirst) {
          if (step === 0) shared = 0;
          lost = 0;
          payloads = 0;
          isFirst = false;
        }
        if (step === 0) shared += before ** 2;
        lost += norm(vector) ** 2;
        payloads++;
        return payload;
      },
    }),
    begin(nextRound, nextStep) {
      round = nextRound;
      step = nextStep;
      isFirst = true;
    },
    read() {
      if (payloads === 0) return undefined;
      const errorNorm = Math.sqrt(lost / payloads);
      const sharedNorm = Math.sqrt(shared / payloads);
      return { errorNorm, compressionError: sharedNorm === 0 ? 0 : errorNorm / sharedNorm };
    },
  };
}
