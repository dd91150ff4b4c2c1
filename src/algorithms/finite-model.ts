import { divergedAt } from "../foundation/diverged.js";
import type { Kernels } from "../kernels/kernels.js";
import type { Vector } from "../vectors/vector.js";

/** For payloads that no compressor encodes. @throws Diverged before anything of such a model is sent */
export function requireFiniteModel(id: number, round: number, model: Vector, kernels: Kernels): void {
  const squares = kernels.sumOfSquares(model.byteOffset, model.length);
  if (!Number.isFinite(squares)) throw divergedAt(id, round, "model", Math.sqrt(squares));
}
