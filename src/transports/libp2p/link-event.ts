/** What happens on the edges of a network transport, for logs and displays. */
import type { Chain } from "../../exchange/waiting.js";
import type { Change } from "../../graphs/changes.js";

/** What happens to the link with one neighbour. */
export type LinkEvent =
  | { readonly kind: "connected"; readonly neighbour: number }
  | { readonly kind: "disconnected"; readonly neighbour: number; readonly reason: string }
  | {
      readonly kind: "redialling";
      readonly neighbour: number;
      /** How many attempts have failed. */
      readonly attempt: number;
      readonly pauseMs: number;
      readonly reason: string;
    }
  | { readonly kind: "unreachable"; readonly neighbour: number; readonly reason: string }
  /** With every heartbeat of a wait that lasts: this peer, whom it waits for, and so on. */
  | { readonly kind: "waiting"; readonly chain: Chain }
  /** With every heartbeat: `peer`, this one, is done and waits up to `waitMs` for a neighbour that is not. */
  | {
      readonly kind: "lingering";
      readonly peer: number;
      readonly neighbour: number;
      readonly waitMs: number;
    }
  /** A neighbour's answer to this peer, which asks to join. */
  | { readonly kind: "joining"; readonly neighbour: number; readonly reason: string }
  /** The run's members change. */
  | {
      readonly kind: "epoch";
      readonly number: number;
      readonly firstRound: number;
      readonly changes: readonly Change[];
      readonly refused: readonly { readonly change: Change; readonly reason: string }[];
    }
  /** `from` is a peer's number, or the PeerId of a stranger. */
  | { readonly kind: "refused"; readonly from: number | string; readonly reason: string };
