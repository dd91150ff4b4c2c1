/**
 * Asking a peer what it runs, without taking part: a stream of a protocol of its own, on which the other end
 * says its hello and closes. It changes nothing about the edge, so it may be asked at any time.
 */
import type { Libp2p, Stream } from "@libp2p/interface";
import type { Clock } from "../../clock.js";
import { createChannel } from "./channel.js";
import type { Hello } from "./hello.js";
import { MAX_STREAMS_PER_CONNECTION, PROTOCOL } from "./limits.js";
import { seconds } from "./reasons.js";

export const PROBE_PROTOCOL = `${PROTOCOL}/probe`;

/** From now on neighbours may ask; `allows` keeps everybody else away. */
export async function answerProbes(node: Libp2p, clock: Clock, hello: () => Hello): Promise<void> {
  const answer = (stream: Stream) => {
    const channel = createChannel(stream, clock);
    channel.sendHello(hello());
    // The hello is on its way before the stream is closed; the asking end leaves as soon as it has it.
    void stream.close().catch(() => {});
  };
  await node.handle(PROBE_PROTOCOL, answer, { maxInboundStreams: MAX_STREAMS_PER_CONNECTION });
}

/** What the other end says of itself. Rejects with the reason when it says nothing in time. */
export async function askHello(stream: Stream, clock: Clock, deadlineMs: number): Promise<Hello> {
  const channel = createChannel(stream, clock);
  const cancel = clock.after(deadlineMs, () => channel.abort(`no hello within ${seconds(deadlineMs)}`));
  try {
    return await channel.hello;
  } finally {
    cancel();
    channel.abort("that was all");
  }
}
