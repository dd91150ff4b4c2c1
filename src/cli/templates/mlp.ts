import type { Template } from "./template.js";

export const mlp: Template = {
  name: "mlp",
  about: "A multilayer perceptron learns handwritten digits, of which each peer has some classes only.",
  peers: 8,
  experiment: {
    learningRate: 0.1,
    model: { kind: "mlp", hidden: [64] },
    data: "digits",
    split: "shards",
  },
};
