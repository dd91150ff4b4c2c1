/** Addresses for peers that have none yet, and which of a topology's peers are this machine's. */
import { randomInt } from "node:crypto";
import { createServer, isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import { CannotListen } from "../../foundation/errors.js";
import type { TopologyPeer } from "../../graphs/topology-peers.js";

/** First port of the addresses that `murmur keys` and `murmur init` write: peer i gets this plus i. */
export const DEFAULT_BASE_PORT = 4100;

export interface Addresses {
  readonly listen: string[];
  readonly dial?: string[];
}

/** Loopback, or, for a peer with a host, all of the host's interfaces, to be dialled by the host's name. */
export function addressesOf(host: string | undefined, port: number): Addresses {
  if (host === undefined) return { listen: [`/ip4/127.0.0.1/tcp/${port}`] };
  const version = isIP(host);
  const any = version === 6 ? "/ip6/::" : "/ip4/0.0.0.0";
  const protocol = version === 0 ? "dns" : `ip${version}`;
  return { listen: [`${any}/tcp/${port}`], dial: [`/${protocol}/${host}/tcp/${port}`] };
}

/** Whether a peer runs on this machine: by its host, or by an address it is dialled at. */
export function isLocal({ host, dial }: TopologyPeer): boolean {
  const own = new Set(["localhost", "127.0.0.1", "::1", "0.0.0.0", "::", hostname()]);
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address } of addresses ?? []) own.add(address);
  }
  if (host !== undefined) return own.has(host);
  return (
    dial.length === 0 ||
    dial.some((address) => {
      const [, protocol, name] = address.split("/");
      return own.has(name!) || protocol === "memory" || protocol === "unix";
    })
  );
}

/** Below the ports that systems give to outgoing connections, so that none is taken before its peer listens there. */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;
const MAX_PORT_ATTEMPTS = 1000;

/** Loopback addresses with ports that are free now. */
export async function freeLoopbackAddresses(count: number): Promise<string[]> {
  const addresses: string[] = [];
  let port = randomInt(FIRST_PORT, LAST_PORT);
  for (let attempt = 0; attempt < MAX_PORT_ATTEMPTS && addresses.length < count; attempt++) {
    if (await isFree(port)) addresses.push(`/ip4/127.0.0.1/tcp/${port}`);
    port = port === LAST_PORT ? FIRST_PORT : port + 1;
  }
  if (addresses.length === count) return addresses;
  throw new CannotListen(
    `fewer than ${count} ports are free between ${FIRST_PORT} and ${LAST_PORT} on 127.0.0.1: stop other programs, or add addresses to the topology`,
    { code: "no-free-ports" },
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
