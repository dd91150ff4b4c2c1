import fc from "fast-check";
import { type OptimizerSettings, optimizerSettings } from "../../src/optimizers/index.js";

type Written = { readonly kind: string } & Record<string, unknown>;

/** Settings beside the defaults that change a rule. */
const variants: readonly Written[] = [
  { kind: "momentum", nesterov: true },
  { kind: "momentum", momentum: 0 },
  { kind: "adam", beta1: 0, beta2: 0.5, epsilon: 0.01 },
  { kind: "generic-adam", decay: "linear", beta1: 0 },
  { kind: "generic-adam", decay: "constant", share: 0.1 },
  { kind: "generalized-sign", beta1: 0, beta2: 0 },
  { kind: "rmsprop", momentum: 0.8 },
  { kind: "rmsprop", centered: true },
  { kind: "rmsprop", centered: true, momentum: 0.5 },
  { kind: "adagrad", initialAccumulator: 2 },
];

const parse = (written: Written): OptimizerSettings => optimizerSettings.parse(written);
const nameOf = ({ kind, ...rest }: Written) => [
  kind,
  ...(Object.keys(rest).length ? [JSON.stringify(rest)] : []),
];

/** Every kind of the index as it is by default, and its variants. */
const written: readonly Written[] = [
  ...optimizerSettings.options.map((option) => ({ kind: option.shape.kind.value })),
  ...variants,
];

/** Name and settings: every kind and variant as it is, with weight decay, and with clipping too. */
export const everyOptimizer: readonly (readonly [string, OptimizerSettings])[] = written.flatMap((one) =>
  [one, { ...one, weightDecay: 0.1 }, { ...one, weightDecay: 0.1, clipNorm: 0.5 }].map(
    (settings) => [nameOf(settings as Written).join(" "), parse(settings as Written)] as const,
  ),
);

/** Lengths around those of lanes and of unrolled loops. */
export const anyLength = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 700 }));
