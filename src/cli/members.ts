/** `murmur leave` and `murmur grow`: changes of a topology file that a running graph takes up. */
import { Command, Option } from "commander";
import { InvalidTopology } from "../foundation/errors.js";
import { type Change, changeTopology, topologySettingsOf } from "../graphs/changes.js";
import { describeTopology, parseTopology, requirePeer, type Topology } from "../graphs/topology.js";
import { addressesOf, DEFAULT_BASE_PORT } from "../runs/node/addresses.js";
import { numberText, print, table } from "./console.js";
import { prettyJson, readTopologyDocument, replaceFile } from "./files.js";
import { peerNumber, peerNumbers } from "./option-types.js";

export function leaveCommand(): Command {
  return new Command("leave")
    .description("take a peer out of a topology for good; a running graph goes on without it")
    .argument("<topology>", "topology file (JSON)")
    .addOption(
      new Option("--id <peer>", "number of the peer that leaves").argParser(peerNumber).makeOptionMandatory(),
    )
    .option("--json", "print as JSON")
    .addHelpText("after", takenUp)
    .action(async (file: string, { id, json }: { id: number; json?: boolean }) => {
      const before = parseTopology(await readTopologyDocument(file), file);
      requirePeer(before, id, file);
      const after = changedOrRefused(before, { kind: "leave", peer: id });
      await write(file, after);
      print(json ? JSON.stringify(outcome(id, before, after)) : outcomeText(id, before, after, "has left"));
    });
}

export function growCommand(): Command {
  return new Command("grow")
    .description("add a peer to a topology; a running graph takes it in")
    .argument("<topology>", "topology file (JSON)")
    .addOption(
      new Option("--edges <ids>", "its neighbours: comma-separated numbers, e.g. 0,4")
        .argParser(peerNumbers)
        .makeOptionMandatory(),
    )
    .option("--listen <address...>", "multiaddrs it listens on; default: this machine's loopback")
    .option("--keys <folder>", "folder of the keys; default: beside the topology, as in ring-8.keys")
    .option("--json", "print as JSON")
    .addHelpText("after", takenUp)
    .action(async (file: string, options: GrowOptions) => {
      const before = parseTopology(await readTopologyDocument(file), file);
      const { length: id } = before.peers;
      // Loaded here, so that other commands do not wait for libp2p.
      const [{ keysFolder, writeIdentity }, { generateIdentity }] = await Promise.all([
        import("./key-files.js"),
        import("../transports/libp2p/identity.js"),
      ]);
      const identity = await generateIdentity();
      const { listen = [], dial = listen } = options.listen
        ? { listen: options.listen }
        : addressesOf(undefined, DEFAULT_BASE_PORT + id);
      const peer = { id, peerId: identity.peerId, listen, dial };
      const after = changedOrRefused(before, { kind: "join", peer, neighbours: options.edges });
      await writeIdentity(options.keys ?? keysFolder(file), id, identity, false);
      await write(file, after);
      if (options.json) return print(JSON.stringify(outcome(id, before, after)));
      print(outcomeText(id, before, after, `joins beside ${options.edges.join(", ")}`));
      print(`\nstart it with: murmur peer ${file} --id ${id} --join`);
    });
}

interface GrowOptions {
  readonly edges: number[];
  readonly listen?: string[];
  readonly keys?: string;
  readonly json?: boolean;
}

const takenUp = `
Peers that run from this file (murmur peer) see the change, and all peers make it in the same round.`;

/** @throws InvalidTopology the change cannot be */
function changedOrRefused(topology: Topology, change: Change): Topology {
  const { topology: after, refused } = changeTopology(topology, [change]);
  const [first] = refused;
  if (!first) return after;
  throw new InvalidTopology(`${topology.name} stays as it is: ${first.reason}`, {
    code: "change-refused",
    field: "peers",
  });
}

const write = (file: string, topology: Topology) =>
  replaceFile(file, prettyJson(topologySettingsOf(topology)));

const outcome = (peer: number, before: Topology, after: Topology) => ({
  peer,
  before: describeTopology(before),
  after: describeTopology(after),
});

function outcomeText(peer: number, before: Topology, after: Topology, what: string): string {
  const [a, b] = [describeTopology(before), describeTopology(after)];
  return table(
    [`peer ${peer} ${what}`, "before", "after"],
    [
      ["peers", a.peers, b.peers],
      ["edges", a.edges, b.edges],
      ["spectral gap", numberText(a.spectralGap), numberText(b.spectralGap)],
      ["best consensus rate η*", numberText(a.optimalConsensusRate), numberText(b.optimalConsensusRate)],
      ["rounds of the closing consensus", a.closingRounds, b.closingRounds],
    ],
  );
}
