import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { keysFolder, writeIdentity } from "../src/cli/key-files.js";
import { parseTopology } from "../src/graphs/topology.js";
import { readRun } from "../src/inspect/read.js";
import type { PageData } from "../src/inspect/report.js";
import { viewRun } from "../src/inspect/view.js";
import { parseExperiment } from "../src/runs/experiment.js";
import type { PeerRound } from "../src/runs/log.js";
import { freeLoopbackAddresses } from "../src/runs/node/addresses.js";
import { generateIdentity, type JoinedRun, joinRun } from "../src/runs/node/network.js";
import { createPrometheusSink } from "../src/sinks/prometheus.js";
import { findChromium, launchChromium } from "./support/chromium.js";
import { endAll, murmur, type Running, startMurmur } from "./support/processes.js";
import { newFolder } from "./support/runs.js";

const scratch = newFolder();
afterAll(() => rmSync(scratch, { recursive: true }));
afterEach(endAll);

const ring4 = new URL("../topologies/ring-4.json", import.meta.url).pathname;
const settings = ["--trainer", "quadratic", "--evaluate-every", "0"];
/** Never reached: the tests stop these runs. */
const endless = [...settings, "--rounds", "1000000"];

const hasChromium = findChromium("live: the page is not looked at");

/** A topology file with keys and free ports on loopback, as `murmur keys` leaves it. */
async function pairOfPeers(name: string) {
  const path = join(scratch, `${name}.json`);
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

/** A metric's value; NaN where it is not there. */
function metricIn(text: string, name: string): number {
  const line = text.split("\n").find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? Number.NaN);
}

describe("murmur peer --metrics", () => {
  it("serves what the log says, and what libp2p counts, while it runs", async () => {
    const { path, identities, topology } = await pairOfPeers("pair");
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
      expect(metricIn(text, 'murmuration_residual_ratio{peer="0"}')).toBe(last.residual);
      // libp2p counts the same bytes from another place, and some that came since.
      const socket = metricIn(text, 'libp2p_data_transfer_bytes_total{protocol="global sent"}');
      expect(socket / sentIn(last)).toBeGreaterThan(0.9);
      expect(text).toContain("libp2p_connection_manager_connections{");
    }
    expect(held).toBe(true);
    await run.close();
    expect((await peer.finished).status).toBe(0);
    await expect(fetch(url)).rejects.toThrow();
  });

  it("says when the port is taken, before it joins", async () => {
    const { path } = await pairOfPeers("taken");
    const taken = await createPrometheusSink();
    const { port } = new URL(taken.url);
    const { status, stderr } = murmur("peer", path, "--id", "0", ...settings, "--metrics", port);
    expect(stderr).toMatch(/^error: cannot serve metrics on 127\.0\.0\.1 port \d+: .*; choose another port/m);
    expect(status).toBe(2);
    await taken.close();
  });

  it("is refused ports that do not exist", () => {
    const { status, stderr } = murmur("up", ring4, ...settings, "--metrics", "65533");
    expect(stderr).toMatch(
      /^error: metrics of peer 3 would be on port 65533 \+ 3, past 65535: choose a lower port/m,
    );
    expect(status).toBe(2);
  });
});

describe("murmur up --live", () => {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (!hasChromium) return;
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
  });

  /** The page as a person has it open; undefined without Chromium. */
  async function openPage(url: string) {
    const page = await browser?.newPage();
    await page?.goto(url);
    await page?.waitForSelector(".chart canvas");
    return (
      page && {
        /** After the server is gone: what the page shows is where the logs end. */
        async showsEnd(folder: string): Promise<void> {
          const { series } = viewRun(readRun(folder));
          const last = (name: "round" | "bytes" | "loss") =>
            series[name].findLast((value) => value !== null)!;
          await page.waitForSelector(`[data-stat=rounds][data-value="${last("round")}"]`);
          expect(Number(await page.getAttribute("[data-stat=bytes]", "data-value"))).toBe(last("bytes"));
          expect(Number(await page.getAttribute("[data-stat=loss]", "data-value"))).toBe(last("loss"));
          expect(await page.textContent("#peers")).toContain("stopped");
          await page.close();
        },
      }
    );
  }

  /** What an open page is sent, one after another. */
  async function* sentToPage(url: string): AsyncGenerator<PageData> {
    const { body } = await fetch(`${url}events`);
    let text = "";
    for await (const part of body!.pipeThrough(new TextDecoderStream())) {
      const events = (text + part).split("\n\n");
      text = events.pop()!;
      for (const event of events) yield JSON.parse(event.replace(/^data: /, ""));
    }
  }

  /** The last point of a page's series at which both peers' logs were read. */
  function lastOfBoth({ runs: [run] }: PageData): { round: number; bytes: number } | undefined {
    if (!run) return undefined;
    const { peers, round, bytes } = run.series;
    const point = peers.lastIndexOf(2);
    return point < 0 ? undefined : { round: round[point]!, bytes: bytes[point]! };
  }

  it("serves what the logs say while the run goes on, with metrics beside it, and stops with the run", async () => {
    const topology = join(scratch, "up.json");
    writeFileSync(topology, JSON.stringify({ graph: { kind: "complete", peers: 2 } }));
    const up = startMurmur("up", topology, ...endless, "--live", "--metrics", "0");
    const folder = await saidBy(up, /^logs: (.+)$/m);
    const url = await saidBy(up, /^live: (http:\/\/127\.0\.0\.1:\d+\/)$/m);
    const metrics = await saidBy(up, /^peer 1: metrics: (http:\S+)$/m);
    let shown: ReturnType<typeof lastOfBoth>;
    for await (const data of sentToPage(url)) {
      shown = lastOfBoth(data);
      if (shown) break;
    }
    const { round, bytes } = shown!;
    const scraped = await (await fetch(metrics)).text();
    const rounds = [0, 1].map((peer) => roundsOf(folder, peer));
    const sent = rounds.map((each) => sentIn(each[round - 1]!));
    expect(bytes / ((sent[0]! + sent[1]!) / 2)).toBeCloseTo(1, 4);
    // The log's line comes before the metric, and was read after it.
    const scrapedRound = metricIn(scraped, 'murmuration_round{peer="1"}');
    expect(metricIn(scraped, 'murmuration_sent_bytes_total{peer="1",neighbour="0"}')).toBe(
      sentIn(rounds[1]![scrapedRound]!),
    );

    const page = await openPage(url);
    up.process.kill("SIGINT");
    const { status, stderr } = await up.finished;
    expect(stderr).toMatch(/^all peers stopped after \d+ rounds: Ctrl-C$/m);
    expect(status).toBe(130);
    await expect(fetch(url)).rejects.toThrow();
    expect(readRun(folder).peers.map(({ end }) => end?.outcome)).toEqual(["stopped", "stopped"]);
    await page?.showsEnd(folder);
    rmSync(folder, { recursive: true });
  });

  it("refuses a folder that holds an earlier run, before it serves it", () => {
    const folder = join(scratch, "earlier");
    mkdirSync(folder);
    writeFileSync(join(folder, "peer-0.jsonl"), "");
    const { status, stderr } = murmur("up", ring4, ...settings, "--live", "--out", folder);
    expect(stderr).toMatch(/^error: folder .* is not empty/m);
    expect(status).toBe(2);
  });
});
