/** Bias corrections of moving averages that start at 0, as Adam and its relatives take them. */

/** β₁ᵗ and β₂ᵗ after t steps: products instead of powers, because engines differ in the last bit of a power. */
export interface BetaPowers {
  [name: string]: number;
  beta1Power: number;
  beta2Power: number;
}

/** Before the first step. */
export const noSteps = (): BetaPowers => ({ beta1Power: 1, beta2Power: 1 });

/** Counts a step. */
export function countStep(powers: BetaPowers, beta1: number, beta2: number): void {
  powers.beta1Power *= beta1;
  powers.beta2Power *= beta2;
}

/** γ / (1 − β₁ᵗ) */
export const correctedRate = (learningRate: number, { beta1Power }: BetaPowers) =>
  learningRate / (1 - beta1Power);

/** 1 / √(1 − β₂ᵗ), the factor on √v */
export const correctedSpread = ({ beta2Power }: BetaPowers) => 1 / Math.sqrt(1 - beta2Power);
