/** What a batch of logits is worth. */
export interface Score {
  /** Sum of the rows' losses. */
  loss: number;
  /** Rows whose largest logit is the label's; the first of equal ones counts. */
  correct: number;
}

/**
 * Softmax cross entropy of rows of logits: −log softmax(z)[label], summed over rows.
 *
 * It runs in JavaScript: logits are few beside activations, and one pass with double sums replaces some
 * thirty tfjs operations and gives the same bits on every backend.
 *
 * @param logits `labels.length` rows of `classes` numbers
 * @param gradient where the gradient of the *mean* over rows goes, (softmax(z) − onehot) / rows; may be left out
 */
export function softmaxCrossEntropy(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
  gradient?: Float32Array,
): Score {
  const rows = labels.length;
  let loss = 0;
  let correct = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * classes;
    const label = labels[row]!;
    let best = 0;
    for (let k = 1; k < classes; k++) if (logits[start + k]! > logits[start + best]!) best = k;
    const largest = logits[start + best]!;
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += Math.exp(logits[start + k]! - largest);
    loss += Math.log(sum) + largest - logits[start + label]!;
    if (best === label) correct++;
    if (gradient) {
      const scale = 1 / (sum * rows);
      for (let k = 0; k < classes; k++) {
        gradient[start + k] = Math.exp(logits[start + k]! - largest) * scale - (k === label ? 1 / rows : 0);
      }
    }
  }
  return { loss, correct };
}
