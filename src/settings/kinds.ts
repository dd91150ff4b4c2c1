/** What the lists of implementations share: `{ kind: "ring", … }` picks one of them by its name. */
import { z } from "zod";

type KindSchema = z.ZodObject<{ kind: z.ZodLiteral<string> }>;

/** One implementation: the schema of its settings, whose `kind` is the name users write, and whatever else it has. */
interface Kind {
  readonly settings: KindSchema;
}

type SchemasOf<Kinds extends readonly Kind[]> = { [K in keyof Kinds]: Kinds[K]["settings"] };

/** Schema of the settings of any of these kinds, distinguished by `kind`. */
export function settingsOfAny<const Kinds extends readonly [Kind, ...Kind[]]>(
  kinds: Kinds,
  error?: z.core.$ZodErrorMap,
): z.ZodDiscriminatedUnion<SchemasOf<Kinds>, "kind"> {
  const schemas = kinds.map(({ settings }) => settings) as unknown as [KindSchema, ...KindSchema[]];
  return z.discriminatedUnion("kind", schemas, error && { error }) as never;
}

/** The kind that these settings, checked by `settingsOfAny`, are of. */
export function kindOf<K extends Kind>(kinds: readonly K[], settings: { readonly kind: string }): K {
  return kinds.find((candidate) => candidate.settings.shape.kind.value === settings.kind)!;
}
