/** Everything that reads bytes which others wrote, beside compressors: what it takes, and what must hold then. */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import {
  decodeFrame,
  encodeFrame,
  FRAME_HEADER_BYTES,
  type Frame,
  MAX_HEADER_BYTES,
} from "../../src/exchange/frame.js";
import { payloadTag } from "../../src/exchange/journal.js";
import {
  InvalidCheckpoint,
  InvalidModel,
  MalformedFrame,
  type MurmurationError,
} from "../../src/foundation/errors.js";
import { decodeNotice, encodeNotice } from "../../src/membership/proposal.js";
import { readCheckpoint, writeCheckpoint } from "../../src/runs/node/checkpoints/file.js";
import { openJournal, readJournal } from "../../src/runs/node/checkpoints/journal-file.js";
import { encodeAnswer } from "../../src/transports/libp2p/answer.js";
import { createAssembly, createFrameMemory } from "../../src/transports/libp2p/assembly.js";
import { decodeHeartbeat, encodeHeartbeat } from "../../src/transports/libp2p/heartbeat.js";
import { decodeHello, decodeRefusal, encodeHello, encodeRefusal } from "../../src/transports/libp2p/hello.js";
import { decodeJoinAnswer, encodeJoinAnswer } from "../../src/transports/libp2p/join.js";
import { createMessageReader, Kind, message, messageHeader } from "../../src/transports/libp2p/messages.js";
import { decodeStatus } from "../../src/transports/libp2p/status.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/vectors/safetensors.js";
import { joined, type Mutator } from "./mutate.js";

/** Throws one kind of error for bytes that it refuses, and any other error where a law is broken. */
export interface DecoderTarget {
  readonly name: string;
  readonly corpus: readonly Uint8Array[];
  readonly refusal: new (...args: never[]) => MurmurationError;
  /** One input of so many: files cost more than memory. */
  readonly oneIn: number;
  decode(bytes: Uint8Array, mutator: Mutator): unknown;
}

const MAX_PAYLOAD_BYTES = 300;
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const frames: Frame[] = [
  { kind: "learning", round: 0, step: 0, exchange: 0, payload: new Uint8Array(0) },
  { kind: "learning", round: 7, step: 1, exchange: 15, payload: Uint8Array.from([1, 2, 3, 255]) },
  {
    ...{ kind: "welcome", round: 3, step: 0, exchange: 1 },
    ...{ payload: Uint8Array.from([9]), notice: Uint8Array.from([123, 125]) },
  },
  { kind: "closing", round: 2 ** 32 - 1, step: 255, exchange: 2 ** 32 - 1, payload: new Uint8Array(300) },
];
const hello = {
  ...{ version: 2, id: 1, instance: "0b54", epoch: 1, sequence: 3 },
  fingerprint: { algorithm: "deepsqueeze", seed: "1", classes: '["a","b"]' },
};
const refusal = { code: "violation", reason: "frame 3 came where frame 1 is next" } as const;
const notices = [
  encodeNotice([{ peer: 1, round: 7, change: { kind: "leave", peer: 3 } }]),
  encodeNotice([
    { peer: 0, round: 1, change: { kind: "return", peer: 2 } },
    {
      ...{ peer: 4, round: 2 },
      change: {
        kind: "join",
        peer: { id: 5, listen: [], dial: ["/ip4/192.0.2.7/tcp/1"] },
        neighbours: [0, 4],
      },
    },
  ]),
];
const answers = [
  encodeJoinAnswer({ kind: "wait", reason: "from round 7 on" }),
  encodeJoinAnswer({
    kind: "epoch",
    number: 1,
    firstRound: 8,
    newcomers: [2],
    topology: { graph: { kind: "ring", peers: 3 } },
  }),
];
const statuses = [
  encodeAnswer({
    ...{ round: 7, chain: [{ peer: 1, activity: "computing", forMs: 3.5 }] },
    edge: { isConnected: true, reason: "connected" },
  }),
  encodeAnswer({
    chain: [
      { peer: 1, activity: "waiting", forMs: 900 },
      { peer: 2, activity: "disconnected", forMs: 0 },
    ],
    edge: { isConnected: false, reason: "it has not connected yet" },
  }),
];
const heartbeats = [
  encodeHeartbeat([{ peer: 1, activity: "computing", forMs: 3 }]),
  encodeHeartbeat([
    { peer: 1, activity: "waiting", forMs: 900 },
    { peer: 2, activity: "waiting", forMs: 0 },
    { peer: 0xffffffff, activity: "evaluating", forMs: 1 },
  ]),
];

