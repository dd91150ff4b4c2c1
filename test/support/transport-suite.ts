import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { Frame } from "../../src/exchange/frame.js";
import { MAX_UNRELEASED_FRAMES, type Transport } from "../../src/exchange/transport.js";
import { InvalidTopology, MalformedFrame } from "../../src/foundation/errors.js";
import { type EdgeEvents, readEvents } from "./edge-events.js";

/** Longest payload in bytes that the transports of a setup take. */
export const MAXIMUM_PAYLOAD_BYTES = 200_000;

/**
 * Three connected peers, by id: 0 has edges to 1 and 2. Each takes payloads of up to {@link MAXIMUM_PAYLOAD_BYTES}.
 */
export type TransportSetup = () => Promise<readonly [Transport, Transport, Transport]>;

/**
 * The contract of `Transport`, for every implementation.
 *
 * @param losesConnections whether connections break by themselves, so that bytes that were sent do not all arrive
 */
export function transportTests(name: string, setup: TransportSetup, losesConnections = false): void {
  describe(`the ${name} transport`, () => {
    const open: Transport[] = [];
    const connect = async () => {
      const transports = await setup();
      open.push(...transports);
      return transports;
    };
    afterEach(async () => {
      await Promise.all(open.splice(0).map((transport) => transport.close()));
    });

    it("delivers the frames of an edge once, in order, and acknowledges each in order", async () => {
      const [own, ...others] = await connect();
      const events = readEvents(own);
      const theirs = others.map(readEvents);
      const sizes = [0, 1, 70_000, 3, MAXIMUM_PAYLOAD_BYTES, 2];
      for (const [k, size] of sizes.entries()) {
        others[0]!.send(0, frameOf(k, size, 1));
        own.send(1, frameOf(k, size, 2));
        others[1]!.send(0, frameOf(k, size, 3));
      }
      const received = new Map([1, 2].map((from) => [from, [] as Frame[]]));
      for (let k = 0; k < 2 * sizes.length; k++) {
        const { from, frame } = await events.receive();
        received.get(from)!.push(frame);
      }
      for (const [k, size] of sizes.entries()) {
        expectEqual(received.get(1)![k]!, frameOf(k, size, 1));
        expectEqual(received.get(2)![k]!, frameOf(k, size, 3));
      }
      for (const [k, size] of sizes.entries()) {
        expectEqual((await theirs[0]!.receive()).frame, frameOf(k, size, 2));
        expect(await events.next("acknowledged")).toEqual({ kind: "acknowledged", peer: 1 });
        for (const each of theirs) {
          expect(await each.next("acknowledged")).toEqual({ kind: "acknowledged", peer: 0 });
        }
      }
      await Promise.all(open.map((transport) => transport.close()));
      const counts = (each: EdgeEvents, kind: string) =>
        each.seen.filter((event) => event.kind === kind).length;
      expect(counts(events, "frame")).toBe(2 * sizes.length);
      expect(counts(events, "acknowledged")).toBe(sizes.length);
      expect(theirs.map((each) => counts(each, "frame"))).toEqual([sizes.length, 0]);
      expect(theirs.map((each) => counts(each, "acknowledged"))).toEqual([sizes.length, sizes.length]);
    });

    it("carries every field of a frame", async () => {
      const [own, other] = await connect();
      const [events, theirs] = [readEvents(own), readEvents(other)];
      const frames = fc.record<Frame>({
        kind: fc.constantFrom("learning", "closing"),
        round: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        step: fc.integer({ min: 0, max: 255 }),
        exchange: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        payload: fc.uint8Array({ maxLength: 64 }),
      });
      await fc.assert(
        fc.asyncProperty(frames, async (frame) => {
          other.send(0, frame);
          expect(await events.receive()).toEqual({ from: 1, frame });
          await theirs.next("acknowledged");
        }),
        { numRuns: 20 },
      );
    });

    it("lets the sender overwrite a payload once it is acknowledged; the receiver has it as it was sent", async () => {
      const [own, other] = await connect();
      const [events, theirs] = [readEvents(own), readEvents(other)];
      const { payload, ...header } = frameOf(0, 100_000, 5);
      const sent = payload.slice();
      other.send(0, { ...header, payload: sent });
      await theirs.next("acknowledged");
      expect(Buffer.compare(sent, payload)).toBe(0);
      sent.fill(0);
      const { frame } = await events.next("frame");
      expectEqual(frame, { ...header, payload });
    });

    it(`acknowledges no more than ${MAX_UNRELEASED_FRAMES} frames while none is released, and the rest after releases`, async () => {
      const [own, other, third] = await connect();
      const [events, theirs] = [readEvents(own), readEvents(other)];
      const frames = 3 * MAX_UNRELEASED_FRAMES;
      for (let k = 0; k < frames; k++) other.send(0, frameOf(k, 1000, 1));
      const held = [];
      for (let k = 0; k < MAX_UNRELEASED_FRAMES; k++) {
        held.push(await events.next("frame"));
        await theirs.next("acknowledged");
      }
      // Another edge is not held up, and its frames pass after whatever was on its way.
      for (let k = 0; k < 10; k++) {
        third.send(0, frameOf(k, 1000, 2));
        const event = await events.next("frame");
        expect(event.peer).toBe(2);
        event.release();
      }
      const acknowledged = () => theirs.seen.filter(({ kind }) => kind === "acknowledged").length;
      expect(acknowledged()).toBe(MAX_UNRELEASED_FRAMES);
      expect(held.map(({ frame }) => frame)).toEqual([0, 1].map((k) => frameOf(k, 1000, 1)));
      for (let k = MAX_UNRELEASED_FRAMES; k < frames; k++) {
        const oldest = held.shift()!;
        oldest.release();
        // A second release makes no second room.
        oldest.release();
        const event = await events.next("frame");
        expect(event.frame).toEqual(frameOf(k, 1000, 1));
        held.push(event);
        expect(acknowledged()).toBeLessThanOrEqual(k + 1);
      }
      for (const { release } of held) release();
      for (let k = MAX_UNRELEASED_FRAMES; k < frames; k++) await theirs.next("acknowledged");
      expect(acknowledged()).toBe(frames);
    });

    it("counts the same traffic at both ends of an edge", async () => {
      const [own, other] = await connect();
      const [events, theirs] = [readEvents(own), readEvents(other)];
      expect(own.traffic(1)).toMatchObject({ messagesSent: 0, messagesReceived: 0 });
      for (let k = 0; k < 3; k++) {
        own.send(1, frameOf(k, 5000, 0));
        await Promise.all([theirs.receive(), events.next("acknowledged")]);
      }
      other.send(0, frameOf(3, 5000, 0));
      await Promise.all([events.receive(), theirs.next("acknowledged")]);
      const [ours, back] = [own.traffic(1), other.traffic(0)];
      expect(ours).toMatchObject({ messagesSent: 3, messagesReceived: 1 });
      expect(back).toMatchObject({ messagesSent: 1, messagesReceived: 3 });
      expect(ours.bytesSent).toBeGreaterThan(3 * 5000);
      if (losesConnections) expect(ours.bytesSent).toBeGreaterThanOrEqual(back.bytesReceived);
      else expect(ours.bytesSent).toBe(back.bytesReceived);
      if (!losesConnections) expect(ours.bytesReceived).toBe(back.bytesSent);
      expect(own.traffic(2)).toMatchObject({ messagesSent: 0, messagesReceived: 0 });
    });

    it("ends every wait with `closed`, once and for all, and may be closed twice", async () => {
      const [own, other] = await connect();
      const events = readEvents(own);
      await Promise.all([own.close(), own.close()]);
      expect(await events.next("closed")).toEqual({ kind: "closed" });
      await own.close();
      own.send(1, frameOf(0, 10, 0));
      other.send(0, frameOf(0, 10, 0));
      await Promise.all([other.close(), readEvents(other).next("closed")]);
      expect(events.seen).toEqual([{ kind: "closed" }]);
    });

    it("drops unread frames when it is closed", async () => {
      const [own, other] = await connect();
      const theirs = readEvents(other);
      other.send(0, frameOf(0, 10, 0));
      await theirs.next("acknowledged");
      await own.close();
      const events = readEvents(own);
      await events.next("closed");
      expect(events.seen).toEqual([{ kind: "closed" }]);
    });

    it("refuses to send to a stranger", async () => {
      const [own] = await connect();
      expect(() => own.send(7, frameOf(0, 10, 0))).toThrow(InvalidTopology);
    });

    it("never delivers a payload over the limit, and goes on with other edges", async () => {
      const [own, other, third] = await connect();
      const events = readEvents(own);
      try {
        other.send(0, frameOf(0, MAXIMUM_PAYLOAD_BYTES + 1, 0));
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedFrame);
      }
      third.send(0, frameOf(0, MAXIMUM_PAYLOAD_BYTES, 0));
      expect((await events.receive()).from).toBe(2);
      expect(events.seen.filter((event) => event.kind === "frame" && event.peer === 1)).toEqual([]);
    });
  });
}

/** Compares without the per-element work of `toEqual`. */
function expectEqual({ payload, ...header }: Frame, { payload: expected, ...other }: Frame): void {
  expect(header).toEqual(other);
  expect(Buffer.compare(payload, expected)).toBe(0);
}

/** A frame whose payload tells it from others. */
function frameOf(round: number, size: number, salt: number): Frame {
  const payload = Uint8Array.from({ length: size }, (_, k) => k * 31 + (k >> 8) + 7 * round + salt);
  return { kind: "learning", round, step: 0, exchange: round, payload };
}
