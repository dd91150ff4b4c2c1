import { engine, type NamedTensorMap, SGDOptimizer, tidy } from "@tensorflow/tfjs-core";
import { addScaled } from "./scaled.js";

type Gradients = Parameters<SGDOptimizer["applyGradients"]>[0];

/** tfjs's stochastic gradient descent, x ← x − γ·g, going over every weight once instead of twice. */
export class OnePassSgd extends SGDOptimizer {
  override applyGradients(gradients: Gradients): void {
    const named = Array.isArray(gradients)
      ? gradients
      : Object.entries(gradients as NamedTensorMap).map(([name, tensor]) => ({ name, tensor }));
    tidy(() => {
      for (const { name, tensor } of named) {
        const variable = engine().registeredVariables[name];
        if (variable && tensor) variable.assign(addScaled(variable, tensor, -this.learningRate));
      }
    });
    this.incrementIterations();
  }
}
