/** Settings of a simulated network: what its links and peers are like, and when they fail. */

import { z } from "zod";
import { MAX_VIOLATIONS } from "../../exchange/transport.js";
import { InvalidNetwork } from "../../foundation/errors.js";
import { checked } from "../../settings/check.js";
import { FIRST_BAN_MS } from "../ban.js";

const UNITS = { bit: 1, kbit: 1e3, Mbit: 1e6, Gbit: 1e9 } as const;
const BANDWIDTH = /^(\d+(?:\.\d+)?)\s*(bit|kbit|Mbit|Gbit)\/s$/;

/** Bits per second, as a number or as text such as "20 Mbit/s". */
const bandwidth = z.union(
  [
    z.number().positive(),
    z
      .string()
      .regex(BANDWIDTH)
      .transform((text): number => {
        const [, amount, unit] = BANDWIDTH.exec(text)!;
        return Number(amount) * UNITS[unit as keyof typeof UNITS];
      })
      .pipe(z.number().positive()),
  ],
  {
    error: ({ input }) =>
      `cannot be ${JSON.stringify(input)?.slice(0, 40)}: write bits per second, more than 0, or a text like "20 Mbit/s"`,
  },
);

const peer = z.int().min(0);
const milliseconds = z.number().min(0);

/** Rules of the protocol that a peer may break before its neighbour bans it; libp2p peers have the same. */

const slowPeers = z.strictObject({
  peers: z.array(peer).min(1).optional().describe("which peers are slow"),
  share: z.number().gt(0).max(1).optional().describe("instead: what share of them; the seed chooses which"),
  factor: z.number().positive().describe("how many times longer they compute"),
});

const partitionSettings = z.strictObject({
  from: z.number().min(0).describe("when it begins, in seconds"),
  to: z.number().positive().describe("when it heals, in seconds"),
  groups: z
    .array(z.array(peer).min(1))
    .min(1)
    .describe("peers that still reach each other; those that are named nowhere are a group too"),
});

/** What a link is like in each direction. */
const link = {
  bandwidth: bandwidth
    .optional()
    .describe('bits per second, such as 2e7 or "20 Mbit/s"; unlimited where left out'),
  latencyMs: milliseconds.describe("how long a bit is under way"),
  jitterMs: milliseconds.describe("at most how much longer, uniformly at random for every message"),
  connectionLoss: z
    .number()
    .positive()
    .optional()
    .describe("mean seconds until a connection is lost, at random; never where left out"),
};

const edgeSettings = z.strictObject({
  between: z.tuple([peer, peer]).describe("the two peers"),
  ...link,
  latencyMs: link.latencyMs.optional(),
  jitterMs: link.jitterMs.optional(),
});

export const networkSettings = z.strictObject({
  $schema: z.string().optional(),
  ...link,
  latencyMs: link.latencyMs.default(0),
  jitterMs: link.jitterMs.default(0),
  uplink: bandwidth
    .optional()
    .describe("bits per second that the links of a peer share when it sends; unlimited where left out"),
  edges: z.array(edgeSettings).default([]).describe("links that differ from the others"),
  computeMs: milliseconds.default(0).describe("how long a peer computes in a round"),
  slow: slowPeers.optional().describe("peers that take longer"),
  redialMs: milliseconds
    .default(100)
    .describe("from the loss of a connection until it is back, where the path is open"),
  reconnectMs: milliseconds
    .default(60_000)
    .describe("without a connection for so long, a neighbour is unreachable"),
  partitions: z
    .array(partitionSettings)
    .default([])
    .describe("when parts of the graph cannot reach each other"),
  corruption: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe("probability that a frame is sent with a wrong byte, as by a broken peer"),
  maxViolations: z
    .int()
    .min(1)
    .default(MAX_VIOLATIONS)
    .describe("broken rules of the protocol after which a peer bans its neighbour for a while"),
  banMs: milliseconds
    .default(FIRST_BAN_MS)
    .describe("how long the first ban of a neighbour lasts; each further one lasts twice as long"),
  roundDeadlineMs: z
    .number()
    .positive()
    .default(600_000)
    .describe("a step that waits longer than this for its neighbours ends the run"),
  seed: z.int().default(1).describe("every random choice of the network follows from it"),
});

/** A simulated network: bandwidth, latency, losses, and how fast peers compute. */
export type NetworkSettings = z.output<typeof networkSettings>;

/**
 * A simulated network's settings from the content of a file, or from an object of the same form. What is left out
 * costs no time and never fails.
 *
 * @param source how error messages call it, for example the file's name
 * @throws InvalidNetwork one line that names the field and says what to change
 */
export function parseNetwork(input: unknown, source = "network"): NetworkSettings {
  return checked(networkSettings, input, { what: source }, InvalidNetwork);
}

/** JSON Schema of network files, for editors. */
export function networkJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(networkSettings, { io: "input" }) as Record<string, unknown>;
}
