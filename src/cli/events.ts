import type { LinkEvent } from "../runs/node/network.js";

/** What happened on an edge, in words. */
export function eventText(event: LinkEvent): string {
  switch (event.kind) {
    case "connected":
      return `peer ${event.neighbour} is connected`;
    case "disconnected":
      return `peer ${event.neighbour} is gone: ${event.reason}`;
    case "redialling":
      return `peer ${event.neighbour} is not there yet: ${event.reason}`;
    case "unreachable":
      return event.reason;
    case "refused":
      return `refused ${typeof event.from === "number" ? `peer ${event.from}` : event.from}: ${event.reason}`;
  }
}

/** Passes events on in words, unless the last one about that neighbour gave the same reason. */
export function newsOnly(tell: (text: string) => void): (event: LinkEvent) => void {
  const said = new Map<number | string, string>();
  return (event) => {
    const who = event.kind === "refused" ? event.from : event.neighbour;
    const reason = event.kind === "connected" ? event.kind : event.reason;
    if (said.get(who) === reason) return;
    said.set(who, reason);
    tell(eventText(event));
  };
}
