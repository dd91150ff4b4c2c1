import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import type { PrivateKey } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { InvalidTopology } from "../../foundation/errors.js";

/** Who a peer is on the network: an Ed25519 key, and the PeerId that follows from it. */
export interface Identity {
  /** The key in libp2p's protobuf encoding. Its holder is this peer. */
  readonly privateKey: Uint8Array;
  /** The name that others know this peer by, as in `12D3KooW…`. */
  readonly peerId: string;
}

/** A new Ed25519 key pair and its PeerId. */
export async function generateIdentity(): Promise<Identity> {
  return identityOf(await generateKeyPair("Ed25519"));
}

/** The identity as one line of text, for a key file. */
export function encodeIdentity({ privateKey }: Identity): string {
  return btoa(String.fromCharCode(...privateKey));
}

/**
 * Reads what {@link encodeIdentity} wrote.
 *
 * @throws InvalidTopology when the text is no Ed25519 key
 */
export function decodeIdentity(text: string): Identity {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  } catch {
    throw invalidKey();
  }
  return identityOf(decodePrivateKey(bytes));
}

/** @throws InvalidTopology when the bytes are no Ed25519 key */
export function decodePrivateKey(bytes: Uint8Array): PrivateKey {
  try {
    const key = privateKeyFromProtobuf(bytes);
    if (key.type === "Ed25519") return key;
  } catch {
    // Whatever is wrong with the bytes, the answer is the same.
  }
  throw invalidKey();
}

function identityOf(key: PrivateKey): Identity {
  return { privateKey: privateKeyToProtobuf(key), peerId: peerIdFromPrivateKey(key).toString() };
}

function invalidKey(): InvalidTopology {
  return new InvalidTopology("this is not an Ed25519 private key of libp2p: make keys with `murmur keys`", {
    code: "not-a-key",
  });
}
