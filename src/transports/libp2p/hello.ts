/** The first message in each direction of every stream, as JSON: the sender's identity and its experiment. */
import { z } from "zod";
import { type Fingerprint, MAX_LIST_BYTES } from "../../exchange/fingerprint.js";
import { MalformedFrame } from "../../foundation/errors.js";
import { printable } from "../../foundation/printable.js";
import { MAX_HELLO_BYTES, MAX_REASON_CHARACTERS } from "./limits.js";

/** Most fields of a fingerprint. */
export const MAX_FIELDS = 64;
const MAX_FIELD_CHARACTERS = 128;
/** Room for a list, such as the names of the classes. */
const MAX_VALUE_CHARACTERS = MAX_LIST_BYTES;
const sequence = z
  .int()
  .min(0)
  .max(2 ** 32 - 1);

const helloSchema = z.strictObject({
  version: z
    .int()
    .min(0)
    .max(2 ** 16),
  /** The sender's number in the topology. */
  id: z
    .int()
    .min(0)
    .max(2 ** 32 - 1),
  /** Drawn once per process, to distinguish two processes with one identity. */
  instance: z.string().min(1).max(64),
  fingerprint: z
    .record(z.string().max(MAX_FIELD_CHARACTERS), z.string().max(MAX_VALUE_CHARACTERS))
    .refine((fields) => Object.keys(fields).length <= MAX_FIELDS),
  /** Which stretch of the run the sender is in: see membership/. */
  epoch: sequence,
  /** From the end that opens: number of its first unconfirmed frame. From the other end: number of the last complete frame. */
  sequence,
});

const refusalSchema = z.strictObject({
  code: z.enum(["identity-in-use", "violation", "refused"]),
  reason: z.string().max(MAX_REASON_CHARACTERS),
});

export interface Hello {
  readonly version: number;
  readonly id: number;
  readonly instance: string;
  readonly fingerprint: Fingerprint;
  readonly epoch: number;
  readonly sequence: number;
}

export interface HelloRefusal {
  readonly code: "identity-in-use" | "violation" | "refused";
  readonly reason: string;
}

/** @throws MalformedFrame this peer's fingerprint is too large for the handshake */
export function encodeHello(hello: Hello): Uint8Array {
  const bytes = encodeJson(hello);
  if (bytes.length > MAX_HELLO_BYTES || !helloSchema.safeParse(hello).success) {
    throw new MalformedFrame(
      `this peer's hello breaks the protocol's limits (${bytes.length} of ${MAX_HELLO_BYTES} bytes): shorten the fingerprint's values to digests`,
      { code: "hello-too-large" },
    );
  }
  return bytes;
}

/** @throws MalformedFrame */
export function decodeHello(bytes: Uint8Array): Hello {
  return decodeJson(bytes, helloSchema, "hello");
}

export function encodeRefusal({ code, reason }: HelloRefusal): Uint8Array {
  return encodeJson({ code, reason: reason.slice(0, MAX_REASON_CHARACTERS) });
}

/** @throws MalformedFrame */
export function decodeRefusal(bytes: Uint8Array): HelloRefusal {
  const { code, reason } = decodeJson(bytes, refusalSchema, "refusal");
  return { code, reason: printable(reason) };
}

function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function decodeJson<T>(bytes: Uint8Array, schema: z.ZodType<T>, what: string): T {
  try {
    return schema.parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch (cause) {
    throw new MalformedFrame(`${what} of ${bytes.length} bytes is not valid in this protocol`, {
      code: "hello-not-valid",
      cause,
    });
  }
}
