import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { CannotListen, FileProblem, InvalidLog } from "../src/foundation/errors.js";
import { metricColumn, writeCsv } from "../src/inspect/csv.js";
import { peerColumnNames } from "../src/inspect/history.js";
import { MAX_LINE_BYTES } from "../src/inspect/lines.js";
import { parseLine } from "../src/inspect/parse.js";
import { plot } from "../src/inspect/plot.js";
import { readRun } from "../src/inspect/read.js";
import { crc32c, frameRecord, maskedChecksum, writeTensorboard } from "../src/inspect/tensorboard.js";
import { viewRun } from "../src/inspect/view.js";
import { usefulMs } from "../src/observing/goodput.js";
import type { RoundReport } from "../src/observing/report.js";
import { LOG_VERSION, type LogHeader, logLine, type PeerRound, withoutTimes } from "../src/runs/log.js";
import { createJsonLines } from "../src/sinks/json-lines.js";
import { createPrometheusSink } from "../src/sinks/prometheus.js";
import { expectError, expectRejection } from "./support/errors.js";
import { linesOf, loggedRun, newFolder } from "./support/runs.js";

let directory: string;
beforeAll(async () => {
  directory = await loggedRun();
});

/** A copy of the run to damage. */
function copy(): string {
  const folder = join(newFolder(), "copy");
  mkdirSync(folder);
  for (const name of readdirSync(directory)) copyFileSync(join(directory, name), join(folder, name));
  return folder;
}

const isRound = (line: { type: string }): line is PeerRound => line.type === "round";
const roundsOf = (folder: string, peer: number) =>
  linesOf(folder, `peer-${peer}.jsonl`)
    .map((line) => JSON.parse(line))
    .filter(isRound);

describe("warnings", () => {
  it("name a slow edge, but not where the peers took turns in one process", () => {
    const folder = copy();
    const path = join(folder, "peer-0.jsonl");
    const lines = linesOf(folder, "peer-0.jsonl").map((line) => JSON.parse(line));
    for (const [k, line] of lines.filter(isRound).entries()) {
      Object.assign(line.time, { waitMs: 900, waitedFor: 1, elapsedMs: 1000 * (k + 1) });
    }
    writeFileSync(path, `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`);
    const slow = () => viewRun(readRun(folder)).warnings.filter((text) => text.includes("is slow"));
    expect(slow()).toEqual([]);
    rmSync(join(folder, "graph.jsonl"));
    expect(slow()[0]).toMatch(/^peer 0 waited for peer 1 during 90 % of its time/);
  });
});

