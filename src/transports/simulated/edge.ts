/**
 * One edge: a connection that breaks and comes back, and the two lanes over it. A connection that breaks loses what is
 * under way in both directions, and nothing else: inside a connection no frame is lost or overtaken.
 */
import type { EdgePosition } from "../../exchange/transport.js";
import { Unreachable } from "../../foundation/errors.js";
import type { Random } from "../../foundation/random.js";
import type { VirtualClock } from "../../foundation/virtual-clock.js";
import { banMs, bannedFor } from "../ban.js";
import { createFarewell, type Farewell } from "../farewell.js";
import type { LinkConditions } from "./conditions.js";
import { createLane, type Lane, type LaneOptions } from "./lane.js";
import type { LaneEnd } from "./lane-end.js";
import type { NetworkSettings } from "./settings.js";
import type { Uplink } from "./uplink.js";

export interface EdgeOptions
  extends Pick<LaneOptions, "link" | "rate" | "corruption" | "tamper" | "maximumPayloadBytes"> {
  readonly peers: readonly [number, number];
  readonly clock: VirtualClock;
  readonly settings: Pick<NetworkSettings, "redialMs" | "reconnectMs" | "maxViolations" | "banMs">;
  readonly link: LinkConditions;
  /** Of the two peers. */
  readonly uplinks: readonly [Uplink, Uplink];
  /** Of the two lanes, and of the losses of the connection. */
  readonly draws: readonly [Random, Random, Random];
  /** Whether a partition or cut is between the two peers. */
  isBlocked(): boolean;
}

/** The process at one end. */
interface Standing extends LaneEnd {
  isDown: boolean;
  violations: number;
  /** The other end broke the rules too often, and may not connect at present. */
  isBanned: boolean;
  /** How often it was banned. */
  bans: number;
  stopWaiting(): void;
  stopBan(): void;
  readonly farewell: Farewell;
}

/** Longest stay of a peer that is done for a neighbour that is gone, and for one that was never there, in milliseconds. */
const LONGEST_LINGER_MS = 60_000;
const LONGEST_ABSENCE_MS = 10_000;

export interface Edge {
  /** A process starts at one end, and the connection is made once both have. */
  open(peer: number, end: LaneEnd, position: EdgePosition): void;
  /** The process at this end is done. Resolves once the other end is too, or is not awaited any more. */
  finish(peer: number): Promise<void>;
  /** The process at this end has left: what it sent still arrives, then the connection ends. */
  leave(peer: number): void;
  /** The process at this end is gone, and with it the connection. */
  crash(peer: number): void;
  /** This end counts a broken rule of the other. */
  refuse(peer: number, reason: string): void;
  /** The path between the peers has opened or closed. */
  pathChanged(): void;
  lane(from: number): Lane;
  readonly isConnected: boolean;
}

