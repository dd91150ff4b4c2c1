/**
 * What libp2p expects and Node 20 lacks; newer runtimes have both and nothing is touched there.
 * Noise calls `Promise.withResolvers`, without which a dial ends as an unexplained reset; dialling a WebSocket
 * address takes the global `WebSocket`.
 */
interface Expected {
  WebSocket?: unknown;
}

interface ExpectedPromise {
  withResolvers?: <T>() => {
    promise: Promise<T>;
    resolve: (value: T | PromiseLike<T>) => void;
    reject: (reason?: unknown) => void;
  };
}

(Promise as unknown as ExpectedPromise).withResolvers ??= <T>() => {
  let resolve!: (value: T | PromiseLike<T>) => void;
  let reject!: (reason?: unknown) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
};

if ((globalThis as Expected).WebSocket === undefined) {
  // Not a literal, so that bundles for browsers leave it out.
  const webSockets: string = "ws";
  (globalThis as Expected).WebSocket = ((await import(webSockets)) as Expected).WebSocket;
}
