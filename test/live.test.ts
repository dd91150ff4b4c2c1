import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { freeLoopbackAddresses } from "../src/cli/addresses.js";
import { keysFolder, writeIdentity } from "../src/cli/key-files.js";
import { parseExperiment } from "../src/experiment.js";
import { readRun } from "../src/inspect/read.js";
import type { PageData } from "../src/inspect/report.js";
import { viewRun } from "../src/inspect/view.js";
import type { PeerRound } from "../src/log.js";
import { generateIdentity, type JoinedRun, joinRun } from "../src/network.js";
import { createPrometheusSink } from "../src/sinks/prometheus.js";
import { parseTopology } from "../src/topology.js";
import { endAll, murmur, type Running, startMurmur } from "./support/processes.js";
import { linesOf, newFolder } from "./support/runs.js";

const scratch = newFolder();
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(endAll);

const ring4 = new URL("../topologies/ring-4.json", import.meta.url).pathname;
const settings = ["--trainer", "quadratic", "--evaluate-every", "0"];
/** Never reached: the tests stop these runs. */
const endless = [...settings, "--rounds", "1000000"];

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const hasChromium = existsSync(executablePath);
if (!hasChromium) {
  console.warn(
    `live: no ${executablePath}, so that the page is not looked at; install Debian's chromium, or name another in CHROMIUM`,
  );
}

/** A topology file with keys and free ports on loopback, as `murmur keys` leaves it. */
async function pairOfPeers() {
  const path = join(scratch, "pair.json");
  const identities = await Promise.all([generateIdentity(), generateIdentity()]);
  const addresses = await freeLoopbackAddresses(2);
  for (const [id, identity] of identities.entries()) {
    await writeIdentity(keysFolder(path), id, identity, false);
  }
  const peers = identities.map(({ peerId }, id) => ({ id, peerId, listen: [addresses[id]!] }));
  const text = JSON.stringify({ graph: { kind: "complete", peers: 2 }, peers });
  writeFileSync(path, text);
  return { path, identities, topology: parseTopology(text, path) };
}

/** The rounds in a peer's log; what is being written at its end may be torn. */
function roundsOf(directory: string, peer: number): PeerRound[] {
  const text = readFileSync(join(directory, `peer-${peer}.jsonl`), "utf8");
  return text
    .slice(0, text.lastIndexOf("\n"))
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "round");
}

const sentIn = ({ traffic }: PeerRound) => traffic.reduce((sum, { bytesSent }) => sum + bytesSent, 0);

/** What a command that runs has said about where it serves. */
async function saidBy(running: Running, pattern: RegExp): Promise<string> {
  return (await running.says(pattern))[1]!;
}

const metricIn = (text: string, name: string) =>
  Number(text.split("\n").find((line) => line.startsWith(`${name} `))?.split(" ")[1]);

describe("murmur peer --metrics", () => {
  it("serves what the log says, and what libp2p counts, while it runs", async () => {
    const { path, identities, topology } = await pairOfPeers();
    const out = join(scratch, "pair");
    const rounds = 12;
    const peer = startMurmur(
      ...["peer", path, "--id", "0", "--out", out, "--metrics", "0"],
      ...[...settings, "--rounds", String(rounds)],
    );
    const url = await saidBy(peer, /^metrics: (http:\/\/127\.0\.0\.1:\d+\/metrics)$/m);
    const run: JoinedRun = await joinRun({
      topology,
      experiment: parseExperiment({ trainer: "quadratic", evaluateEvery: 0, rounds }),
      id: 1,
      identity: identities[1]!,
    });
    let held = false;
    for await (const { round } of run) {
      if (round !== 7) continue;
      held = true;
      // Peer 0 ends this round, too, and then waits: this side does not go on before it was looked at.
      let text: string;
      do text = await (await fetch(url)).text();
      while (metricIn(text, 'murmuration_round{peer="0"}') !== round);
      const last = roundsOf(out, 0).at(-1)!;
      expect(last.round).toBe(round);
      expect(metricIn(text, 'murmuration_loss{peer="0"}')).toBe(last.loss);
      expect(metricIn(text, 'murmuration_sent_bytes_total{peer="0",neighbour="1"}')).toBe(sentIn(last));
      expect(metricIn(text, 'murmuration_residual{peer="0"}')).toBe(last.residual);
      console.log(text.split("\n").filter((l) => /^libp2p/.test(l)).join("\n"), sentIn(last));
    }
    expect(held).toBe(true);
    await run.close();
    expect((await peer.finished).status).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it("says when the port is taken, before it joins", async () => {
    const taken = await createPrometheusSink();
    const { port } = new URL(taken.url);
    const { status, stderr } = murmur("up", ring4, ...settings, "--rounds", "2", "--metrics", port);
    expect(stderr).toMatch(/error: cannot serve metrics on 127\.0\.0\.1 port \d+: .*; the other peers/);
    expect(status).toBe(2);
    await taken.close();
  });
});
