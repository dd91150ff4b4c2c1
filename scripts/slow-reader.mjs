// A reader that sleeps ten seconds in the middle of a 100 MB frame, in a process of its own, over TCP: nobody may
// reset, and the memory of both ends must stay within 64 MiB above what they had before and the model. Needs a
// build. The last line is JSON; exits with 1 when it does not hold.
//
//     node scripts/slow-reader.mjs [mplex|yamux]
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createLibp2pTransport, generateIdentity } from "../dist/transports/libp2p/index.js";

const MODEL_BYTES = 100_000_000;
const SLEEP_MS = 10_000;
const ALLOWED_BYTES = 64 * 1024 * 1024;
const muxer = process.argv[2] ?? "mplex";

const join = (id, identities, dial, events) =>
  createLibp2pTransport({
    id,
    privateKey: identities[id].privateKey,
    peers: identities.map(({ peerId }, peer) => ({ id: peer, peerId, dial: peer === 1 ? dial : [] })),
    neighbours: [1 - id],
    listen: id === 1 ? ["/ip4/127.0.0.1/tcp/0"] : [],
    fingerprint: {},
    maximumPayloadBytes: MODEL_BYTES,
    muxers: [muxer],
    report: ({ kind }) => events.push(kind),
  });
const peakBytes = () => process.resourceUsage().maxRSS * 1024;

if (process.send) {
  process.once("message", async (identities) => {
    const events = [];
    const transport = await join(1, identities, [], events);
    process.send(transport.addresses[0]);
    await transport.ready();
    const before = peakBytes();
    let slept = 0;
    const watch = () => {
      if (transport.traffic(0).bytesReceived < MODEL_BYTES / 2) return setImmediate(watch);
      const started = performance.now();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SLEEP_MS);
      slept = performance.now() - started;
    };
    watch();
    const { frame } = await transport.next();
    const isWhole = frame.payload.length === MODEL_BYTES && frame.payload.every((byte) => byte === 7);
    const aboveModelBytes = peakBytes() - before - MODEL_BYTES;
    process.send({ events, slept, isWhole, aboveModelBytes }, () => {});
    while ((await transport.next()).kind !== "closed");
    await transport.close();
    process.exit(0);
  });
} else {
  const identities = await Promise.all([generateIdentity(), generateIdentity()]);
  const reader = fork(fileURLToPath(import.meta.url), [muxer], { serialization: "advanced" });
  const answer = () => new Promise((resolve) => reader.once("message", resolve));
  reader.send(identities);
  const events = [];
  const transport = await join(0, identities, [await answer()], events);
  await transport.ready();
  const payload = new Uint8Array(MODEL_BYTES).fill(7);
  const before = peakBytes();
  const answered = answer();
  transport.send(1, { kind: "learning", round: 0, step: 0, exchange: 0, payload });
  const acknowledged = await transport.next();
  const senderAboveModelBytes = peakBytes() - before;
  const { slept, isWhole, aboveModelBytes, events: theirs } = await answered;
  const resets = [...events, ...theirs].filter((kind) => kind === "disconnected").length;
  const holds =
    isWhole &&
    acknowledged.kind === "acknowledged" &&
    resets === 0 &&
    slept >= SLEEP_MS - 1 &&
    Math.max(aboveModelBytes, senderAboveModelBytes) <= ALLOWED_BYTES;
  reader.kill();
  await transport.close();
  console.log(
    JSON.stringify({
      muxer,
      sleptMs: Math.round(slept),
      isWhole,
      resets,
      senderAboveModelMiB: Math.round(senderAboveModelBytes / 2 ** 20),
      readerAboveModelMiB: Math.round(aboveModelBytes / 2 ** 20),
      holds,
    }),
  );
  process.exit(holds ? 0 : 1);
}
