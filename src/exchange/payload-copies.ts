/** Copies of a peer's payloads, in memory that is used again. */
import { ALIGNMENT, type Bytes } from "../vectors/vector.js";

export interface PayloadCopy {
  readonly payload: Bytes;
  /** One more reader; who made it is the first. */
  hold(): void;
  /** A reader needs it no longer. After the last one its memory is another copy's. */
  drop(): void;
}

/** @returns a function that copies payloads */
export function createPayloadCopies(): (payload: Bytes) => PayloadCopy {
  const unused: Copy[] = [];
  return (payload) => {
    const copy = unused.pop() ?? createCopy(unused);
    copy.fill(payload);
    return copy;
  };
}

interface Copy extends PayloadCopy {
  fill(payload: Bytes): void;
}

function createCopy(unused: Copy[]): Copy {
  let memory = new Uint8Array(0);
  let readers = 0;
  const copy = {
    payload: memory,
    hold() {
      readers++;
    },
    drop() {
      if (--readers === 0) unused.push(copy);
    },
    fill(payload: Bytes) {
      readers = 1;
      const { length } = payload;
      // Room for payloads that are a little longer, as those of entropy coders are.
      if (memory.length < length) memory = new Uint8Array(length + ALIGNMENT);
      if (copy.payload.length !== length) copy.payload = memory.subarray(0, length);
      copy.payload.set(payload);
    },
  };
  return copy;
}
