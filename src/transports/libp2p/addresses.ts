/** Multiaddrs: how a neighbour is dialled, and why an address cannot be listened on. */
import { type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { CannotListen, InvalidTopology } from "../../foundation/errors.js";

/** The code of `/p2p/…` in a multiaddr. */
const CODE_P2P = 421;

/** The address without the PeerId at its end. */
export function withoutPeerId(address: Multiaddr): Multiaddr {
  return address.decapsulateCode(CODE_P2P);
}

/** Where to dial a peer; it is reached only if it proves this PeerId. Throws where the text is no multiaddr. */
export function withPeerId(address: string, peerId: string): Multiaddr {
  return withoutPeerId(multiaddr(address)).encapsulate(`/p2p/${peerId}`);
}

/** @throws InvalidTopology the address is not a multiaddr */
export function dialTarget(neighbour: number, address: string, peerId: string): Multiaddr {
  try {
    return withPeerId(address, peerId);
  } catch (cause) {
    throw new InvalidTopology(
      `the address ${address} of peer ${neighbour} is not a multiaddr: write one as /ip4/192.0.2.7/tcp/4001`,
      { code: "address-not-a-multiaddr", neighbour, field: address, cause },
    );
  }
}

export function cannotListen(id: number, listen: readonly string[], cause: unknown): CannotListen {
  const text = cause instanceof Error ? cause.message : String(cause);
  const why = /EADDRINUSE|already in use/.test(text)
    ? "it is in use; stop what listens there (perhaps this peer already runs), or choose another port"
    : /EADDRNOTAVAIL/.test(text)
      ? "this machine has no such address"
      : /EACCES/.test(text)
        ? "that port needs privileges; choose one above 1023"
        : text.split("\n").join(" ");
  return new CannotListen(`peer ${id} cannot listen on ${listen.join(", ")}: ${why}`, {
    code: "cannot-listen",
    peer: id,
    cause,
  });
}