const models = [
  joined(...encodeSafetensors({ tensors: [], metadata: {} })),
  joined(
    ...encodeSafetensors({
      tensors: [
        { name: "dense1/kernel", shape: [2, 3], values: Float32Array.from([1, 2, 3, 4, 5, 6]) },
        { name: "empty", shape: [3, 0], values: new Float32Array(0) },
        { name: "scalar", shape: [], values: Float32Array.from([-0]) },
      ],
      metadata: { round: "7", experiment: '{"seed":1}' },
    }),
  ),
];

function fail(what: string): never {
  throw new Error(what);
}
const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** @param folder for the files of checkpoints and journals */
export async function decoderTargets(folder: string): Promise<DecoderTarget[]> {
  return [
    {
      ...{ name: "frame", corpus: frames.map(encodeFrame), refusal: MalformedFrame, oneIn: 1 },
      decode(bytes) {
        const frame = decodeFrame(bytes, MAX_PAYLOAD_BYTES);
        if (!isSame(encodeFrame(frame), bytes)) fail("a frame has two encodings");
      },
    },
    { ...{ name: "messages", corpus: streams(), refusal: MalformedFrame, oneIn: 1 }, decode: readStream },
    {
      ...{ name: "heartbeat", corpus: heartbeats, refusal: MalformedFrame, oneIn: 1 },
      decode(bytes) {
        const chain = decodeHeartbeat(bytes);
        if (chain && !isSame(encodeHeartbeat(chain), bytes)) fail("a heartbeat has two encodings");
      },
    },
    {
      ...{ name: "notice", corpus: notices, refusal: MalformedFrame, oneIn: 1 },
      decode(bytes) {
        const read = encodeNotice(decodeNotice(bytes));
        if (!isSame(encodeNotice(decodeNotice(read)), read)) fail("a notice is not what it was");
      },
    },
    {
      ...{ name: "answer to join", corpus: answers, refusal: MalformedFrame, oneIn: 1 },
      decode(bytes) {
        const answer = decodeJoinAnswer(bytes);
        if (!answer || answer.kind === "epoch") return;
        for (const character of answer.reason) if (character < " ") fail("a reason has control characters");
      },
    },
    {
      ...{ name: "status", corpus: statuses, refusal: MalformedFrame, oneIn: 1 },
      decode(bytes) {
        const status = decodeStatus(bytes);
        for (const character of status?.edge.reason ?? "")
          if (character < " ") fail("a reason has control characters");
      },
    },
    {
      ...{ name: "hello", corpus: [encodeHello(hello)], refusal: MalformedFrame, oneIn: 1 },
      decode(bytes) {
        const read = decodeHello(bytes);
        if (!isSame(text(decodeHello(text(read))), text(read))) fail("a hello is not what it was");
      },
    },
    {
      ...{ name: "refusal", corpus: [encodeRefusal(refusal)], refusal: MalformedFrame, oneIn: 1 },
      decode(bytes) {
        const { reason } = decodeRefusal(bytes);
        // What a terminal would take for a command.
        for (const character of reason) if (character < " ") fail("a refusal has control characters");
      },
    },
    {
      ...{ name: "safetensors", corpus: models, refusal: InvalidModel, oneIn: 1 },
      decode(bytes) {
        const read = decodeSafetensors(bytes, "the model");
        const numbers = read.tensors.reduce((sum, { values }) => sum + values.length, 0);
        if (4 * numbers > bytes.length) fail("a model has numbers of nothing");
        const again = decodeSafetensors(joined(...encodeSafetensors(read)), "the model");
        if (!isDeepStrictEqual(again, read)) fail("a model is not what it was");
      },
    },
    await checkpoints(folder),
    journals(folder),
  ];
}

function streams(): Uint8Array[] {
  const bytes = encodeFrame(frames[1]!);
  const framed = (sequence: number) =>
    joined(message(Kind.frame, sequence, bytes.length), messageHeader(Kind.piece, bytes.length), bytes);
  const with_ = (kind: Kind, body: Uint8Array) => joined(messageHeader(kind, body.length), body);
  const greeting = with_(Kind.hello, encodeHello(hello));
  return [
    joined(greeting, framed(1), with_(Kind.ping, heartbeats[1]!), framed(2), message(Kind.leaving)),
    joined(greeting, message(Kind.credit, 700), message(Kind.taken, 1), message(Kind.pong)),
    joined(greeting, with_(Kind.refused, encodeRefusal(refusal))),
  ];
}

