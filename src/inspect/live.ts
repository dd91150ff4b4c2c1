/** The page of a run while it runs: a small server that pushes what changed. */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { CannotListen } from "../foundation/errors.js";
import { followRun } from "./follow.js";
import { type PageData, renderPage } from "./report.js";
import type { RunView } from "./view.js";

/** How long pages have to take the last of it, in milliseconds. */
const FLUSH_MS = 1000;
/** Pages that are served at once at most. */
export const MAX_VIEWERS = 32;
const EVENT_STREAM = { "content-type": "text/event-stream", "cache-control": "no-store" };

export interface LiveServerOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  /** Milliseconds since 1970. Of this machine where left out. */
  readonly now?: () => number;
}

export interface LiveServer {
  /** Where the page is. */
  readonly url: string;
  /** Resolves once everything that was there at the start has been read. */
  readonly caughtUp: Promise<void>;
  /** Shows open pages the end of the logs, and stops. */
  close(): Promise<void>;
}

/**
 * Serves the page of a run's folder on the loopback interface only, and nothing else of this machine. The folder
 * may still be empty, or missing: the page fills once there are logs.
 *
 * @throws CannotListen when the port is taken
 */
export async function createLiveServer(
  directory: string,
  { port = 0, now = Date.now }: LiveServerOptions = {},
): Promise<LiveServer> {
  const viewers = createViewers(now);
  const server = createServer((request, response) => {
    // A page elsewhere must not reach this server through a name of its own.
    const host = request.headers.host?.replace(/:\d+$/, "");
    if (host !== "127.0.0.1" && host !== "localhost" && host !== "[::1]") {
      response.writeHead(403).end("murmuration: this page is for this machine only\n");
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
    } else if (request.url === "/") {
      sendPage(response, viewers.data());
    } else if (request.url === "/events" && request.method === "HEAD") {
      response.writeHead(200, EVENT_STREAM).end();
    } else if (request.url === "/events") {
      viewers.add(response);
    } else {
      response.writeHead(404).end("murmuration: there is only one page here, at /\n");
    }
  });
  await listen(server, port);
  const follower = followRun(directory, viewers.show);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    caughtUp: follower.caughtUp,
    async close() {
      try {
        await follower.close();
        await viewers.end();
      } finally {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function sendPage(response: ServerResponse, data: PageData): void {
  response
    .writeHead(200, {
      "content-type": "text/html; charset=utf-8",
      "cache-control": "no-store",
      "content-security-policy":
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'",
    })
    .end(renderPage(data));
}

/** The pages that are open, and what they show. */
function createViewers(now: () => number) {
  const viewers = new Set<ServerResponse>();
  let runs: readonly RunView[] = [];
  let shown = "[]";
  let grewAt = now();
  const quietMs = () => Math.max(0, Math.round(now() - grewAt));
  const event = () => `data: {"runs":${shown},"live":true,"quietMs":${quietMs()}}\n\n`;
  return {
    data: (): PageData => ({ runs, live: true, quietMs: quietMs() }),
    add(response: ServerResponse): void {
      if (viewers.size >= MAX_VIEWERS) {
        response.writeHead(503).end(`murmuration: ${MAX_VIEWERS} pages are open already\n`);
        return;
      }
      response.writeHead(200, EVENT_STREAM);
      response.write(event());
      viewers.add(response);
      response.on("close", () => viewers.delete(response));
    },
    show(view: RunView, changedAt: number): void {
      const next = JSON.stringify([view]);
      if (next === shown) return;
      [runs, shown, grewAt] = [[view], next, changedAt];
      const text = event();
      for (const viewer of viewers) {
        // A page that does not keep up misses this one and gets the next.
        if (!viewer.writableNeedDrain) viewer.write(text);
      }
    },
    /** Ends what the pages follow. Resolves once they took all of it, or had long enough. */
    async end(): Promise<void> {
      const flushed = [...viewers].map((viewer) => new Promise<void>((resolve) => viewer.end(resolve)));
      const enough = new AbortController();
      await Promise.race([
        Promise.all(flushed),
        wait(FLUSH_MS, undefined, { signal: enough.signal }).catch(() => {}),
      ]);
      enough.abort();
    },
  };
}

/** @throws CannotListen when the port is taken */
function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new CannotListen(
          `cannot serve the live page on port ${port}: ${error.message}; choose another port, or 0 for any`,
          { code: "live-port", cause: error },
        ),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
}
