/** The libp2p node under a transport: TCP, WebSockets or this process; Noise; yamux or mplex; neighbours only. */
import { noise } from "@chainsafe/libp2p-noise";
import { yamux } from "@chainsafe/libp2p-yamux";
import type {
  ComponentLogger,
  ConnectionGater,
  Libp2p,
  Metrics,
  MultiaddrConnection,
  PeerId,
  PrivateKey,
} from "@libp2p/interface";
import { memory } from "@libp2p/memory";
import { mplex } from "@libp2p/mplex";
import { tcp } from "@libp2p/tcp";
import { webSockets } from "@libp2p/websockets";
import { createLibp2p } from "libp2p";
import { gatherWrites } from "./carrier.js";
import {
  type Deadlines,
  MAX_CONNECTIONS_PER_NEIGHBOUR,
  MAX_STREAMS_PER_CONNECTION,
  type Muxer,
} from "./limits.js";

const muxerFactories = {
  yamux: () => yamux({ maxInboundStreams: MAX_STREAMS_PER_CONNECTION }),
  mplex: () => mplex({ disconnectThreshold: MAX_STREAMS_PER_CONNECTION }),
};

/** Makes what libp2p counts its connections, dials and bytes with. */
export type NodeMetrics = (components: { readonly logger: ComponentLogger }) => Metrics;

export interface NodeOptions {
  readonly privateKey: PrivateKey;
  readonly listen: readonly string[];
  /** In the order of preference; the end that dials decides. */
  readonly muxers: readonly Muxer[];
  readonly neighbours: number;
  readonly deadlines: Deadlines;
  readonly metrics?: NodeMetrics | undefined;
  /** A new connection, before its other end is known. */
  readonly onConnection?: (connection: MultiaddrConnection) => void;
  /** Whether this PeerId, proven by Noise, may connect. */
  allows(peerId: PeerId, connection: MultiaddrConnection): boolean;
}

/** A node that is not started yet. */
export function createNode({
  privateKey,
  listen,
  muxers,
  neighbours,
  deadlines,
  metrics,
  onConnection,
  allows,
}: NodeOptions): Promise<Libp2p> {
  // libp2p passes a connection out first, and only here, to the gater. None is denied before it is encrypted.
  const opened = (connection: MultiaddrConnection): false => {
    gatherWrites(connection);
    onConnection?.(connection);
    return false;
  };
  const connectionGater: ConnectionGater = {
    denyInboundConnection: opened,
    denyOutboundConnection: (_peerId, connection) => opened(connection),
    denyInboundEncryptedConnection: (peerId, connection) => !allows(peerId, connection),
    denyOutboundEncryptedConnection: (peerId, connection) => !allows(peerId, connection),
  };
  // Noise can choose the muxer on the way, but then each end follows the other's order of preference and they
  // disagree when the orders do. An empty offer leaves the choice to the dialling end.
  const extensions = { webtransportCerthashes: [], streamMuxers: [] };
  // A graph of one peer has no connections, but libp2p requires a limit above 0.
  const connections = MAX_CONNECTIONS_PER_NEIGHBOUR * Math.max(1, neighbours);

  return createLibp2p({
    start: false,
    privateKey,
    addresses: { listen: [...listen] },
    transports: [tcp(), webSockets(), memory()],
    connectionEncrypters: [noise({ extensions })],
    streamMuxers: muxers.map((muxer) => muxerFactories[muxer]()),
    connectionGater,
    ...(metrics && { metrics }),
    // The channels have heartbeats of their own; libp2p's would open a stream for each.
    connectionMonitor: { enabled: false },
    connectionManager: {
      maxConnections: connections,
      maxIncomingPendingConnections: connections,
      // Per second and host; all neighbours may live on one.
      inboundConnectionThreshold: connections,
      dialTimeout: deadlines.dialMs,
      addressDialTimeout: deadlines.dialMs,
      inboundUpgradeTimeout: deadlines.dialMs,
      inboundStreamProtocolNegotiationTimeout: deadlines.handshakeMs,
      outboundStreamProtocolNegotiationTimeout: deadlines.handshakeMs,
    },
  });
}
