/** Who of a peer's links may send. */
import type { Clock } from "../../foundation/clock.js";

/** Frame bytes to put on the line. */
export interface Transmission {
  /** It is this one's turn. @returns how long it takes, in milliseconds */
  begin(): number;
  /** The last bit has left. */
  ended(): void;
}

export interface Uplink {
  /** @returns ends it early, also before its turn */
  transmit(transmission: Transmission): () => void;
}

/** Each link sends at its own pace. */
export function createOwnUplinks(clock: Clock): Uplink {
  return { transmit: (transmission) => clock.after(transmission.begin(), transmission.ended) };
}

/** The links of a peer share one line: their frames leave one after the other. */
export function createSharedUplink(clock: Clock): Uplink {
  const waiting: Transmission[] = [];
  let current: Transmission | undefined;
  let cancel = () => {};

  const next = (): void => {
    current = waiting.shift();
    if (!current) return;
    const { ended } = current;
    cancel = clock.after(current.begin(), () => {
      next();
      ended();
    });
  };
  return {
    transmit(transmission) {
      waiting.push(transmission);
      if (!current) next();
      return () => {
        if (current === transmission) {
          cancel();
          next();
        } else if (waiting.includes(transmission)) waiting.splice(waiting.indexOf(transmission), 1);
      };
    },
  };
}
