/**
 * How newcomers get a model: before the first round of an epoch each of their neighbours sends its own, part by part,
 * and a newcomer takes that of the lowest one.
 */
import type { RoundSteps } from "../algorithm.js";
import { createCompressor } from "../compressors/index.js";
import { MalformedPayload, Unreachable } from "../foundation/errors.js";
import type { Neighbour } from "../graphs/mixing.js";
import { createLayout } from "../vectors/layout.js";
import type { Bytes, Vector, VectorSpace } from "../vectors/vector.js";
import { MAX_CLOSING_LENGTH } from "./closing.js";
import { exactly } from "./exactly.js";

export interface Welcome {
  /** Exchanges on each edge: one per part of the model. */
  readonly steps: number;
  /** Edges between a newcomer and a peer that has a model. */
  readonly edges: readonly Neighbour[];
  round(): RoundSteps;
  /** @throws MalformedPayload */
  check(payload: Bytes, step: number): void;
}

export interface WelcomeOptions {
  readonly id: number;
  readonly edges: readonly Neighbour[];
  readonly newcomers: readonly number[];
  readonly model: Vector;
  readonly space: VectorSpace;
}

export function createWelcome({ id, edges, newcomers, model, space }: WelcomeOptions): Welcome {
  const isNew = newcomers.includes(id);
  const parts: Vector[] = [];
  for (let first = 0; first < model.length; first += MAX_CLOSING_LENGTH) {
    parts.push(model.subarray(first, first + MAX_CLOSING_LENGTH));
  }
  const codecOf = ({ length }: Vector) =>
    createCompressor(
      { kind: "identity" },
      { layout: createLayout([{ name: "part", shape: [length] }]), space },
    );
  const mixed = edges.filter(({ peer }) => newcomers.includes(peer) !== isNew);
  const codecs = mixed.length === 0 ? [] : parts.map(codecOf);
  return {
    steps: parts.length,
    edges: mixed,
    *round() {
      for (const [k, part] of parts.entries()) {
        const codec = codecs[k]!;
        if (!isNew) {
          yield exactly(codec, part);
          continue;
        }
        const [first] = yield nothing;
        if (!first || first.isVoid) throw noModel(id, mixed);
        part.fill(0);
        codec.addTo(part, first.theirs, 1);
      }
    },
    check(payload, step) {
      const codec = codecs[step];
      if (isNew && codec) return codec.check(payload);
      if (!isNew && codec && payload.length === 0) return;
      throw new MalformedPayload(`part ${step + 1} of a model is not due`, { code: "welcome-not-due" });
    },
  };
}

const nothing: Bytes = new Uint8Array(0);

const noModel = (id: number, edges: readonly Neighbour[]) =>
  new Unreachable(
    `peer ${id} gets no model of its neighbours ${edges.map(({ peer }) => peer).join(", ")}: start it once more with --join`,
    { code: "no-welcome", peer: id, neighbour: edges[0]?.peer },
  );
