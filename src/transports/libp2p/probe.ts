/**
 * Asks a peer what it runs, without taking part: on a stream of a protocol of its own, the other end sends its hello
 * and closes. The edge is not affected, so a probe may run at any time.
 */
import type { Libp2p, Stream } from "@libp2p/interface";
import type { Clock } from "../../foundation/clock.js";
import { createChannel } from "./channel.js";
import { helloOf, type Self } from "./handshake.js";
import type { Hello } from "./hello.js";
import { MAX_STREAMS_PER_CONNECTION, PROTOCOL } from "./limits.js";
import { seconds } from "./reasons.js";

export const PROBE_PROTOCOL = `${PROTOCOL}/probe`;

/** From now on neighbours may ask. The node refuses everybody else's connections. */
export async function answerProbes(node: Libp2p, clock: Clock, self: Self): Promise<void> {
  const answer = (stream: Stream) => {
    const channel = createChannel(stream, clock);
    channel.sendHello(helloOf(self, 0));
    // The hello is sent before the stream closes; the asking end aborts as soon as it has it.
    void stream.close().catch(() => {});
  };
  await node.handle(PROBE_PROTOCOL, answer, { maxInboundStreams: MAX_STREAMS_PER_CONNECTION });
}

/** The other end's hello. Rejects with the reason when none arrives in time. */
export async function askHello(stream: Stream, clock: Clock, deadlineMs: number): Promise<Hello> {
  const channel = createChannel(stream, clock);
  const cancel = clock.after(deadlineMs, () => channel.abort(`no hello within ${seconds(deadlineMs)}`));
  try {
    return await channel.hello;
  } finally {
    cancel();
    channel.abort("the probe is complete");
  }
}
