/** The processes of a soak: an honest peer and its honest neighbour, as shipped, and everyone who floods it. */
import { createConnection } from "node:net";
import type { Connection } from "@libp2p/interface";
import { algorithms } from "../../src/algorithms/index.js";
import { compressorSettings } from "../../src/compressors/index.js";
import { encodeFrame } from "../../src/exchange/frame.js";
import { systemClock } from "../../src/foundation/clock.js";
import { createPeer } from "../../src/peer.js";
import type { Channel } from "../../src/transports/libp2p/channel.js";
import { createLibp2pTransport, generateIdentity } from "../../src/transports/libp2p/index.js";
import { Kind, listOf, message, messageHeader } from "../../src/transports/libp2p/messages.js";
import { createLayout } from "../../src/vectors/layout.js";
import { fingerprint, frameOf, type HandPeer, handPeer, pattern } from "./network.js";
import { functionTrainer, plainDescent } from "./trainers.js";

export { generateIdentity };

const HONEST = 1;
/** Neighbours that flood within the rules. Those after them break them, one after the other, until they are banned. */
const [PINGER, OPENER, SLOW, RECONNECTER] = [2, 3, 4, 5];
const FIRST_BREAKER = 6;
/** Longer than peer 0 waits for a hello. */
const HELD_MS = 12_000;
const ROUND_MS = 20;
const layout = createLayout([{ name: "kernel", shape: [50, 40] }]);
const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export interface SoakPeer {
  readonly peerId: string;
  /** As base64. */
  readonly privateKey: string;
}

export interface SoakOptions {
  readonly peers: readonly SoakPeer[];
  /** Where peer 0 is; unknown to itself. */
  readonly address?: string;
  readonly durationMs: number;
}

const keyOf = ({ privateKey }: SoakPeer): Uint8Array => new Uint8Array(Buffer.from(privateKey, "base64"));

/** Peer 0, or its honest neighbour. @returns where it is, and what it has come to at any time */
export async function startHonest({ peers, address }: SoakOptions, id: number) {
  const neighbours = id === 0 ? peers.map((_, peer) => peer).slice(1) : [0];
  const transport = await createLibp2pTransport({
    ...{ id, neighbours, fingerprint, privateKey: keyOf(peers[id]!), maximumPayloadBytes: 100_000 },
    peers: peers.map(({ peerId }, peer) => ({
      id: peer,
      peerId,
      dial: peer === 0 && address ? [address] : [],
    })),
    listen: ["/ip4/127.0.0.1/tcp/0"],
  });
  const peer = createPeer({
    id,
    neighbours: neighbours.map((each) => ({ peer: each, weight: 0.5 / neighbours.length })),
    trainer: {
      ...functionTrainer(
        layout,
        (model) => model.fill(0),
        () => 0,
      ),
      async gradient(point, out, step) {
        await sleep(ROUND_MS);
        for (let k = 0; k < out.length; k++) out[k] = point[k]! - Math.sin(id + k + step);
        return 0;
      },
    },
    plan: {
      ...{ seed: 1, algorithm: algorithms.dpsgd, compressor: compressorSettings.parse({ kind: "identity" }) },
      ...{ rounds: 1e9, learningRate: () => 0.01, ...plainDescent, consensusRate: () => 0.5 },
      ...{ closingRates: [], evaluateEvery: 0 },
    },
  });
  let rounds = 0;
  let refusedFrames = 0;
  const run = async () => {
    const patience = { deadlineMs: 1e9, patienceMs: 2 * ROUND_MS };
    for await (const { refused } of peer.run({ transport, clock: systemClock, patience })) {
      rounds++;
      refusedFrames += refused?.length ?? 0;
    }
  };
  const ended = run();
  return {
    ended,
    address: transport.addresses[0]!,
    status() {
      globalThis.gc?.();
      const { rss, heapUsed, external } = process.memoryUsage();
      const violations = neighbours
        .map((each) => transport.refusals(each))
        .reduce((sum, each) => sum + each, 0);
      const honestFrames = id === 0 ? transport.traffic(HONEST).messagesReceived : 0;
      const strangers = transport.refusals("strangers");
      return { rounds, honestFrames, violations, refusedFrames, strangers, rss, used: heapUsed + external };
    },
  };
}

