/** The page of a run while it runs: a small server that follows the logs and pushes what changed. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { CannotListen, InvalidLog } from "../errors.js";
import { createRunReader } from "./read.js";
import { type PageData, renderPage } from "./report.js";
import { viewRun } from "./view.js";

/** How often logs are looked at, in milliseconds. */
const LOOK_MS = 500;
/** Longest that reading keeps the server from answering, in milliseconds. */
const READ_SLICE_MS = 50;
/** The share of time that making views may take. */
const VIEW_SHARE = 0.2;
/** How long pages have to take the last of it, in milliseconds. */
const FLUSH_MS = 1000;
/** Pages that are served at once at most. */
export const MAX_VIEWERS = 32;

export interface LiveServerOptions {
  /** 0, the default, takes a free one. */
  readonly port?: number;
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
  { port = 0 }: LiveServerOptions = {},
): Promise<LiveServer> {
  const viewers = new Set<ServerResponse>();
  const reader = createRunReader(directory);
  const closed = new AbortController();
  let data = JSON.stringify({ runs: [], live: true } satisfies PageData);
  let isChanged = false;
  let isCaughtUp = false;

  const server = createServer((request, response) => {
    // A page elsewhere must not reach this server through a name of its own.
    const host = request.headers.host?.replace(/:\d+$/, "");
    if (host !== "127.0.0.1" && host !== "localhost" && host !== "[::1]") {
      response.writeHead(403).end("murmuration: this page is for this machine only\n");
    } else if (request.method !== "GET") {
      response.writeHead(405, { allow: "GET" }).end();
    } else if (request.url === "/") {
      response
        .writeHead(200, {
          "content-type": "text/html; charset=utf-8",
          "cache-control": "no-store",
          "content-security-policy":
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'",
        })
        .end(renderPage(JSON.parse(data) as PageData));
    } else if (request.url === "/events") {
      follow(response);
    } else {
      response.writeHead(404).end("murmuration: there is only one page here, at /\n");
    }
  });

  function follow(response: ServerResponse): void {
    if (viewers.size >= MAX_VIEWERS) {
      response.writeHead(503).end(`murmuration: ${MAX_VIEWERS} pages are open already\n`);
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(`data: ${data}\n\n`);
    viewers.add(response);
    response.on("close", () => viewers.delete(response));
  }

  function publish(): void {
    if (!reader.run) return;
    const next = JSON.stringify({ runs: [viewRun(reader.run)], live: true } satisfies PageData);
    if (next === data) return;
    data = next;
    for (const viewer of viewers) {
      // A page that does not keep up misses this one and gets the next.
      if (!viewer.writableNeedDrain) viewer.write(`data: ${data}\n\n`);
    }
  }

  /** Reads for a slice of time. @returns whether there is more */
  function readSlice(): boolean {
    const until = performance.now() + READ_SLICE_MS;
    while (reader.read()) {
      isChanged = true;
      if (performance.now() > until) return true;
    }
    return false;
  }

  /** What it says is false for a folder without logs, or one that is gone: what was read stays on the page. */
  function attempt(look: () => boolean): boolean {
    try {
      return look();
    } catch (error) {
      if (error instanceof InvalidLog) return false;
      throw error;
    }
  }

  function scan(): boolean {
    reader.scan();
    return true;
  }

  async function run(): Promise<void> {
    let viewMs = 0;
    let viewed = Number.NEGATIVE_INFINITY;
    while (!closed.signal.aborted) {
      const hasMore = attempt(readSlice);
      const now = performance.now();
      const isDue = now - viewed > Math.max(LOOK_MS, viewMs / VIEW_SHARE);
      if (isChanged && (isDue || (!hasMore && !isCaughtUp))) {
        publish();
        isChanged = false;
        viewed = performance.now();
        viewMs = viewed - now;
      }
      if (!hasMore && reader.run && !isCaughtUp) {
        isCaughtUp = true;
        caughtUp();
      }
      await wait(hasMore ? 0 : LOOK_MS, undefined, { signal: closed.signal });
      if (!hasMore) attempt(scan);
    }
  }

  let caughtUp = () => {};
  const caught = new Promise<void>((resolve) => {
    caughtUp = resolve;
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(
        new CannotListen(
          `cannot serve the live page on port ${port}: ${error.message}; name another port, or 0 for any`,
          { cause: error },
        ),
      ),
    );
    server.listen(port, "127.0.0.1", resolve);
  });
  attempt(scan);
  const running = run().catch((error: Error) => {
    if (error.name !== "AbortError") throw error;
  });

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    caughtUp: caught,
    async close() {
      // What was written last reaches the pages that are open, unless there is much to read still.
      if (isCaughtUp && !closed.signal.aborted) {
        attempt(scan);
        if (!attempt(readSlice)) publish();
      }
      closed.abort();
      const flushed = [...viewers].map((viewer) => new Promise<void>((resolve) => viewer.end(resolve)));
      const enough = new AbortController();
      await Promise.race([
        Promise.all(flushed),
        wait(FLUSH_MS, undefined, { signal: enough.signal }).catch(() => {}),
      ]);
      enough.abort();
      server.closeAllConnections();
      await Promise.all([running, new Promise((resolve) => server.close(resolve))]);
    },
  };
}
