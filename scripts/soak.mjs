// One honest peer among hostile neighbours for minutes: `npm run -s soak [-- MINUTES]`, ten unless told.
//
// Real libp2p on loopback. The peer and its honest neighbour are processes as shipped; a third one floods the peer with
// malformed frames, replays, wrong rounds, pings, half-open streams, hellos byte by byte, new connections, strangers with
// other keys and bytes without Noise. Every 30 s it prints rounds, what was refused, and the peer's memory after a garbage
// collection. It fails when the rounds stop, or when memory ends more than 16 MB above its level after the first minute.
// See test/support/soak.ts. No build is needed. The last line is JSON.
import { fork } from "node:child_process";
import { bundleTestCode } from "./test-code.mjs";

const EVERY_MS = 30_000;
const BASELINE_MS = 60_000;
const MOST_GROWN_BYTES = 16e6;
/** Peer 0, its honest neighbour, four that flood within the rules, and those that are banned one after the other. */
const PEERS = 46;
const MB = 1e6;
const inMb = (bytes) => (bytes / MB).toFixed(1);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const [what, bundle, given] = process.argv.slice(2);
if (process.send && bundle) await play(what, await import(bundle), JSON.parse(given));
else await soak(Number(what ?? 10));

/** One of the processes. It answers every message with what it has come to. */
async function play(role, { startHonest, startHostile }, options) {
  const own = role === "hostile" ? startHostile(options) : await startHonest(options, Number(role));
  own.ended?.then(
    () => process.exit(3),
    (error) => {
      console.error(error);
      process.exit(3);
    },
  );
  // What a hostile process meets is what it asked for.
  if (role === "hostile") process.on("unhandledRejection", () => {});
  process.on("message", () => process.send(role === "hostile" ? own.counts : own.status()));
  process.on("disconnect", () => process.exit());
  process.send(own.address ?? "ready");
}

async function soak(minutes) {
  const durationMs = 60_000 * minutes;
  const { url, remove } = await bundleTestCode("test/support/soak.ts");
  const children = [];
  const start = async (role, options) => {
    const flags = ["--expose-gc", "--max-semi-space-size=1"];
    const child = fork(process.argv[1], [role, url, JSON.stringify(options)], { execArgv: flags });
    children.push(child);
    const ask = () => {
      child.send("status");
      return answer(child);
    };
    return { address: await answer(child), ask };
  };
  try {
    const { generateIdentity } = await import(url);
    const peers = [];
    while (peers.length < PEERS) {
      const { peerId, privateKey } = await generateIdentity();
      peers.push({ peerId, privateKey: Buffer.from(privateKey).toString("base64") });
    }
    const peer = await start("0", { peers, durationMs });
    const options = { peers, durationMs, address: peer.address };
    await start("1", options);
    const hostile = await start("hostile", options);
    await watch(peer, hostile, minutes);
  } finally {
    for (const child of children) child.kill();
    remove();
  }
}

/** @throws Error the rounds stop, a process ends, or memory grows */
async function watch(peer, hostile, minutes) {
  const samples = [];
  for (let ms = EVERY_MS; ms <= 60_000 * minutes; ms += EVERY_MS) {
    await sleep(EVERY_MS);
    const sample = await peer.ask();
    samples.push(sample);
    const { rounds, honestFrames, violations, strangers, rss, used } = sample;
    console.log(
      `${String(ms / 1000).padStart(4)} s ${String(rounds).padStart(6)} rounds ${String(honestFrames).padStart(6)} honest frames ${String(violations).padStart(4)} violations ${String(strangers).padStart(5)} strangers ${inMb(used).padStart(6)} MB in use ${inMb(rss).padStart(6)} MB resident`,
    );
    const before = samples.at(-2);
    if (before && honestFrames <= before.honestFrames)
      throw new Error("no frames of the honest neighbour arrive");
    if (before && rounds <= before.rounds) throw new Error("the rounds have stopped");
  }
  const attacks = {};
  for (const [name, times] of Object.entries(await hostile.ask())) {
    const key = name.replace(/ by \d+/, "");
    attacks[key] = (attacks[key] ?? 0) + times;
  }
  const baseline = samples[BASELINE_MS / EVERY_MS - 1] ?? samples[0];
  const last = samples.at(-1);
  const grown = { used: last.used - baseline.used, rss: last.rss - baseline.rss };
  const { rounds, honestFrames, violations, strangers } = last;
  console.log(
    JSON.stringify({
      soak: "hostile",
      minutes,
      rounds,
      honestFrames,
      violations,
      strangers,
      grownBytes: grown,
      attacks,
    }),
  );
  if (Math.max(grown.used, grown.rss) > MOST_GROWN_BYTES) {
    throw new Error(`memory grew by ${inMb(grown.used)} MB in use and ${inMb(grown.rss)} MB resident`);
  }
}

function answer(child) {
  return new Promise((resolve, reject) => {
    const ended = (code) => reject(new Error(`a process ended with code ${code}`));
    child.once("exit", ended);
    child.once("message", (value) => {
      child.off("exit", ended);
      resolve(value);
    });
  });
}
