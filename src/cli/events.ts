import { chainText, endOf } from "../exchange/waiting.js";
import { changeText } from "../graphs/changes.js";
import type { LinkEvent } from "../runs/node/network.js";

/** What happened on an edge, in words. */
export function eventText(event: LinkEvent): string {
  switch (event.kind) {
    case "connected":
      return `peer ${event.neighbour} is connected`;
    case "disconnected":
      return `peer ${event.neighbour} is gone: ${event.reason}`;
    case "redialling":
      return `peer ${event.neighbour} is not reachable yet: ${event.reason}`;
    case "unreachable":
      return event.reason;
    case "waiting":
      return chainText(event.chain);
    case "lingering":
      return `peer ${event.peer} is done and waits up to ${event.waitMs / 1000} s for peer ${event.neighbour}, which has not finished`;
    case "joining":
      return `peer ${event.neighbour} answers: ${event.reason}`;
    case "epoch":
      return epochText(event);
    case "refused":
      return `refused ${typeof event.from === "number" ? `peer ${event.from}` : event.from}: ${event.reason}`;
  }
}

function epochText({ number, firstRound, changes, refused }: LinkEvent & { kind: "epoch" }): string {
  const made = changes.map(changeText);
  const not = refused.map(({ change, reason }) => `${changeText(change)} is refused (${reason})`);
  return `epoch ${number} from round ${firstRound + 1} on: ${[...made, ...not].join(", ")}`;
}

/** Whom an event is about, and what is new in it. */
function newsOf(event: LinkEvent): readonly [who: number | string, reason: string] {
  switch (event.kind) {
    case "connected":
      return [event.neighbour, event.kind];
    case "epoch":
      return ["epoch", `${event.number}`];
    case "waiting":
      return ["waiting", `for peer ${endOf(event.chain).peer}`];
    case "lingering":
      return [`lingering for ${event.neighbour}`, `${event.waitMs}`];
    case "refused":
      return [event.from, event.reason];
    default:
      return [event.neighbour, event.reason];
  }
}

/** Passes events on in words, unless the last one about that neighbour gave the same reason. */
export function newsOnly(tell: (text: string) => void): (event: LinkEvent) => void {
  const said = new Map<number | string, string>();
  return (event) => {
    const [who, reason] = newsOf(event);
    if (said.get(who) === reason) return;
    said.set(who, reason);
    tell(eventText(event));
  };
}

/** Shows who waits for whom: live in a terminal, and as one line per wait elsewhere. */
export interface WaitDisplay {
  /** Takes waits out of the events; the others are passed on. */
  apart(pass: (event: LinkEvent) => void): (event: LinkEvent) => void;
  /** A round is over: the next wait is another. */
  over(): void;
}

/**
 * @param tell writes a line
 * @param show shows words beside the progress
 */
export function createWaitDisplay(
  tell: (text: string) => void,
  show: (text: string) => void,
  isTerminal = process.stderr.isTTY,
): WaitDisplay {
  /** The peers at the end of the waits that were reported. */
  const told = new Set<number>();
  return {
    apart: (pass) => (event) => {
      if (event.kind !== "waiting") return pass(event);
      const text = chainText(event.chain);
      const { peer } = endOf(event.chain);
      if (isTerminal) show(text);
      else if (!told.has(peer)) tell(text);
      told.add(peer);
    },
    over: () => told.clear(),
  };
}
