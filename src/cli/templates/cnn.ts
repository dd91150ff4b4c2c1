import type { Template } from "./template.js";

export const cnn: Template = {
  name: "cnn",
  about:
    "A convolutional network learns images of handwritten digits, which are divided unevenly among the peers.",
  peers: 8,
  experiment: {
    learningRate: 0.1,
    model: { kind: "cnn", filters: [8, 16], kernelSize: 3 },
    data: "digits",
    split: { kind: "dirichlet", alpha: 0.5 },
  },
};