/** Reads a stream in parts of any size, and puts its frames together. */
function readStream(bytes: Uint8Array, { below }: Mutator): void {
  let taken = 0;
  let calls = 0;
  const memory = createFrameMemory(2);
  const bounded = {
    ...memory,
    take(length: number) {
      if (length > MAX_HEADER_BYTES + MAX_PAYLOAD_BYTES) fail(`${length} bytes are taken for a frame`);
      taken += length;
      return memory.take(length);
    },
  };
  const assembly = createAssembly(MAX_PAYLOAD_BYTES, bounded);
  const called = () => {
    calls++;
  };
  const reader = createMessageReader({
    ...{ hello: called, refused: called, credit: called, taken: called, pong: called, leaving: called },
    ...{ ping: called, done: called },
    frame: (_sequence, length) => assembly.begin(length),
    piece: assembly.piece,
    bytes(part) {
      const whole = assembly.add(part);
      if (whole) decodeFrame(whole, MAX_PAYLOAD_BYTES);
    },
  });
  try {
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + below(60);
      reader.read(bytes.subarray(at, end));
      at = end;
    }
  } catch (error) {
    const before = calls;
    reader.read(joined(message(Kind.pong), message(Kind.pong)));
    if (calls !== before) fail("a reader goes on after an error");
    throw error;
  }
  if (taken > bytes.length * (FRAME_HEADER_BYTES + MAX_PAYLOAD_BYTES))
    fail("a stream takes memory for nothing");
}

async function checkpoints(folder: string): Promise<DecoderTarget> {
  const path = join(folder, "round-1.checkpoint");
  const [first, second, third] = frames as [Frame, Frame, Frame];
  const quarantine = { faults: 1, left: 3, guard: { history: [1, 2], largest: 5 } };
  const traffic = { neighbour: 1, bytesSent: 1, bytesReceived: 2, messagesSent: 3, messagesReceived: 4 };
  await writeCheckpoint(path, {
    ...{ peer: 0, round: 1, fingerprint: { seed: "1" }, traffic: [traffic] },
    scalars: { steps: 3, rate: 0.5 },
    vectors: { model: Float32Array.from([1, 2, 3]), update: new Float32Array(2) },
    edges: [
      { peer: 1, exchange: 3, theirRound: 2, isFinished: false, open: second, arrived: [first], quarantine },
      {
        peer: 2,
        exchange: 4,
        theirRound: -1,
        isFinished: true,
        unacknowledged: third,
        arrived: [],
        quarantine,
      },
    ],
    held: [{ kind: "received", peer: 1, frame: second }],
  });
  const whole = new Uint8Array(readFileSync(path));
  return {
    ...{ name: "checkpoint", corpus: [whole], refusal: InvalidCheckpoint, oneIn: 25 },
    async decode(bytes, { below }) {
      const body = bytes.subarray(0, Math.max(0, bytes.length - 32));
      // Half of them with the checksum that makes the reader believe the rest.
      const sealed = below(2) ? joined(body, createHash("sha256").update(body).digest()) : bytes;
      writeFileSync(path, sealed);
      await readCheckpoint(path);
    },
  };
}

function journals(folder: string): DecoderTarget {
  const path = join(folder, "round-1.journal");
  const journal = openJournal(path);
  journal.append({ kind: "offered", round: 1, step: 0, peers: [1, 2], tags: [7, 8] });
  journal.append({ kind: "received", peer: 1, frame: frames[1]! });
  journal.append({ kind: "took", peers: [1] });
  journal.append({ kind: "acknowledged", peer: 1 });
  journal.append({ kind: "lost", peer: 2 });
  journal.append({ kind: "notice", notice: notices[0]! });
  journal.append({ kind: "received", peer: 1, frame: frames[2]! });
  journal.close();
  const whole = new Uint8Array(readFileSync(path));
  const records = readJournal(path).records.length;
  return {
    ...{ name: "journal", corpus: [whole], refusal: InvalidCheckpoint, oneIn: 25 },
    decode(bytes, { below }) {
      writeFileSync(path, below(2) ? retagged(bytes) : bytes);
      const read = readJournal(path);
      if (read.records.length > records + bytes.length / 12) fail("a journal has records of nothing");
      // Opening cuts the torn end off: then it is whole.
      openJournal(path).close();
      const again = readJournal(path);
      if (again.isTorn || again.records.length !== read.records.length) fail("a torn end stays");
    },
  };
}

/** The same records with tags that fit, as far as their lengths lead. */
function retagged(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 8 <= bytes.length; ) {
    const end = at + 8 + view.getUint32(at, true);
    if (end > bytes.length) break;
    view.setUint32(at + 4, payloadTag(bytes.subarray(at + 8, end)), true);
    at = end;
  }
  return bytes;
}
