// Descent with signs: counter-examples that error feedback mends, sparse noise that it does not, and majority votes.
import { normal, random } from "../../dist/foundation/random.js";
import { createGossip, finish, mixingOf, normalStart, SEED } from "./gossip.mjs";
import { atLeast, atMost, CLOSED_FORM, factor, PROTOTYPE, row, within } from "./row.mjs";

const sign = { kind: "sign", scope: "whole" };
/** The steps of one worker, as algorithms of a graph of one peer. */
const methods = {
  sgd: { algorithm: "alone" },
  sign: { algorithm: "majority-vote", compressor: sign },
  scaledSign: { algorithm: "csgd", compressor: sign },
  feedback: { algorithm: "ef-sgd", compressor: sign },
};
const oneWorker = (method, options) =>
  createGossip({ mixing: mixingOf({ kind: "complete", peers: 1 }), ...methods[method], ...options });

export async function* rows() {
  yield* skewedGradient();
  yield* nonSmoothValley();
  yield* singleSamples();
  yield* sparseNoise();
  yield* majorityVote();
}

/** f(x) = x/4 on [−1, 1]; the gradient is 4 with probability ¼ and −1 otherwise. γ = 0.01. */
async function* skewedGradient() {
  const rounds = 20_000;
  const samples = random(SEED, "skewed");
  const late = async (method) => {
    let sum = 0;
    const gradient = (_peer, _point, out, round) => {
      out[0] = samples.uniform(round) < 0.25 ? 4 : -1;
    };
    const simulation = oneWorker(method, {
      ...{ length: 1, rounds, learningRate: 0.01, gradient, initial: () => 0 },
    });
    await finish(simulation, ({ round }, [{ model }]) => {
      model[0] = Math.max(-1, Math.min(1, model[0]));
      if (round >= rounds / 2) sum += model[0];
    });
    return sum / (rounds / 2);
  };
  const name = "Karimireddy et al. 2019, skewed gradient";
  yield row(
    `${name}: mean of x, signSGD, the worst point is 1`,
    PROTOTYPE,
    0.995,
    await late("sign"),
    within(5e-3),
  );
  yield row(`${name}: mean of x, EF-signSGD`, PROTOTYPE, -0.91, await late("feedback"), within(3e-2));
  yield row(`${name}: mean of x, SGD`, PROTOTYPE, -0.91, await late("sgd"), within(3e-2));
}

const plus = (z) => (z >= 0 ? 1 : -1);
const EPSILON = 0.5;

/** f = ε|x₁ + x₂| + |x₁ − x₂| from (1, 1), γ_t = 0.05/√t, sign(0) = +1. */
async function* nonSmoothValley() {
  const learningRate = (round) => 0.05 / Math.sqrt(round + 1);
  const gradient = (_peer, [a, b], out) => {
    out[0] = EPSILON * plus(a + b) + plus(a - b);
    out[1] = EPSILON * plus(a + b) - plus(a - b);
  };
  const descend = async (method) => {
    const options = { length: 2, rounds: 20_000, learningRate, gradient, initial: () => 1 };
    const [{ model }] = await finish(oneWorker(method, options));
    const [a, b] = model;
    return { value: EPSILON * Math.abs(a + b) + Math.abs(a - b), sum: a + b };
  };
  const name = "Karimireddy et al. 2019, ε|x₁ + x₂| + |x₁ − x₂|";
  for (const [method, called] of [
    ["sign", "signSGD"],
    ["scaledSign", "signSGD scaled"],
  ]) {
    const { value, sum } = await descend(method);
    yield row(`${name}: f, ${called}`, PROTOTYPE, 1, value, within(1e-3));
    yield row(`${name}: x₁ + x₂, ${called}`, CLOSED_FORM, 2, sum, within(1e-3));
  }
  yield row(`${name}: f, EF-signSGD`, PROTOTYPE, 3.5e-4, (await descend("feedback")).value, atMost(1.5));
  yield row(`${name}: f, SGD`, PROTOTYPE, 1.8e-4, (await descend("sgd")).value, atMost(1.5));
}