export function createEdge(options: EdgeOptions): Edge {
  const { peers, clock, settings, link, uplinks, draws, isBlocked } = options;
  const ends: [Standing | undefined, Standing | undefined] = [undefined, undefined];
  const lanes = [laneOf(0), laneOf(1)] as const;
  let isConnected = false;
  let connections = 0;
  let reason = "it has not connected yet";
  let stopDialling: (() => void) | undefined;
  let stopLoss = () => {};
  let stopLeaving = () => {};
  let losses = 0;
  /** The ends cannot go on from where they stand. */
  let isBroken = false;

  function laneOf(side: 0 | 1): Lane {
    const other = side === 0 ? 1 : 0;
    return createLane({
      ...options,
      ...{ from: peers[side], to: peers[other], uplink: uplinks[side], draws: draws[side] },
      sender: () => ends[side],
      receiver: () => ends[other],
      violated: (what) => violated(other, what),
    });
  }

  /** The statement crosses like any other message, and is lost with the connection. */
  function farewellOf(side: 0 | 1): Farewell {
    const { reconnectMs } = settings;
    return createFarewell({
      clock,
      waits: {
        lingerMs: Math.min(reconnectMs, LONGEST_LINGER_MS),
        absentMs: Math.min(reconnectMs, LONGEST_ABSENCE_MS),
        roundMs: reconnectMs,
      },
      state() {
        const of = connections;
        clock.after(link.latencyMs + link.jitterMs, () => {
          if (isConnected && of === connections) ends[side === 0 ? 1 : 0]?.farewell.stated();
        });
      },
    });
  }

  const sideOf = (peer: number): 0 | 1 => (peer === peers[0] ? 0 : 1);
  const canConnect = (): boolean => !isBroken && ends.every((end) => end && !end.isBanned) && !isBlocked();

  /** Makes the connection where there can be one, and ends it where there cannot. */
  function update(why: string): void {
    if (isConnected && !canConnect()) disconnect(why);
    if (!canConnect()) {
      reason = why;
      stopDialling?.();
      stopDialling = undefined;
    } else if (!isConnected && !stopDialling) {
      stopDialling = clock.after(connections > 0 ? settings.redialMs : 0, connect);
    }
  }

  function connect(): void {
    stopDialling = undefined;
    const ahead = lanes.map(({ next, complete }) => complete - next);
    const broken = ahead.findIndex((frames) => frames !== 0 && frames !== 1);
    if (broken >= 0) {
      promiseBroken(broken as 0 | 1);
      return;
    }
    isConnected = true;
    connections++;
    for (const [side, end] of ends.entries()) {
      end?.stopWaiting();
      end?.farewell.connected();
      if (end?.isDown) end.emit({ kind: "up", peer: peers[1 - side]! });
      if (end) end.isDown = false;
    }
    const untilLoss = -link.lossMs * Math.log(1 - draws[2].uniform(losses++));
    stopLoss = clock.meanwhile(untilLoss, () => {
      disconnect("the connection was lost");
      update(reason);
    });
    for (const lane of lanes) lane.resume();
  }

  function disconnect(why: string): void {
    if (!isConnected) return;
    reason = why;
    isConnected = false;
    stopLoss();
    for (const lane of lanes) lane.interrupt();
    for (const side of [0, 1] as const) {
      ends[side]?.farewell.disconnected();
      expectConnection(side);
    }
  }

  /** The neighbour is unreachable unless it is back within the deadline. */
  function expectConnection(side: 0 | 1): void {
    const end = ends[side];
    if (!end) return;
    const { reconnectMs } = settings;
    end.stopWaiting();
    end.stopWaiting = clock.after(reconnectMs, () =>
      goDown(
        side,
        (peer, neighbour) =>
          new Unreachable(
            `peer ${peer} cannot reach peer ${neighbour}: ${reason}, and there was no connection for ${reconnectMs / 1000} s`,
            { code: "unreachable", peer, neighbour },
          ),
      ),
    );
  }

  function goDown(side: 0 | 1, errorOf: (peer: number, neighbour: number) => Unreachable): void {
    const end = ends[side];
    if (!end || end.isDown) return;
    const [peer, neighbour] = [peers[side], peers[side === 0 ? 1 : 0]];
    end.isDown = true;
    end.emit({ kind: "down", peer: neighbour, error: errorOf(peer, neighbour) });
  }

  /** A sender and its receiver do not agree on which frame is next, so one of them has lost what it confirmed. */
  function promiseBroken(from: 0 | 1): void {
    isBroken = true;
    const { next, complete } = lanes[from];
    const [sender, receiver] = [peers[from], peers[from === 0 ? 1 : 0]];
    for (const side of [0, 1] as const) {
      const end = ends[side];
      if (!end || end.isDown) continue;
      end.isDown = true;
      const [peer, neighbour] = side === from ? [sender, receiver] : [receiver, sender];
      end.emit({
        kind: "down",
        peer: neighbour,
        error: new Unreachable(
          `peer ${receiver} has ${complete} frames of peer ${sender}, which goes on at frame ${next}: restart both from states of one run that follow each other`,
          { code: "positions-differ", peer, neighbour },
        ),
      });
    }
  }

  function violated(side: 0 | 1, what: string): void {
    const end = ends[side];
    if (!end) return;
    end.violations++;
    disconnect(`peer ${peers[side]} ended the connection: ${what}`);
    if (!end.isBanned && end.violations >= settings.maxViolations) {
      const { violations } = end;
      const forMs = banMs(settings.banMs, end.bans++);
      end.isBanned = true;
      end.stopBan = clock.after(forMs, () => readmit(end));
      goDown(side, (peer, neighbour) => bannedFor(peer, neighbour, forMs, violations));
    }
    update(reason);
  }

  function readmit(end: Standing): void {
    end.isBanned = false;
    end.violations = 0;
    update(reason);
  }

  function discard(side: 0 | 1): void {
    ends[side]?.stopWaiting();
    ends[side]?.stopBan();
    ends[side]?.farewell.stop();
    ends[side] = undefined;
  }

  return {
    open(peer, { traffic, emit, keep }, position) {
      const side = sideOf(peer);
      stopLeaving();
      disconnect(`peer ${peer} started again`);
      isBroken = false;
      const counts = { isDown: false, violations: 0, isBanned: false, bans: 0 };
      const timers = { stopWaiting() {}, stopBan() {} };
      ends[side] = { traffic, emit, keep, ...counts, ...timers, farewell: farewellOf(side) };
      lanes[side].restartSender(position.sent);
      lanes[1 - side]!.restartReceiver(position.received);
      expectConnection(side);
      update("it is not running");
    },
    finish: async (peer) => ends[sideOf(peer)]?.farewell.finish(),
    leave(peer) {
      const side = sideOf(peer);
      discard(side);
      stopLeaving = clock.after(link.latencyMs + link.jitterMs, () => {
        disconnect(`peer ${peer} left`);
        update(`peer ${peer} left`);
      });
    },
    crash(peer) {
      const side = sideOf(peer);
      disconnect(`peer ${peer} stopped`);
      discard(side);
      update(`peer ${peer} stopped`);
    },
    refuse: (peer, what) => violated(sideOf(peer), what),
    pathChanged: () => update("the network is cut between them"),
    lane: (from) => lanes[sideOf(from)],
    get isConnected() {
      return isConnected;
    },
  };
}
