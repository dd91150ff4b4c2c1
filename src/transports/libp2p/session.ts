/** Which process of the neighbour this end talks to. The instance distinguishes processes with one key. */
import type { Connection } from "@libp2p/interface";
import type { Channel } from "./channel.js";

export interface SessionOptions {
  readonly livenessMs: number;
  /** The open channels to the neighbour. */
  channels(): readonly Channel[];
  connections(): readonly Connection[];
}

export interface Session {
  /**
   * Admits a process, unless another one with the same key is alive. The connections of a dead one are closed.
   *
   * @param connection the one that the process came on
   */
  admit(instance: string, connection: Connection): Promise<boolean>;
}

export function createSession({ livenessMs, channels, connections }: SessionOptions): Session {
  let current: string | undefined;
  return {
    async admit(instance, connection) {
      while (current !== undefined && current !== instance) {
        const known = current;
        const older = channels();
        const lives = await Promise.all(older.map((channel) => channel.isAlive(livenessMs)));
        if (current !== known) continue;
        if (lives.some(Boolean)) return false;
        for (const channel of older) channel.abort("another process has taken its place");
        for (const other of connections()) if (other !== connection) other.abort(new Error("replaced"));
        current = undefined;
      }
      current = instance;
      return true;
    },
  };
}
