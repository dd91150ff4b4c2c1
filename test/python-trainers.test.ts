import { describe, expect, it } from "vitest";
import { InvalidData, TrainerFailed } from "../src/foundation/errors.js";
import { createTrainer, trainerSettings } from "../src/trainers/index.js";
import { taskSettings } from "../src/trainers/task.js";
import { expectRejection } from "./support/errors.js";
import { client, lack, python } from "./support/python.js";

const support = new URL("support/", import.meta.url).pathname;
const reasons = { plain: lack(), client: lack("numpy"), torch: lack("numpy", "torch") };

function started(name: string, settings: object = {}, peer = 1) {
  const command = ["env", `PYTHONPATH=${client}`, python, `${support}${name}`];
  const trainer = trainerSettings.parse({ kind: "process", command, ...settings });
  return createTrainer({ ...taskSettings.parse({}), trainer }, { peer, peers: 2, seed: 4 });
}

const point = Float32Array.from({ length: 6 }, (_, k) => Math.sin(k + 1));
const optimum = (peer: number) => Float32Array.from(point, (_, k) => peer + k / 8);
const lossAt = (center: Float32Array) => point.reduce((sum, x, k) => sum + (x - center[k]!) ** 2 / 2, 0);

describe.each([
  ["trainer_plain.py", reasons.plain],
  ["trainer_client.py", reasons.client],
])("%s", (name, reason) => {
  it.skipIf(reason)(`computes what its formula says ${reason ?? ""}`, async () => {
    const trainer = await started(name);
    const { layout } = trainer;
    expect(layout.tensors.map(({ name, shape }) => [name, shape])).toEqual([["x", [2, 3]]]);
    const model = new Float32Array(6);
    trainer.initialize(model);
    expect(model).toEqual(new Float32Array(6).fill(0.5));
    const out = new Float32Array(6);
    expect(await trainer.gradient(point, out, 0)).toBeCloseTo(lossAt(optimum(1)), 12);
    expect(out).toEqual(point.map((x, k) => x - optimum(1)[k]!));
    expect((await trainer.evaluate(point)).loss).toBeCloseTo(lossAt(optimum(0.5)), 12);
    await trainer.restore(await trainer.state());
    trainer.dispose();
  });
});

describe("the Python client", () => {
  const { client: reason } = reasons;
  it.skipIf(reason)(`keeps a state, and describes its data and model ${reason ?? ""}`, async () => {
    const trainer = await started("trainer_client.py");
    expect(await trainer.fingerprint?.()).toEqual({ data: "none", trainedModel: "parabola" });
    for (let step = 0; step < 3; step++) await trainer.gradient(point, new Float32Array(6), step);
    const other = await started("trainer_client.py");
    await other.restore(await trainer.state());
    await other.gradient(point, new Float32Array(6), 3);
    expect(await other.state()).toEqual({ steps: Float32Array.of(4) });
    for (const each of [trainer, other]) each.dispose();
  });

  it.skipIf(reason)(
    `reports what a trainer raises, and a loss that is not finite ${reason ?? ""}`,
    async () => {
      const failing = await started("trainer_client.py", { options: { fails: true } });
      const failure = failing.gradient(point, new Float32Array(6), 0);
      const { message } = await expectRejection(failure, TrainerFailed, { code: "trainer-reports", peer: 1 });
      expect(message).toMatch(/ValueError: no batch left/);
      const diverging = await started("trainer_client.py", { options: { diverges: true } });
      expect(await diverging.gradient(point, new Float32Array(6), 0)).toBeNaN();
      for (const each of [failing, diverging]) each.dispose();
    },
  );
});

describe("a PyTorch model", () => {
  const { torch: reason } = reasons;
  /** So many rounds of two local steps. */
  async function learn(trainer: Awaited<ReturnType<typeof started>>, model: Float32Array, rounds: number[]) {
    const update = new Float32Array(model.length);
    for (const round of rounds) {
      const steps = { first: 2 * round, count: 2, learningRate: 0.1 };
      expect(await trainer.localUpdate!(model, update, steps)).toBeGreaterThan(0);
      for (const [k, u] of update.entries()) model[k]! += u;
    }
  }

  it.skipIf(reason)(
    `learns with its own optimiser, whose state a restart keeps ${reason ?? ""}`,
    async () => {
      const own = { update: "own" };
      const whole = await started("trainer_torch.py", own);
      // Two kernels, a bias, and batch normalisation's scale and shift; one bias is frozen.
      expect(whole.layout.length).toBe(16 + 4 + 4 + 4 + 1);
      const [a, b] = [new Float32Array(29), new Float32Array(29)];
      whole.initialize(a);
      const { loss: before } = await whole.evaluate(a);
      await learn(whole, a, [0, 1, 2, 3, 4, 5, 6, 7]);
      expect((await whole.evaluate(a)).loss).toBeLessThan(before);

      const first = await started("trainer_torch.py", own);
      first.initialize(b);
      await learn(first, b, [0, 1, 2]);
      const second = await started("trainer_torch.py", own);
      await expectRejection(second.restore({ other: b }), InvalidData, { code: "trainer-refuses-state" });
      await second.restore(await first.state());
      await learn(second, b, [3, 4, 5, 6, 7]);
      expect(b).toEqual(a);
      expect(await second.state()).toEqual(await whole.state());
      for (const each of [whole, first, second]) each.dispose();
    },
  );

  it.skipIf(reason)(
    `gives gradients of its minibatches, for an optimiser of the run ${reason ?? ""}`,
    async () => {
      const trainer = await started("trainer_torch.py");
      const model = new Float32Array(29);
      trainer.initialize(model);
      const [out, again] = [new Float32Array(29), new Float32Array(29)];
      const loss = await trainer.gradient(model, out, 5);
      await trainer.gradient(model, again, 6);
      expect(again).not.toEqual(out);
      expect(await trainer.gradient(model, again, 5)).toBe(loss);
      expect(again).toEqual(out);
      // The slope of the loss along the gradient.
      const norm = Math.hypot(...out);
      const moved = (by: number) => model.map((x, k) => x + (by * out[k]!) / norm);
      const [up, down] = [
        await trainer.gradient(moved(1e-2), again, 5),
        await trainer.gradient(moved(-1e-2), again, 5),
      ];
      expect((up - down) / 2e-2 / norm).toBeCloseTo(1, 1);
      trainer.dispose();
    },
  );

  it.skipIf(reason)(
    `is not taken with an optimiser that the setting leaves without use ${reason ?? ""}`,
    async () => {
      const program = `import torch, murmuration
from murmuration.pytorch import TorchTrainer
def make(run):
    model = torch.nn.Linear(2, 1)
    return TorchTrainer(run, model, torch.optim.SGD(model.parameters(), lr=1), None, None, None)
murmuration.serve(make)`;
      const command = ["env", `PYTHONPATH=${client}`, python, "-c", program];
      const refused = started("", { command });
      const { message } = await expectRejection(refused, TrainerFailed, { code: "trainer-reports" });
      expect(message).toMatch(/trainer\.update is "gradient"/);
    },
  );
});
