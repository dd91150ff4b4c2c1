import { bytes, floats, orderedSum, sumOfMagnitudes } from "./vector.js";

/**
 * Three levels: −scale, 0 and scale. A range of `length` numbers is cut into blocks of `block`; the payload
 * is a float32 scale per block, then the blocks' codes. A block of n numbers takes m = ⌈n / 5⌉ bytes, and
 * byte j holds numbers j, j + m, … , j + 4m as base-3 digits, lowest first: 0 for −scale, 1 for 0, 2 for
 * scale. Numbers that do not exist count as 0, and no byte exceeds 242.
 *
 * A number is sent when its magnitude is at least `share` of the block's mean magnitude; the scale is the
 * mean magnitude of those that are.
 */
export interface TernaryKernels {
  /** Writes the scales and the codes of `v` and leaves the error in `v`. */
  ternarySqueeze(
    v: number,
    length: number,
    block: number,
    share: number,
    scales: number,
    codes: number,
  ): void;
  /** out += factor · C(v), from scales and codes. */
  ternaryAddTo(
    out: number,
    length: number,
    block: number,
    scales: number,
    codes: number,
    factor: number,
  ): void;
  /** 1 when each of `count` bytes is at most 242, else 0. */
  ternaryCheck(codes: number, count: number): number;
}

const TRITS = 5;

export function ternaryKernels(buffer: ArrayBuffer): TernaryKernels {
  const view = new DataView(buffer);

  /** Calls `visit` with every block: its first number, count, and where its scale and codes lie. */
  function forEachBlock(
    length: number,
    block: number,
    scales: number,
    firstCodes: number,
    visit: (start: number, count: number, header: number, codes: Uint8Array) => void,
  ) {
    let header = scales >>> 0;
    let codes = firstCodes >>> 0;
    for (let start = 0; start < length; start += block) {
      const count = Math.min(block, length - start);
      const plane = Math.ceil(count / TRITS);
      visit(start, count, header, bytes(buffer, codes, plane));
      header += 4;
      codes += plane;
    }
  }

  return {
    ternarySqueeze(v, length, block, share, scales, firstCodes) {
      forEachBlock(length, block, scales, firstCodes, (start, count, header, codes) => {
        const a = floats(buffer, v + 4 * start, count);
        const magnitude = (k: number) => Math.abs(a[k]!);
        const threshold = Math.fround(share * (sumOfMagnitudes(a) / count));
        const selected = (k: number) => magnitude(k) >= threshold;
        const total = orderedSum(count, (k) => (selected(k) ? magnitude(k) : 0));
        const scale = Math.fround(total / Array.from(a.keys()).filter(selected).length);
        view.setFloat32(header, scale, true);
        codes.fill(1 + 3 + 9 + 27 + 81);
        for (let k = 0; k < count; k++) {
          if (!selected(k)) continue;
          const sign = a[k]! < 0 ? -1 : 1;
          codes[k % codes.length]! += sign * 3 ** Math.floor(k / codes.length);
          a[k] = a[k]! - sign * scale;
        }
      });
    },
    ternaryAddTo(out, length, block, scales, firstCodes, factor) {
      forEachBlock(length, block, scales, firstCodes, (start, count, header, codes) => {
        const o = floats(buffer, out + 4 * start, count);
        const term = Math.fround(Math.fround(factor) * view.getFloat32(header, true));
        for (let k = 0; k < count; k++) {
          const trit = Math.floor(codes[k % codes.length]! / 3 ** Math.floor(k / codes.length)) % 3;
          o[k]! += Math.fround(term * (trit - 1));
        }
      });
    },
    ternaryCheck(codes, count) {
      return bytes(buffer, codes, count).every((code) => code <= 242) ? 1 : 0;
    },
  };
}
