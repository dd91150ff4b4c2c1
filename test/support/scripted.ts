import type { Frame } from "../../src/exchange/frame.js";
import { noTraffic, type Transport } from "../../src/exchange/transport.js";
import { createEventQueue } from "../../src/transports/event-queue.js";

/** A transport whose neighbours are played by a test. */
export function scripted() {
  const queue = createEventQueue();
  const refused: [number, string][] = [];
  /** What a neighbour does when a frame is sent to it. */
  const answers: { sent?: (to: number, frame: Frame) => void } = {};
  const transport: Transport = {
    send: (to, frame) => answers.sent?.(to, frame),
    listen: queue.listen,
    refuse: (peer, reason) => refused.push([peer, reason]),
    traffic: noTraffic,
    async close() {
      queue.close();
    },
  };
  return {
    transport,
    queue,
    refused,
    answers,
    arrives: (peer: number, frame: Frame) => queue.put({ kind: "frame", peer, frame, release() {} }),
    acknowledges: (peer: number) => queue.put({ kind: "acknowledged", peer }),
  };
}

/** The payload of an exact algorithm. */
export const numbers = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
