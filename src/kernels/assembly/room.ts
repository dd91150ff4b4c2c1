// Where kernels keep what they must remember within a call. Threads on one memory have a room each: static data other than
// constants would be everybody's.

/** Bytes of a room. */
export const ROOM_BYTES: usize = 64 * 65;

let start: usize = 0;

@inline
export function room(): usize {
  return start;
}

/** Gives this instance its room, at a multiple of 64. */
export function workIn(address: usize): void {
  start = address;
}
