import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidModel } from "../src/foundation/errors.js";
import {
  decodeSafetensors,
  encodeSafetensors,
  MAX_SAFETENSORS_HEADER_BYTES,
  type NamedTensor,
} from "../src/vectors/safetensors.js";
import { joined } from "./support/mutate.js";

const float = fc.float({ noNaN: false });
const tensor: fc.Arbitrary<NamedTensor> = fc
  .record({
    name: fc.string({ unit: "binary", maxLength: 12 }).filter((name) => name !== "__metadata__"),
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
  })
  .chain(({ name, shape }) => {
    const length = shape.reduce((product, side) => product * side, 1);
    return fc
      .array(float, { minLength: length, maxLength: length })
      .map((values) => ({ name, shape, values: Float32Array.from(values) }));
  });
const model = fc.record({
  tensors: fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 5 }),
  metadata: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true }),
});

/** A file with this header, padded or not, and these numbers. */
function fileOf(header: string | object, numbers = new Uint8Array(0), length?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const size = new Uint8Array(8);
  new DataView(size.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  return joined(size, text, numbers);
}

const a = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
const b = { dtype: "F32", shape: [1], data_offsets: [8, 12] };
const refusal = (bytes: Uint8Array) => {
  try {
    decodeSafetensors(bytes, "m.safetensors");
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidModel);
    expect((error as Error).message).not.toContain("\n");
    return (error as InvalidModel).message;
  }
  return "";
};

