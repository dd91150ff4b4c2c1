import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Template, TemplateFile } from "./template.js";

/** The files that are written, and the Python client of this installation. */
const programs = new URL("pytorch/", import.meta.url);
const client = fileURLToPath(new URL("../../../src/clients/python", import.meta.url));

const abouts: Readonly<Record<string, string>> = {
  "model.py": "the model and its examples: change it to yours",
  "train.py": "one peer's trainer, started once per peer",
  "evaluate.py": "the accuracy of a saved model",
};

export const pytorch: Template = {
  name: "pytorch",
  about:
    "A PyTorch model learns points on a spiral, with Adam in PyTorch; each peer has a part of the points.",
  peers: 4,
  mostPeers: 100,
  experiment: {
    learningRate: 0.01,
    localSteps: 4,
    trainer: { kind: "process", command: ["python3", "train.py"], update: "own" },
  },
  async files() {
    return Promise.all(
      Object.entries(abouts).map(async ([name, about]): Promise<TemplateFile> => {
        return { name, about, content: await readFile(new URL(name, programs), "utf8") };
      }),
    );
  },
  setup: () =>
    `\`python3\`, best of a virtual environment, needs PyTorch and the Python client, which is part of this installation of Murmuration. The second line makes Python
find it, in every terminal in which peers start; \`pip install "${client}"\` does so for good.`,
  prepare: () => ["python3 -m pip install numpy torch safetensors", `export PYTHONPATH="${client}/src"`],
  evaluate: (model) => `python3 evaluate.py ${model}`,
};
