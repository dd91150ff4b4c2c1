// How fast frames go from one process to another over loopback: (a) raw TCP, (b) one raw libp2p stream, (c) our
// exchange, for three frame sizes on each muxer; then gossip-only rounds per second of a ring of eight processes
// at 1 M parameters and 1 bit. All run on nodes made alike, in processes set up as those of peers. Needs a build. The
// last line is JSON.
//
//     npm run -s bench:network [-- --casts 3] [--repeats 4] [--only 4000000] [--no-gossip]
//
// A cast is a fresh set of processes: how often one collects garbage settles early in its life and then stays, so
// that one cast says little. Within a cast the contestants take turns, there and back again, and what is compared
// is what happened in the same turn: whatever else the machine does then hits all alike.
import { fork } from "node:child_process";
import { createConnection, createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { multiaddr } from "@multiformats/multiaddr";
import { algorithms } from "../dist/algorithms/index.js";
import { systemClock } from "../dist/foundation/clock.js";
import { createPeer } from "../dist/peer.js";
import { keepYoungGenerationSmall } from "../dist/runs/node/young-generation.js";
import { stateless } from "../dist/trainers/trainer.js";
import { decodePrivateKey } from "../dist/transports/libp2p/identity.js";
import {
  createLibp2pTransport,
  defaultDeadlines,
  generateIdentity,
} from "../dist/transports/libp2p/index.js";
import { createNode } from "../dist/transports/libp2p/node.js";
import { createLayout } from "../dist/vectors/layout.js";

const muxers = ["yamux", "mplex"];
/** Frame size → frames per turn. */
const sizes = new Map([
  [100_000, 500],
  [4_000_000, 25],
  [100_000_000, 2],
]);
/** What the raw libp2p stream is given at a time: the size at which it is fastest. */
const RAW_CHUNK_BYTES = 256 * 1024;
const LISTEN = "/ip4/127.0.0.1/tcp/0";
const RAW_PROTOCOL = "/bench/1.0.0";

const rawNode = (privateKey, listen, muxer) =>
  createNode({
    privateKey: decodePrivateKey(privateKey),
    listen,
    muxers: [muxer],
    neighbours: 8,
    deadlines: defaultDeadlines,
    allows: () => true,
  });
const transportOf = (id, identities, dial, muxer, maximumPayloadBytes) =>
  createLibp2pTransport({
    id,
    privateKey: identities[id].privateKey,
    peers: identities.map(({ peerId }, peer) => ({ id: peer, peerId, dial: peer === 1 ? dial : [] })),
    neighbours: [1 - id],
    listen: id === 1 ? [LISTEN] : [],
    fingerprint: {},
    maximumPayloadBytes,
    muxers: [muxer],
  });
/** Says "done" with one byte per this many bytes. */
const counter = (total, done) => {
  let bytes = 0;
  return (length) => {
    bytes += length;
    for (; bytes >= total; bytes -= total) done();
  };
};

// The receiving process.
async function receive({ kind, size, frames, muxer, identities }) {
  const total = size * frames;
  if (kind === "tcp") {
    const server = createServer((socket) => {
      const count = counter(total, () => socket.write("!"));
      socket.on("data", (data) => count(data.length));
      socket.on("close", () => server.close());
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { address: server.address().port, close() {} };
  }
  if (kind === "stream") {
    const node = await rawNode(identities[1].privateKey, [LISTEN], muxer);
    await node.handle(RAW_PROTOCOL, (stream) => {
      const count = counter(total, () => stream.send(Uint8Array.of(33)));
      stream.addEventListener("message", ({ data }) => count(data.byteLength));
    });
    await node.start();
    return { address: node.getMultiaddrs()[0].toString(), close: () => node.stop() };
  }
  const transport = await transportOf(1, identities, [], muxer, size);
  const drain = async () => {
    for (let event = await transport.next(); event.kind !== "closed"; event = await transport.next()) {
      if (event.kind === "frame") event.release();
    }
  };
  void drain();
  return { address: transport.addresses[0], close: () => transport.close() };
}

// The sending process: once() carries all frames of one measurement.
async function open({ kind, size, frames, muxer, identities }, address) {
  const payload = new Uint8Array(size).fill(7);
  if (kind === "tcp") {
    const socket = createConnection(address, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    return {
      async once() {
        const done = new Promise((resolve) => socket.once("data", resolve));
        for (let k = 0; k < frames; k++) {
          if (!socket.write(payload)) await new Promise((resolve) => socket.once("drain", resolve));
        }
        await done;
      },
      close: () => socket.destroy(),
    };
  }
  if (kind === "stream") {
    const node = await rawNode(identities[0].privateKey, [], muxer);
    await node.start();
    const connection = await node.dial(multiaddr(address));
    const stream = await connection.newStream(RAW_PROTOCOL);
    return {
      async once() {
        const done = new Promise((resolve) => stream.addEventListener("message", resolve, { once: true }));
        for (let k = 0; k < frames; k++) {
          for (let offset = 0; offset < size; offset += RAW_CHUNK_BYTES) {
            if (!stream.send(payload.subarray(offset, offset + RAW_CHUNK_BYTES))) {
              await new Promise((resolve) => stream.addEventListener("drain", resolve, { once: true }));
            }
          }
        }
        await done;
      },
      close: () => node.stop(),
    };
  }
  const transport = await transportOf(0, identities, [address], muxer, size);
  await transport.ready();
  return {
    async once() {
      for (let round = 0; round < frames; round++) {
        transport.send(1, { kind: "learning", round, step: 0, exchange: round, payload });
        const { kind } = await transport.next();
        if (kind !== "acknowledged") throw new Error(`${kind} instead of acknowledged`);
      }
    },
    close: () => transport.close(),
  };
}

// One peer of the gossip ring.
const RING = 8;
const PARAMETERS = 1_000_000;
async function gossip({ id, identities, ports, rounds }) {
  const neighbours = [(id + 1) % RING, (id + RING - 1) % RING].sort((a, b) => a - b);
  const address = (peer) => `/ip4/127.0.0.1/tcp/${ports[peer]}`;
  const transport = await createLibp2pTransport({
    id,
    privateKey: identities[id].privateKey,
    peers: identities.map(({ peerId }, peer) => ({ id: peer, peerId, dial: [address(peer)] })),
    neighbours,
    listen: [address(id)],
    fingerprint: {},
    maximumPayloadBytes: 4 * PARAMETERS,
  });
  await transport.ready();
  const peer = createPeer({
    id,
    neighbours: neighbours.map((neighbour) => ({ peer: neighbour, weight: 1 / 3 })),
    plan: {
      seed: 1,
      algorithm: algorithms.deepsqueeze,
      compressor: { kind: "sign", scope: "tensor", block: 64 },
      rounds,
      learningRate: () => 0,
      optimizer: { kind: "sgd", weightDecay: 0 },
      localSteps: 1,
      consensusRate: () => 0.2,
      closingRates: [],
      evaluateEvery: 0,
    },
    trainer: {
      layout: createLayout([{ name: "model", shape: [PARAMETERS] }]),
      initialize: (model) => model.fill(1 + id),
      gradient: async () => 0,
      evaluate: async () => ({ loss: 0 }),
      ...stateless,
      dispose() {},
    },
  });
  const warm = Math.floor(rounds / 5);
  let started = 0;
  for await (const { round } of peer.run({ transport, clock: systemClock }))
    if (round === warm) started = performance.now();
  const perSecond = (rounds - 1 - warm) / ((performance.now() - started) / 1000);
  await transport.close();
  return perSecond;
}

function child(task) {
  const process_ = fork(fileURLToPath(import.meta.url), ["--child"], { serialization: "advanced" });
  process_.send(task);
  const answer = new Promise((resolve, reject) => {
    process_.once("message", resolve);
    process_.once("exit", (code) => reject(new Error(`a process of the benchmark exited with ${code}`)));
  });
  return { answer, stop: () => process_.kill() };
}

const { values } = parseArgs({
  options: {
    child: { type: "boolean" },
    casts: { type: "string", default: "3" },
    repeats: { type: "string", default: "4" },
    only: { type: "string" },
    "no-gossip": { type: "boolean" },
    rounds: { type: "string", default: "100" },
  },
});

keepYoungGenerationSmall();
if (values.child) {
  process.once("message", async (task) => {
    if (task.role === "gossip") process.send(await gossip(task), () => process.exit(0));
    else process.send((await receive(task)).address);
  });
} else {
  const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const identities = await Promise.all(Array.from({ length: RING }, generateIdentity));
  const kinds = [["tcp"], ...muxers.flatMap((muxer) => ["stream", "ours"].map((kind) => [kind, muxer]))];
  const nameOf = (kind, muxer) => (muxer ? `${kind} ${muxer}` : kind);
  const names = kinds.map(([kind, muxer]) => nameOf(kind, muxer));
  const results = [];
  for (const [size, frames] of sizes) {
    if (values.only && Number(values.only) !== size) continue;
    /** Name → milliseconds per turn; turn k of one is turn k of all. */
    const times = Object.fromEntries(names.map((name) => [name, []]));
    for (let cast = 0; cast < Number(values.casts); cast++) {
      const contestants = [];
      for (const [kind, muxer] of kinds) {
        const task = { kind, size, frames, muxer, identities: identities.slice(0, 2) };
        const receiver = child(task);
        const sender = await open(task, await receiver.answer);
        contestants.push({ name: nameOf(kind, muxer), receiver, sender });
      }
      // The first turn warms up.
      for (let k = 0; k <= Number(values.repeats); k++) {
        for (const { name, sender } of contestants) {
          const started = performance.now();
          await sender.once();
          if (k > 0) times[name].push(performance.now() - started);
        }
        contestants.reverse();
      }
      for (const { sender, receiver } of contestants) {
        await sender.close();
        receiver.stop();
      }
    }
    const rate = (name) => (size * frames) / 1e6 / (median(times[name]) / 1000);
    for (const name of names) {
      console.log(
        `${String(size).padStart(9)} bytes  ${name.padEnd(12)} ${rate(name).toFixed(0).padStart(5)} MB/s`,
      );
    }
    for (const muxer of muxers) {
      const [stream, ours] = [times[`stream ${muxer}`], times[`ours ${muxer}`]];
      results.push({
        frameBytes: size,
        muxer,
        tcpMBps: Math.round(rate("tcp")),
        streamMBps: Math.round(rate(`stream ${muxer}`)),
        oursMBps: Math.round(rate(`ours ${muxer}`)),
        oursOfStream: Number(median(ours.map((time, turn) => stream[turn] / time)).toFixed(2)),
      });
    }
  }
  let gossipRoundsPerSecond;
  if (!values["no-gossip"]) {
    const servers = await Promise.all(
      identities.map(
        () =>
          new Promise((resolve) => {
            const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
          }),
      ),
    );
    const ports = servers.map((server) => server.address().port);
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    const rounds = Number(values.rounds);
    const peers = identities.map((_, id) => child({ role: "gossip", id, identities, ports, rounds }));
    gossipRoundsPerSecond = Number(median(await Promise.all(peers.map(({ answer }) => answer))).toFixed(1));
    console.log(
      `gossip-only rounds of a ring of ${RING}, ${PARAMETERS} parameters, 1 bit: ${gossipRoundsPerSecond} per second`,
    );
  }
  console.log(JSON.stringify({ frames: results, gossipRoundsPerSecond }));
  process.exit(0);
}
