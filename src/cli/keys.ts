import { basename, dirname } from "node:path";
import { Command } from "commander";
import { FileProblem, InvalidTopology } from "../foundation/errors.js";
import { parseTopology, requirePeer, type Topology } from "../graphs/topology.js";
import { addressesOf, DEFAULT_BASE_PORT } from "../runs/node/addresses.js";
import type { Identity } from "../transports/libp2p/identity.js";
import { note, print, table, warn } from "./console.js";
import { prettyJson, readTopologyDocument, replaceFile } from "./files.js";
import { peerNumbers, portNumber } from "./option-types.js";

interface KeysOptions {
  readonly out?: string;
  readonly peers?: number[];
  readonly hosts?: string[];
  readonly basePort: number;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** What the file says about a peer; everything else in it stays as it is. */
interface PeerEntry {
  id: number;
  peerId?: string;
  listen?: string[];
  dial?: string[];
  host?: string;
}

/** The peers' entries of a topology file, by id. */
type Entries = Map<number, PeerEntry>;

/** Keys of the chosen peers, and whether they were made just now. */
type Keys = Map<number, { readonly identity: Identity; readonly isNew: boolean }>;

export function keysCommand(): Command {
  return new Command("keys")
    .description("make a key for every peer, and record their PeerIds in the topology file")
    .argument("<topology>", "topology file (JSON)")
    .option("--out <folder>", "folder of the keys; default: beside the topology, as in ring-8.keys")
    .option("--peers <ids>", "only these peers: comma-separated ids, e.g. 0,3", peerNumbers)
    .option(
      "--hosts <names>",
      "machines of these peers, in order: comma-separated names or addresses by which the others reach them; written into the file",
      (text: string) => text.split(",").map((name) => name.trim()),
    )
    .option(
      "--base-port <port>",
      "peers without addresses listen on this port plus their number, on their host or on loopback",
      portNumber,
      DEFAULT_BASE_PORT,
    )
    .option("--force", "replace keys that exist already")
    .option("--json", "print as JSON")
    .action(async (file: string, options: KeysOptions) => {
      const content = await readTopologyDocument(file);
      const topology = parseTopology(content, file);
      const document = content as { peers?: PeerEntry[] };
      const before = JSON.stringify(document);
      const entries: Entries = new Map((document.peers ?? []).map((entry) => [entry.id, entry]));
      // Loaded here, so that other commands do not wait for libp2p.
      const { keyFile, keysFolder, writeIdentity } = await import("./key-files.js");
      const folder = options.out ?? keysFolder(file);
      assignHosts(topology, entries, options);
      const keys = await keysOf(topology, file, folder, entries, options);
      nameIn(entries, keys, options.basePort);
      document.peers = [...entries.values()].sort((a, b) => a.id - b.id);
      parseTopology(document, file);

      // Keys before the file that names them: if this ends in between, running it again goes on from here.
      for (const [id, { identity, isNew }] of keys) {
        if (isNew) await writeIdentity(folder, id, identity, options.force ?? false);
      }
      if (JSON.stringify(document) !== before) await replaceFile(file, prettyJson(document));

      if (options.json) return print(JSON.stringify(document.peers));
      print(peersTable(document.peers, keys));
      print(`\nkeys: ${folder} (keep them secret); ${file} names the peers\n`);
      for (const line of whereTo(document.peers, file, (id) => keyFile(folder, id), options.basePort))
        print(line);
    });
}

/** Names the machine of every chosen peer. @throws InvalidTopology another number of them than peers, or an address that stays */
function assignHosts(topology: Topology, entries: Entries, options: KeysOptions): void {
  const { hosts, peers: chosen = topology.peers.map(({ id }) => id) } = options;
  if (!hosts) return;
  if (hosts.length !== chosen.length || hosts.includes("")) {
    throw new InvalidTopology(
      `--hosts names ${hosts.filter((name) => name !== "").length} machines for ${chosen.length} peers: name one for each, as in north,north,south`,
      { code: "hosts-count", field: "hosts" },
    );
  }
  for (const [k, id] of chosen.entries()) {
    const entry = entries.get(id) ?? { id };
    if (entry.host !== hosts[k] && (entry.listen ?? entry.dial) !== undefined) {
      throw new InvalidTopology(
        `peer ${id} has addresses already, which --hosts does not change: remove its listen and dial from the file first`,
        { code: "host-after-addresses", peer: id, field: "hosts" },
      );
    }
    entries.set(id, { ...entry, host: hosts[k]! });
  }
}

/** Which key belongs on which machine, and what to do there. */
function whereTo(
  peers: readonly PeerEntry[],
  file: string,
  keyOf: (id: number) => string,
  basePort: number,
): string[] {
  const byHost = new Map<string | undefined, number[]>();
  for (const { id, host } of peers) byHost.set(host, [...(byHost.get(host) ?? []), id]);
  if (byHost.size === 1 && byHost.has(undefined)) {
    return [
      `all peers are on one machine, as far as ${file} says: name others with --hosts, or write their listen and dial`,
    ];
  }
  return [
    ...[...byHost].map(([host, ids]) => {
      const names = ids.map((id) => basename(keyOf(id))).join(", ");
      return `${host ?? "this machine"}: ${names}; murmur up ${basename(file)} --peers ${ids.join(",")}`;
    }),
    `every machine gets ${basename(file)} as it is now, beside it in ${basename(dirname(keyOf(0)))} its own keys alone; open TCP ports from ${basePort} on`,
  ];
}

/**
 * The keys in the folder, and new ones where there are none. Peers whose key is elsewhere are left out.
 *
 * @throws FileProblem when a key is not the one that the file names
 */
async function keysOf(
  topology: Topology,
  file: string,
  folder: string,
  entries: Entries,
  { peers: chosen = topology.peers.map(({ id }) => id), force }: KeysOptions,
): Promise<Keys> {
  const { findIdentity } = await import("./key-files.js");
  const { generateIdentity } = await import("../transports/libp2p/identity.js");
  const keys: Keys = new Map();
  for (const id of chosen) {
    requirePeer(topology, id, file);
    const peerId = entries.get(id)?.peerId;
    const existing = force ? undefined : await findIdentity(folder, id, warn);
    if (existing && peerId !== undefined && existing.peerId !== peerId) {
      throw new FileProblem(
        `the key of peer ${id} in ${folder} belongs to ${existing.peerId}, but ${file} names ${peerId}: choose the right folder with --out, or replace the key with --force`,
        { code: "key-conflict", peer: id },
      );
    }
    if (!existing && peerId !== undefined && !force) {
      note(`peer ${id} has a peerId in ${file} and its key elsewhere: left as it is`);
      continue;
    }
    keys.set(id, { identity: existing ?? (await generateIdentity()), isNew: !existing });
  }
  return keys;
}

/** Writes who the peers are into their entries, and where they are where nothing says so. */
function nameIn(entries: Entries, keys: Keys, basePort: number): void {
  for (const [id, { identity }] of keys) {
    const entry = entries.get(id) ?? { id };
    entry.peerId = identity.peerId;
    if (entry.listen === undefined && entry.dial === undefined) {
      Object.assign(entry, addressesOf(entry.host, basePort + id));
    }
    entries.set(id, entry);
  }
}

function peersTable(peers: readonly PeerEntry[], keys: Keys): string {
  return table(
    ["peer", "peerId", "key", "dialled at"],
    peers.map(({ id, peerId, listen, dial = listen }) => [
      id,
      peerId ?? "–",
      !keys.has(id) ? "–" : keys.get(id)!.isNew ? "new" : "kept",
      dial?.join(" ") ?? "–",
    ]),
  );
}
