import { expect, it } from "vitest";
import { encodeFrame } from "../src/exchange/frame.js";
import { createMemoryTransports } from "../src/transports/memory.js";
import { frameOf, join, members, pattern } from "./support/network.js";
import { MAXIMUM_PAYLOAD_BYTES, transportTests } from "./support/transport-suite.js";

transportTests("memory", async () => {
  const [first, second, third] = createMemoryTransports(3, MAXIMUM_PAYLOAD_BYTES);
  return [first!, second!, third!];
});

transportTests("libp2p", async () => {
  const topology = await members(3);
  const at = (id: number, neighbours: number[]) =>
    join(topology, id, { neighbours, maximumPayloadBytes: MAXIMUM_PAYLOAD_BYTES });
  const transports = [await at(0, [1, 2]), await at(1, [0]), await at(2, [0])] as const;
  await Promise.all(transports.map((transport) => transport.ready()));
  return transports;
});

it("the memory transport counts the bytes of whole frames", () => {
  const [first, second] = createMemoryTransports(2, 100);
  const frames = [frameOf(0, pattern(92)), frameOf(1, pattern(0))];
  for (const frame of frames) first!.send(1, frame);
  const bytes = frames.reduce((sum, frame) => sum + encodeFrame(frame).length, 0);
  const none = { bytesSent: 0, bytesReceived: 0, messagesSent: 0, messagesReceived: 0 };
  expect(first!.traffic(1)).toEqual({ ...none, bytesSent: bytes, messagesSent: 2 });
  expect(second!.traffic(0)).toEqual({ ...none, bytesReceived: bytes, messagesReceived: 2 });
});
