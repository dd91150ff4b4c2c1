/** The peers of a topology file: who each is and where it listens. */
import { z } from "zod";
import { InvalidTopology } from "../foundation/errors.js";
import { collide, placeOf, problemWithAddress } from "./addresses.js";

/** Most characters of the name of a peer. */
export const MAX_PEER_NAME_CHARACTERS = 128;

/** What a name cannot hold: control characters, line ends and halves of characters. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u2028\u2029\uFFFE\uFFFF]/u;

/** Whether a text can be a peer's name: 1 to `MAX_PEER_NAME_CHARACTERS` characters that can be printed. */
export function isPeerName(text: string): boolean {
  return text.length >= 1 && text.length <= MAX_PEER_NAME_CHARACTERS && !UNPRINTABLE.test(text);
}

/** Most addresses a peer listens on, or is reached at. */
export const MAX_ADDRESSES = 16;

/** Most characters of an address. */
export const MAX_ADDRESS_CHARACTERS = 512;

/** Most characters of an address that a message repeats. */
const SHOWN_CHARACTERS = 64;

const address = z
  .string()
  .max(MAX_ADDRESS_CHARACTERS)
  .regex(/^\/[^\s/]+\/\S+$/, {
    abort: true,
    error: ({ input }) =>
      `cannot be ${JSON.stringify(String(input).slice(0, SHOWN_CHARACTERS))}: a multiaddr looks like "/ip4/192.0.2.7/tcp/4001"`,
  })
  .refine((text) => problemWithAddress(text) === undefined, {
    error: ({ input }) =>
      `cannot be ${JSON.stringify(String(input).slice(0, SHOWN_CHARACTERS))}: ${problemWithAddress(String(input))}`,
  });

export const peerSettings = z.strictObject({
  id: z.int().min(0).describe("the peer's number in the graph"),
  name: z
    .string()
    .min(1)
    .max(MAX_PEER_NAME_CHARACTERS)
    .refine(isPeerName, { error: "must have printable characters only" })
    .optional()
    .describe("what people call the peer; graph files name their nodes by it"),
  listen: z.array(address).max(MAX_ADDRESSES).optional().describe("multiaddrs the peer listens on"),
  dial: z
    .array(address)
    .max(MAX_ADDRESSES)
    .optional()
    .describe("multiaddrs its neighbours reach it at; by default those it listens on"),
  peerId: z.string().min(1).max(128).optional().describe("the libp2p identity the peer must prove"),
  host: z.string().min(1).max(255).optional().describe("the machine it runs on, for people and scripts"),
  data: z
    .union([
      z.string().min(1),
      z.record(z.string(), z.unknown()).refine((settings) => Object.keys(settings).length > 0, {
        error: "cannot be empty: leave it out",
      }),
    ])
    .transform((data) => (typeof data === "string" ? { path: data } : data))
    .optional()
    .describe(
      "the peer's own training data, with split own: its path from the topology file, or settings of data that differ from the experiment's",
    ),
  left: z
    .literal(true)
    .optional()
    .describe("the peer has left a running graph for good: it has no edges, and its number stays taken"),
});

/** Who one peer is and where it is. */
export interface TopologyPeer {
  readonly id: number;
  readonly name?: string;
  /** Multiaddrs it listens on; empty where the file says none. */
  readonly listen: readonly string[];
  /** Multiaddrs its neighbours reach it at. */
  readonly dial: readonly string[];
  readonly peerId?: string;
  readonly host?: string;
  /** Settings of its own data, over those of the experiment. They never leave the machine. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** It has left a running graph for good. */
  readonly left?: true;
}

/** Names of all peers in the order of their numbers, which stand in for names; undefined where no peer has a name. */
export function namesOf(peers: readonly TopologyPeer[]): string[] | undefined {
  if (peers.every(({ name }) => name === undefined)) return undefined;
  return peers.map(({ id, name }) => name ?? String(id));
}