describe("log lines", () => {
  it("are the same for the same seed, but for machine and time", async () => {
    const again = await loggedRun();
    for (const name of readdirSync(directory)) {
      expect(linesOf(again, name).map(withoutTimes)).toEqual(linesOf(directory, name).map(withoutTimes));
    }
    const [header, round] = linesOf(directory, "peer-0.jsonl").map((line) => JSON.parse(withoutTimes(line)));
    expect(header).toMatchObject({ type: "header", logVersion: LOG_VERSION, seed: 1, peer: 0 });
    expect(header).not.toHaveProperty("machine");
    expect(round).not.toHaveProperty("time");
  });

  it("have the edges of their peer; the graph's log, or all peers' together, have those of the graph", () => {
    const headerOf = (name: string) => JSON.parse(linesOf(directory, name)[0]!) as LogHeader;
    const { edges } = headerOf("graph.jsonl").topology;
    expect(edges).toHaveLength(8);
    for (let peer = 0; peer < 8; peer++) {
      const { topology } = headerOf(`peer-${peer}.jsonl`);
      expect(topology).toMatchObject({ isPart: true, edges: edges.filter((edge) => edge.includes(peer)) });
    }
    const folder = copy();
    const shown = () => viewRun(readRun(folder)).edges.map(({ a, b }) => [a, b]);
    expect(shown()).toEqual(edges);
    rmSync(join(folder, "graph.jsonl"));
    expect(readRun(folder).header.topology).not.toHaveProperty("isPart");
    expect(shown()).toEqual(edges);
    rmSync(join(folder, "peer-1.jsonl"));
    rmSync(join(folder, "peer-2.jsonl"));
    expect(shown()).toEqual(edges.filter(([a, b]) => a !== 1 || b !== 2));
  });

  it("of earlier versions have all edges in every header, and are read as well", () => {
    const folder = copy();
    const { edges } = JSON.parse(linesOf(folder, "graph.jsonl")[0]!).topology;
    for (let peer = 0; peer < 8; peer++) {
      const [first, ...lines] = linesOf(folder, `peer-${peer}.jsonl`);
      const { topology, ...header } = JSON.parse(first!);
      const { isPart: _, ...whole } = { ...topology, edges };
      const written = [JSON.stringify({ ...header, topology: whole }), ...lines].join("\n");
      writeFileSync(join(folder, `peer-${peer}.jsonl`), `${written}\n`);
    }
    const { name: _, ...view } = viewRun(readRun(folder));
    const { name: __, ...expected } = viewRun(readRun(directory));
    expect(view).toEqual(expected);
    rmSync(join(folder, "graph.jsonl"));
    expect(readRun(folder).header.topology.edges).toEqual(edges);
  });

  it("are of the schema", () => {
    for (const name of readdirSync(directory)) {
      for (const line of linesOf(directory, name)) {
        expect(logLine.safeParse(JSON.parse(line)).error?.issues).toBeUndefined();
      }
    }
  });

  it("are read without the schema exactly when they are of it, however they are damaged", () => {
    const lines = ["peer-0.jsonl", "graph.jsonl"].flatMap((name) =>
      [0, 1, 16, 20, -1].map((at) => linesOf(directory, name).at(at)!),
    );
    const counted = {
      counters: { reconnects: 2, refusedConnections: 1 },
      edgeCounters: [{ neighbour: 1, reconnects: 2 }],
    };
    for (const line of lines.slice(3, 5)) lines.push(JSON.stringify({ ...JSON.parse(line), ...counted }));
    const metric = { name: "mae", better: "lower" };
    const evaluation = { loss: 0.5, metric, metrics: { mae: 2.5, r2: null } };
    for (const line of lines.slice(3, 5)) {
      for (const judged of [evaluation, { loss: 1, metric: "mae" }, { loss: 1, metrics: { mae: "2" } }]) {
        lines.push(JSON.stringify({ ...JSON.parse(line), evaluation: judged, meanEvaluation: judged }));
      }
    }
    const values = fc.constantFrom(
      null,
      -1,
      1.5,
      "text",
      [],
      {},
      [1],
      [{}],
      true,
      0,
      ["a"],
      [{ neighbour: 1, reconnects: "2" }],
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...lines),
        fc.nat(),
        fc.nat(),
        fc.option(values, { nil: undefined }),
        (text, which, inner, value) => {
          const line = JSON.parse(text);
          const keys = Object.keys(line);
          const key = keys[which % keys.length]!;
          const nested = line[key];
          const isNested = typeof nested === "object" && nested !== null && !Array.isArray(nested);
          const target = isNested && inner % 2 === 0 ? nested : line;
          const names = Object.keys(target);
          const name = target === line ? key : names[inner % names.length]!;
          if (value === undefined) delete target[name];
          else target[name] = value;
          const damaged = JSON.stringify(line);
          expect(parseLine(damaged) !== undefined).toBe(logLine.safeParse(JSON.parse(damaged)).success);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("are whole after every write, and go on after a torn one", () => {
    const path = join(newFolder(), "log.jsonl");
    createJsonLines(path).write({ a: 1 });
    expect(readFileSync(path, "utf8")).toBe('{"a":1}\n');
    expectError(() => createJsonLines(path), FileProblem, { code: "log-not-written", field: path });
    appendFileSync(path, '{"torn');
    createJsonLines(path, { append: true }).write({ b: 2 });
    expect(readFileSync(path, "utf8")).toBe('{"a":1}\n{"torn\n{"b":2}\n');
  });
});

describe("reading a run", () => {
  it("gives what the logs say", () => {
    const run = readRun(directory);
    expect(run.remarks).toEqual([]);
    expect(run.peers.map(({ peer }) => peer)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const { peer, columns, edges, end } of run.peers) {
      const rounds = roundsOf(directory, peer);
      expect(Array.from(columns.round.values())).toEqual(rounds.map(({ round }) => round));
      for (const [row, round] of rounds.entries()) {
        expect(columns.loss.at(row)).toBe(round.loss ?? Number.NaN);
        expect(columns.modelNorm.at(row)).toBe(round.modelNorm);
        expect(columns.bytesSent.at(row)).toBe(round.traffic[0]!.bytesSent + round.traffic[1]!.bytesSent);
      }
      for (const edge of rounds.at(-1)!.traffic) {
        expect(edges.get(edge.neighbour)).toMatchObject({ bytesSent: edge.bytesSent });
      }
      expect(end).toMatchObject({ outcome: "completed" });
    }
  });

  it("thins long series without losing their ends", () => {
    const run = readRun(directory);
    const full = viewRun(run);
    const thin = viewRun(run, 10);
    const { length } = thin.series.round;
    expect([9, 10]).toContain(length);
    for (const series of Object.values(thin.series)) expect(series).toHaveLength(length);
    expect(thin.series.round.at(-1)).toBe(full.series.round.at(-1));
    expect(thin.series.bytes.at(-1)).toBe(full.series.bytes.at(-1));
    expect(Math.min(...thin.series.lossLow.filter((loss) => loss !== null))).toBe(
      Math.min(...full.series.lossLow.filter((loss) => loss !== null)),
    );
  });

  it("gives evaluations of thinned series their own rounds", async () => {
    const settings = { trainer: { kind: "layers" }, model: "softmax", batchSize: 1 };
    const run = readRun(await loggedRun(settings, 4));
    const full = viewRun(run).series;
    const evaluated = full.metricMean.map((value, k) => [full.round[k], value, full.consensusExact[k]]);
    for (const points of [10, 11, 13, 17]) {
      const thin = viewRun(run, points).series;
      expect(thin.round.length).toBeLessThanOrEqual(points);
      expect(new Set(thin.round).size).toBe(thin.round.length);
      const shown = thin.metricMean.flatMap((value, k) => (value === null ? [] : [k]));
      expect(shown.slice(0, 2).map((k) => thin.round[k])).toEqual([20, 40]);
      expect(thin.round[shown.at(-1)!]).toBe(full.round.at(-1));
      for (const k of shown) {
        expect(evaluated).toContainEqual([thin.round[k], thin.metricMean[k], thin.consensusExact[k]]);
      }
    }
  });

  it("skips a torn last line and says so", () => {
    const folder = copy();
    const path = join(folder, "peer-3.jsonl");
    truncateSync(path, readFileSync(path).length - 20);
    const run = readRun(folder);
    expect(run.remarks).toEqual(["peer-3.jsonl: its last line is torn; skipped"]);
    expect(run.peers[3]!.end).toBeUndefined();
    expect(viewRun(run).peers[3]!.outcome).toBe("unfinished");
  });

  it("skips damaged lines and names them", () => {
    const folder = copy();
    const lines = linesOf(folder, "peer-2.jsonl");
    lines[4] = lines[4]!.slice(0, 50);
    lines[9] = lines[9]!.replace('"modelNorm":', '"modelNorms":');
    lines[11] = lines[11]!.replace('"projection":"', '"projection":"AAAA');
    writeFileSync(join(folder, "peer-2.jsonl"), `${lines.join("\n")}\n`);
    const run = readRun(folder);
    expect(run.remarks).toEqual([
      `peer-2.jsonl: lines 5, 10${lines[11]!.includes("projection") ? ", 12" : ""} are damaged; skipped`,
    ]);
    const present = Array.from(run.peers[2]!.columns.round.values());
    expect(present).not.toContain(3);
    expect(present).not.toContain(8);
    expect(present).toContain(4);
  });

  it("shows what is there of missing peers and logs of different length", () => {
    const folder = copy();
    rmSync(join(folder, "peer-1.jsonl"));
    writeFileSync(
      join(folder, "peer-5.jsonl"),
      `${linesOf(folder, "peer-5.jsonl").slice(0, 31).join("\n")}\n`,
    );
    const run = readRun(folder);
    expect(run.remarks).toEqual(["1 of 8 peers have no log here"]);
    const { series } = viewRun(run);
    expect(series.peers[0]).toBe(7);
    expect(series.peers.at(-1)).toBe(6);
    expect(run.consensus.instants().map(({ peers }) => peers.length)).toEqual([7, 7, 7, 6, 6, 6, 6]);
  });

  it("counts on over a restart, and shows repeated rounds once", () => {
    const folder = copy();
    const lines = linesOf(folder, "peer-0.jsonl");
    writeFileSync(
      join(folder, "peer-0.jsonl"),
      `${[...lines.slice(0, 31), lines[0], ...lines.slice(26)].join("\n")}\n`,
    );
    // From line 26 on the counters go back by five rounds: what they showed before is added.
    const run = readRun(folder);
    expect(run.remarks).toEqual([
      "peer 0: 5 rounds are there twice, after a restart; the first account is shown",
    ]);
    const { columns } = run.peers[0]!;
    expect(Array.from(columns.round.values())).toEqual(roundsOf(directory, 0).map(({ round }) => round));
    const bytes = columns.bytesSent.values();
    for (let row = 1; row < bytes.length; row++) expect(bytes[row]).toBeGreaterThan(bytes[row - 1]!);
    const elapsed = columns.elapsedMs.values();
    for (let row = 1; row < elapsed.length; row++)
      expect(elapsed[row]).toBeGreaterThanOrEqual(elapsed[row - 1]!);
  });

  it("leaves out logs of another run and says in what it differs", async () => {
    const folder = copy();
    const other = await loggedRun({ seed: 2, rounds: 12 });
    copyFileSync(join(other, "peer-6.jsonl"), join(folder, "peer-6.jsonl"));
    const run = readRun(folder);
    expect(run.remarks).toEqual([
      expect.stringMatching(
        /^peer-6\.jsonl belongs to another run \(its (seed|rounds) is \d+, not \d+ and 1 more differ\)/,
      ),
      "1 of 8 peers have no log here",
    ]);
    expect(run.peers.map(({ peer }) => peer)).toEqual([0, 1, 2, 3, 4, 5, 7]);
  });

  it("leaves out a log of a newer version, and one that is not what its name says", () => {
    const folder = copy();
    const lines = linesOf(folder, "peer-4.jsonl");
    lines[0] = lines[0]!.replace(
      `"logVersion":${LOG_VERSION}`,
      `"logVersion":${LOG_VERSION + 1},"novelty":1`,
    );
    writeFileSync(join(folder, "peer-4.jsonl"), `${lines.join("\n")}\n`);
    copyFileSync(join(folder, "peer-0.jsonl"), join(folder, "peer-7.jsonl"));
    expect(readRun(folder).remarks).toEqual([
      `peer-4.jsonl is of log version ${LOG_VERSION + 1}, this murmur reads up to ${LOG_VERSION}; left out, update murmur`,
      "peer-7.jsonl says it is peer-0.jsonl; left out",
      "2 of 8 peers have no log here",
    ]);
  });

  it("refuses what is no run's folder, in one line", () => {
    const cases = [
      [newFolder(), "no-logs"],
      [join(newFolder(), "none"), "log-folder-missing"],
      [join(directory, "peer-0.jsonl"), "log-folder-unreadable"],
    ] as const;
    for (const [path, code] of cases) {
      expectError(() => readRun(path), InvalidLog, { code, field: path });
    }
    const folder = newFolder();
    writeFileSync(join(folder, "peer-0.jsonl"), "hello\n");
    writeFileSync(join(folder, "peer-1.jsonl"), "");
    const { message } = expectError(() => readRun(folder), InvalidLog, { code: "no-readable-log" });
    expect(message).toContain("peer-0.jsonl does not begin with a header");
  });

  it("survives a line longer than any line may be", () => {
    const folder = copy();
    const [header, ...rounds] = linesOf(folder, "peer-0.jsonl");
    const endless = `{"type":"round","round":0,"x":"${"x".repeat(MAX_LINE_BYTES)}"}`;
    writeFileSync(join(folder, "peer-0.jsonl"), `${[header, endless, ...rounds].join("\n")}\n`);
    const run = readRun(folder);
    expect(run.remarks).toEqual(["peer-0.jsonl: line 2 is damaged; skipped"]);
    expect(run.peers[0]!.columns.round.length).toBe(rounds.length - 1);
  });
});

describe("exports", () => {
  it("writes the logs' numbers as CSV", async () => {
    const path = join(newFolder(), "run.csv");
    await writeCsv(readRun(directory), path);
    const [head, ...rows] = readFileSync(path, "utf8").trimEnd().split("\n");
    const names = peerColumnNames.map((name) => metricColumn(name, { name: "accuracy", better: "higher" }));
    expect(head).toBe(["peer", ...names].join(","));
    expect(names).toContain("iterateAverageAccuracy");
    const rounds = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((peer) => roundsOf(directory, peer));
    expect(rows).toHaveLength(rounds.length);
    const lossAt = head!.split(",").indexOf("loss");
    const roundAt = head!.split(",").indexOf("round");
    for (const [k, row] of rows.entries()) {
      const cells = row.split(",");
      expect(cells[lossAt]).toBe(String(rounds[k]!.loss ?? ""));
      expect(cells[roundAt]).toBe(String(rounds[k]!.round + 1));
    }
    const inside = join(path, "x");
    await expectRejection(writeCsv(readRun(directory), inside), FileProblem, {
      code: "csv-not-written",
      field: inside,
    });
  });

  it("leaves an earlier CSV file to those who have it open, and writes through a link", async () => {
    const folder = newFolder();
    const path = join(folder, "run.csv");
    writeFileSync(path, "earlier");
    const reader = openSync(path, "r");
    await writeCsv(readRun(directory), path);
    expect(readFileSync(reader, "utf8")).toBe("earlier");
    closeSync(reader);
    const link = join(folder, "link.csv");
    const target = join(folder, "target.csv");
    symlinkSync(target, link);
    await writeCsv(readRun(directory), link);
    expect(readFileSync(target)).toEqual(readFileSync(path));
    expect(readdirSync(folder).sort()).toEqual(["link.csv", "run.csv", "target.csv"]);
  });

  it("computes CRC-32C as RFC 3720 does", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  });

  it("frames TensorBoard records, which hold the logs' numbers", () => {
    const folder = newFolder();
    writeTensorboard(readRun(directory), folder, 1000);
    const losses = new Map<number, number>();
    const [name] = readdirSync(join(folder, "peer-2"));
    for (const event of records(readFileSync(join(folder, "peer-2", name!)))) {
      const at = event.indexOf("loss/training");
      if (at < 0) continue;
      // The step is the varint after the wall time; the value follows the tag: key 0x15, then float32.
      const step = event[10]! < 0x80 ? event[10]! : (event[10]! & 0x7f) + 128 * event[11]!;
      expect(event[at + 13]).toBe(0x15);
      losses.set(step, event.readFloatLE(at + 14));
    }
    const rounds = roundsOf(directory, 2).filter(({ loss }) => loss !== undefined);
    expect([...losses.keys()]).toEqual(rounds.map(({ round }) => round + 1));
    for (const { round, loss } of rounds) expect(losses.get(round + 1)).toBe(Math.fround(loss!));
    expect(frameRecord(Buffer.from("abc"))).toHaveLength(8 + 4 + 3 + 4);
  });
});

/** The records of an event file, their checksums checked. */
function* records(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedChecksum(bytes.subarray(at, at + 8)));
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedChecksum(data));
    yield data;
    at += 16 + length;
  }
}

