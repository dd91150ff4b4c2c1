import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { createTrainer } from "../src/trainers/index.js";
import { taskSettings } from "../src/trainers/task.js";

/** Whether tfjs was loaded in this process; Node keeps every CommonJS module in this cache. */
function isLoaded(): boolean {
  return Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes("tfjs-core"));
}

test("quadratics and all settings do without tfjs; layers models load it", async () => {
  const task = taskSettings.parse({});
  const context = { peer: 0, peers: 8, seed: 1 };
  const trainer = { kind: "quadratic", dimension: 4, heterogeneity: 1, noise: 0, condition: 1 } as const;
  await createTrainer({ ...task, trainer }, context);
  expect(isLoaded()).toBe(false);
  await createTrainer(
    { ...task, trainer: { kind: "layers", backend: "wasm", fastMath: false, threads: 1 } },
    context,
  );
  expect(isLoaded()).toBe(true);
});
