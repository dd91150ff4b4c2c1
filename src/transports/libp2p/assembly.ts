/**
 * Puts frames together from their pieces. A frame's memory is taken once, when its announced length has been checked;
 * its pieces are copied there as they arrive. Memory of released frames is used again: new memory of this size costs
 * as much as what is copied there.
 */

import { FRAME_HEADER_BYTES, MAX_HEADER_BYTES } from "../../exchange/frame.js";
import { MalformedFrame } from "../../foundation/errors.js";
import { MAX_PIECE_BODY_BYTES } from "./messages.js";

export interface FrameMemory {
  take(length: number): Uint8Array<ArrayBuffer>;
  giveBack(memory: ArrayBuffer): void;
}

/** @param most buffers that are kept for later frames */
export function createFrameMemory(most: number): FrameMemory {
  const spare: ArrayBuffer[] = [];
  return {
    take(length) {
      const index = spare.findIndex(({ byteLength }) => byteLength >= length);
      const [memory] = index < 0 ? [] : spare.splice(index, 1);
      return new Uint8Array(memory ?? new ArrayBuffer(length), 0, length);
    },
    giveBack(memory) {
      // The newest has the size that is in use now.
      if (spare.unshift(memory) > most) spare.pop();
    },
  };
}

export interface Assembly {
  /** @throws MalformedFrame another frame is not complete, or no frame has this length */
  begin(length: number): void;
  /** @throws MalformedFrame no piece of this length is due */
  piece(length: number): void;
  /** Takes bytes of a piece. @returns the whole frame once it is complete */
  add(part: Uint8Array): Uint8Array<ArrayBuffer> | undefined;
  /** Gives up an incomplete frame. */
  abandon(): void;
}

export function createAssembly(maximumPayloadBytes: number, memory: FrameMemory): Assembly {
  const maximumFrameBytes = MAX_HEADER_BYTES + maximumPayloadBytes;
  let frame: Uint8Array<ArrayBuffer> | undefined;
  let filled = 0;
  return {
    begin(length) {
      if (frame)
        throw new MalformedFrame(`frame begins after ${filled} of ${frame.length} bytes of another`, {
          code: "frame-inside-frame",
        });
      if (length < FRAME_HEADER_BYTES || length > maximumFrameBytes) {
        throw new MalformedFrame(
          `frame of ${length} bytes announced; this model's have ${FRAME_HEADER_BYTES} to ${maximumFrameBytes}`,
          { code: "frame-length" },
        );
      }
      frame = memory.take(length);
      filled = 0;
    },
    piece(length) {
      if (!frame) throw new MalformedFrame("piece of no frame", { code: "piece-without-frame" });
      const due = Math.min(MAX_PIECE_BODY_BYTES, frame.length - filled);
      if (length !== due)
        throw new MalformedFrame(`piece of ${length} bytes where one of ${due} is due`, {
          code: "piece-length",
        });
    },
    add(part) {
      frame!.set(part, filled);
      filled += part.length;
      if (filled < frame!.length) return undefined;
      const complete = frame;
      frame = undefined;
      return complete;
    },
    abandon() {
      if (frame) memory.giveBack(frame.buffer);
      frame = undefined;
    },
  };
}