describe("plot", () => {
  const options = { title: "loss", x: "rounds", text: String };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
  const plain = (text: string) => text.replace(/\u001b\[\d+m/g, "");

  it("draws a falling line from the upper left to the lower right", () => {
    const points = [
      [1, 10],
      [100, 0],
    ] as const;
    const drawn = plain(plot([{ name: "a", points }], { ...options, text: (value) => value.toFixed(1) })!);
    const rows = drawn.split("\n");
    expect(rows[0]).toBe("loss");
    expect(rows[1]).toMatch(/^10\.0 ┤\S+ +$/);
    expect(rows[12]).toMatch(/^ 0\.0 ┤ +\S+$/);
    expect(rows.at(-1)).toMatch(/^ +1\.0 +100\.0 rounds$/);
  });

  it("tells lines apart by letters on them, at columns of their own", () => {
    const flat = (name: string, y: number) => ({
      name,
      points: [
        [0, y],
        [9, y],
      ] as const,
    });
    const short = {
      name: "short",
      points: [
        [0, 0],
        [0.01, 0],
      ] as const,
    };
    const drawn = plain(plot([flat("one", 1), flat("same", 1), short], options)!);
    const [, legend, top] = drawn.split("\n");
    expect(legend).toBe("━a━ one   ━b━ same   ━c━ short");
    expect(top!.match(/a/g)!.length).toBeGreaterThan(2);
    expect(top!.match(/b/g)).toHaveLength(top!.match(/a/g)!.length);
    expect(drawn.split("\n")[13]).toMatch(/┤c +$/);
    expect(plain(plot([flat("alone", 1)], options)!)).not.toMatch(/a/);
  });

  it("leaves out what a logarithm cannot show, and plots of nothing", () => {
    expect(
      plot(
        [
          {
            name: "a",
            points: [
              [1, 0],
              [2, -1],
              [3, 5],
            ],
          },
        ],
        { ...options, log: true },
      ),
    ).toBeUndefined();
    expect(
      plot(
        [
          {
            name: "a",
            points: [
              [1, Number.NaN],
              [2, null],
            ],
          },
        ],
        options,
      ),
    ).toBeUndefined();
    expect(
      plot(
        [
          {
            name: "a",
            points: [
              [1, 3],
              [2, 3],
            ],
          },
        ],
        options,
      ),
    ).toContain("3.5");
  });
});

describe("sinks", () => {
  const report = (round: number) => {
    const { type: _, projection: __, ...line } = roundsOf(directory, 1)[round]!;
    return { peer: 1, ...line } as RoundReport;
  };

  it("serves the numbers of rounds to Prometheus, on this machine only", async () => {
    const sink = await createPrometheusSink();
    sink.write(report(0));
    const counted = {
      counters: { reconnects: 2, refusedConnections: 1 },
      edgeCounters: [{ neighbour: 0, reconnects: 2 }],
    };
    const { time } = report(19);
    sink.write({ ...report(18), ...counted, evaluation: { loss: 1, metrics: { mae: 2.5 } } });
    sink.write({ ...report(19), ...counted, time: { ...time, elapsedMs: 1000, waitedFor: 2 } });
    const text = await (await fetch(sink.url)).text();
    const metric = (name: string) => Number(new RegExp(`^murmuration_${name} (\\S+)$`, "m").exec(text)?.[1]);
    const [edge] = report(19).traffic;
    expect(sink.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
    expect(metric('reconnects_total{peer="1",neighbour="0"}')).toBe(4);
    expect(metric('refused_connections_total{peer="1"}')).toBe(2);
    const useful = [0, 18, 19].reduce((sum, round) => sum + usefulMs(report(round).time), 0);
    expect(metric('goodput_ratio{peer="1"}')).toBeCloseTo(useful / 1000, 12);
    expect(metric('neighbour_waits_total{peer="1",neighbour="2"}')).toBeGreaterThanOrEqual(1);
    expect(metric('round{peer="1"}')).toBe(19);
    expect(metric('loss{peer="1"}')).toBe(report(19).loss);
    expect(metric('metric{peer="1",name="mae"}')).toBe(2.5);
    expect(metric('evaluation_loss{peer="1"}')).toBe(report(19).evaluation!.loss);
    expect(metric(`sent_bytes_total{peer="1",neighbour="${edge!.neighbour}"}`)).toBe(edge!.bytesSent);
    expect((await fetch(sink.url.replace("metrics", "other"))).status).toBe(404);
    const port = Number(new URL(sink.url).port);
    await expectRejection(createPrometheusSink({ port }), CannotListen, { code: "metrics-port" });
    await sink.close();
  });
});
