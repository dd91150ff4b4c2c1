import { expect, it } from "vitest";
import { encodeFrame } from "../src/exchange/frame.js";
import type { Transport } from "../src/exchange/transport.js";
import { quiescence } from "../src/foundation/clock.js";
import { createVirtualClock } from "../src/foundation/virtual-clock.js";
import { createMemoryTransports } from "../src/transports/memory.js";
import { createSimulatedNetwork } from "../src/transports/simulated/network.js";
import { parseNetwork } from "../src/transports/simulated/settings.js";
import { frameOf, join, members, pattern } from "./support/network.js";
import { MAXIMUM_PAYLOAD_BYTES, transportTests } from "./support/transport-suite.js";

transportTests("memory", async () => {
  const [first, second, third] = createMemoryTransports(3, MAXIMUM_PAYLOAD_BYTES);
  return [first!, second!, third!];
});

/** Links that take their time, and that their peers share. */
const slowLinks = {
  ...{ bandwidth: "100 Mbit/s", uplink: "150 Mbit/s", latencyMs: 5, jitterMs: 20, redialMs: 10 },
  edges: [{ between: [0, 2], latencyMs: 1, jitterMs: 0 }],
};

/** The suite knows nothing of clocks: here time moves whenever it has come to rest. */
async function simulated(settings: object) {
  const clock = createVirtualClock();
  const network = createSimulatedNetwork({
    ...{ clock, settings: parseNetwork(settings), maximumPayloadBytes: MAXIMUM_PAYLOAD_BYTES },
    neighbours: [[{ peer: 1 }, { peer: 2 }], [{ peer: 0 }], [{ peer: 0 }]],
  });
  const open = new Set<Transport>();
  const endpoint = (id: number): Transport => {
    const inner = network.endpoint(id);
    open.add(inner);
    const close = () => {
      open.delete(inner);
      return inner.close();
    };
    return { ...inner, close };
  };
  const transports = [endpoint(0), endpoint(1), endpoint(2)] as const;
  const move = async () => {
    while (open.size > 0) {
      await clock.step();
      await quiescence();
    }
  };
  void move();
  return transports;
}
transportTests("simulated", () => simulated(slowLinks));
transportTests("simulated and unsteady", () => simulated({ ...slowLinks, connectionLoss: 0.1 }), true);

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
