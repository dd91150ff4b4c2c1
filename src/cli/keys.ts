import { Command } from "commander";
import { FileProblem, InvalidTopology } from "../errors.js";
import { parseTopology } from "../topology.js";
import type { Identity } from "../transports/libp2p/identity.js";
import { addressesOf, DEFAULT_BASE_PORT } from "./addresses.js";
import { note, print, table, warn } from "./console.js";
import { prettyJson, readJson, replaceFile } from "./files.js";
import { peerNumbers, portNumber } from "./option-types.js";

interface KeysOptions {
  readonly out?: string;
  readonly peers?: number[];
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

export function keysCommand(): Command {
  return new Command("keys")
    .description("make a key for every peer, and record their PeerIds in the topology file")
    .argument("<topology>", "topology file (JSON)")
    .option("--out <folder>", "folder of the keys; default: beside the topology, as in ring-8.keys")
    .option("--peers <ids>", "only these peers: comma-separated ids, e.g. 0,3", peerNumbers)
    .option(
      "--base-port <port>",
      "peers without addresses listen on this port plus their number, on their host or on loopback",
      portNumber,
      DEFAULT_BASE_PORT,
    )
    .option("--force", "replace keys that exist already")
    .option("--json", "print as JSON")
    .action(async (file: string, options: KeysOptions) => {
      // Loaded here, so that other commands do not wait for libp2p.
      const [{ findIdentity, keysFolder, writeIdentity }, { generateIdentity }] = await Promise.all([
        import("./key-files.js"),
        import("../transports/libp2p/identity.js"),
      ]);
      const content = await readJson(file);
      const { graph } = parseTopology(content, file);
      const folder = options.out ?? keysFolder(file);
      const document = content as { peers?: PeerEntry[] };
      const before = JSON.stringify(document);
      const entries = new Map((document.peers ?? []).map((entry) => [entry.id, entry]));
      const chosen = options.peers ?? Array.from({ length: graph.peers }, (_, id) => id);

      const identities = new Map<number, { identity: Identity; isNew: boolean }>();
      for (const id of chosen) {
        if (id >= graph.peers) {
          throw new InvalidTopology(
            `${file} has no peer ${id}: its peers are numbered 0 to ${graph.peers - 1}`,
          );
        }
        const peerId = entries.get(id)?.peerId;
        const existing = options.force ? undefined : await findIdentity(folder, id, warn);
        if (existing && peerId !== undefined && existing.peerId !== peerId) {
          throw new FileProblem(
            `the key of peer ${id} in ${folder} belongs to ${existing.peerId}, but ${file} names ${peerId}: name the right folder with --out, or replace the key with --force`,
          );
        }
        if (!existing && peerId !== undefined && !options.force) {
          note(`peer ${id} has a peerId in ${file} and its key elsewhere: left as it is`);
          continue;
        }
        identities.set(id, { identity: existing ?? (await generateIdentity()), isNew: !existing });
      }

      // Keys before the file that names them: if this ends in between, running it again goes on from here.
      for (const [id, { identity, isNew }] of identities) {
        if (isNew) await writeIdentity(folder, id, identity, options.force ?? false);
      }
      for (const [id, { identity }] of identities) {
        const entry = entries.get(id) ?? { id };
        entry.peerId = identity.peerId;
        if (entry.listen === undefined && entry.dial === undefined) {
          Object.assign(entry, addressesOf(entry.host, options.basePort + id));
        }
        entries.set(id, entry);
      }
      document.peers = [...entries.values()].sort((a, b) => a.id - b.id);
      parseTopology(document, file);
      if (JSON.stringify(document) !== before) await replaceFile(file, prettyJson(document));

      if (options.json) return print(JSON.stringify(document.peers));
      print(
        table(
          ["peer", "peerId", "key", "dialled at"],
          document.peers.map(({ id, peerId, listen, dial = listen }) => [
            id,
            peerId ?? "–",
            !identities.has(id) ? "–" : identities.get(id)!.isNew ? "new" : "kept",
            dial?.join(" ") ?? "–",
          ]),
        ),
      );
      print(`\nkeys: ${folder} (keep them secret); ${file} names the peers`);
    });
}