/**
 * One entry per peer, in the order of their numbers.
 *
 * @throws InvalidTopology a number that the graph does not have, or a number, name or key that comes twice
 */
export function completePeers(
  given: readonly z.output<typeof peerSettings>[],
  count: number,
): TopologyPeer[] {
  const peers = Array.from({ length: count }, (_, id): TopologyPeer => ({ id, listen: [], dial: [] }));
  const indexById = new Map<number, number>();
  const indexByPeerId = new Map<string, number>();
  const indexByName = new Map<string, number>();
  for (const [index, { id, name, listen = [], dial = listen, peerId, host, data, left }] of given.entries()) {
    if (id >= count) {
      throw new InvalidTopology(
        `peers[${index}].id is ${id}: the graph's peers are numbered 0 to ${count - 1}`,
        { code: "peer-id-range", peer: id, field: `peers[${index}].id` },
      );
    }
    if (indexById.has(id)) {
      throw new InvalidTopology(
        `peers[${index}].id is ${id}, like that of peers[${indexById.get(id)}]: keep one`,
        { code: "peer-id-repeated", peer: id, field: `peers[${index}].id` },
      );
    }
    indexById.set(id, index);
    if (peerId !== undefined) {
      const twin = indexByPeerId.get(peerId);
      if (twin !== undefined) {
        throw new InvalidTopology(
          `peers[${index}].peerId equals that of peers[${twin}]: give every peer its own key`,
          { code: "peer-key-repeated", peer: id, field: `peers[${index}].peerId` },
        );
      }
      indexByPeerId.set(peerId, index);
    }
    if (name !== undefined) {
      const twin = indexByName.get(name);
      if (twin !== undefined) {
        throw new InvalidTopology(
          `peers[${index}].name equals that of peers[${twin}]: give every peer its own name`,
          { code: "peer-name-repeated", peer: id, field: `peers[${index}].name` },
        );
      }
      indexByName.set(name, index);
    }
    peers[id] = {
      id,
      ...(name === undefined ? {} : { name }),
      listen,
      dial,
      ...(peerId === undefined ? {} : { peerId }),
      ...(host === undefined ? {} : { host }),
      ...(data === undefined ? {} : { data }),
      ...(left && { left }),
    };
  }
  requireOwnPlaces(peers);
  return peers;
}

/** @throws InvalidTopology two peers have one address, or want one port of a machine; or a peer names one twice */
function requireOwnPlaces(peers: readonly TopologyPeer[]): void {
  const byDial = new Map<string, number>();
  /** What peers listen on, by machine. */
  const byHost = new Map<string, { id: number; address: string }[]>();
  for (const { id, listen, dial, host } of peers) {
    for (const [field, addresses] of [
      ["listen", listen],
      ["dial", dial],
    ] as const) {
      const again = addresses.find((each, k) => addresses.indexOf(each) < k);
      if (again !== undefined) {
        throw new InvalidTopology(`peer ${id} has ${again} twice in ${field}: keep one`, {
          code: "address-repeated",
          peer: id,
          field: `peers[${id}].${field}`,
        });
      }
    }
    for (const address of dial) {
      const place = Object.values(placeOf(address)).join(" ");
      const twin = byDial.get(place);
      if (twin !== undefined && twin !== id) throw oneAddress(twin, id, address);
      byDial.set(place, id);
    }
    if (host === undefined) continue;
    const there = byHost.get(host) ?? [];
    for (const address of listen) {
      const twin = there.find((other) => collide(other.address, address));
      if (twin) throw oneAddress(twin.id, id, address);
    }
    byHost.set(host, [...there, ...listen.map((address) => ({ id, address }))]);
  }
}

function oneAddress(twin: number, id: number, address: string): InvalidTopology {
  return new InvalidTopology(
    `peers ${twin} and ${id} have one address, ${address}: give each a port of its own`,
    {
      code: "address-of-two-peers",
      peer: id,
      neighbour: twin,
      field: "peers",
    },
  );
}
