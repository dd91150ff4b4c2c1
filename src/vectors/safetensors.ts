/**
 * The safetensors format: u64 length of the header, the header as JSON padded with spaces, then the numbers of all tensors
 * one after another, little-endian. Only float32 tensors are written and read.
 *
 * @see https://github.com/huggingface/safetensors, “Format”
 */
import { z } from "zod";
import { InvalidModel } from "../foundation/errors.js";

/** Most bytes of a header, as other readers have it. */
export const MAX_SAFETENSORS_HEADER_BYTES = 100_000_000;

const LENGTH_BYTES = 8;
/** The numbers begin at a multiple of this. */
const ALIGNMENT = 8;
const FLOAT_BYTES = 4;
/** Key of the header under which the metadata lie; no tensor has this name. */
const METADATA = "__metadata__";
const SHOWN_CHARACTERS = 80;

/** A float32 tensor with its name. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** As many as the product of the shape. */
  readonly values: Float32Array;
}

/** The content of a safetensors file of float32 tensors. */
export interface Safetensors {
  /** In the order in which their numbers lie in the file. */
  readonly tensors: readonly NamedTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}

const entry = z.strictObject({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

/**
 * The parts of a file, to be written one after another; those of tensors are views of their values.
 * @throws InvalidModel two tensors of one name, a reserved name, values that do not fit a shape, or too long a header
 */
export function encodeSafetensors({ tensors, metadata }: Safetensors): Uint8Array[] {
  const header = new Map<string, unknown>();
  if (Object.keys(metadata).length > 0) header.set(METADATA, metadata);
  let offset = 0;
  for (const { name, shape, values } of tensors) {
    if (header.has(name) || name === METADATA || countOf(shape) !== values.length) {
      throw new InvalidModel(
        `tensor ${shown(name)} cannot be written: give each tensor a name of its own, other than ${METADATA}, and as many numbers as its shape has`,
        { code: "tensor-not-writable", field: name },
      );
    }
    header.set(name, { dtype: "F32", shape, data_offsets: [offset, offset + values.byteLength] });
    offset += values.byteLength;
  }
  const fields = [...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const text = new TextEncoder().encode(`{${fields.join(",")}}`);
  const length = ALIGNMENT * Math.ceil(text.length / ALIGNMENT);
  if (length > MAX_SAFETENSORS_HEADER_BYTES) {
    throw new InvalidModel(
      `the header of the model's file would have ${length} bytes, and ${MAX_SAFETENSORS_HEADER_BYTES} is the limit: use fewer tensors or shorter names`,
      { code: "safetensors-header-too-long" },
    );
  }
  const head = new Uint8Array(LENGTH_BYTES + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(text, LENGTH_BYTES);
  return [
    head,
    ...tensors.map(({ values: { buffer, byteOffset, byteLength } }) => {
      return new Uint8Array(buffer, byteOffset, byteLength);
    }),
  ];
}

/**
 * The tensors of a file, copied.
 * @param source what messages call it
 * @throws InvalidModel anything but a whole file of float32 tensors that cover its numbers exactly once
 */
export function decodeSafetensors(bytes: Uint8Array, source: string): Safetensors {
  const damaged = (what: string, cause?: unknown) =>
    new InvalidModel(`${source} ${what}: it is damaged, or no safetensors file; save or download it again`, {
      code: "safetensors-damaged",
      field: source,
      cause,
    });
  if (bytes.length < LENGTH_BYTES) throw damaged(`is cut off after ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getBigUint64(0, true);
  if (headerBytes > BigInt(MAX_SAFETENSORS_HEADER_BYTES)) {
    throw damaged(
      `has a header of ${headerBytes} bytes, of which ${MAX_SAFETENSORS_HEADER_BYTES} is the limit`,
    );
  }
  const start = LENGTH_BYTES + Number(headerBytes);
  if (start > bytes.length) throw damaged(`is cut off within its header of ${headerBytes} bytes`);

  const header = parseHeader(bytes.subarray(LENGTH_BYTES, start), damaged);
  const metadata = header.get(METADATA) ?? {};
  if (!isTexts(metadata)) throw damaged("has metadata other than texts by name");
  header.delete(METADATA);
  const placed = [...header].map(([name, value]) => place(name, value, source, damaged));
  placed.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const { name, ...tensor } of placed) {
    if (tensor.begin !== end) {
      throw damaged(`has tensor ${shown(name)} at byte ${tensor.begin} of its numbers and not at ${end}`);
    }
    end = tensor.end;
  }
  if (start + end !== bytes.length) {
    throw damaged(`has ${bytes.length - start} bytes of numbers where its header names ${end}`);
  }
  const tensors = placed.map(({ name, shape, begin, end }) => {
    const values = new Float32Array((end - begin) / FLOAT_BYTES);
    new Uint8Array(values.buffer).set(bytes.subarray(start + begin, start + end));
    return { name, shape, values };
  });
  return { tensors, metadata };
}

type Damaged = (what: string, cause?: unknown) => InvalidModel;

function parseHeader(bytes: Uint8Array, damaged: Damaged): Map<string, unknown> {
  let header: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw damaged("has a header that is not JSON", cause);
  }
  if (!text.startsWith("{")) throw damaged("has a header that is not a JSON object");
  const twice = repeatedKey(text);
  if (twice !== undefined) throw damaged(`has a header that names ${shown(twice)} twice`);
  return new Map(Object.entries(header as object));
}

const isTexts = (value: unknown): value is Record<string, string> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((text) => typeof text === "string");

interface Placed {
  readonly name: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

function place(name: string, value: unknown, source: string, damaged: Damaged): Placed {
  const { data } = entry.safeParse(value);
  if (!data) throw damaged(`has tensor ${shown(name)} without a dtype, shape and range that can be read`);
  const { dtype, shape, data_offsets } = data;
  if (dtype !== "F32") {
    throw new InvalidModel(
      `${source} has tensor ${shown(name)} of type ${shown(dtype)}, and only F32 is read: convert the file to float32`,
      { code: "tensor-not-float32", field: name },
    );
  }
  const [begin, end] = data_offsets;
  if (end - begin !== FLOAT_BYTES * countOf(shape)) {
    throw damaged(
      `has tensor ${shown(name)} of shape [${shape.join(", ").slice(0, SHOWN_CHARACTERS)}] in ${end - begin} bytes`,
    );
  }
  return { name, shape, begin, end };
}

const countOf = (shape: readonly number[]) => shape.reduce((product, side) => product * side, 1);

const shown = (text: string) =>
  JSON.stringify(text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text);

/** A key that one object of a JSON text has twice, of which `JSON.parse` keeps the last; undefined where none is. */
function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{" || character === "[") open.push(new Set());
    else if (character === "}" || character === "]") open.pop();
    if (character !== '"') continue;
    const start = at;
    for (at++; text[at] !== '"'; at++) if (text[at] === "\\") at++;
    let next = at + 1;
    while (/\s/.test(text[next] ?? "")) next++;
    if (text[next] !== ":") continue;
    const name = JSON.parse(text.slice(start, at + 1)) as string;
    const names = open.at(-1)!;
    if (names.has(name)) return name;
    names.add(name);
  }
  return undefined;
}
