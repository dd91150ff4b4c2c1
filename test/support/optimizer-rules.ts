/**
 * Update rules of all optimisers in float64, one number at a time, written from the papers' equations; ε and the order
 * of what papers leave open as the optimisers' own comments say. A rule is asked once per step and keeps its state.
 */
import type { OptimizerSettings } from "../../src/optimizers/index.js";

/** The update for gradient g at x with learning rate γ in step t, from 1. @param squaredNorm of the whole gradient */
export type Rule = (g: number, x: number, rate: number, t: number, squaredNorm: number) => number;

export function ruleOf(settings: OptimizerSettings): Rule {
  const rule = bareRuleOf(settings);
  if (settings.kind === "adamw") return rule;
  return (g, x, rate, t, squaredNorm) => rule(g + settings.weightDecay * x, x, rate, t, squaredNorm);
}

function bareRuleOf(settings: OptimizerSettings): Rule {
  let [m, v, n, a, w] = [0, 0, 0, 0, 0];
  switch (settings.kind) {
    case "sgd":
      return (g, _x, rate) => -rate * g;
    case "momentum":
      return (g, _x, rate) => {
        m = settings.momentum * m + g;
        return -rate * (settings.nesterov ? g + settings.momentum * m : m);
      };
    case "adam":
    case "adamw":
      return (g, x, rate, t) => {
        const { beta1, beta2, epsilon, weightDecay } = settings;
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g * g;
        const step = m / (1 - beta1 ** t) / (Math.sqrt(v / (1 - beta2 ** t)) + epsilon);
        return -rate * (step + (settings.kind === "adamw" ? weightDecay * x : 0));
      };
    case "amsgrad":
      return (g, _x, rate, t) => {
        const { beta1, beta2, epsilon } = settings;
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * g * g;
        n = Math.max(n, v);
        return (-rate * (m / (1 - beta1 ** t))) / (Math.sqrt(n / (1 - beta2 ** t)) + epsilon);
      };
    case "generic-adam":
      return (g, _x, rate, t) => {
        const { beta1, share, decay, epsilon } = settings;
        const kept = 1 - share / t ** { constant: 0, root: 0.5, linear: 1 }[decay];
        m = beta1 * m + (1 - beta1) * g;
        v = kept * v + (1 - kept) * g * g;
        return (-rate * m) / (Math.sqrt(v) + epsilon);
      };
    case "generalized-sign":
      return (g, _x, rate, t) => {
        const { beta1, beta2, epsilon } = settings;
        m = beta1 * m + (1 - beta1) * g;
        v = beta2 * v + (1 - beta2) * m * m;
        return (-rate * m) / (Math.sqrt(v / (1 - beta2 ** t)) + epsilon);
      };
    case "adamax":
      return (g, _x, rate, t) => {
        const { beta1, beta2, epsilon } = settings;
        m = beta1 * m + (1 - beta1) * g;
        n = Math.max(beta2 * n, Math.abs(g));
        return ((-rate / (1 - beta1 ** t)) * m) / (n + epsilon);
      };
    case "rmsprop":
      return (g, _x, rate) => {
        const { decay, momentum, epsilon, centered } = settings;
        v = decay * v + (1 - decay) * g * g;
        a = decay * a + (1 - decay) * g;
        const variance = centered ? Math.max(v - a * a, 0) : v;
        w = momentum * w + (rate * g) / Math.sqrt(variance + epsilon);
        return -w;
      };
    case "adagrad":
      v = settings.initialAccumulator;
      return (g, _x, rate) => {
        v += g * g;
        return (-rate * g) / Math.sqrt(v + 1e-7);
      };
    case "adagrad-norm":
      v = settings.initialNorm ** 2;
      return (g, _x, rate, _t, squaredNorm) => {
        v += squaredNorm;
        return (-rate * g) / Math.sqrt(v);
      };
    case "adadelta":
      return (g, _x, rate) => {
        const { decay, epsilon } = settings;
        const step = Math.sqrt((w + epsilon) / (v + epsilon)) * g;
        v = decay * v + (1 - decay) * g * g;
        w = decay * w + (1 - decay) * step * step;
        return -rate * step;
      };
  }
}
