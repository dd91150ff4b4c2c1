import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeFrame,
  encodeFrame,
  FRAME_HEADER_BYTES,
  type Frame,
  frameBytes,
  frameKinds,
  MAX_HALVINGS,
  MAX_NOTICE_BYTES,
  MAX_ROUND,
  MAX_STEPS,
} from "../src/exchange/frame.js";
import { MalformedFrame } from "../src/foundation/errors.js";
import { expectError } from "./support/errors.js";

const frames = fc.record<Frame>(
  {
    kind: fc.constantFrom(...frameKinds),
    round: fc.integer({ min: 0, max: MAX_ROUND }),
    step: fc.integer({ min: 0, max: MAX_STEPS - 1 }),
    exchange: fc.integer({ min: 0, max: MAX_ROUND }),
    payload: fc.uint8Array({ maxLength: 64 }),
    halvings: fc.integer({ min: 1, max: MAX_HALVINGS }),
    notice: fc.uint8Array({ minLength: 1, maxLength: 64 }),
  },
  { requiredKeys: ["kind", "round", "step", "exchange", "payload"] },
);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

describe("a frame", () => {
  it("has these bytes", () => {
    const payload = Uint8Array.of(0xab, 0xcd);
    const learning = { kind: "learning", round: 0x01020304, step: 5, exchange: 0x0a0b0c0d, payload } as const;
    expect(hex(encodeFrame(learning))).toBe("03010500" + "04030201" + "0d0c0b0a" + "abcd");
    const closing = { kind: "closing", round: 7, step: 0, exchange: 8, payload: new Uint8Array() } as const;
    expect(hex(encodeFrame(closing))).toBe("03020000" + "07000000" + "08000000");
    const notice = Uint8Array.of(0xee, 0xff, 0x11);
    const welcome = { kind: "welcome", round: 1, step: 2, exchange: 3, payload, notice } as const;
    const lowered = { ...learning, halvings: MAX_HALVINGS };
    expect(hex(encodeFrame(lowered))).toBe("0301051e" + "04030201" + "0d0c0b0a" + "abcd");
    expect(hex(encodeFrame(welcome))).toBe(
      "03030201" + "01000000" + "03000000" + "03000000" + "eeff11" + "abcd",
    );
  });

  it("is what was sent", () => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(decodeFrame(encodeFrame(frame), 64)).toEqual(frame);
        expect(encodeFrame(frame)).toHaveLength(frameBytes(frame));
      }),
    );
  });

  it("decodes to a frame that re-encodes to the same bytes, or throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 32 }), (bytes) => {
        let frame: Frame;
        try {
          frame = decodeFrame(bytes, 16);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrame);
          return;
        }
        expect(encodeFrame(frame)).toEqual(bytes);
        expect(frame.payload.length).toBeLessThanOrEqual(16);
      }),
      { numRuns: 2000 },
    );
  });

  it("is refused when too short, of another version, of no kind, or too long, with the reason", () => {
    const good = encodeFrame({
      kind: "learning",
      round: 1,
      step: 0,
      exchange: 1,
      payload: new Uint8Array(5),
    });
    const noticed = (length: number) =>
      encodeFrame({
        ...{ kind: "learning", round: 1, step: 0, exchange: 1 },
        payload: new Uint8Array(0),
        notice: new Uint8Array(length),
      });
    const changed = (at: number, value: number) => good.map((byte, k) => (k === at ? value : byte));
    const cases: [Uint8Array, number, string][] = [
      [good.subarray(0, FRAME_HEADER_BYTES - 1), 5, "frame-truncated"],
      [changed(0, 1), 5, "frame-version"],
      [changed(1, 9), 5, "frame-header"],
      [changed(3, 2 * MAX_HALVINGS + 2), 5, "frame-header"],
      [changed(3, 1), 5, "frame-notice"],
      [noticed(MAX_NOTICE_BYTES + 1), 0, "frame-notice"],
      [noticed(MAX_NOTICE_BYTES).subarray(0, -1), 0, "frame-notice"],
      [good, 4, "frame-payload-length"],
    ];
    for (const [bytes, limit, code] of cases) {
      expectError(() => decodeFrame(bytes, limit), MalformedFrame, { code });
    }
    expect(decodeFrame(good, 5).payload.length).toBe(5);
    expect(decodeFrame(noticed(MAX_NOTICE_BYTES), 0).notice?.length).toBe(MAX_NOTICE_BYTES);
  });
});
