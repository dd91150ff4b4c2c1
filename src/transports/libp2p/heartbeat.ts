/**
 * What a ping carries: what its sender does, and the chain of peers that it waits for. For each of them 9 bytes, numbers
 * little-endian:
 *
 *     bytes 0–3   peer, uint32; the first is the sender
 *     byte 4      what it does, a place in `activityNames`
 *     bytes 5–8   for how long, in milliseconds, uint32
 *
 * All but the last wait, and no peer is there twice. An empty ping says nothing.
 */
import { type Activity, activityNames, type Chain, MAX_CHAIN, type Waiter } from "../../exchange/waiting.js";
import { MalformedFrame } from "../../foundation/errors.js";

const WAITER_BYTES = 9;
/** Longest body of a ping. */
export const MAX_HEARTBEAT_BYTES = WAITER_BYTES * MAX_CHAIN;

const MAX_UINT32 = 2 ** 32 - 1;

/** @param chain of at most MAX_CHAIN peers */
export function encodeHeartbeat(chain: Chain): Uint8Array {
  const bytes = new Uint8Array(WAITER_BYTES * chain.length);
  const view = new DataView(bytes.buffer);
  for (const [place, { peer, activity, forMs }] of chain.entries()) {
    const start = WAITER_BYTES * place;
    view.setUint32(start, peer, true);
    view.setUint8(start + 4, activityNames.indexOf(activity));
    view.setUint32(start + 5, Math.min(MAX_UINT32, Math.max(0, Math.round(forMs))), true);
  }
  return bytes;
}

/**
 * @returns undefined for an empty body
 * @throws MalformedFrame
 */
export function decodeHeartbeat(bytes: Uint8Array): Chain | undefined {
  if (bytes.length > MAX_HEARTBEAT_BYTES || bytes.length % WAITER_BYTES !== 0)
    throw malformed(`has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const chain: Waiter[] = [];
  for (let start = 0; start < bytes.length; start += WAITER_BYTES) {
    const activity: Activity | undefined = activityNames[view.getUint8(start + 4)];
    if (activity === undefined) throw malformed(`has activity ${view.getUint8(start + 4)}`);
    const isLast = start + WAITER_BYTES === bytes.length;
    if (!isLast && activity !== "waiting") throw malformed("goes on after a peer that does not wait");
    const peer = view.getUint32(start, true);
    if (chain.some((waiter) => waiter.peer === peer)) throw malformed(`names peer ${peer} twice`);
    chain.push({ peer, activity, forMs: view.getUint32(start + 5, true) });
  }
  const [first, ...others] = chain;
  return first && [first, ...others];
}

function malformed(what: string): MalformedFrame {
  return new MalformedFrame(`heartbeat ${what}`, { code: "heartbeat-not-valid" });
}

/** What one edge carries beside frames. */
export interface Pulse {
  /** What this peer does; undefined where it does not say. */
  send(): Chain | undefined;
  /** What the neighbour does. @throws MalformedFrame it speaks for another peer */
  received(chain: Chain): void;
  /** The neighbour needs nothing more. */
  done(): void;
}
