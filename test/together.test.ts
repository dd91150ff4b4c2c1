import { describe, expect, it } from "vitest";
import { together } from "../src/foundation/together.js";

function deferred<Value>() {
  let resolve!: (value: Value) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<Value>((...given) => {
    [resolve, reject] = given;
  });
  return { promise, resolve, reject };
}

describe("together", () => {
  it("is there at once where all values are", () => {
    expect(together([1, 2, 3])).toEqual([1, 2, 3]);
    expect(together([])).toEqual([]);
  });

  it("has all values in order, whichever comes first", async () => {
    const { promise, resolve } = deferred<number>();
    const all = together([promise, 2, Promise.resolve(3).finally(() => resolve(1))]);
    expect(all).toBeInstanceOf(Promise);
    expect(await all).toEqual([1, 2, 3]);
  });

  it("releases the others when one fails, and throws once they are over", async () => {
    const waiting = deferred<string>();
    let isOver = false;
    const other = waiting.promise.finally(() => {
      isOver = true;
    });
    const failing = Promise.reject(new Error("on purpose"));
    await expect(together([other, failing], () => waiting.resolve("released"))).rejects.toThrow("on purpose");
    expect(isOver).toBe(true);
  });

  it("throws what the first in order throws, though another fails before it", async () => {
    const first = deferred<never>();
    const second = Promise.reject(new Error("second"));
    const release = () => first.reject(new Error("first"));
    await expect(together([first.promise, second], release)).rejects.toThrow("first");
  });
});