/** F = ⟨a₁, x⟩² + ⟨a₂, x⟩² from single samples, a = ±(1, −1) + ε(1, 1). */
async function* singleSamples() {
  const samples = random(SEED, "samples");
  const a = [
    [1 + EPSILON, -1 + EPSILON],
    [-1 + EPSILON, 1 + EPSILON],
  ];
  const inner = ([a, b], [x, y]) => a * x + b * y;
  const gradient = (_peer, point, out, round) => {
    const chosen = a[samples.bits(round) & 1];
    for (let k = 0; k < 2; k++) out[k] = 2 * inner(chosen, point) * chosen[k];
  };
  const descend = async (method) => {
    let least = Number.POSITIVE_INFINITY;
    const value = (model) => a.reduce((sum, each) => sum + inner(each, model) ** 2, 0);
    const options = { length: 2, rounds: 20_000, learningRate: 0.05, gradient, initial: () => 1 };
    const [{ model }] = await finish(oneWorker(method, options), (_, [{ model }]) => {
      least = Math.min(least, value(model));
    });
    return { least, last: value(model), sum: model[0] + model[1] };
  };
  const name = "Karimireddy et al. 2019, least squares";
  const bare = await descend("sign");
  yield row(`${name}: least F, signSGD, F(x₀) = 2`, PROTOTYPE, 2 - 1e-3, bare.least, atLeast());
  yield row(`${name}: x₁ + x₂, signSGD`, PROTOTYPE, 2, bare.sum, within(1e-2));
  yield row(`${name}: F, EF-signSGD`, PROTOTYPE, 1e-20, (await descend("feedback")).last, atMost());
  yield row(`${name}: F, SGD`, PROTOTYPE, 1e-20, (await descend("sgd")).last, atMost());
}

/** f = ½‖x‖², d = 100, noise N(0, 100²) on one coordinate. Mean loss of the last half of 10,000 steps, 10 seeds. */
async function* sparseNoise() {
  const rounds = 10_000;
  const tail = async (method, learningRate) => {
    let sum = 0;
    for (let seed = 0; seed < 10; seed++) {
      const noise = random(seed, "sparse noise");
      const gradient = (_peer, point, out, round) => {
        out.set(point);
        out[0] += 100 * normal(noise, round);
      };
      const simulation = oneWorker(method, {
        ...{ length: 100, rounds, learningRate, gradient, initial: normalStart(0, seed) },
      });
      await finish(simulation, ({ round, meanModelNorm }) => {
        if (round >= rounds / 2) sum += meanModelNorm ** 2 / 2;
      });
    }
    return sum / (10 * (rounds / 2));
  };
  const name = "sparse noise (jxbz/signSGD)";
  yield row(`${name}: loss, SGD, γ = 0.001`, CLOSED_FORM, 2.501, await tail("sgd", 0.001), factor(1.3));
  // The noisy coordinate forgets in 12,500 steps: ten seeds of 10,000 steps leave a third of uncertainty.
  yield row(`${name}: loss, signSGD, γ = 0.01`, PROTOTYPE, 0.56, await tail("sign", 0.01), factor(2));
  yield row(
    `${name}: loss, EF-signSGD, γ = 0.001`,
    PROTOTYPE,
    2.58,
    await tail("feedback", 0.001),
    factor(1.3),
  );
  yield row(`${name}: loss, EF-signSGD, γ = 0.01`, PROTOTYPE, 27, await tail("feedback", 0.01), factor(1.3));
}

/** f = ½‖x‖², d = 1000, 27 workers with gradients x + N(0, I), of which some send the opposite sign. γ = 0.01. */
async function* majorityVote() {
  const fall = async (flipping) => {
    const start = normalStart();
    const simulation = createGossip({
      ...{ mixing: mixingOf({ kind: "complete", peers: 27 }), length: 1000, rounds: 1500 },
      ...{ algorithm: "majority-vote", compressor: sign, learningRate: 0.01, initial: (_, k) => start(0, k) },
      gradient(peer, point, out, round) {
        const noise = random(SEED, "votes", peer, round);
        for (let k = 0; k < out.length; k++)
          out[k] = (peer < flipping ? -1 : 1) * (point[k] + normal(noise, k));
      },
    });
    const before = simulation.peers[0].model.reduce((sum, x) => sum + x * x, 0);
    const [{ model }] = await finish(simulation);
    return model.reduce((sum, x) => sum + x * x, 0) / before;
  };
  const name = "majority vote, 27 workers, 1000-d quadratic: f/f₀ after 1500 rounds";
  const source = "Bernstein et al. 2019, Figure 1";
  yield row(`${name}, none flips signs: converges`, source, 0.1, await fall(0), atMost());
  yield row(`${name}, 13 flip signs: converges`, source, 0.1, await fall(13), atMost());
  yield row(`${name}, 14 flip signs: diverges`, source, 1, await fall(14), atLeast());
}