describe("a safetensors file", () => {
  it("has the bytes that other programs write", () => {
    const values = Float32Array.from([1, -2]);
    const parts = encodeSafetensors({
      tensors: [{ name: "w", shape: [1, 2], values }],
      metadata: { format: "pt" },
    });
    const header = '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}';
    const padded = header.padEnd(8 * Math.ceil(header.length / 8));
    expect(Buffer.from(joined(...parts)).toString("hex")).toBe(
      `${Buffer.from([padded.length, 0, 0, 0, 0, 0, 0, 0]).toString("hex")}${Buffer.from(padded).toString("hex")}0000803f000000c0`,
    );
    expect(parts[1]!.buffer).toBe(values.buffer);
  });

  it("is read as it was written, to the bit, and its numbers begin at a multiple of 8", () => {
    fc.assert(
      fc.property(model, (written) => {
        const parts = encodeSafetensors(written);
        expect(parts[0]!.length % 8).toBe(0);
        const read = decodeSafetensors(joined(...parts), "it");
        expect(read.metadata).toEqual(written.metadata);
        const empties = ({ values }: NamedTensor) => values.length === 0;
        const bits = ({ values, ...others }: NamedTensor) => ({
          ...others,
          bits: new Uint32Array(values.slice().buffer),
        });
        // Tensors without numbers may stand anywhere among the others.
        for (const isEmpty of [true, false]) {
          expect(
            read.tensors
              .filter((each) => empties(each) === isEmpty)
              .map(bits)
              .sort(byName),
          ).toEqual(
            written.tensors
              .filter((each) => empties(each) === isEmpty)
              .map(bits)
              .sort(byName),
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  it("may name its tensors in any order, and have no metadata", () => {
    const numbers = new Uint8Array(Float32Array.from([1, 2, 3]).buffer);
    const { tensors, metadata } = decodeSafetensors(fileOf({ b, a }, numbers), "it");
    expect(tensors.map(({ name, values }) => [name, ...values])).toEqual([
      ["a", 1, 2],
      ["b", 3],
    ]);
    expect(metadata).toEqual({});
  });

  const twelve = new Uint8Array(12);
  const whole = fileOf({ a, b }, twelve);
  const damaged: [what: string, bytes: Uint8Array, says: RegExp][] = [
    ["nothing", new Uint8Array(0), /cut off after 0 bytes/],
    ["a part of the length", whole.slice(0, 7), /cut off after 7 bytes/],
    ["a part of the header", whole.slice(0, 60), /cut off within its header/],
    ["a part of the numbers", whole.slice(0, -1), /has 11 bytes of numbers where its header names 12/],
    ["more than the numbers", joined(whole, twelve), /has 24 bytes of numbers/],
    ["a header at the limit", fileOf("", twelve, BigInt(MAX_SAFETENSORS_HEADER_BYTES)), /cut off within/],
    [
      "a header over the limit",
      fileOf("", twelve, BigInt(MAX_SAFETENSORS_HEADER_BYTES + 1)),
      /header of 100000001 bytes, of which 100000000 is the limit/,
    ],
    ["the longest length", fileOf("", twelve, 2n ** 64n - 1n), /header of 18446744073709551615 bytes/],
    ["no JSON", fileOf("{", twelve), /header that is not JSON/],
    ["no UTF-8", fileOf("").fill(2, 0, 1).fill(0xff, 1), /header/],
    ["a list", fileOf("[]"), /not a JSON object/],
    ["null", fileOf("null"), /not a JSON object/],
    ["space before the header", fileOf(' {"a":1}'), /not a JSON object/],
    [
      "one name twice",
      fileOf(`{"a":${JSON.stringify(a)},"\\u0061":${JSON.stringify(a)}}`, twelve),
      /names "a" twice/,
    ],
    ["one key twice", fileOf('{"a":{"dtype":"F32","dtype":"F32"}}'), /names "dtype" twice/],
    ["metadata that are numbers", fileOf({ __metadata__: { round: 1 } }), /metadata/],
    [
      "an overlap",
      fileOf({ a, b: { ...b, data_offsets: [4, 8] } }, twelve),
      /at byte 4 of its numbers and not at 8/,
    ],
    ["a hole", fileOf({ a, b: { ...b, data_offsets: [12, 16] } }, new Uint8Array(16)), /at byte 12/],
    ["a hole at the front", fileOf({ b }, twelve), /at byte 8 of its numbers and not at 0/],
    ["a range backwards", fileOf({ a: { ...a, data_offsets: [8, 0] } }, twelve), /shape \[2\] in -8 bytes/],
    ["a shape of another size", fileOf({ a: { ...a, shape: [3] }, b }, twelve), /shape \[3\] in 8 bytes/],
    [
      "a side that is null",
      fileOf({ a: { ...a, shape: [null] } }, twelve),
      /without a dtype, shape and range/,
    ],
    ["a side that is negative", fileOf({ a: { ...a, shape: [-2] } }, twelve), /without a dtype/],
    ["a side that is no whole number", fileOf({ a: { ...a, shape: [1.5] } }, twelve), /without a dtype/],
    [
      "a side that is infinite",
      fileOf('{"a":{"dtype":"F32","shape":[1e400],"data_offsets":[0,8]}}', twelve),
      /without/,
    ],
    [
      "sides whose product is",
      fileOf({ a: { ...a, shape: new Array(40).fill(2 ** 50) } }, twelve),
      /in 8 bytes/,
    ],
    ["no range", fileOf({ a: { dtype: "F32", shape: [2] } }, twelve), /without a dtype/],
  ];
  it.each(damaged)("of %s is refused in one line", (_what, bytes, says) => {
    const message = refusal(bytes);
    expect(message).toMatch(says);
    expect(message).toMatch(/^m\.safetensors has|^m\.safetensors is/);
  });

  it("of another type of numbers is refused by name", () => {
    expect(refusal(fileOf({ a: { ...a, dtype: "BF16", shape: [4] } }, new Uint8Array(8)))).toMatch(
      /tensor "a" of type "BF16", and only F32 is read: convert/,
    );
  });

  it.each([
    ["two tensors of one name", ["x", "x"], 1],
    ["the name of the metadata", ["__metadata__"], 1],
    ["too few numbers", ["x"], 2],
  ])("is not written with %s", (_what, names, side) => {
    const values = new Float32Array(1);
    const tensors = names.map((name) => ({ name, shape: [side], values }));
    expect(() => encodeSafetensors({ tensors, metadata: {} })).toThrow(InvalidModel);
  });

  it("is not written with a header over the limit", () => {
    const metadata = { long: "x".repeat(MAX_SAFETENSORS_HEADER_BYTES) };
    expect(() => encodeSafetensors({ tensors: [], metadata })).toThrow(/header.*limit/);
  });
});

const byName = ({ name: a }: { name: string }, { name: b }: { name: string }) => (a < b ? -1 : a > b ? 1 : 0);
