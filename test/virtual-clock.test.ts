import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { quiescence } from "../src/foundation/clock.js";
import { Deadlock } from "../src/foundation/errors.js";
import { createVirtualClock } from "../src/foundation/virtual-clock.js";
import { expectRejection } from "./support/errors.js";

const never = () => new Promise<never>(() => {});

describe("a virtual clock", () => {
  it("lets events happen by time, then in the order in which they were planned, but for those that are cancelled", async () => {
    const plans = fc.array(fc.record({ at: fc.nat({ max: 8 }), isCancelled: fc.boolean() }), {
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(plans, async (planned) => {
        const clock = createVirtualClock();
        const happened: [number, number][] = [];
        const cancels = planned.map(({ at }, k) => clock.after(at, () => happened.push([clock.now(), k])));
        for (const [k, { isCancelled }] of planned.entries()) {
          if (!isCancelled) continue;
          cancels[k]!();
          cancels[k]!();
        }
        const left = planned.flatMap(({ at, isCancelled }, k) => (isCancelled ? [] : [[at, k]]));
        expect(clock.pending()).toBe(left.length);
        while (await clock.step());
        expect(happened).toEqual(left.sort((a, b) => a[0]! - b[0]! || a[1]! - b[1]!));
        expect(clock.pending()).toBe(0);
      }),
    );
  });

  it("stands still once the promise is settled, and lets promises settle before the next event", async () => {
    const clock = createVirtualClock();
    const seen: string[] = [];
    const twice = async () => {
      await new Promise<void>((resolve) => clock.after(10, resolve));
      for (let k = 0; k < 5; k++) await undefined;
      seen.push(`first at ${clock.now()}`);
      await new Promise<void>((resolve) => clock.after(10, resolve));
    };
    clock.after(11, () => seen.push("second"));
    clock.after(500, () => seen.push("never"));
    await clock.run(twice());
    expect(seen).toEqual(["first at 10", "second"]);
    expect(clock.now()).toBe(20);
  });

  it("does not pass the end of work that takes longer than its time, and settles it in the order of the events", async () => {
    const clock = createVirtualClock();
    const seen: string[] = [];
    const work = (name: string, milliseconds: number, tasks: number) =>
      clock
        .during(milliseconds, async () => {
          for (let k = 0; k < tasks; k++) await quiescence();
          return name;
        })
        .then((value) => seen.push(`${value} at ${clock.now()}`));
    const all = Promise.all([work("slow", 5, 50), work("quick", 5, 0), work("earlier", 3, 20)]);
    clock.after(6, () => seen.push("after"));
    await clock.run(all);
    expect(seen).toEqual(["earlier at 3", "slow at 5", "quick at 5"]);
  });

  it("reports the failure of work at the work's time", async () => {
    const clock = createVirtualClock();
    const failing = clock.during(7, () => Promise.reject(new Error("no data")));
    await expect(clock.run(failing)).rejects.toThrow("no data");
    expect(clock.now()).toBe(7);
  });

  it("says who waits when no event is left but those that bring nothing forward", async () => {
    const clock = createVirtualClock();
    let losses = 0;
    const lose = () => {
      losses++;
      clock.meanwhile(10, lose);
    };
    clock.meanwhile(10, lose);
    clock.after(35, () => {});
    const waiting = clock.run(never(), () => "peer 3 waits for peer 4");
    const { message } = await expectRejection(waiting, Deadlock, { code: "deadlock" });
    expect(message).toMatch(/35 ms.*peer 3 waits for peer 4/);
    expect(losses).toBe(3);
  });
});
