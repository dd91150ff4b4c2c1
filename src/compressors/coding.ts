/** What the compressors share that send whole numbers as codes: as they are, or coded by how often each byte of them occurs. */
import { z } from "zod";
import type { Bytes, VectorSpace } from "../vectors/vector.js";
import { requireCodes } from "./ranges.js";

export const codingSettings = {
  coding: z
    .enum(["fixed", "entropy"])
    .default("fixed")
    .describe("entropy: codes take fewer bits the more often they occur; smaller and slower"),
};

/** Working room of the entropy coder, in bytes. */
const TABLE_BYTES = 1 << 13;
/** Fewest bytes that entropy coding takes: 32 of presence, one frequency and four states. */
const FEWEST_CODED_BYTES = 50;

interface CodingContext {
  readonly name: string;
  readonly headerBytes: number;
  readonly codeBytes: number;
  readonly space: VectorSpace;
}

/** How codes follow the headers in a payload. */
export interface Coding {
  /** Bytes of a payload. */
  readonly minimum: number;
  readonly maximum: number;
  /** Where codes are written before they are coded: an address. */
  plainCodes(payload: Bytes): number;
  /** Codes what was written there. @returns the payload, cut to its length */
  encode(payload: Bytes): Bytes;
  /** Address of the plain codes of a payload. @throws MalformedPayload for what `encode` never makes */
  decode(payload: Bytes): number;
}

/** @param settings of `codingSettings` */
export function createCoding({ coding }: { coding: "fixed" | "entropy" }, context: CodingContext): Coding {
  return coding === "entropy" ? entropyCoding(context) : fixedCoding(context);
}

/** Codes as they are. */
function fixedCoding({ headerBytes, codeBytes }: CodingContext): Coding {
  const plainCodes = (payload: Bytes) => payload.byteOffset + headerBytes;
  return {
    minimum: headerBytes + codeBytes,
    maximum: headerBytes + codeBytes,
    plainCodes,
    encode: (payload) => payload,
    decode: plainCodes,
  };
}

/** After a byte that says so, codes coded by their frequencies, or as they are where that is not shorter. */
function entropyCoding({ name, headerBytes, codeBytes, space }: CodingContext): Coding {
  const { kernels } = space;
  const start = headerBytes + 1;
  const plain = space.bytes(codeBytes);
  const table = space.bytes(TABLE_BYTES).byteOffset;
  return {
    minimum: start + Math.min(codeBytes, FEWEST_CODED_BYTES),
    maximum: start + codeBytes,
    plainCodes: () => plain.byteOffset,
    encode(payload) {
      const to = payload.byteOffset + start;
      const end = kernels.entropyEncode(plain.byteOffset, codeBytes, to, codeBytes - 1, table) >>> 0;
      payload[headerBytes] = end ? 1 : 0;
      if (end) return payload.subarray(0, end - payload.byteOffset);
      payload.set(plain, start);
      return payload;
    },
    decode(payload) {
      const codes = payload.byteOffset + start;
      const size = payload.length - start;
      if (payload[headerBytes] === 0) {
        requireCodes(name, size === codeBytes);
        return codes;
      }
      requireCodes(name, payload[headerBytes] === 1);
      requireCodes(name, kernels.entropyDecode(codes, codes + size, plain.byteOffset, codeBytes, table));
      return plain.byteOffset;
    },
  };
}
