// A user's model that fails while it learns: in one worker thread, or in the only thread.
import { openSync } from "node:fs";
import { initializers, layers, sequential } from "@tensorflow/tfjs-layers";

const failures = {
  exit: () => process.exit(3),
  throws() {
    throw new Error("no luck\nat all");
  },
  evaluation() {
    throw new Error("no luck\nat all");
  },
  // Nobody awaits it.
  rejects: () => void Promise.reject(new Error("no luck")),
  memory() {
    for (const kept = []; ; ) kept.push(Array.from({ length: 1000 }, Math.random));
  },
};

let calls = 0;

/** The first thread to get there fails; the others go on. */
function isFirst(flag) {
  try {
    openSync(flag, "wx");
    return true;
  } catch {
    return false;
  }
}

class Failing extends layers.Layer {
  static className = "Failing";
  constructor({ options, ...config }) {
    super(config);
    this.options = options;
  }
  call(inputs, { training }) {
    const { after, how, flag } = this.options;
    const isDue = how === "evaluation" ? !training : true;
    if (++calls > after && isDue && isFirst(flag)) failures[how]();
    return Array.isArray(inputs) ? inputs[0] : inputs;
  }
  computeOutputShape(shape) {
    return shape;
  }
  getConfig() {
    return super.getConfig();
  }
}

export default ({ inputShape, outputs, seed }, options) =>
  sequential({
    layers: [
      layers.flatten({ inputShape }),
      new Failing({ options }),
      layers.dense({ units: outputs, kernelInitializer: initializers.glorotUniform({ seed }) }),
    ],
  });
