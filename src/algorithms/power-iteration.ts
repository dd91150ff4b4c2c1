import { requireFinite, requireLength } from "../compressors/ranges.js";
import { type Random, random } from "../foundation/random.js";
import type { Layout } from "../vectors/layout.js";
import type { Bytes, Vector, VectorSpace } from "../vectors/vector.js";

/** What a matrix M is multiplied with: `right` is Mv, `left` is Mᵀu. */
export type Side = "right" | "left";

const LARGEST = 3.4028234663852886e38;

/** A tensor in the payloads of both sides: an m × n matrix, or numbers that are sent as they are. */
interface Part {
  readonly offset: number;
  readonly length: number;
  readonly m: number;
  readonly n: number;
  readonly isMatrix: boolean;
  readonly first: Record<Side, number>;
  /** Where its direction begins. */
  readonly at: number;
}

/** The power iteration of an edge on the difference M = X_j − X_i of every matrix: one product with a direction at a time. */
export interface PowerIteration {
  /** Numbers of a direction: v or u of every matrix. */
  readonly directionLength: number;
  readonly maximumPayloadBytes: number;
  /** A first direction v. Edges are distinguished by `key`, alike at both of their ends. */
  start(direction: Vector, key: string): void;
  /** Xv or Xᵀu of every matrix, and the tensors that are none as they are; valid until the next call. */
  project(model: Vector, direction: Vector, side: Side): Bytes;
  /** X ← X + scale · (p_j − p_i)v̂ᵀ, or û(q_j − q_i)ᵀ; the next direction is the difference of the two products, of norm 1. */
  follow(model: Vector, direction: Vector, step: PowerStep): void;
  /** Takes products of either side: which one is due depends on the edge. @throws MalformedPayload */
  check(payload: Bytes): void;
  /** ‖p‖, which bounds ‖p v̂ᵀ‖ as v̂ has norm 1. */
  normBound(payload: Bytes): number;
}

export interface PowerStep {
  readonly side: Side;
  readonly own: Bytes;
  readonly theirs: Bytes;
  readonly scale: number;
  /** 1 at the lower peer and −1 at the other, so that both get the same direction. */
  readonly sign: number;
  /** What a new direction is drawn with where the two models agree. */
  readonly key: string;
}

function partsOf({ tensors }: Layout) {
  const count = { right: 0, left: 0 };
  let directionLength = 0;
  const parts = tensors.map(({ offset, length, shape }): Part => {
    const n = shape.at(-1) ?? 1;
    const m = length / n;
    const isMatrix = m > 1 && n > 1;
    const part = { offset, length, m, n, isMatrix, first: { ...count }, at: directionLength };
    count.right += isMatrix ? m : length;
    count.left += isMatrix ? n : length;
    if (isMatrix) directionLength += Math.max(m, n);
    return part;
  });
  return { parts, count, directionLength };
}

export function createPowerIteration(layout: Layout, space: VectorSpace): PowerIteration {
  const { kernels } = space;
  const { parts, count, directionLength } = partsOf(layout);
  const longest = Math.max(count.right, count.left);
  const shortest = Math.min(count.right, count.left);
  const [sent, difference, staged] = [space.vector(longest), space.vector(longest), space.vector(longest)];
  const bytesOf = ({ byteOffset }: Vector) => new Uint8Array(space.buffer, byteOffset, 4 * longest);
  const [sentBytes, differenceBytes, stagedBytes] = [bytesOf(sent), bytesOf(difference), bytesOf(staged)];
  const columns = new Float64Array(Math.max(0, ...parts.map(({ n }) => n)));
  const matrices = parts.filter(({ isMatrix }) => isMatrix);
  const clamp = (x: number) => Math.max(-LARGEST, Math.min(LARGEST, x));
  const draw = (to: Vector, draws: Random): void => {
    for (let k = 0; k < to.length; k++) to[k] = draws.uniform(k) - 0.5;
    normalise(to, to, 1);
  };

  return {
    directionLength,
    maximumPayloadBytes: 4 * longest,
    start(direction, key) {
      for (const { at, n } of matrices) draw(direction.subarray(at, at + n), random(at, "power", key));
    },
    project(model, direction, side) {
      for (const { offset, length, m, n, isMatrix, first, at } of parts) {
        const to = first[side];
        if (!isMatrix) {
          sent.set(model.subarray(offset, offset + length), to);
          continue;
        }
        columns.fill(0, 0, n);
        for (let i = 0; i < m; i++) {
          const row = offset + i * n;
          let sum = 0;
          if (side === "right") for (let j = 0; j < n; j++) sum += model[row + j]! * direction[at + j]!;
          else for (let j = 0; j < n; j++) columns[j]! += model[row + j]! * direction[at + i]!;
          if (side === "right") sent[to + i] = clamp(sum);
        }
        if (side === "left") for (let j = 0; j < n; j++) sent[to + j] = clamp(columns[j]!);
      }
      return sentBytes.subarray(0, 4 * count[side]);
    },
    follow(model, direction, { side, own, theirs, scale, sign, key }) {
      differenceBytes.set(theirs);
      stagedBytes.set(own);
      kernels.addScaled(difference.byteOffset, staged.byteOffset, count[side], -1);
      for (const { offset, length, m, n, isMatrix, first, at } of parts) {
        const pointer = (row: number) => model.byteOffset + 4 * (offset + row * n);
        const from = difference.byteOffset + 4 * first[side];
        const along = direction.byteOffset + 4 * at;
        if (!isMatrix) {
          kernels.addScaled(pointer(0), from, length, scale);
          continue;
        }
        for (let i = 0; i < m; i++) {
          if (side === "left") kernels.addScaled(pointer(i), from, n, scale * direction[at + i]!);
          else kernels.addScaled(pointer(i), along, n, scale * difference[first.right + i]!);
        }
        const size = side === "right" ? m : n;
        const next = direction.subarray(at, at + size);
        const product = difference.subarray(first[side], first[side] + size);
        if (!normalise(next, product, sign)) draw(next, random(at, "power", key));
      }
    },
    check(payload) {
      const isShort = payload.length === 4 * shortest;
      requireLength("powergossip", payload, 4 * (isShort ? shortest : longest));
      stagedBytes.set(payload);
      requireFinite("powergossip", kernels.allFinite(staged.byteOffset, payload.length / 4));
    },
    normBound(payload) {
      stagedBytes.set(payload);
      return Math.sqrt(kernels.sumOfSquares(staged.byteOffset, payload.length / 4));
    },
  };
}

/** to ← sign · v / ‖v‖. @returns whether v is not 0 */
function normalise(to: Vector, v: Vector, sign: number): boolean {
  let squares = 0;
  for (let k = 0; k < v.length; k++) squares += v[k]! ** 2;
  if (!(squares > 0 && squares < Number.POSITIVE_INFINITY)) return false;
  const scale = sign / Math.sqrt(squares);
  for (let k = 0; k < v.length; k++) to[k] = v[k]! * scale;
  return true;
}
