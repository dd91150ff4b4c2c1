import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readRun } from "../src/inspect/read.js";
import { loggedRun } from "./support/runs.js";

/** A line of a log with other fields. */
const edited = (line: string, fields: object) => JSON.stringify({ ...JSON.parse(line), ...fields });

describe("the logs of a run whose members changed", () => {
  it("belong together, those of a peer that joined too, and say what changed and when", async () => {
    const folder = await loggedRun({ rounds: 6 }, 4);
    const path = (peer: number) => join(folder, `peer-${peer}.jsonl`);
    const lines = readFileSync(path(0), "utf8").trimEnd().split("\n");
    const [header, ...rounds] = lines;
    const joins = { kind: "join", peer: { id: 4, listen: [], dial: [] }, neighbours: [0, 2] };
    const withEpoch = rounds.map((line) =>
      JSON.parse(line).round === 3 ? edited(line, { epoch: { number: 1, changes: [joins] } }) : line,
    );
    writeFileSync(path(0), `${[header, ...withEpoch].join("\n")}\n`);
    const topology = {
      name: "grown",
      peers: 5,
      edges: [
        [0, 4],
        [2, 4],
      ],
    };
    const own = edited(header!, { peer: 4, topology, fingerprint: "another", joined: { round: 3 } });
    writeFileSync(path(4), `${[own, ...rounds.filter((line) => JSON.parse(line).round >= 3)].join("\n")}\n`);

    const run = await readRun(folder);
    expect(run.peers.map(({ peer }) => peer)).toEqual([0, 1, 2, 3, 4]);
    expect(run.remarks).toEqual(["from round 4 on: peer 4 joins beside 0, 2"]);
    // Without the word of its header it would be of another run.
    writeFileSync(path(4), readFileSync(path(4), "utf8").replace('"joined":{"round":3}', '"other":1'));
    const apart = await readRun(folder);
    expect(apart.peers).toHaveLength(4);
    expect(apart.remarks.join()).toContain("belongs to another run");
  });
});
