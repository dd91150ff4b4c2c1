/** What a run with `trainer.fastMath` compares with its neighbours, and what its user should know. */
import type { Fingerprint } from "../exchange/fingerprint.js";

/** Nothing without fast math, so that fingerprints stay what they were. */
export function mathFingerprint(fastMath = false): Fingerprint {
  return fastMath ? { fastMath: "true" } : {};
}

/** @param backend the one that computes the trainer's passes */
export async function fastMathWarnings(fastMath: boolean, backend: string): Promise<string[]> {
  if (!fastMath) return [];
  if (backend !== "wasm") return [`fastMath changes nothing on backend ${backend}: use backend wasm`];
  const { hasRelaxedSimd } = await import("../backends/wasm-training/module.js");
  return hasRelaxedSimd()
    ? []
    : [
        "fastMath has no fused multiply-add here, because the engine lacks relaxed SIMD: use Node 20.16 or later",
      ];
}
