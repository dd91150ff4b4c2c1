/** Copies of a peer's payloads in memory that is used again. */
import type { Frame } from "../exchange/frame.js";

export interface PayloadCopies {
  /**
   * The frame with a payload of its own, which halves of one step to several neighbours share.
   * @returns it with what a receiver calls once it has read it
   */
  take(frame: Frame): { readonly frame: Frame; free(): void };
}

interface Copy {
  readonly memory: Uint8Array;
  /** As much of the memory as the payload takes. */
  payload: Uint8Array;
  /** Whose copy it is. */
  of: Frame;
  readers: number;
}

export function createPayloadCopies(): PayloadCopies {
  const unused: Copy[] = [];
  let last: Copy | undefined;
  const free = (copy: Copy): void => {
    if (--copy.readers > 0) return;
    if (copy === last) last = undefined;
    unused.push(copy);
  };
  const copyOf = (frame: Frame): Copy => {
    if (last && isSameStep(last.of, frame)) return last;
    const { payload } = frame;
    let copy = unused.pop();
    if (!copy || copy.memory.length < payload.length) {
      const memory = new Uint8Array(payload.length);
      copy = { memory, payload: memory, of: frame, readers: 0 };
    }
    if (copy.payload.length !== payload.length) copy.payload = copy.memory.subarray(0, payload.length);
    copy.payload.set(payload);
    copy.of = frame;
    last = copy;
    return copy;
  };
  return {
    take(frame) {
      const copy = copyOf(frame);
      copy.readers++;
      const { kind, round, step, exchange, halvings, notice } = frame;
      return {
        frame: {
          ...{ kind, round, step, exchange, payload: copy.payload },
          ...(halvings && { halvings }),
          ...(notice && { notice: notice.slice() }),
        },
        free: () => free(copy),
      };
    },
  };
}

/** Whether two frames are halves of one step with one payload. */
function isSameStep(a: Frame, b: Frame): boolean {
  return (
    a.payload === b.payload &&
    a.round === b.round &&
    a.step === b.step &&
    a.exchange === b.exchange &&
    a.kind === b.kind
  );
}
