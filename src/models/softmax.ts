import { z } from "zod";
import type { ModelKind } from "../model.js";
import { mlp } from "./mlp.js";

const settings = z.strictObject({ kind: z.literal("softmax") });

/** One dense layer: softmax, logistic or linear regression, by the loss. With the losses of `losses/` it is convex. */
export const softmax: ModelKind<typeof settings> = {
  settings,
  create: (_, context) => mlp.create({ kind: "mlp", hidden: [], activation: "relu" }, context),
};
