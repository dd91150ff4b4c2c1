import { Command } from "commander";
import { InvalidTopology } from "../errors.js";
import { experimentJsonSchema } from "../experiment.js";
import type { Identity } from "../network.js";
import type { Topology } from "../topology.js";
import { isLocal } from "./addresses.js";
import { bytesText, note, numberText, percentText, print, progress, table, warn } from "./console.js";
import { eventText } from "./events.js";
import { readExperiment, readTopology } from "./files.js";
import { untilInterrupted } from "./interrupt.js";
import { peerNumbers, secondsOption } from "./option-types.js";
import { accuracyText, lossText } from "./peer.js";
import type { NetworkOutcome } from "./run-network.js";
import type { PeerSummary } from "./run-peer.js";
import { addSettingsOptions } from "./settings-options.js";
import { summaryTable } from "./summary.js";
import { topologyLine } from "./topology.js";

export function upCommand(): Command {
  const command = new Command("up");
  const given = addSettingsOptions(command, experimentJsonSchema());
  return command
    .description("start all peers of this machine, each as a process, and watch them")
    .argument("<topology>", "topology file (JSON), or an edge list")
    .argument("[experiment]", "experiment file (JSON); every field can also be given as an option")
    .option(
      "--peers <ids>",
      "these peers, as in 0,3; default: those whose host or address is this machine's",
      peerNumbers,
    )
    .option("--keys <folder>", "folder of the keys; default: beside the topology, as in ring-8.keys")
    .option("--out <folder>", "write the logs there, for murmur inspect")
    .option("--patience <seconds>", "how long to wait for a neighbour to connect; default 60", secondsOption)
    .option("--json", "print the outcome as JSON")
    .action(async (topologyFile: string, experimentFile: string | undefined, options) => {
      const topology = await readTopology(topologyFile);
      const experiment = await readExperiment(experimentFile, given());
      const identities = await identitiesOf(topology, topologyFile, options);
      if (!options.json) print(topologyLine(topology));
      const count = identities?.size ?? topology.peers.length;

      // Loaded here, so that other commands do not wait for libp2p.
      const { runNetwork } = await import("./run-network.js");
      const interrupted = untilInterrupted();
      const bar = progress(`${count} peers`, experiment.rounds);
      let outcome: NetworkOutcome;
      try {
        outcome = await runNetwork({
          topology,
          experiment,
          ...(identities && { identities }),
          directory: options.out,
          patienceMs: options.patience,
          signal: interrupted.signal,
          warn,
          onProgress: ({ finished, loss, accuracy }) =>
            bar.update(
              Math.min(finished, experiment.rounds),
              [lossText(loss), accuracyText(accuracy)].filter(Boolean).join(", "),
            ),
          onEvent(peer, event) {
            // Peers that start together miss each other for a moment, and part at the end.
            if (event.kind === "refused" || event.kind === "unreachable")
              note(`peer ${peer}: ${eventText(event)}`);
          },
        });
      } finally {
        bar.stop();
        interrupted.release();
      }
      if (options.json) return print(JSON.stringify({ ...outcome.summary, peers: outcome.peers }));
      if (outcome.summary) print(`\n${summaryTable([outcome.summary])}`);
      print(`\n${peersTable(outcome.peers)}`);
      if (options.out) print(`\nlogs: murmur inspect ${options.out}`);
    });
}

/** Keys of the peers to start; undefined when the topology has none and each run makes its own. */
async function identitiesOf(
  topology: Topology,
  topologyFile: string,
  options: { readonly keys?: string; readonly peers?: readonly number[] },
): Promise<Map<number, Identity> | undefined> {
  const { peers } = topology;
  if (options.peers === undefined && peers.every(({ peerId }) => peerId === undefined)) {
    note(
      `${topology.name} names no identities: all peers run here, on loopback, with keys for this run only`,
    );
    return undefined;
  }
  const chosen = options.peers ?? peers.filter(isLocal).map(({ id }) => id);
  if (chosen.length === 0) {
    throw new InvalidTopology(
      `no peer of ${topologyFile} has this machine as its host or address: choose peers with --peers`,
    );
  }
  const { keysFolder, readIdentity } = await import("./key-files.js");
  const identities = new Map<number, Identity>();
  for (const id of chosen) {
    if (id >= peers.length) {
      throw new InvalidTopology(
        `${topologyFile} has no peer ${id}: its peers are numbered 0 to ${peers.length - 1}`,
      );
    }
    identities.set(id, await readIdentity(options.keys ?? keysFolder(topologyFile), id, warn));
  }
  return identities;
}

function peersTable(peers: readonly PeerSummary[]): string {
  return table(
    ["peer", "loss", "accuracy %", "sent", "SHA-256 of the model"],
    peers.map(({ peer, loss, accuracy, bytesSent, modelDigest }) => [
      peer,
      loss === undefined ? "–" : numberText(loss),
      percentText(accuracy),
      bytesText(bytesSent),
      modelDigest,
    ]),
  );
}
