import { InvalidTopology } from "../../foundation/errors.js";
import type { Topology } from "../../graphs/topology.js";
import type { NetworkPeer } from "../../transports/libp2p/index.js";

function requirePeer({ name, peers }: Topology, id: number): void {
  if (!Number.isInteger(id) || id < 0 || id >= peers.length) {
    throw new InvalidTopology(`${name} has no peer ${id}: its peers are numbered 0 to ${peers.length - 1}`, {
      code: "unknown-peer",
      peer: id,
    });
  }
}

/**
 * The peers as the transport wants them.
 *
 * @throws InvalidTopology when this peer or a neighbour has no PeerId, or an edge no address at either end
 */
export function networkPeers(topology: Topology, id: number): NetworkPeer[] {
  requirePeer(topology, id);
  const { name, peers, mixing } = topology;
  const neighbours = mixing.neighbours[id]!.map(({ peer }) => peer);
  for (const each of [id, ...neighbours]) {
    if (peers[each]!.peerId === undefined) {
      throw new InvalidTopology(
        `${name} names no peerId for peer ${each}: make keys with \`murmur keys\`, which writes them into the topology file`,
        { code: "peer-without-key", peer: each, field: "peers" },
      );
    }
  }
  for (const neighbour of neighbours) {
    if (peers[id]!.dial.length === 0 && peers[neighbour]!.dial.length === 0) {
      throw new InvalidTopology(
        `${name} gives neither peer ${id} nor its neighbour ${neighbour} an address: add "listen" to one of them, as in ["/ip4/192.0.2.7/tcp/4001"]`,
        { code: "edge-without-address", peer: id, neighbour, field: "peers" },
      );
    }
  }
  return peers.flatMap(({ id: each, peerId, dial }) =>
    peerId === undefined ? [] : [{ id: each, peerId, dial }],
  );
}
