/** Every loss there is. Adding one: a file here, and its name in this list. */
import { z } from "zod";
import type { Targets } from "../dataset.js";
import { InvalidExperiment } from "../foundation/errors.js";
import type { Loss, LossKind } from "../loss.js";
import { kindOf, settingsOfAny } from "../settings/kinds.js";
import { binaryCrossEntropy } from "./binary-cross-entropy.js";
import { crossEntropy } from "./cross-entropy.js";
import { huber } from "./huber.js";
import { mae } from "./mae.js";
import { mse } from "./mse.js";
import { multiLabel } from "./multi-label.js";

const kinds = [crossEntropy, binaryCrossEntropy, multiLabel, mse, mae, huber] as const;

/** The loss that is usual for the targets of the data: the first of `kinds` that takes them. */
const auto = { settings: z.strictObject({ kind: z.literal("auto") }) };

/** Settings of any loss, distinguished by `kind`. */
export const lossSettings = settingsOfAny([auto, ...kinds]);
/** Settings of one of the losses, or `auto`. */
export type LossSettings = z.output<typeof lossSettings>;

/** A loss, and how many outputs a model needs for it at each of its positions. */
export interface LossForTargets {
  readonly loss: Loss;
  readonly outputs: number;
}

/** @throws InvalidExperiment a loss of other targets */
export function createLoss(settings: LossSettings, targets: Targets): LossForTargets {
  const usual = kinds.find((kind) => kind.targets === targets.kind)!;
  const chosen: { readonly kind: string } =
    settings.kind === "auto" ? { kind: usual.settings.shape.kind.value } : settings;
  const kind = kindOf<(typeof kinds)[number]>(kinds, chosen) as LossKind;
  if (kind.targets !== targets.kind) {
    const fitting = kinds.filter((each) => each.targets === targets.kind);
    const names = fitting.map((each) => each.settings.shape.kind.value).join(", ");
    throw new InvalidExperiment(
      `loss ${chosen.kind} is for ${kind.targets}, and the targets of the data are ${targets.kind}: use one of ${names}, or change what the data's targets are (csv: data.targets)`,
      { code: "loss-needs-other-targets", field: "loss.kind" },
    );
  }
  return { loss: kind.create(kind.settings.parse(chosen), targets), outputs: kind.outputsFor(targets) };
}
