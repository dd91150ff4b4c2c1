/** What listens at a host and port, below libp2p: nothing, libp2p, a program of another kind, or one that hangs. */
import { connect, type Socket } from "node:net";
import type { Clock } from "../../foundation/clock.js";
import { printable } from "../../foundation/printable.js";
import { describeFailure, seconds } from "./reasons.js";

export interface SocketAddress {
  readonly host: string;
  readonly port: number;
  /** Whether libp2p speaks there without WebSockets around it, so that it greets. */
  readonly greets: boolean;
}

export interface Greeting {
  /**
   * `nothing`: no connection. `foreign`: a program that is not libp2p. `silent`: it takes the connection and does not
   * answer. `open`: libp2p, or nothing that contradicts it.
   */
  readonly kind: "open" | "nothing" | "foreign" | "silent";
  /** What happened, and what to do. */
  readonly reason: string;
}

/** Every libp2p stream begins with it, after its length. */
const MULTISTREAM = "\x13/multistream/1.0.0\n";
/** Most characters of a foreign greeting that are shown. */
const SHOWN_CHARACTERS = 40;

/** Connects, greets as libp2p does, and waits for the first bytes of an answer. */
export function greet(address: SocketAddress, clock: Clock, deadlineMs: number): Promise<Greeting> {
  const { host, port, greets } = address;
  return new Promise((resolve) => {
    const socket: Socket = connect({ host, port });
    let isConnected = false;
    let received = "";
    const end = (kind: Greeting["kind"], reason: string) => {
      cancel();
      socket.destroy();
      resolve({ kind, reason });
    };
    const cancel = clock.after(deadlineMs, () =>
      isConnected
        ? end(
            "silent",
            `it accepts connections and does not answer within ${seconds(deadlineMs)}: the process there is stopped, hangs or computes for longer; look at it, or wait longer with --timeout`,
          )
        : end(
            "nothing",
            `no answer within ${seconds(deadlineMs)}: is that machine up, and does a firewall let port ${port} through?`,
          ),
    );
    socket.once("connect", () => {
      isConnected = true;
      if (greets) socket.write(MULTISTREAM, "latin1");
      else end("open", "");
    });
    socket.on("data", (data) => {
      received += data.toString("latin1");
      if (received.startsWith(MULTISTREAM)) end("open", "");
      else if (!MULTISTREAM.startsWith(received)) end("foreign", foreign(received));
    });
    // It may have refused this connection alone: what comes next shows it.
    socket.once("end", () => end("open", ""));
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (isConnected) end("open", "");
      else if (error.code === "ECONNREFUSED") {
        end(
          "nothing",
          "nothing listens there (connection refused): start that peer, or correct its address or port",
        );
      } else {
        const why = describeFailure(error, deadlineMs);
        end("nothing", `${why}: correct its address, or the network between`);
      }
    });
  });
}

function foreign(received: string): string {
  const line = printable(received.split(/[\r\n]/)[0]!.slice(0, SHOWN_CHARACTERS));
  const what = received.startsWith("HTTP/") ? "an HTTP server" : "a program that is not murmur";
  return `${what} answers there (“${line}”): stop it, or correct the address or port`;
}