/** Everyone who floods peer 0. @returns how often they did what */
export function startHostile({ peers, address, durationMs }: SoakOptions) {
  const counts: Record<string, number> = {};
  const target = peers[0]!.peerId;
  const seconds = durationMs / 1000;
  /** Again and again; what the other end does about it is no reason to stop. */
  const again = (name: string, pauseMs: number, act: () => Promise<unknown>) => {
    const failed = `${name}, refused`;
    counts[name] = 0;
    counts[failed] = 0;
    void (async () => {
      for (;;) {
        const isDone = act().then(
          () => true,
          () => false,
        );
        counts[(await Promise.race([isDone, sleep(5000)])) ? name : failed]!++;
        await sleep(pauseMs);
      }
    })();
  };
  const withHand = async <T>(id: number, use: (hand: HandPeer) => Promise<T>) => {
    const hand = await handPeer({ ...peers[id]!, privateKey: keyOf(peers[id]!) }, id);
    try {
      return await use(hand);
    } finally {
      await hand.stop();
    }
  };
  void flood();
  const breakers = peers.map((_, id) => id).slice(FIRST_BREAKER);
  for (const [k, id] of breakers.entries()) {
    setTimeout(() => breakRules(id), (1000 * seconds * k) / breakers.length);
  }
  again("strangers", 300, async () => {
    const stranger = await handPeer(await generateIdentity(), PINGER);
    try {
      await stranger.connect(address!, target);
    } finally {
      await stranger.stop();
    }
  });
  again("raw connections", 500, () => rawConnection(address!));
  return { counts };

  /** A second stream on a connection breaks the rules, and dials of one node at once share theirs: each has its own. */
  async function flood(): Promise<void> {
    const [pinger, opener, slow, reconnecter] = (await Promise.all(
      [PINGER, OPENER, SLOW, RECONNECTER].map((id) =>
        handPeer({ ...peers[id]!, privateKey: keyOf(peers[id]!) }, id),
      ),
    )) as [HandPeer, HandPeer, HandPeer, HandPeer];
    let pinged: Channel | undefined;
    again("pings", 20, async () => {
      if (!pinged || pinged.ending) pinged = await greet(pinger, await pinger.connect(address!, target));
      for (let k = 0; k < 50; k++) pinged.send(Kind.ping);
    });
    again("half-open streams", 500, async () => {
      const connection = await opener.connect(address!, target);
      setTimeout(() => connection.abort(new Error("held")), HELD_MS);
      await opener.open(connection);
    });
    again("slow hellos", 100, async () => {
      const connection = await slow.connect(address!, target);
      const channel = await slow.open(connection);
      for (const byte of [Kind.hello, 200, 0, 0, 0x7b]) {
        channel.sendList(listOf(Uint8Array.of(byte)));
        await sleep(200);
      }
      connection.abort(new Error("slow"));
    });
    again("reconnections", 150, async () => {
      const connection = await reconnecter.connect(address!, target);
      await greet(reconnecter, connection);
      connection.abort(new Error("again"));
    });
  }

  /** Breaks one rule after the other; once it is banned it goes on to connect. */
  function breakRules(id: number): void {
    let attempt = id;
    again(`rules broken by ${id}`, 1000, () =>
      withHand(id, async (hand) => {
        const channel = await greet(hand, await hand.connect(address!, target));
        const breach = breaches[attempt++ % breaches.length]!;
        breach(channel);
        await new Promise<void>((resolve) => channel.listen({ ...quiet, ended: () => resolve() }));
      }),
    );
  }
}

const quiet = { credit() {}, taken() {} };

async function greet(hand: HandPeer, connection: Connection): Promise<Channel> {
  const channel = await hand.open(connection);
  channel.sendHello(hand.hello());
  await channel.hello;
  return channel;
}

const framed = (sequence: number, bytes: Uint8Array) =>
  listOf(message(Kind.frame, sequence, bytes.length), messageHeader(Kind.piece, bytes.length), bytes);

/** What ends with a violation. */
const breaches: ((channel: Channel) => void)[] = [
  // Malformed frames.
  (channel) => channel.sendList(framed(1, pattern(500))),
  (channel) => channel.sendList(listOf(message(Kind.frame, 1, 2 ** 32 - 1))),
  // A replay.
  (channel) => {
    const bytes = encodeFrame(frameOf(0, pattern(8000)));
    channel.sendList(framed(1, bytes));
    channel.sendList(framed(1, bytes));
  },
  // Wrong rounds and numbers of exchanges.
  (channel) => channel.sendList(framed(1, encodeFrame({ ...frameOf(0, pattern(8000)), round: 4e9 }))),
  (channel) => channel.sendList(framed(1, encodeFrame(frameOf(77, pattern(8000))))),
  // Bytes without a meaning.
  (channel) => channel.sendList(listOf(pattern(5000, 3))),
];

/** TCP without Noise. */
async function rawConnection(address: string): Promise<void> {
  const port = Number(/tcp\/(\d+)/.exec(address)![1]);
  const socket = createConnection(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(pattern(100));
  await sleep(1000);
  socket.destroy();
}
