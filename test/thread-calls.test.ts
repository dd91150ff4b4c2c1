import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, it } from "vitest";
import { InvalidData } from "../src/foundation/errors.js";
import { openCalls, type ThreadErrors } from "../src/threads/calls.js";

// Threads load JavaScript, so what serves the calls comes from what was built.
const dist = new URL("../dist/", import.meta.url);
const module = (path: string) => JSON.stringify(new URL(path, dist).href);

type Service = {
  half(number: number): Promise<number>;
  /** Resolves when `half` is called the next time. */
  later(): Promise<string>;
  size(value: unknown): Promise<number>;
  refuse(): Promise<void>;
  fail(): Promise<void>;
  throwText(): Promise<void>;
  uncopied(): Promise<() => void>;
  unreadable(depth: number): Promise<unknown>;
  exit(): Promise<void>;
};

const program = `
  import { parentPort } from "node:worker_threads";
  import { serveCalls } from ${module("threads/calls.js")};
  import { InvalidData } from ${module("foundation/errors.js")};
  let go;
  const turn = new Promise((resolve) => (go = resolve));
  serveCalls(parentPort, {
    async half(number) { go("now"); return number / 2; },
    later: () => turn,
    size: async (value) => JSON.stringify(value).length,
    async refuse() { throw new InvalidData("no such file: add it", { code: "example", field: "data" }); },
    async fail() { throw new TypeError("no luck\\nat all"); },
    async throwText() { throw "text"; },
    uncopied: async () => () => {},
    async unreadable(depth) { let value = []; for (let k = 0; k < depth; k++) value = [value]; return value; },
    async exit() { process.exit(3); },
  });`;

const errors: ThreadErrors = {
  failed: (reason) => new Error(`failed: ${reason}`),
  outOfMemory: () => new Error("out of memory"),
  exited: (code) => new Error(`exited: ${code}`),
};

const opened: { terminate(): void }[] = [];
afterEach(() => {
  for (const calls of opened.splice(0)) calls.terminate();
});

/** @param stackSizeMb room of the thread, by which values are too deep for it */
function open({ stackSizeMb = 4, text = program } = {}) {
  const url = new URL(`data:text/javascript,${encodeURIComponent(text)}`);
  const calls = openCalls<Service>(() => new Worker(url, { resourceLimits: { stackSizeMb } }), errors);
  opened.push(calls);
  return calls;
}

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let k = 0; k < depth; k++) value = [value];
  return value;
}

describe("calls to a thread", () => {
  it("return what they return there, each its own, in any order", async () => {
    const { call } = open();
    const answers = await Promise.all([call("later", []), call("half", [3]), call("half", [5])]);
    expect(answers).toEqual(["now", 1.5, 2.5]);
  });

  it("throw the error that is thrown there, of its class and with its details", async () => {
    const error = await open()
      .call("refuse", [])
      .catch((error) => error);
    expect(error).toBeInstanceOf(InvalidData);
    expect(error).toMatchObject({ message: "no such file: add it", code: "example", field: "data" });
  });

  it.each([
    ["fail", "failed: TypeError: no luck"],
    ["throwText", "failed: text"],
  ] as const)("throw one line for what nobody foresaw: %s", async (name, message) => {
    const { call } = open();
    await expect(call(name, [])).rejects.toThrow(new Error(message));
    expect(await call("half", [3])).toBe(1.5);
  });

  it("throw at once for arguments that cannot be copied, and the thread goes on", async () => {
    const { call } = open();
    await expect(call("size", [() => {}])).rejects.toThrow(/could not be cloned/);
    expect(await call("half", [3])).toBe(1.5);
  });
});

describe("no call waits for ever", () => {
  it("where the thread ends: those that wait, and those to come", async () => {
    const { call, lost } = open();
    const waiting = call("later", []);
    const last = call("exit", []);
    for (const result of [waiting, last, lost]) await expect(result).rejects.toThrow(/^exited: 3$/);
    await expect(call("half", [3])).rejects.toThrow(/^exited: 3$/);
  });

  it("where the thread does not start", async () => {
    await expect(open({ text: "throw new Error('no start');" }).call("half", [3])).rejects.toThrow(
      /^failed: Error: no start$/,
    );
    const start = () => {
      throw new Error("no thread");
    };
    expect(() => openCalls<Service>(start, errors)).toThrow(/^failed: Error: no thread$/);
  });

  it("where the thread cannot read a call", async () => {
    const { call } = open({ stackSizeMb: 0.5 });
    expect(await call("size", [nested(10)])).toBe(22);
    const waiting = call("later", []);
    await expect(call("size", [nested(3000)])).rejects.toThrow(/^failed: RangeError: Maximum call stack/);
    await expect(waiting).rejects.toThrow(/^failed: RangeError/);
  });

  it("where the caller cannot read the answer", async () => {
    const { call } = open({ stackSizeMb: 8 });
    expect(await call("unreadable", [10])).toEqual(nested(10));
    await expect(call("unreadable", [5000])).rejects.toThrow(/^failed: RangeError: Maximum call stack/);
  });

  it("where the answer cannot be copied", async () => {
    await expect(open().call("uncopied", [])).rejects.toThrow(/^failed: .*could not be cloned/);
  });
});
