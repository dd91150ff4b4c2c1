/** Network architectures, as layers models that any trainer of tf.LayersModel can train. */
import type { LayersModel } from "@tensorflow/tfjs-layers";
import type { z } from "zod";

/** What a model is made for. */
export interface ModelContext {
  /** Shape of one example. */
  readonly inputShape: readonly number[];
  /** Numbers that the loss takes at each position: one per class, mark or number, and one for two classes with a binary loss. */
  readonly outputs: number;
  /** Where targets are classes, how many there are. */
  readonly classes?: number;
  /** Every initialiser draws from this seed, so all peers start from the same weights. */
  readonly seed: number;
}

/** One kind of model; a new one is a file in `models/` and a line in `models/index.ts`. */
export interface ModelKind<Settings extends z.ZodType = z.ZodType> {
  /** Schema of the settings, every field with a default; its `kind` is the name users write. */
  readonly settings: Settings;
  /**
   * A model from examples (in the context's shape or flattened) to `outputs` logits or numbers: no activation at the end.
   * The tfjs backend is ready by then. tfjs is imported inside, so that settings alone never load it.
   */
  create(settings: z.output<Settings>, context: ModelContext): Promise<LayersModel>;
}
