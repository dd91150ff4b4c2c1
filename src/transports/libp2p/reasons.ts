/** Descriptions of failures: which layer failed, and what to check. */
import { printable } from "../../foundation/printable.js";

/** Layer by layer, the first text that fits. Matches libp2p's error names and Node's error codes. */
const causes: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, "nothing listens at its address (connection refused)"],
  [/ENOTFOUND|EAI_AGAIN/, "the host name in its address is unknown"],
  [/EHOSTUNREACH|ENETUNREACH/, "there is no route to its address"],
  [
    /UnexpectedPeer|does not match expected remote identity/,
    "another key answers at its address than the topology names",
  ],
  [/ConnectionIntercepted|blocked by gater/, "the connection was refused: it is not a neighbour"],
  [
    /UnsupportedProtocol|protocol selection failed/i,
    "it does not speak this protocol: run the same version everywhere",
  ],
  [/MuxerUnavailable|no common muxers/i, "it offers no muxer that this peer has"],
];

export function describeFailure(error: unknown, dialMs: number): string {
  if (error instanceof AggregateError) {
    return [...new Set(error.errors.map((each) => describeFailure(each, dialMs)))].join("; ");
  }
  const { name, message, code } = error as Error & { code?: string };
  const text = `${name} ${code ?? ""} ${message}`;
  const known = causes.find(([pattern]) => pattern.test(text));
  if (known) return known[1];
  if (/Timeout|AbortError|aborted/i.test(text)) return `no answer within ${seconds(dialMs)}`;
  if (/ECONNRESET|EncryptionFailed|closed|reset/i.test(text)) {
    return `it closed the connection (${shortened(message)}); its topology may not name this peer's PeerId`;
  }
  return shortened(message);
}

export function seconds(durationMs: number): string {
  return `${durationMs / 1000} s`;
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${bytes} bytes` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function shortened(text: string): string {
  return printable(text.split("\n")[0]!).slice(0, 200);
}
